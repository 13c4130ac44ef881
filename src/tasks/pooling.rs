//! Pooling: one vector for a text from the hidden states of its tokens.

use serde::{Deserialize, Serialize};

use super::TextModel;
use crate::error::Result;
use crate::graph::ComputeCost;
use crate::tokenizer::Encoding;

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// They do not: one vector for each token.
    #[default]
    None,
    /// Their mean, without padding.
    Mean,
    /// The vector of the first token.
    Cls,
    /// The largest number of each dimension.
    Max,
    /// Their mean, where the n-th token counts n times.
    WeightedMean,
    /// The vector of the last token.
    LastToken,
    /// Their sum, divided by the square root of their number.
    MeanSqrtLen,
    /// What the folder of the model says (`modules.json` of sentence-transformers): its pooling, and the dense layers and
    /// scaling behind it. The mean where it says nothing.
    Auto,
}

impl TextModel {
    /// One vector for each input, `[hidden]` or what dense layers make of it, and what each cost. With `normalize`, of length
    /// 1. The inputs begin with `prompt`.
    pub(super) async fn pooled(
        &self,
        inputs: &[Encoding],
        prompt: &str,
        pooling: Pooling,
        normalize: bool,
    ) -> Result<(Vec<Vec<f32>>, Vec<ComputeCost>)> {
        let folder = (pooling == Pooling::Auto).then_some(&self.sentence_embedding);
        let pooling = folder.map_or(pooling, |folder| folder.pooling);
        let skipped = match folder {
            Some(folder) if !folder.include_prompt => self.prompt_tokens(prompt)?,
            _ => 0,
        };
        let mut rows = vec![Vec::new(); inputs.len()];
        let visit = |index: usize, states: &[f32], hidden: usize| {
            let mut row = pool(states, hidden, skipped, pooling);
            if let Some(folder) = folder {
                row = folder.modules(row);
            }
            if normalize {
                to_unit_length(&mut row);
            }
            rows[index] = row;
        };
        let costs = self.for_each_output(inputs, visit).await?;
        Ok((rows, costs))
    }

    /// The embedding of each input, as heads and zero-shot classification take it: as the model's folder says, length 1.
    pub(super) async fn embeddings(&self, inputs: &[Encoding]) -> Result<(Vec<Vec<f32>>, Vec<ComputeCost>)> {
        self.pooled(inputs, self.sentence_embedding.prompts.default_prompt(), Pooling::Auto, true).await
    }
}

/// One of the rows of `hidden` numbers, without the first `skipped`. Where none is left it is zeros, and the first token's for
/// [`Pooling::Cls`].
///
/// # Source
/// `Pooling` of sentence-transformers 6.2, `sentence_transformer/modules/pooling.py`.
fn pool(states: &[f32], hidden: usize, skipped: usize, pooling: Pooling) -> Vec<f32> {
    let rows = states.get(skipped * hidden..).unwrap_or_default();
    match pooling {
        Pooling::Cls | Pooling::None => (if rows.is_empty() { states } else { rows })[..hidden].to_vec(),
        _ if rows.is_empty() => vec![0.0; hidden],
        Pooling::Mean | Pooling::Auto => mean(rows, hidden, |_| 1.0),
        Pooling::MeanSqrtLen => {
            let root = ((rows.len() / hidden) as f32).sqrt();
            mean(rows, hidden, |_| 1.0).into_iter().map(|number| number * root).collect()
        }
        // A token counts by its place in the whole text.
        Pooling::WeightedMean => mean(rows, hidden, |index| (skipped + index + 1) as f64),
        Pooling::LastToken => rows[rows.len() - hidden..].to_vec(),
        Pooling::Max => max(rows, hidden),
    }
}

/// The mean of rows of `width` numbers, each with its weight.
fn mean(rows: &[f32], width: usize, weight: impl Fn(usize) -> f64) -> Vec<f32> {
    let (mut sum, mut weights) = (vec![0.0f64; width], 0.0);
    for (index, row) in rows.chunks_exact(width).enumerate() {
        let weight = weight(index);
        weights += weight;
        sum.iter_mut().zip(row).for_each(|(sum, &number)| *sum += weight * f64::from(number));
    }
    sum.into_iter().map(|sum| (sum / weights) as f32).collect()
}

/// The largest number of each column of rows of `width` numbers.
fn max(rows: &[f32], width: usize) -> Vec<f32> {
    let mut largest = vec![f32::NEG_INFINITY; width];
    for row in rows.chunks_exact(width) {
        largest.iter_mut().zip(row).for_each(|(largest, &number)| *largest = largest.max(number));
    }
    largest
}

/// Scales `row` to length 1; a row of zeros stays.
pub(super) fn to_unit_length(row: &mut [f32]) {
    let length = row.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|number| *number /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_pooled() {
        let rows = [1.0, -4.0, 2.0, 0.0, 6.0, -2.0];
        assert_eq!(mean(&rows, 2, |_| 1.0), [3.0, -2.0]);
        // (1 + 2 * 2 + 3 * 6) / 6 and (-4 - 3 * 2) / 6
        assert_eq!(mean(&rows, 2, |index| (index + 1) as f64), [23.0 / 6.0, -10.0 / 6.0]);
        assert_eq!(max(&rows, 2), [6.0, 0.0]);
        assert_eq!(pool(&rows[..4], 2, 0, Pooling::MeanSqrtLen), [1.5 * 2f32.sqrt(), -2.0 * 2f32.sqrt()]);
    }

    #[test]
    fn a_prompt_is_left_out() {
        let rows = [1.0, -4.0, 2.0, 0.0, 6.0, -2.0];
        for (pooling, one_less, none) in [
            (Pooling::Cls, [2.0, 0.0], [1.0, -4.0]),
            (Pooling::Mean, [4.0, -1.0], [0.0, 0.0]),
            // (2 * 2 + 3 * 6) / 5 and (0 - 3 * 2) / 5
            (Pooling::WeightedMean, [22.0 / 5.0, -6.0 / 5.0], [0.0, 0.0]),
            (Pooling::Max, [6.0, 0.0], [0.0, 0.0]),
            (Pooling::LastToken, [6.0, -2.0], [0.0, 0.0]),
        ] {
            assert_eq!(pool(&rows, 2, 1, pooling), one_less, "{pooling:?}");
            assert_eq!(pool(&rows, 2, 3, pooling), none, "{pooling:?}");
            assert_eq!(pool(&rows, 2, 9, pooling), none, "{pooling:?}");
        }
    }
}
