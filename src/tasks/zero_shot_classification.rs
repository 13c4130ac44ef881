//! Texts into labels that the model was not trained on, by how near their embeddings are.

use serde::{Deserialize, Serialize};

use super::{Pipeline, Pooling, Reading, RunOptions, softmax};
use crate::error::{Error, Result};
use crate::models::Work;

/// The labels of a text, the likeliest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct ZeroShot {
    /// The text.
    pub sequence: String,
    /// The labels.
    pub labels: Vec<String>,
    /// The score of each label, from 0 to 1.
    pub scores: Vec<f64>,
}

/// What a cosine is multiplied with before the softmax.
///
/// # Source
/// The `scale` of sentence-transformers' `MultipleNegativesRankingLoss`, which models of this kind were
/// trained with.
const SCALE: f32 = 20.0;
const TEMPLATE: &str = "This example is {}.";

impl Pipeline {
    /// The labels of each text, and how it was read; the labels are read once, for all of them.
    pub(super) async fn zero_shot(
        &self,
        texts: &[String],
        options: &RunOptions,
    ) -> Result<(Vec<ZeroShot>, Vec<Reading>)> {
        let labels = options.candidate_labels.as_deref().unwrap_or_default();
        if labels.is_empty() || labels.iter().any(|label| label.trim().is_empty()) {
            return Err(Error::invalid_input("zero-shot-classification needs candidate_labels, none of them empty"));
        }
        let template = options.hypothesis_template.as_deref().unwrap_or(TEMPLATE);
        if !template.contains("{}") {
            return Err(Error::invalid_input(format!(
                "the hypothesis_template '{template}' has no {{}} where the label goes"
            )));
        }
        let inputs = self.encode(texts)?;
        let hypotheses: Vec<String> = labels.iter().map(|label| template.replacen("{}", label, 1)).collect();
        let (hypotheses, of_labels) = self.pooled(&self.encode(&hypotheses)?, Pooling::Mean, true).await?;
        let (embeddings, works) = self.pooled(&inputs, Pooling::Mean, true).await?;
        let multi_label = options.multi_label.unwrap_or(false);
        let found = texts.iter().zip(&embeddings).map(|(text, embedding)| {
            let cosines: Vec<f32> = hypotheses.iter().map(|label| dot(label, embedding)).collect();
            let scores = if multi_label {
                cosines.iter().map(|&cosine| f64::from(cosine.clamp(0.0, 1.0))).collect()
            } else {
                softmax(&cosines.iter().map(|cosine| cosine * SCALE).collect::<Vec<_>>())
            };
            let mut ranked: Vec<(&String, f64)> = labels.iter().zip(scores).collect();
            ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
            ZeroShot {
                sequence: text.clone(),
                labels: ranked.iter().map(|(label, _)| (*label).clone()).collect(),
                scores: ranked.iter().map(|(_, score)| *score).collect(),
            }
        });
        let of_labels = of_labels.into_iter().sum::<Work>().shared_by(texts.len());
        let readings = inputs.iter().zip(works);
        let readings =
            readings.map(|(input, work)| Reading { truncated: input.truncated, work: work + of_labels }).collect();
        Ok((found.collect(), readings))
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
