//! Generates text with a decoder: the checkpoint or the ONNX file in a folder, or a GGUF file.
//!
//! ```sh
//! cargo run --release --example generate -- MODEL "Once upon a time"
//! ```

use std::io::Write;

use pilot_light::generation::GenerationOptions;
use pilot_light::{Device, LoadOptions, folder};

fn main() -> pilot_light::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(model), Some(prompt)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: generate MODEL PROMPT");
        return Ok(());
    };
    let generator = folder::load_generator(model.as_ref(), &Device::cpu(), LoadOptions::default())?;
    let options = GenerationOptions { max_new_tokens: 64, ..GenerationOptions::default() };
    let mut generation = generator.start(generator.encode(&prompt)?, &options)?;
    while generation.finish_reason().is_none() {
        let piece = pollster::block_on(generation.step(&generator))?;
        print!("{}", piece.text);
        let _ = std::io::stdout().flush();
    }
    let reply = generation.finish(&generator)?;
    println!("\n{:?}, confidence {:.2}, {:?}", reply.finish_reason, reply.confidence, reply.usage);
    Ok(())
}
