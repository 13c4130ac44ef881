//! Folders of sentence-transformers against its modules written out in numpy (`tests/golden/sentence/make.py`).

use std::fs;
use std::path::Path;

use pilot_light::tasks::{
    FeatureExtraction, FeatureExtractionOptions, Features, Pooling, RunOptions, Task, TextModel,
    ZeroShotClassification, ZeroShotClassificationOptions,
};
use pilot_light::{ErrorKind, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::support::folder::Folder;
use crate::support::{golden, golden_json, load};

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    modules: Value,
    pooling: Value,
    prompts: Value,
    options: FeatureExtractionOptions,
    embeddings: Vec<Vec<f32>>,
}

impl Case {
    /// The encoder's folder with the files of this case, and all layers that there are.
    fn folder(&self, test: &str) -> Folder {
        let folder = Folder::copy_of("tiny-bert-seq", test);
        for layer in fs::read_dir(golden("sentence")).expect("a folder").flatten().filter(|entry| entry.path().is_dir())
        {
            let copy = folder.0.join(layer.file_name());
            fs::create_dir_all(&copy).expect("a folder");
            for file in ["config.json", "model.safetensors"] {
                fs::copy(layer.path().join(file), copy.join(file)).expect("a copy");
            }
        }
        fs::create_dir_all(folder.0.join("1_Pooling")).expect("a folder");
        folder
            .write("modules.json", self.modules.to_string())
            .write("1_Pooling/config.json", self.pooling.to_string())
            .write("config_sentence_transformers.json", self.prompts.to_string());
        folder
    }
}

fn embed(model: &TextModel, texts: &[String], options: &FeatureExtractionOptions) -> Result<Features> {
    pollster::block_on(model.run::<FeatureExtraction>(texts, options))
}

fn read() -> Golden {
    let golden: Golden = golden_json("sentence/golden.json");
    assert_eq!((golden.texts.len(), golden.cases.len()), (3, 10));
    golden
}

#[test]
fn modules_and_prompts_give_the_embeddings_of_the_reference() {
    let Golden { texts, cases } = read();
    for (index, case) in cases.iter().enumerate() {
        let folder = case.folder(&format!("sentence-{index}"));
        let model = load(&folder.0, Task::FeatureExtraction);
        let options = FeatureExtractionOptions { pooling: Pooling::Auto, ..case.options.clone() };
        let found = embed(&model, &texts, &options).expect("embeddings");
        assert_eq!(found.dims, [3, case.embeddings[0].len()], "case {index}");
        for (found, expected) in found.data.iter().zip(case.embeddings.concat()) {
            assert!((found - expected).abs() < 1e-5, "case {index}: {found} for {expected}");
        }
    }
}

#[test]
fn another_pooling_is_that_pooling_alone() {
    let Golden { texts, cases } = read();
    let folder = cases[0].folder("sentence-explicit");
    let model = load(&folder.0, Task::FeatureExtraction);
    let options = |prompt: Option<&str>| FeatureExtractionOptions {
        pooling: Pooling::Mean,
        normalize: false,
        prompt: prompt.map(String::from),
        prompt_name: None,
    };
    let found = embed(&model, &texts, &options(None)).expect("embeddings");
    assert_eq!(found.dims, [3, 16], "no layer follows");
    // The default prompt stands before the texts all the same.
    let prompted: Vec<String> = texts.iter().map(|text| format!("what is {text}")).collect();
    assert_eq!(found, embed(&model, &prompted, &options(Some(""))).expect("embeddings"));
    assert_ne!(found, embed(&model, &texts, &options(Some(""))).expect("embeddings"));
    assert_eq!(model.count_tokens(&texts[1]).expect("tokens"), 2 + prompted_tokens(&folder.0, &prompted[1]));
}

/// The tokens of a text, without special ones.
fn prompted_tokens(folder: &Path, text: &str) -> usize {
    crate::support::tokens::tokenizer(folder).encode_with_offsets(text).expect("tokens").len()
}

#[test]
fn zero_shot_compares_the_embeddings_of_the_folder() {
    let Golden { texts, cases } = read();
    let folder = cases[0].folder("sentence-zero-shot");
    let encoder = load(&folder.0, Task::FeatureExtraction);
    let options = FeatureExtractionOptions { pooling: Pooling::Auto, normalize: true, ..Default::default() };
    let labels = ["rain", "sun"].map(String::from).to_vec();
    let vectors = embed(&encoder, &[&texts[..1], &labels].concat(), &options).expect("embeddings");
    let [text, rain, sun] = [0, 1, 2].map(|row| &vectors.data[row * 8..][..8]);
    let cosine = |label: &[f32]| label.iter().zip(text).map(|(a, b)| a * b).sum::<f32>().clamp(0.0, 1.0);

    let model = load(&folder.0, Task::ZeroShotClassification);
    let options = ZeroShotClassificationOptions {
        candidate_labels: labels,
        hypothesis_template: Some("{}".into()),
        multi_label: true,
    };
    let found = pollster::block_on(model.run::<ZeroShotClassification>(&texts[..1], &options)).expect("a result");
    for (label, score) in found[0].labels.iter().zip(&found[0].scores) {
        let expected = cosine(if label == "rain" { rain } else { sun });
        assert!((*score as f32 - expected).abs() < 1e-6, "{label}: {score} for {expected}");
    }
    assert!(RunOptions::new(&options).is_ok());
}

#[test]
fn what_is_wrong_with_modules_and_prompts_is_said() {
    let Golden { texts, cases } = read();
    let folder = cases[0].folder("sentence-wrong");
    let model = load(&folder.0, Task::FeatureExtraction);
    let named = |name: &str, prompt: Option<&str>| FeatureExtractionOptions {
        prompt_name: Some(name.into()),
        prompt: prompt.map(String::from),
        ..Default::default()
    };
    let error = embed(&model, &texts, &named("questions", None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("[document, query, topic], got 'questions'"), "{error}");
    assert_eq!(embed(&model, &texts, &named("query", Some("what"))).unwrap_err().kind(), ErrorKind::InvalidInput);

    fs::remove_file(folder.0.join("Dense_tanh/model.safetensors")).expect("a file");
    let error = folder.refusal(Task::FeatureExtraction);
    assert!(error.to_string().contains("Dense_tanh/model.safetensors is missing"), "{error}");
    folder.write("Dense_tanh/model.safetensors", folder.read("Dense_identity/model.safetensors"));
    let error = folder.refusal(Task::ZeroShotClassification);
    assert!(error.to_string().contains("Dense_tanh") && error.to_string().contains("linear.weight"), "{error}");
    // A model with a head of its own has no use for them.
    load(&folder.0, Task::TextClassification);
    folder.edit("modules.json", ".Dense", ".CNN");
    assert_eq!(folder.refusal(Task::FeatureExtraction).kind(), ErrorKind::Unsupported);
}

#[test]
fn nulls_are_as_what_is_not_given() {
    let folder = Folder::copy_of("tiny-bert-seq", "nulls");
    let config = String::from_utf8(folder.read("config.json")).expect("text");
    let mut config: Value = serde_json::from_str(&config).expect("a configuration");
    for name in ["architectures", "num_labels", "id2label", "problem_type", "torch_dtype", "pad_token_id"] {
        config[name] = Value::Null;
    }
    folder.write("config.json", config.to_string());
    load(&folder.0, Task::FeatureExtraction);
    config["architectures"] = serde_json::json!(["BertForSequenceClassification"]);
    config["num_labels"] = 3.into();
    folder.write("config.json", config.to_string());
    let model = load(&folder.0, Task::TextClassification);
    assert_eq!(model.labels(), ["LABEL_0", "LABEL_1", "LABEL_2"]);
}
