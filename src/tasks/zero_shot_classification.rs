//! Texts into labels that the model was not trained on, by how near their embeddings are.

use serde::{Deserialize, Serialize};

use super::{Pipeline, Pooling, Reading, RunOptions, softmax};
use crate::error::{Error, Result};
use crate::graph::ComputeCost;
use crate::sort::sort_by;

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

impl ZeroShot {
    /// How sure it is of its first label, from 0.5 to 1: (1 + margin) / 2, where the margin is how far that is ahead of
    /// the second. Of two labels it is the first one's probability, and of more it is 0.5 as well where there is nothing
    /// to choose between; a temperature, which leaves 0.5 where it is, needs that.
    ///
    /// # Source
    /// The margin: Scheffer et al., *Active hidden Markov models for information extraction* (2001).
    pub fn confidence(&self) -> f64 {
        let score = |at: usize| self.scores.get(at).copied().unwrap_or(0.0);
        (1.0 + score(0) - score(1)) / 2.0
    }
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
        let hypotheses = hypotheses(options)?;
        let inputs = self.encode(texts)?;
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
            sort_by(&mut ranked, |a, b| b.1.total_cmp(&a.1));
            ZeroShot {
                sequence: text.clone(),
                labels: ranked.iter().map(|(label, _)| (*label).clone()).collect(),
                scores: ranked.iter().map(|(_, score)| *score).collect(),
            }
        });
        let of_labels = of_labels.into_iter().sum::<ComputeCost>().shared_by(texts.len());
        let readings = inputs.iter().zip(works);
        let readings =
            readings.map(|(input, work)| Reading { truncated: input.truncated, work: work + of_labels }).collect();
        Ok((found.collect(), readings))
    }
}

/// The sentence of each of the candidate labels.
pub(super) fn hypotheses(options: &RunOptions) -> Result<Vec<String>> {
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
    Ok(labels.iter().map(|label| template.replacen("{}", label, 1)).collect())
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confidence(scores: &[f64]) -> f64 {
        ZeroShot { sequence: String::new(), labels: Vec::new(), scores: scores.to_vec() }.confidence()
    }

    #[test]
    fn the_margin_counts() {
        assert_eq!(confidence(&[0.75, 0.25]), 0.75, "of two labels it is the probability");
        assert_eq!(confidence(&[0.25; 4]), 0.5);
        assert_eq!(confidence(&[0.5, 0.25, 0.25]), 0.625);
        assert_eq!(confidence(&[1.0]), 1.0);
    }
}
