//! Against `tests/golden/tasks/files.json`, which magika wrote.

use std::collections::HashMap;
use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;

use super::config::{MagikaConfig, Reading};
use super::content_types::is_text;
use crate::error::ErrorKind;

#[derive(Deserialize)]
struct Golden {
    config: serde_json::Value,
    cases: Vec<Case>,
    decisions: Vec<Vec<(String, f64, String)>>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    features: Option<String>,
    scores: Option<HashMap<String, f32>>,
    label: String,
    score: f64,
    is_text: bool,
}

fn golden() -> Golden {
    serde_json::from_slice(&read("files.json")).unwrap()
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tasks").join(name)).unwrap()
}

fn config(golden: &Golden) -> MagikaConfig {
    MagikaConfig::parse(&golden.config.to_string()).unwrap()
}

/// FNV-1a, 64 bits, over the numbers as 16 bits, little endian.
fn fnv(numbers: &[i32]) -> String {
    let bytes = numbers.iter().flat_map(|&number| u16::try_from(number).unwrap().to_le_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325u64, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

#[test]
fn files_are_read_and_answered_as_magika_does() {
    let golden = golden();
    let config = config(&golden);
    assert!(golden.cases.len() > 50);
    for case in &golden.cases {
        let answer = match config.read(&read(&format!("files/{}", case.name))) {
            Reading::Known(label) => {
                assert_eq!(case.features, None, "{}", case.name);
                MagikaConfig::known(label)
            }
            Reading::Features(features) => {
                assert_eq!(Some(fnv(&features)), case.features, "{}", case.name);
                let scores = case.scores.as_ref().unwrap();
                let row: Vec<f32> =
                    config.labels().iter().map(|label| scores.get(label).copied().unwrap_or(0.0)).collect();
                config.answer(&row, None).unwrap()
            }
        };
        assert_eq!((answer.label.as_str(), answer.is_text), (case.label.as_str(), case.is_text), "{}", case.name);
        assert!((answer.score - case.score).abs() < 1e-6, "{}", case.name);
    }
}

#[test]
fn every_label_is_believed_as_magika_believes_it() {
    let golden = golden();
    let config = config(&golden);
    let (mut overwritten, mut doubted) = (0, 0);
    for (label, score, output) in golden.decisions.iter().flatten() {
        assert_eq!(config.believed(label, *score), output, "{label} {score}");
        overwritten += usize::from(output != label);
        doubted += usize::from(output != label && *score > 0.5);
    }
    assert!(overwritten > config.labels().len() && doubted > 10);
}

#[test]
fn labels_are_ranked() {
    let golden = golden();
    let config = config(&golden);
    let mut row = vec![0.0; config.labels().len()];
    (row[3], row[7]) = (0.25, 0.75);
    let answer = config.answer(&row, Some(2)).unwrap();
    let found: Vec<_> = answer.labels.iter().map(|found| (found.label.as_str(), found.score)).collect();
    assert_eq!(found, [(config.labels()[7].as_str(), 0.75), (config.labels()[3].as_str(), 0.25)]);
    assert!(config.answer(&row, Some(0)).unwrap().labels.is_empty());
    for wrong in [vec![], vec![0.0; row.len() - 1], vec![f32::NAN; row.len()]] {
        assert_eq!(config.answer(&wrong, None).unwrap_err().kind(), ErrorKind::InvalidArtefact);
    }
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let golden = golden();
    let refused = |key: &str, value: serde_json::Value| {
        let mut config = golden.config.clone();
        config[key] = value;
        MagikaConfig::parse(&config.to_string()).unwrap_err().kind()
    };
    assert_eq!(refused("mid_size", 1.into()), ErrorKind::Unsupported);
    assert_eq!(refused("use_inputs_at_offsets", true.into()), ErrorKind::Unsupported);
    for (key, value) in [("block_size", 1024), ("block_size", 1u64 << 40), ("min_file_size_for_dl", 0)] {
        assert_eq!(refused(key, value.into()), ErrorKind::InvalidArtefact, "{key}");
    }
    assert_eq!(refused("min_file_size_for_dl", 1025.into()), ErrorKind::InvalidArtefact);
    assert_eq!(refused("beg_size", (-1).into()), ErrorKind::InvalidArtefact);
    assert_eq!(refused("target_labels_space", serde_json::json!([])), ErrorKind::InvalidArtefact);
    assert_eq!(MagikaConfig::parse(&"[".repeat(100_000)).unwrap_err().kind(), ErrorKind::InvalidArtefact);
}

#[test]
fn labels_of_text_are_found() {
    for (label, text) in [("aidl", true), ("zig", true), ("zip", false), ("txt", true), ("unknown", false), ("", false)]
    {
        assert_eq!(is_text(label), text, "{label}");
    }
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(bytes in prop::collection::vec(prop_oneof![Just(b' '), any::<u8>()], 0..9000)) {
        let config = config(&golden());
        if let Reading::Features(features) = config.read(&bytes) {
            prop_assert_eq!(features.len(), config.width());
            prop_assert!(features.iter().all(|&feature| (0..=256).contains(&feature)));
            prop_assert!(features[7] < 256);
        }
    }
}
