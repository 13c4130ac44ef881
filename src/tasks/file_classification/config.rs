//! `config.min.json` of a Magika model: how files become features, and scores an answer.

use std::collections::HashMap;

use serde::Deserialize;

use super::FileClassification;
use super::content_types::is_text;
use crate::error::{Error, Result};
use crate::sort::sort_by;
use crate::tasks::Classification;

/// The label of an empty file.
const EMPTY: &str = "empty";
/// The label of text of an unknown type.
const TEXT: &str = "txt";
/// The label of binary data of an unknown type.
const UNKNOWN: &str = "unknown";
/// The most bytes that are read of each end of a file.
const MAX_BLOCK: usize = 1 << 20;

/// How a file is classified.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// It is too short for the model: this label.
    Known(&'static str),
    /// By the model, from these features.
    Features(Vec<i32>),
}

/// The features of a model, and the thresholds of its labels.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct MagikaConfig {
    /// Bytes from the beginning.
    beg_size: usize,
    /// Bytes from the middle; 0 for all models.
    mid_size: usize,
    /// Bytes from the end.
    end_size: usize,
    /// Whether bytes at fixed offsets are features as well; false for all models.
    use_inputs_at_offsets: bool,
    /// The threshold of labels without their own.
    medium_confidence_threshold: f64,
    /// A shorter file is classified without the model.
    min_file_size_for_dl: usize,
    /// The feature where a file has no byte.
    padding_token: i32,
    /// White space is stripped from this many bytes of each end.
    block_size: usize,
    /// The labels, in the order of the model's output.
    target_labels_space: Vec<String>,
    /// The minimum score of a label for it to be the answer.
    thresholds: HashMap<String, f64>,
    /// Labels that are replaced in an answer.
    overwrite_map: HashMap<String, String>,
}

impl MagikaConfig {
    /// Reads `config.min.json`.
    ///
    /// # Errors
    /// Invalid artefact: it is not JSON, or its sizes make no sense. Unsupported: features that no published model has.
    pub fn parse(json: &str) -> Result<Self> {
        let wrong = |why: &str| Error::invalid_artefact(format!("config.min.json is not right: {why}"));
        let config: Self = serde_json::from_str(json).map_err(|error| wrong(&error.to_string()))?;
        if config.mid_size != 0 || config.use_inputs_at_offsets {
            return Err(Error::unsupported(
                "config.min.json has features from the middle of a file, or at fixed offsets",
            ));
        }
        if config.block_size > MAX_BLOCK || config.beg_size.max(config.end_size) >= config.block_size {
            return Err(wrong("block_size is too large, or not larger than beg_size and end_size"));
        }
        if config.min_file_size_for_dl == 0 || config.min_file_size_for_dl > config.beg_size {
            return Err(wrong("min_file_size_for_dl is not between 1 and beg_size"));
        }
        if config.target_labels_space.is_empty() {
            return Err(wrong("target_labels_space is empty"));
        }
        Ok(config)
    }

    /// The number of features.
    pub fn width(&self) -> usize {
        self.beg_size + self.end_size
    }

    /// The labels, in the order of the model's output.
    pub fn labels(&self) -> &[String] {
        &self.target_labels_space
    }

    /// The features of a file, or its label where it is too short for the model.
    pub fn read(&self, bytes: &[u8]) -> Reading {
        if bytes.is_empty() {
            return Reading::Known(EMPTY);
        }
        let head = &bytes[..bytes.len().min(self.block_size)];
        let tail = &bytes[bytes.len() - head.len()..];
        let beginning = trim_start(head);
        if bytes.len() < self.min_file_size_for_dl || beginning.len() < self.min_file_size_for_dl {
            // A text that is cut off inside a character is not UTF-8, as for Magika.
            return Reading::Known(if std::str::from_utf8(head).is_ok() { TEXT } else { UNKNOWN });
        }
        let beginning = &beginning[..beginning.len().min(self.beg_size)];
        let end = trim_end(tail);
        let end = &end[end.len().saturating_sub(self.end_size)..];
        let mut features = vec![self.padding_token; self.width()];
        let put = |features: &mut [i32], bytes: &[u8]| {
            features.iter_mut().zip(bytes).for_each(|(feature, &byte)| *feature = i32::from(byte));
        };
        put(&mut features, beginning);
        put(&mut features[self.width() - end.len()..], end);
        Reading::Features(features)
    }

    /// The answer for a file that is too short for the model.
    pub fn known(label: &str) -> FileClassification {
        FileClassification {
            label: label.to_string(),
            score: 1.0,
            is_text: is_text(label),
            labels: vec![Classification { label: label.to_string(), score: 1.0 }],
        }
    }

    /// The answer from the model's probabilities.
    ///
    /// # Errors
    /// Invalid artefact: there is not one for each label, or one is NaN.
    pub fn answer(&self, probabilities: &[f32], top_k: Option<usize>) -> Result<FileClassification> {
        if probabilities.len() != self.target_labels_space.len() || probabilities.iter().any(|number| number.is_nan()) {
            return Err(Error::invalid_artefact(format!(
                "the file model must give {} scores without NaN, one for each label of config.min.json, got {}",
                self.target_labels_space.len(),
                probabilities.len()
            )));
        }
        let scored = self.target_labels_space.iter().zip(probabilities);
        let mut labels: Vec<Classification> =
            scored.map(|(label, &score)| Classification { label: label.clone(), score: f64::from(score) }).collect();
        sort_by(&mut labels, |a, b| b.score.total_cmp(&a.score));
        let top = &labels[0];
        let label = self.believed(&top.label, top.score);
        let (label, score, is_text) = (label.to_string(), top.score, is_text(label));
        labels.truncate(top_k.unwrap_or(usize::MAX));
        Ok(FileClassification { label, score, is_text, labels })
    }

    /// The answer for the model's likeliest label, as in Magika by default: the label or its replacement where the score
    /// reaches the threshold, else only whether it is text.
    pub fn believed<'a>(&'a self, label: &'a str, score: f64) -> &'a str {
        let threshold = self.thresholds.get(label).copied().unwrap_or(self.medium_confidence_threshold);
        let meant = self.overwrite_map.get(label).map_or(label, String::as_str);
        match (score >= threshold, is_text(meant)) {
            (true, _) => meant,
            (false, true) => TEXT,
            (false, false) => UNKNOWN,
        }
    }
}

/// White space as in Python's `bytes.strip`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|&byte| !is_space(byte)).unwrap_or(bytes.len());
    &bytes[start..]
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| !is_space(byte)).map_or(0, |last| last + 1);
    &bytes[..end]
}
