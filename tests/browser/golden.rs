//! The golden values of every family and head, in a browser on a device.

pub mod sessions;
pub mod tokenizers;

use pilot_light::tasks::{
    FeatureExtraction, Task, TextClassification, TextModel, TokenClassification, TokenClassificationOutput,
};
use pilot_light::{Device, LoadOptions, Loaded, Loader};
use serde::Deserialize;

/// A file by its name.
type File = (&'static str, &'static [u8]);

/// The files of a tiny checkpoint.
macro_rules! tiny {
    ($name:literal) => { tiny!($name, "model.safetensors") };
    ($name:literal, $($weights:literal),+) => {
        [
            ("golden.json", include_bytes!(concat!("../golden/", $name, "/golden.json")).as_slice()),
            ("config.json", include_bytes!(concat!("../golden/", $name, "/config.json"))),
            ("tokenizer.json", include_bytes!(concat!("../golden/", $name, "/tokenizer.json"))),
            ("tokenizer_config.json", include_bytes!(concat!("../golden/", $name, "/tokenizer_config.json"))),
            $(($weights, include_bytes!(concat!("../golden/", $name, "/", $weights)).as_slice()),)+
        ]
        .to_vec()
    };
}

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    logits: serde_json::Value,
    last_hidden_state: Vec<f32>,
}

const TOLERANCE: f64 = 1e-3;

fn load(files: &[File], task: Task, device: &Device) -> TextModel {
    let mut loader = Loader::new(device.clone(), task, LoadOptions::default());
    loop {
        let round = loader.wants().expect("files that are right");
        if round.is_empty() {
            return loader.finish().and_then(Loaded::text).expect("a model");
        }
        for request in round {
            match files.iter().find(|(name, _)| *name == request.name) {
                Some((name, bytes)) => loader.supply(name, bytes, true).expect("a file that is right"),
                None => loader.missing(&request.name).expect("an optional file"),
            }
        }
    }
}

fn golden(files: &[File]) -> Golden {
    serde_json::from_slice(files[0].1).expect("golden values")
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
    logits.iter().map(|logit| logit.exp() / sum).collect()
}

/// The scores of sequence heads and the hidden states below them.
pub async fn sequence_heads(device: &Device) {
    let models = [
        (tiny!("tiny-bert-seq"), false),
        (tiny!("tiny-distilbert-seq"), false),
        (tiny!("tiny-roberta-seq"), true),
        (
            tiny!(
                "tiny-xlmr-seq",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
                "model.safetensors.index.json"
            ),
            false,
        ),
    ];
    for (files, multi_label) in models {
        let golden = golden(&files);
        let logits: Vec<Vec<f64>> = serde_json::from_value(golden.logits).expect("logits");
        let model = load(&files, Task::TextClassification, device);
        let found = model.run::<TextClassification>(&golden.texts, &Default::default()).await.expect("a result");
        assert_eq!(found.len(), logits.len());
        for (found, logits) in found.iter().zip(&logits) {
            let sigmoid = |logit: &f64| 1.0 / (1.0 + (-logit).exp());
            let scores = if multi_label { logits.iter().map(sigmoid).collect() } else { softmax(logits) };
            for (label, score) in model.labels().iter().zip(scores) {
                let ours = found.iter().find(|found| found.label == *label).expect("every label").score;
                assert!((ours - score).abs() < TOLERANCE, "{label}: {ours} for {score}");
            }
        }
        let bare = load(&files, Task::FeatureExtraction, device);
        let features = bare.run::<FeatureExtraction>(&golden.texts[..1], &Default::default()).await.expect("a result");
        assert_eq!(features.data.len(), golden.last_hidden_state.len());
        for (ours, theirs) in features.data.iter().zip(&golden.last_hidden_state) {
            assert!(f64::from((ours - theirs).abs()) < TOLERANCE, "{ours} for {theirs}");
        }
    }
}

/// The labels of token heads.
pub async fn token_heads(device: &Device) {
    let models = [
        tiny!("tiny-bert-token"),
        tiny!("tiny-distilbert-token"),
        tiny!("tiny-roberta-token"),
        tiny!("tiny-xlmr-token"),
    ];
    for files in models {
        let golden = golden(&files);
        let logits: Vec<Vec<Vec<f64>>> = serde_json::from_value(golden.logits).expect("logits");
        let model = load(&files, Task::TokenClassification, device);
        let output = model.run::<TokenClassification>(&golden.texts, &Default::default()).await.expect("a result");
        let TokenClassificationOutput::Entities(found) = output else { panic!("no entities") };
        assert_eq!(found.len(), logits.len());
        assert!(found.iter().any(|entities| !entities.is_empty()));
        for (found, logits) in found.iter().zip(&logits) {
            for entity in found {
                let label = model.labels().iter().position(|label| *label == entity.entity).expect("a known label");
                let score = softmax(&logits[entity.index])[label];
                assert!((entity.score - score).abs() < TOLERANCE, "{}: {} for {score}", entity.entity, entity.score);
            }
        }
    }
}
