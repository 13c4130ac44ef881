//! What of `config.json` has nothing to do with an architecture.

use super::{File, Problem};
use crate::error::Result;

/// What of `config.json` every model for texts needs, whatever its architecture: one that comes as a graph
/// brings that itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextConfig {
    /// The labels by index, where the file names them.
    pub labels: Option<Vec<String>>,
    /// How logits become scores.
    pub problem: Problem,
    /// The padding token.
    pub pad_token_id: u32,
    /// Rows of the table of words, where the file tells.
    pub vocab_size: Option<usize>,
    /// The most tokens that there are positions for, where the file tells.
    pub max_length: Option<usize>,
}

impl TextConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// Invalid artefact: no JSON, or labels that are not numbered.
    pub fn from_json(json: &str) -> Result<Self> {
        let file = File::from_json(json)?;
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

impl File {
    /// Whether positions begin behind the padding token's id, as in RoBERTa and what descends from it.
    fn skips_positions(&self) -> bool {
        matches!(
            self.model_type.as_deref(),
            Some("roberta" | "xlm-roberta" | "xlm-roberta-xl" | "camembert" | "longformer" | "mpnet" | "xmod")
        )
    }

    pub(super) fn pad_token(&self) -> u32 {
        self.pad_token_id.unwrap_or(u32::from(self.skips_positions()))
    }

    /// What transformers does: with one label the logit stands for itself.
    pub(super) fn problem(&self) -> Problem {
        match self.problem_type.as_deref() {
            Some("multi_label_classification") => Problem::MultiLabel,
            Some("regression") => Problem::Regression,
            _ if self.label_count() == Some(1) => Problem::MultiLabel,
            _ => Problem::SingleLabel,
        }
    }
}
