//! Folders that are broken on purpose: each gives an error that names what is wrong.

use std::fs;

use pilot_light::tasks::{
    FeatureExtraction, FeatureExtractionOptions, Pooling, Task, TextClassification, TokenClassification,
};
use pilot_light::{Device, Error, ErrorKind, LoadOptions};

use crate::support::folder::Folder;
use crate::support::golden;

#[track_caller]
fn says(error: &Error, kind: ErrorKind, words: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "'{error}' does not say '{words}'");
}

#[test]
fn a_missing_file_is_named() {
    for name in ["config.json", "tokenizer.json"] {
        let folder = Folder::copy_of("tiny-bert-seq", &format!("missing-{name}"));
        fs::remove_file(folder.0.join(name)).expect("a file");
        says(&folder.refusal(Task::TextClassification), ErrorKind::InvalidArtefact, name);
    }
    let folder = Folder::copy_of("tiny-bert-seq", "missing-weights");
    fs::remove_file(folder.0.join("model.safetensors")).expect("a file");
    says(&folder.refusal(Task::TextClassification), ErrorKind::InvalidArtefact, "model.safetensors.index.json");
}

#[test]
fn html_in_place_of_a_file_is_refused() {
    for name in ["config.json", "tokenizer.json", "model.safetensors", "tokenizer_config.json"] {
        let folder = Folder::copy_of("tiny-bert-seq", &format!("html-{name}"));
        folder.write(name, "<!doctype html><title>Not found</title>");
        says(&folder.refusal(Task::TextClassification), ErrorKind::InvalidArtefact, name);
    }
}

#[test]
fn weights_cut_at_any_place_are_refused() {
    let folder = Folder::copy_of("tiny-bert-seq", "cut");
    let whole = folder.read("model.safetensors");
    for length in (0..whole.len()).step_by(whole.len() / 23) {
        folder.write("model.safetensors", &whole[..length]);
        says(&folder.refusal(Task::TextClassification), ErrorKind::InvalidArtefact, "model.safetensors");
    }
    folder.write("model.safetensors", [whole.as_slice(), b"more"].concat());
    says(&folder.refusal(Task::TextClassification), ErrorKind::InvalidArtefact, "goes on");
}

#[test]
fn a_tensor_of_another_shape_or_name_is_named() {
    let folder = Folder::copy_of("tiny-bert-seq", "shape");
    folder.edit("config.json", "\"intermediate_size\": ", "\"intermediate_size\": 1");
    says(
        &folder.refusal(Task::TextClassification),
        ErrorKind::InvalidArtefact,
        "intermediate.dense.bias has the shape",
    );
    let folder = Folder::copy_of("tiny-bert-seq", "layers");
    folder.edit("config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
    says(
        &folder.refusal(Task::TextClassification),
        ErrorKind::InvalidArtefact,
        "encoder.layer.2.attention.self.query.bias is missing",
    );
}

#[test]
fn a_lying_size_asks_for_no_memory() {
    let folder = Folder::copy_of("tiny-bert-seq", "size");
    let config = String::from_utf8(folder.read("config.json")).expect("text");
    let mut config: serde_json::Value = serde_json::from_str(&config).expect("a configuration");
    config["intermediate_size"] = 2_000_000.into();
    folder.write("config.json", config.to_string());
    says(
        &folder.refusal(Task::TextClassification),
        ErrorKind::InvalidArtefact,
        "intermediate.dense.bias has the shape",
    );
}

#[test]
fn a_tokenizer_may_put_nothing_around_a_text() {
    let folder = Folder::copy_of("tiny-roberta-token", "bare");
    let json = String::from_utf8(folder.read("tokenizer.json")).expect("text");
    let mut json: serde_json::Value = serde_json::from_str(&json).expect("a tokenizer");
    json["post_processor"] = serde_json::Value::Null;
    folder.write("tokenizer.json", json.to_string());
    let texts = ["", "👍🏽 é", "a\u{a0}b"].map(String::from);
    let finder = crate::support::load(&folder.0, Task::TokenClassification);
    assert!(pollster::block_on(finder.run::<TokenClassification>(&texts, &Default::default())).is_ok());
    let encoder = crate::support::load(&folder.0, Task::FeatureExtraction);
    for pooling in [Pooling::None, Pooling::Mean, Pooling::Cls] {
        let options = FeatureExtractionOptions { pooling, normalize: false, ..Default::default() };
        let features = pollster::block_on(encoder.run::<FeatureExtraction>(&texts, &options)).expect("features");
        assert!(features.data.iter().all(|number| number.is_finite()));
    }
}

#[test]
fn deep_json_is_refused() {
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "pilot.json"] {
        let folder = Folder::copy_of("tiny-bert-seq", &format!("deep-{name}"));
        folder.write(name, "[".repeat(200_000));
        says(&folder.refusal(Task::TextClassification), ErrorKind::InvalidArtefact, name);
        folder.write(name, format!("{{\"model\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000)));
        // What is passed over may nest as it likes; it must only not end the program.
        let _ = pilot_light::folder::load(&folder.0, Task::TextClassification, &Device::cpu(), LoadOptions::default());
    }
}

#[test]
fn an_unknown_architecture_is_named() {
    let folder = Folder::copy_of("tiny-bert-seq", "architecture");
    folder.edit("config.json", "\"model_type\": \"bert\"", "\"model_type\": \"mamba\"");
    says(&folder.refusal(Task::TextClassification), ErrorKind::Unsupported, "mamba");
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let folder = Folder::copy_of("tiny-bert-seq", "tokenizer");
    folder.write("tokenizer.json", fs::read(golden("tiny-roberta-seq/tokenizer.json")).expect("a tokenizer"));
    says(&folder.refusal(Task::TextClassification), ErrorKind::InvalidArtefact, "does not fit");
}

#[test]
fn a_model_without_the_head_for_a_task_is_refused() {
    let folder = Folder::copy_of("tiny-bert-token", "task");
    says(&folder.refusal(Task::TextClassification), ErrorKind::Unsupported, "text-classification");
}

#[test]
fn a_manifest_is_held_to() {
    let folder = Folder::copy_of("tiny-bert-seq", "manifest");
    let bytes = folder.read("model.safetensors").len();
    let manifest =
        |digest: &str| format!(r#"{{"files":{{"model.safetensors":{{"bytes":{bytes},"sha256":"{digest}"}}}}}}"#);
    folder.write("pilot.json", manifest(&"0".repeat(64)));
    says(&folder.refusal(Task::TextClassification), ErrorKind::InvalidArtefact, "digest");
    folder.write("pilot.json", manifest("short"));
    says(&folder.refusal(Task::TextClassification), ErrorKind::InvalidArtefact, "SHA-256");
}

#[test]
fn a_shard_never_lies_outside_of_the_folder() {
    let folder = Folder::copy_of("tiny-xlmr-seq", "shard");
    folder.edit(
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "../model-00001-of-00002.safetensors",
    );
    says(&folder.refusal(Task::TextClassification), ErrorKind::InvalidArtefact, "not the name of a part");
}

#[test]
fn odd_texts_have_a_result() {
    let model = crate::support::load(&golden("tiny-bert-seq"), Task::TextClassification);
    let texts: Vec<String> =
        ["", " ", "\u{0}", "\u{fffd}", "a\u{301}\u{200d}👩‍👩‍👧", &"x".repeat(1_000_000), &"word ".repeat(200_000)]
            .map(String::from)
            .into();
    assert!(pollster::block_on(model.run::<TextClassification>(&texts, &Default::default())).is_ok());
    assert!(pollster::block_on(model.run::<TextClassification>(&[], &Default::default())).is_ok());
    let finder = crate::support::load(&golden("tiny-bert-token"), Task::TokenClassification);
    let long = ["word ".repeat(200_000)];
    let error =
        pollster::block_on(finder.run::<TokenClassification>(&long, &Default::default())).expect_err("too long");
    says(&error, ErrorKind::InvalidInput, "in parts");
}
