//! all-MiniLM-L6-v2 against an independent implementation.

use std::collections::HashMap;

use pilot_light::formats::safetensors::{Array, Reader, Tensor};
use pilot_light::graph::ComputeCost;
use pilot_light::tasks::{
    FeatureExtraction, FeatureExtractionOptions, Features, Pooling, RunOptions, Task, TextModel,
    ZeroShotClassification, ZeroShotClassificationOptions,
};

use crate::support::{cosine, golden, golden_json, load, minilm};

fn embed(model: &TextModel, texts: &[String]) -> Features {
    let options = FeatureExtractionOptions { pooling: Pooling::Mean, normalize: true, ..Default::default() };
    pollster::block_on(model.run::<FeatureExtraction>(texts, &options)).expect("a result")
}

/// The embeddings of the sentences.
pub fn reference() -> Array {
    let mut tensors = HashMap::new();
    let mut reader = Reader::default();
    let bytes = std::fs::read(golden("minilm.safetensors")).expect("the reference");
    reader.feed(&bytes, &mut |name, tensor| drop(tensors.insert(name, tensor))).expect("the reference");
    match tensors.remove("embeddings") {
        Some(Tensor::Floats(embeddings)) => embeddings,
        other => panic!("no embeddings: {other:?}"),
    }
}

#[test]
fn embeddings_agree_with_the_reference_alone_and_in_a_batch() {
    let sentences: Vec<String> = golden_json("sentences.json");
    let reference = reference();
    let model = load(&minilm(), Task::FeatureExtraction);
    let batch = embed(&model, &sentences);
    assert_eq!(batch.dims, [200, 384]);
    assert_eq!(batch.dims, reference.shape);
    let mut worst = 1.0;
    for (index, sentence) in sentences.iter().enumerate() {
        let row = |data: &[f32]| data[index * 384..][..384].to_vec();
        let alone = embed(&model, std::slice::from_ref(sentence)).data;
        worst = cosine(&alone, &row(&reference.data)).min(worst);
        let (in_batch, largest) = (row(&batch.data), 1e-5);
        assert!(alone.iter().zip(&in_batch).all(|(a, b)| (a - b).abs() < largest), "{sentence:?}: padding changes it");
    }
    println!("lowest cosine to the reference: {worst:.8}");
    assert!(worst >= 0.9999, "{worst}");
}

#[derive(serde::Deserialize)]
struct LongText {
    text: String,
    embedding: Vec<f32>,
}

#[test]
fn long_texts_are_cut_as_sentence_transformers_cuts_them() {
    let cases: Vec<LongText> = golden_json("minilm_long.json");
    assert_eq!(cases.len(), 6);
    let model = load(&minilm(), Task::FeatureExtraction);
    let worst = cases
        .iter()
        .map(|case| cosine(&embed(&model, std::slice::from_ref(&case.text)).data, &case.embedding))
        .fold(1.0, f64::min);
    println!("lowest cosine to the reference: {worst:.8}");
    assert!(worst >= 0.99999, "{worst}");
}

/// By hand, for the 6 layers of width h = 384 over s tokens: 4 products of h × h and 2 of h × 4h for each token, scores
/// and mixture of s × s × h; a multiplication with its addition is 2 operations, a number 4 bytes.
pub fn by_hand(s: u64) -> ComputeCost {
    let h = 384;
    let operations = 6 * ((4 * h * h + 2 * h * 4 * h) * 2 * s + 2 * s * s * h * 2);
    let product = |from: u64, to: u64| s * from + from * to + to + s * to;
    let attention = 3 * s * h + s + s * h;
    let numbers = product(h, 3 * h) + attention + product(h, h) + product(h, 4 * h) + product(4 * h, h);
    ComputeCost { operations, bytes: 6 * numbers * 4 }
}

#[test]
fn the_work_is_what_a_count_by_hand_says() {
    let model = load(&minilm(), Task::ZeroShotClassification);
    let text = "The referee blew the whistle and the crowd went silent.".to_string();
    let options = RunOptions::new(&ZeroShotClassificationOptions {
        candidate_labels: vec!["sport".to_string()],
        ..Default::default()
    })
    .expect("options");
    let answers = pollster::block_on(model.answer(std::slice::from_ref(&text), &options)).expect("an answer");
    let [of_text, of_label] =
        [text.as_str(), "This example is sport."].map(|text| by_hand(model.count_tokens(text).expect("tokens") as u64));
    assert_eq!(answers[0].work, of_text + of_label);
    println!("{} tokens: {} operations", model.count_tokens(&text).expect("tokens"), of_text.operations);
}

#[test]
fn labels_are_found_by_similarity() {
    let model = load(&minilm(), Task::ZeroShotClassification);
    let labels = ["cooking", "football", "politics"].map(String::from).to_vec();
    let options = ZeroShotClassificationOptions { candidate_labels: labels, ..Default::default() };
    let texts = [
        "Simmer the onions in butter until they are soft.".to_string(),
        "The striker scored in the last minute.".to_string(),
    ];
    let found = pollster::block_on(model.run::<ZeroShotClassification>(&texts, &options)).expect("a result");
    assert_eq!(found.iter().map(|found| found.labels[0].as_str()).collect::<Vec<_>>(), ["cooking", "football"]);
    for found in found {
        assert!((found.scores.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
}
