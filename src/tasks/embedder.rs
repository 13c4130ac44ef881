//! Embeddings for a head that is not the model's own, such as one that learns; and the files of such a head.

use super::scores::{sigmoid, softmax};
use super::{Task, TextModel};
use crate::error::{Error, Result};
use crate::graph::ComputeCost;
use crate::models::{Head, Linear, LinearHeadConfig, Problem, linear};

/// An embedded text.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// Of length 1, as heads take it.
    pub embedding: Vec<f32>,
    /// Whether the model read only the beginning of the text.
    pub truncated: bool,
    /// What it cost; of texts that went through the model together, an equal part.
    pub work: ComputeCost,
}

/// Where the embeddings of a model come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncoderSource {
    /// The SHA-256 of the encoder's weights and the type that they are computed in, where a manifest has the digest.
    pub digest: Option<String>,
    /// The folder of the encoder, where the model is a head for another folder's.
    pub folder: Option<String>,
}

/// The files of a head on another folder's model.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadFiles {
    /// `config.json`.
    pub config: String,
    /// `head.safetensors`.
    pub weights: Vec<u8>,
}

impl TextModel {
    /// Where its embeddings come from.
    pub fn encoder(&self) -> &EncoderSource {
        &self.encoder
    }

    /// Checks that it gives embeddings as heads take them: it was loaded for feature extraction, or has such a head itself.
    ///
    /// # Errors
    /// Unsupported: it does not.
    pub fn check_embeds(&self) -> Result<()> {
        if self.task == Task::FeatureExtraction || self.embedding_head().is_some() {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "a head can learn on a model for feature-extraction, or one for text-classification that is a head on embeddings, \
             got another one for {}",
            self.task.name()
        )))
    }

    /// Its head, where that gives labels for an embedding, and whether it may give several.
    pub fn embedding_head(&self) -> Option<(&Linear, bool)> {
        match (&self.head, self.problem) {
            (Some(Head::Embedding(head)), Problem::SingleLabel) => Some((head, false)),
            (Some(Head::Embedding(head)), Problem::MultiLabel) => Some((head, true)),
            _ => None,
        }
    }

    /// The embedding of each of `texts`, as heads take it.
    ///
    /// # Errors
    /// Unsupported: it gives none. Device lost: the device failed.
    pub async fn embed(&self, texts: &[String]) -> Result<Vec<Embedded>> {
        self.check_embeds()?;
        let inputs = self.encode(texts)?;
        let (rows, costs) = self.embeddings(&inputs).await?;
        let embedded = rows.into_iter().zip(inputs).zip(costs);
        Ok(embedded
            .map(|((embedding, input), work)| Embedded { embedding, truncated: input.truncated, work })
            .collect())
    }

    /// The files of a head on this model's embeddings: `weight` is `[labels, width]`, row-major. With `multi_label` each label has
    /// a probability by itself. `folder` is that of the encoder, next to the head's; it is known where this model is a head itself.
    ///
    /// # Errors
    /// Invalid artefact: the sizes do not fit each other.
    pub fn head_files(
        &self,
        folder: &str,
        labels: &[String],
        multi_label: bool,
        weight: Vec<f32>,
        bias: Vec<f32>,
    ) -> Result<HeadFiles> {
        let config = LinearHeadConfig {
            base_model: self.encoder.folder.as_deref().unwrap_or(folder).to_string(),
            max_length: self.max_length,
            labels: labels.to_vec(),
            problem: if multi_label { Problem::MultiLabel } else { Problem::SingleLabel },
        };
        let weights = Linear::new(weight, bias)?.to_safetensors()?;
        Ok(HeadFiles { config: config.to_json(), weights })
    }

    /// The most tokens of a text that it reads.
    pub fn max_length(&self) -> usize {
        self.max_length
    }
}

/// The probability of each label by a head on embeddings, of which one label applies or, with `multi_label`, each by itself: what
/// `text-classification` gives for it, to the last bit.
pub fn head_scores(weight: &[f32], bias: &[f32], embedding: &[f32], multi_label: bool) -> Vec<f64> {
    let logits = linear(weight, bias, embedding);
    if multi_label { logits.into_iter().map(sigmoid).collect() } else { softmax(&logits) }
}
