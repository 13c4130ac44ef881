//! Every family with every head, against the transformers library.

use std::path::Path;

use pilot_light::ErrorKind;
use pilot_light::tasks::{
    Aggregation, FeatureExtraction, FeatureExtractionOptions, Pooling, RunOptions, Task, TextClassification, TextModel,
    TokenClassification, TokenClassificationOptions, TokenClassificationOutput, ZeroShotClassification,
    ZeroShotClassificationOptions,
};
use serde::Deserialize;

use crate::support::folder::Folder;
use crate::support::{families, golden, golden_json, load};

const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct SequenceGolden {
    texts: Vec<String>,
    logits: Vec<Vec<f64>>,
    last_hidden_state: Vec<f32>,
    last_hidden_state_shape: Vec<usize>,
}

#[derive(Deserialize)]
struct Config {
    problem_type: Option<String>,
}

#[derive(Deserialize)]
struct TokenGolden {
    texts: Vec<String>,
    logits: Vec<Vec<Vec<f64>>>,
    offsets: Vec<Vec<(usize, usize)>>,
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
    logits.iter().map(|logit| logit.exp() / sum).collect()
}

#[test]
fn sequence_heads_give_the_reference_scores() {
    for family in families() {
        let folder = format!("tiny-{family}-seq");
        let expected: SequenceGolden = golden_json(&format!("{folder}/golden.json"));
        let config: Config = golden_json(&format!("{folder}/config.json"));
        let model = load(&golden(&folder), Task::TextClassification);
        let found = pollster::block_on(model.run::<TextClassification>(&expected.texts, &Default::default()));
        let found = found.expect("a result");
        for ((text, found), logits) in expected.texts.iter().zip(&found).zip(&expected.logits) {
            let scores = if config.problem_type.as_deref() == Some("multi_label_classification") {
                logits.iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect()
            } else {
                softmax(logits)
            };
            assert_eq!(found.len(), scores.len());
            for (label, score) in model.labels().iter().zip(scores) {
                let ours = found.iter().find(|found| found.label == *label).expect("every label").score;
                assert!((ours - score).abs() < TOLERANCE, "{folder}, {text:?}, {label}: {ours} for {score}");
            }
            assert!(found.is_sorted_by(|a, b| a.score >= b.score));
        }
    }
}

#[test]
fn bare_encoders_give_the_reference_states() {
    for family in families() {
        let folder = format!("tiny-{family}-seq");
        let expected: SequenceGolden = golden_json(&format!("{folder}/golden.json"));
        let model = load(&golden(&folder), Task::FeatureExtraction);
        let features = pollster::block_on(model.run::<FeatureExtraction>(&expected.texts[..1], &Default::default()));
        let features = features.expect("a result");
        assert_eq!(features.dims[1..], expected.last_hidden_state_shape);
        for (ours, theirs) in features.data.iter().zip(&expected.last_hidden_state) {
            assert!((ours - theirs).abs() < TOLERANCE as f32, "{folder}: {ours} for {theirs}");
        }
    }
}

#[test]
fn token_heads_give_the_reference_labels_and_offsets() {
    for family in families() {
        let folder = format!("tiny-{family}-token");
        let expected: TokenGolden = golden_json(&format!("{folder}/golden.json"));
        let model = load(&golden(&folder), Task::TokenClassification);
        let output = pollster::block_on(model.run::<TokenClassification>(&expected.texts, &Default::default()));
        let TokenClassificationOutput::Entities(found) = output.expect("a result") else { panic!("no entities") };
        for (text, found) in found.iter().enumerate() {
            let theirs = expected.logits[text].iter().zip(&expected.offsets[text]).enumerate();
            // The special token at each end has no place in the text.
            let inner = 1..expected.logits[text].len() - 1;
            let mut theirs =
                theirs.filter(|(index, _)| inner.contains(index)).filter_map(|(index, (logits, offsets))| {
                    let scores = softmax(logits);
                    let (label, score) = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
                    (model.labels()[label] != "O").then_some((index, model.labels()[label].clone(), *score, *offsets))
                });
            for entity in found {
                let (index, label, score, offsets) = theirs.next().expect("as many entities");
                assert_eq!(
                    (entity.index, &entity.entity, (entity.start, entity.end)),
                    (index, &label, offsets),
                    "{folder}"
                );
                assert!((entity.score - score).abs() < TOLERANCE, "{folder}: {} for {score}", entity.score);
            }
            assert!(theirs.next().is_none(), "{folder}: entities are missing");
        }
    }
}

#[test]
fn groups_are_pieces_of_the_text() {
    let expected: TokenGolden = golden_json("tiny-bert-token/golden.json");
    let model = load(&golden("tiny-bert-token"), Task::TokenClassification);
    let options = TokenClassificationOptions { aggregation_strategy: Aggregation::Simple };
    // Longer than the 40 positions of the model, so that it is read in windows.
    let texts = vec![expected.texts.join(" ").repeat(4)];
    let output = pollster::block_on(model.run::<TokenClassification>(&texts, &options)).expect("a result");
    let TokenClassificationOutput::EntityGroups(found) = output else { panic!("no groups") };
    assert!(!found[0].is_empty());
    for group in &found[0] {
        assert_eq!(group.word, texts[0][group.start..group.end]);
        assert!(!group.entity_group.contains('-'));
    }
}

#[test]
fn a_text_that_is_too_long_is_named_by_its_index() {
    let model = load(&golden("tiny-bert-token"), Task::TokenClassification);
    let long = "rain ".repeat(10_000);
    let texts = ["The rain began.", "Ann lives in Rome.", long.as_str(), "The rain began."].map(String::from);
    let error = pollster::block_on(model.run::<TokenClassification>(&texts, &Default::default())).unwrap_err();
    assert_eq!((error.kind(), error.index()), (ErrorKind::InvalidInput, Some(2)));
    assert!(error.to_string().starts_with("input 2: the text has "), "{error}");
    let error = pollster::block_on(model.find_pii(&texts)).unwrap_err();
    assert_eq!(error.index(), Some(2));
    let answers = pollster::block_on(model.answer(&texts, &RunOptions::default()));
    assert_eq!(answers.unwrap_err().index(), Some(2));
}

#[test]
fn a_folder_of_sentence_transformers_says_how_texts_are_pooled_and_cut() {
    let folder = Folder::copy_of("tiny-bert-seq", "sentence-transformers");
    std::fs::create_dir_all(folder.0.join("1_Pooling")).expect("a folder");
    folder
        .write("1_Pooling/config.json", r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#)
        .write("sentence_bert_config.json", r#"{"max_seq_length": 5, "do_lower_case": false}"#);
    let text = ["rain and snow and wind and rain".to_string()];
    let embed = |model: &TextModel, pooling| {
        let options = FeatureExtractionOptions { pooling, normalize: true, ..Default::default() };
        pollster::block_on(model.run::<FeatureExtraction>(&text, &options)).expect("a result")
    };
    let model = load(&folder.0, Task::FeatureExtraction);
    let tokens = embed(&model, Pooling::None);
    assert_eq!(tokens.dims, [1, 5, 16]);
    assert_eq!(embed(&model, Pooling::Auto).data, tokens.data[..16]);
    assert_eq!(embed(&model, Pooling::LastToken).data, tokens.data[4 * 16..]);

    // Labels are compared with the first token's vector, which is not the mean.
    let options = ZeroShotClassificationOptions {
        candidate_labels: vec!["rain".into(), "sun".into()],
        hypothesis_template: Some("{}".into()),
        ..Default::default()
    };
    let scores = |folder: &Path| {
        let model = load(folder, Task::ZeroShotClassification);
        let scores = pollster::block_on(model.run::<ZeroShotClassification>(&text, &options)).expect("a result");
        scores[0].scores.clone()
    };
    let pooled = scores(&folder.0);
    std::fs::remove_dir_all(folder.0.join("1_Pooling")).expect("a folder");
    assert_ne!(pooled, scores(&folder.0));

    folder.write("sentence_bert_config.json", "{");
    let error = folder.refusal(Task::FeatureExtraction);
    assert_eq!(error.kind(), ErrorKind::InvalidArtefact);
    assert!(error.to_string().contains("sentence_bert_config.json"), "{error}");
}
