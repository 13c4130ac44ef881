//! Files into what they are, from their first and last bytes, as Magika does.
//!
//! # Source
//! Fratantonio et al. 2025, "Magika: AI-Powered Content-Type Detection"; the package magika 1.0.3, whose features,
//! thresholds and special cases these are.

mod config;
mod content_types;
#[cfg(all(test, not(target_family = "wasm")))]
mod tests;

use serde::{Deserialize, Serialize};

use config::{MagikaConfig, Reading};

use super::Classification;
use super::graph_io::{expect_input, run_one};
use crate::error::Result;
use crate::graph::Graph;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct FileClassification {
    /// The answer: the likeliest label where the model is sure enough of it, else `txt` or `unknown`.
    pub label: String,
    /// The likeliest label's score; 1 where the model was not asked.
    pub score: f64,
    /// Whether a file of the answered label is text.
    pub is_text: bool,
    /// The model's own labels, the likeliest first; the answer alone where the model was not asked.
    pub labels: Vec<Classification>,
}

/// A model that tells files apart.
pub struct FileClassifier {
    graph: Graph,
    config: MagikaConfig,
}

impl FileClassifier {
    /// Puts the model and its `config.min.json` together.
    ///
    /// # Errors
    /// Invalid artefact or unsupported: `config.min.json` makes no sense, or the two do not fit each other.
    pub fn new(graph: Graph, config_json: &str) -> Result<Self> {
        let config = MagikaConfig::parse(config_json)?;
        expect_input(&graph, "the file model", &[0, config.width()])?;
        Ok(Self { graph, config })
    }

    /// The labels that the model tells apart.
    pub fn labels(&self) -> &[String] {
        self.config.labels()
    }

    /// What the file with these bytes is, with its `top_k` likeliest labels.
    ///
    /// # Errors
    /// Device lost: the device failed. Invalid artefact: the model gives what its configuration does not name.
    pub async fn classify(&self, bytes: &[u8], top_k: Option<usize>) -> Result<FileClassification> {
        match self.config.read(bytes) {
            Reading::Known(label) => Ok(MagikaConfig::known(label)),
            Reading::Features(features) => {
                let found = run_one(&self.graph, features, &[1, self.config.width()]).await?;
                self.config.answer(&found.data, top_k)
            }
        }
    }
}
