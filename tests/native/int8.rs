//! Encoders in 8 bits against the same in 32.

use std::path::Path;

use pilot_light::tasks::{Pipeline, Pooling, RunOptions, RunOutput, Task};
use pilot_light::{DType, Device, LoadOptions};

use crate::support::{cosine, golden_json, load, minilm};

fn load_int8(folder: &Path, task: Task) -> Pipeline {
    let options = LoadOptions { dtype: Some(DType::Int8) };
    pilot_light::folder::load(folder, task, &Device::cpu(), options).expect("the model")
}

fn embed(model: &Pipeline, texts: &[String]) -> Vec<Vec<f32>> {
    let options = RunOptions { pooling: Some(Pooling::Mean), normalize: Some(true), ..RunOptions::default() };
    match pollster::block_on(model.run(texts, &options)).expect("a result") {
        RunOutput::Features(features) => features.data.chunks_exact(features.dims[1]).map(<[f32]>::to_vec).collect(),
        other => panic!("no features: {other:?}"),
    }
}

#[test]
fn embeddings_agree_with_those_of_32_bits() {
    let sentences: Vec<String> = golden_json("sentences.json");
    let exact = embed(&load(&minilm(), Task::FeatureExtraction), &sentences);
    let ours = embed(&load_int8(&minilm(), Task::FeatureExtraction), &sentences);
    let cosines: Vec<f64> = exact.iter().zip(&ours).map(|(a, b)| cosine(a, b)).collect();
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    let worst = cosines.iter().copied().fold(1.0, f64::min);
    println!("{} sentences: mean cosine {mean:.5}, worst {worst:.5}", cosines.len());
    assert!(mean >= 0.999 && worst >= 0.995, "{mean} {worst}");
}
