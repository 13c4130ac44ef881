//! `file-classification`: content types of files from their first and last bytes, with Google's Magika.
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

use super::graph_io::{expect_input, run_one};
use super::{Classification, ModelFile, ModelFiles, Source, TaskDefinition};
use crate::error::Result;
use crate::graph::Graph;

/// Options of `file-classification`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct FileClassificationOptions {
    /// How many of the model's own labels, the likeliest first; all by default.
    #[cfg_attr(feature = "web", tsify(optional, type = "number | null"))]
    pub top_k: Option<usize>,
}

/// The content type of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct FileClassification {
    /// The answer: the likeliest label if its score reaches the label's threshold, else `txt` or `unknown`.
    pub label: String,
    /// The likeliest label's score; 1 for a file that is too short for the model.
    pub score: f64,
    /// Whether a file of the answered label is text.
    pub is_text: bool,
    /// The model's own labels, the likeliest first; only the answer for a file that is too short for the model.
    pub labels: Vec<Classification>,
}

/// `file-classification`, and its model.
pub struct FileClassifier {
    graph: Graph,
    config: MagikaConfig,
}

impl FileClassifier {
    /// Puts the model and its `config.min.json` together.
    ///
    /// # Errors
    /// Invalid artefact or unsupported: `config.min.json` makes no sense, or does not fit the model.
    pub fn new(graph: Graph, config_json: &str) -> Result<Self> {
        let config = MagikaConfig::parse(config_json)?;
        expect_input(&graph, "the file model", &[0, config.width()])?;
        Ok(Self { graph, config })
    }

    /// The labels that the model tells apart.
    pub fn labels(&self) -> &[String] {
        self.config.labels()
    }

    /// The content type of a file with these bytes, with its `top_k` likeliest labels.
    ///
    /// # Errors
    /// Device lost: the device failed. Invalid artefact: the model does not give one score for each label.
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

const CONFIG: &str = "config.min.json";
const MODEL: &str = "model.onnx";

impl TaskDefinition for FileClassifier {
    const NAME: &'static str = "file-classification";
    type Model = Self;
    /// The bytes of a file.
    type Input = Vec<u8>;
    type Options = FileClassificationOptions;
    type Output = Vec<FileClassification>;

    fn source() -> Source<Self> {
        const FILES: &[ModelFile] = &[ModelFile::text(CONFIG), ModelFile::graph(MODEL)];
        Source::Files { files: FILES, build }
    }

    fn labels(model: &Self) -> &[String] {
        model.labels()
    }

    async fn run(
        model: &Self,
        files: &[Vec<u8>],
        options: &FileClassificationOptions,
    ) -> Result<Vec<FileClassification>> {
        let mut found = Vec::with_capacity(files.len());
        for bytes in files {
            found.push(model.classify(bytes, options.top_k).await?);
        }
        Ok(found)
    }
}

fn build(files: &mut ModelFiles<'_>) -> Result<FileClassifier> {
    let graph = files.graph(MODEL)?;
    FileClassifier::new(graph, &files.text(CONFIG)?)
}
