//! Pooling: one vector for a text from the hidden states of its tokens.

use serde::{Deserialize, Serialize};

use super::TextModel;
use crate::error::Result;
use crate::graph::ComputeCost;
use crate::tokenizer::Encoding;

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// They do not: one vector for each token.
    #[default]
    None,
    /// Their mean, without padding.
    Mean,
    /// The vector of the first token.
    Cls,
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
                Pooling::Mean => mean(states, hidden),
                Pooling::Cls | Pooling::None => states[..hidden].to_vec(),
            };
            if normalize {
                to_unit_length(&mut row);
            }
            rows[index] = row;
        };
        let costs = self.for_each_output(inputs, visit).await?;
        Ok((rows, costs))
    }

    /// The embedding of each input, as heads and zero-shot classification take it: mean pooling, length 1.
    pub(super) async fn embeddings(&self, inputs: &[Encoding]) -> Result<(Vec<Vec<f32>>, Vec<ComputeCost>)> {
        self.pooled(inputs, Pooling::Mean, true).await
    }
}

/// The mean of rows of `width` numbers.
fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sum = vec![0.0f64; width];
    for row in rows.chunks_exact(width) {
        sum.iter_mut().zip(row).for_each(|(sum, &number)| *sum += f64::from(number));
    }
    let count = (rows.len() / width) as f64;
    sum.into_iter().map(|sum| (sum / count) as f32).collect()
}

/// Scales `row` to length 1; a row of zeros stays.
pub(super) fn to_unit_length(row: &mut [f32]) {
    let length = row.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|number| *number /= length);
    }
}
