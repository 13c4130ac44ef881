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
}

impl TextModel {
    /// One vector for each input, `[hidden]`, and what each cost. With `normalize`, of length 1.
    pub(super) async fn pooled(
        &self,
        inputs: &[Encoding],
        pooling: Pooling,
        normalize: bool,
    ) -> Result<(Vec<Vec<f32>>, Vec<ComputeCost>)> {
        let mut rows = vec![Vec::new(); inputs.len()];
        let visit = |index: usize, states: &[f32], hidden: usize| {
            let mut row = match pooling {
                Pooling::Mean => mean(states, hidden, |_| 1.0),
                Pooling::WeightedMean => mean(states, hidden, |index| (index + 1) as f64),
                Pooling::Cls | Pooling::None => states[..hidden].to_vec(),
                Pooling::LastToken => states[states.len() - hidden..].to_vec(),
                Pooling::Max => max(states, hidden),
            };
            if normalize {
                to_unit_length(&mut row);
            }
            rows[index] = row;
        };
        let costs = self.for_each_output(inputs, visit).await?;
        Ok((rows, costs))
    }

    /// The embedding of each input, as heads and zero-shot classification take it: pooled as the model's folder says, length 1.
    pub(super) async fn embeddings(&self, inputs: &[Encoding]) -> Result<(Vec<Vec<f32>>, Vec<ComputeCost>)> {
        self.pooled(inputs, self.pooling, true).await
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
    }
}
