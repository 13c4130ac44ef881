//! Reads records out of texts with a decoder: a text in each line of the input, a record in JSON in each line of the output.
//!
//! ```sh
//! echo "Ann Lee paid 12.50 for tea." | cargo run --release --example extract -- MODEL \
//!   '{"type": "object", "properties": {"name": {"type": "string"}, "paid": {"type": "number"}}, "required": ["name", "paid"]}'
//! ```

use std::io::stdin;

use pilot_light::generation::chat::Minijinja;
use pilot_light::records::{RecordOptions, extract};
use pilot_light::{Device, LoadOptions, folder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(model), Some(schema)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: extract MODEL SCHEMA");
        return Ok(());
    };
    pilot_light::start_threads(std::thread::available_parallelism().map_or(1, usize::from));
    let generator = folder::load_generator(model.as_ref(), &Device::cpu(), LoadOptions::default())?;
    let (engine, options) = (Minijinja { local_time_s: 0 }, RecordOptions::new(schema));
    for text in stdin().lines() {
        let record = pollster::block_on(extract(&generator, &engine, &text?, &options))?;
        println!("{}", serde_json::to_string(&record)?);
    }
    Ok(())
}
