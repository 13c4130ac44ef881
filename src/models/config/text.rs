//! The part of `config.json` that every model for texts needs, also one of an unknown architecture from an ONNX file.

use super::{ConfigFile, Problem};
use crate::error::Result;

/// What every model for texts needs of `config.json`, whatever its architecture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextConfig {
    /// The labels by index, where the file names them.
    pub labels: Option<Vec<String>>,
    /// How logits become scores.
    pub problem: Problem,
    /// The padding token.
    pub pad_token_id: u32,
    /// Rows of the table of words, where the file has it.
    pub vocab_size: Option<usize>,
    /// The most tokens that there are positions for, where the file has it.
    pub max_length: Option<usize>,
}

impl TextConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// Invalid artefact: not JSON, or labels that are not numbered.
    pub fn from_json(json: &str) -> Result<Self> {
        let file = ConfigFile::from_json(json)?;
        let first = if file.skips_positions() { (file.pad_token() as usize).saturating_add(1) } else { 0 };
        Ok(Self {
            labels: file.id2label.as_ref().map(|_| file.labels()).transpose()?,
            problem: file.problem(),
            pad_token_id: file.pad_token(),
            vocab_size: file.vocab_size,
            max_length: file.max_position_embeddings.map(|positions| positions.saturating_sub(first)),
        })
    }
}

impl ConfigFile {
    /// Whether positions begin behind the padding token's id, as in RoBERTa and its descendants.
    fn skips_positions(&self) -> bool {
        matches!(
            self.model_type.as_deref(),
            Some("roberta" | "xlm-roberta" | "xlm-roberta-xl" | "camembert" | "longformer" | "mpnet" | "xmod")
        )
    }

    /// The padding token.
    pub fn pad_token(&self) -> u32 {
        self.pad_token_id.unwrap_or(u32::from(self.skips_positions()))
    }

    /// As in transformers: a single label is a label by itself.
    pub(super) fn problem(&self) -> Problem {
        match self.problem_type.as_deref() {
            Some("multi_label_classification") => Problem::MultiLabel,
            Some("regression") => Problem::Regression,
            _ if self.label_count() == Some(1) => Problem::MultiLabel,
            _ => Problem::SingleLabel,
        }
    }
}
