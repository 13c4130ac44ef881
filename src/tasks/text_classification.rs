//! Texts into labels, by a published sequence head or by a head on embeddings.

use serde::{Deserialize, Serialize};

use super::{Pipeline, Pooling, Reading, Task, sigmoid, softmax};
use crate::error::Result;
use crate::graph::ComputeCost;
use crate::models::{Head, Problem, length_feature};
use crate::sort::sort_by;
use crate::tokenizer::Encoding;

/// A label and its score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Classification {
    /// The label.
    pub label: String,
    /// From 0 to 1; of a model that estimates a number, the number.
    pub score: f64,
}

impl Pipeline {
    /// The `top_k` likeliest labels of each text, and how it was read.
    pub(super) async fn classify(
        &self,
        texts: &[String],
        top_k: Option<usize>,
    ) -> Result<(Vec<Vec<Classification>>, Vec<Reading>)> {
        let inputs = self.encode(texts)?;
        let mut logits = vec![Vec::new(); inputs.len()];
        let works = match &self.head {
            Head::Sequence { dense, squash, classifier } => {
                self.for_each_output(&inputs, |index, states, hidden| {
                    logits[index] = classifier.forward(&squash.apply(dense.forward(&states[..hidden])));
                })
                .await?
            }
            Head::TextLogits => self.for_each_output(&inputs, |index, row, _| logits[index] = row.to_vec()).await?,
            Head::Embedding(linear) => {
                let (embeddings, works) = self.pooled(&inputs, Pooling::Mean, true).await?;
                logits = embeddings.iter().map(|embedding| linear.forward(embedding)).collect();
                works
            }
            Head::EmbeddingAndLength(linear) => {
                let (embeddings, works) = self.pooled(&inputs, Pooling::Mean, true).await?;
                let features = embeddings.into_iter().zip(&inputs).map(|(mut features, input)| {
                    features.push(length_feature(input.input_ids.len()));
                    features
                });
                logits = features.map(|features| linear.forward(&features)).collect();
                works
            }
            // Refused when the pipeline was made.
            Head::None | Head::Token(_) | Head::TokenLogits => Vec::new(),
        };
        let found = logits.iter().map(|logits| self.ranked(logits, top_k)).collect();
        let reading = |(input, work): (&Encoding, ComputeCost)| Reading { truncated: input.truncated, work };
        Ok((found, inputs.iter().zip(works).map(reading).collect()))
    }

    /// Whether it estimates a single number, as a router does.
    pub fn estimates(&self) -> bool {
        self.task == Task::TextClassification && self.problem == Problem::Regression && self.labels.len() == 1
    }

    /// The number that it estimates for each text, and what that took; of a model that
    /// [`estimates`](Self::estimates) one.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn estimate(&self, texts: &[String]) -> Result<Vec<(f64, ComputeCost)>> {
        let (found, readings) = self.classify(texts, None).await?;
        let number = |found: &Vec<Classification>| found.first().map_or(f64::NAN, |found| found.score);
        Ok(found.iter().zip(readings).map(|(found, reading)| (number(found), reading.work)).collect())
    }

    fn ranked(&self, logits: &[f32], top_k: Option<usize>) -> Vec<Classification> {
        let scores = match self.problem {
            Problem::SingleLabel => softmax(logits),
            Problem::MultiLabel => logits.iter().copied().map(sigmoid).collect(),
            Problem::Regression => logits.iter().copied().map(f64::from).collect(),
        };
        let mut found: Vec<_> = self
            .labels
            .iter()
            .zip(scores)
            .map(|(label, score)| Classification { label: label.clone(), score })
            .collect();
        sort_by(&mut found, |a, b| b.score.total_cmp(&a.score));
        found.truncate(top_k.unwrap_or(usize::MAX));
        found
    }
}
