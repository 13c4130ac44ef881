//! Natively generated text, for `decode.mjs`: `decode MODEL.gguf THREADS` answers each line, `{"prompt": ids, "written": n}`, with
//! the milliseconds to the first token and those of the others.

use std::error::Error;
use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use pilot_light::generation::GenerationOptions;
use pilot_light::{Device, LoadOptions, folder};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Request {
    prompt: Vec<u32>,
    written: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(model), Some(threads)) = (arguments.first(), arguments.get(1).and_then(|count| count.parse().ok()))
    else {
        return Err("usage: decode MODEL.gguf THREADS".into());
    };
    pilot_light::start_threads(threads);
    let generator = folder::load_generator(Path::new(model), &Device::cpu(), LoadOptions::default())?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Request { prompt, written } = serde_json::from_str(&line)?;
        let options =
            GenerationOptions { max_new_tokens: written, prompt_lookup: false, ..GenerationOptions::default() };
        let (start, mut first) = (Instant::now(), None);
        let mut generation = generator.start(prompt, &options)?;
        while generation.finish_reason().is_none() {
            let piece = pollster::block_on(generation.step(&generator))?;
            if !piece.tokens.is_empty() {
                first.get_or_insert_with(Instant::now);
            }
        }
        let (end, first) = (Instant::now(), first.unwrap_or(start));
        let usage = generation.finish(&generator)?.usage;
        let milliseconds = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1e3;
        println!(
            "{}",
            json!({
                "first": milliseconds(start, first),
                "rest": milliseconds(first, end),
                "cached": usage.cached_tokens,
                "written": usage.completion_tokens,
            })
        );
    }
    Ok(())
}
