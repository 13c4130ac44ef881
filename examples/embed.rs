//! Embeds texts and prints how similar they are.
//!
//! ```sh
//! cargo run --example embed -- [FOLDER]
//! ```
//!
//! FOLDER is a model in the Hugging Face form, such as all-MiniLM-L6-v2. Without it, the model is a random checkpoint of a
//! few kilobytes, whose similarities mean nothing.

use std::path::Path;

use pilot_light::tasks::{FeatureExtraction, FeatureExtractionOptions, Features, Pooling, Task};
use pilot_light::{Device, LoadOptions, folder};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny-bert-seq");
const TEXTS: [&str; 3] = ["The rain began.", "It started to rain.", "The train is late."];

fn main() -> Result<()> {
    let model = std::env::args().nth(1).unwrap_or_else(|| TINY.to_string());
    let vectors = embed(Path::new(&model), &TEXTS)?;
    for (text, vector) in TEXTS.iter().zip(&vectors) {
        let cosines: Vec<String> = vectors.iter().map(|other| format!("{:6.3}", dot(vector, other))).collect();
        println!("{text:<22} {}", cosines.join(" "));
    }
    Ok(())
}

/// A vector of length 1 for each of `texts`.
pub fn embed(model: &Path, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
    let embedder = folder::load(model, Task::FeatureExtraction, &Device::cpu(), LoadOptions::default())?;
    let texts: Vec<String> = texts.iter().map(|text| text.to_string()).collect();
    let options = FeatureExtractionOptions { pooling: Pooling::Mean, normalize: true, ..Default::default() };
    // `[texts, hidden size]`, row by row.
    let Features { dims, data } = pollster::block_on(embedder.run::<FeatureExtraction>(&texts, &options))?;
    Ok(data.chunks(dims[1]).map(<[f32]>::to_vec).collect())
}

/// The cosine of two vectors of length 1.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
