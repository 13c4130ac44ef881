//! Classifies texts and prints each one's labels with their scores.
//!
//! ```sh
//! cargo run --example classify -- [FOLDER [TEXT]...]
//! ```
//!
//! FOLDER is a model with a sequence head in the Hugging Face form. Without it, the model is a random checkpoint of a few
//! kilobytes, whose labels mean nothing.

use std::path::Path;

use pilot_light::tasks::{Classification, Task, TextClassification, TextClassificationOptions};
use pilot_light::{Device, LoadOptions, folder};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny-bert-seq");

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().unwrap_or_else(|| TINY.to_string());
    let mut texts: Vec<String> = arguments.collect();
    if texts.is_empty() {
        texts.push("The rain began.".to_string());
    }
    for (text, labels) in texts.iter().zip(classify(Path::new(&model), &texts)?) {
        println!("{text}");
        for Classification { label, score } in labels {
            println!("  {score:.4} {label}");
        }
    }
    Ok(())
}

/// The labels of each text, the likeliest first.
pub fn classify(model: &Path, texts: &[String]) -> Result<Vec<Vec<Classification>>> {
    let classifier = folder::load(model, Task::TextClassification, &Device::cpu(), LoadOptions::default())?;
    let options = TextClassificationOptions { top_k: None };
    Ok(pollster::block_on(classifier.run::<TextClassification>(texts, &options))?)
}
