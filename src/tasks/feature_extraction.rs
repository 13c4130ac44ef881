//! Texts into vectors.

use serde::{Deserialize, Serialize};

use super::{Pipeline, RunOptions};
use crate::error::Result;
use crate::graph::ComputeCost;
use crate::tokenizer::Encoding;

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// They do not.
    #[default]
    None,
    /// Their mean, padding left out.
    Mean,
    /// The first one's.
    Cls,
}

/// Vectors, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// `[batch, hidden]`, or `[batch, seq, hidden]` without pooling, where shorter texts are filled up
    /// with zeros.
    pub dims: Vec<usize>,
    /// The numbers, as many as the product of `dims`.
    pub data: Vec<f32>,
}

impl Pipeline {
    pub(super) async fn features(&self, texts: &[String], options: &RunOptions) -> Result<Features> {
        let inputs = self.encode(texts)?;
        let normalize = options.normalize.unwrap_or(false);
        match options.pooling.unwrap_or_default() {
            Pooling::None => self.token_features(&inputs, normalize).await,
            pooling => {
                let (rows, _) = self.pooled(&inputs, pooling, normalize).await?;
                Ok(Features { dims: vec![rows.len(), rows.first().map_or(0, Vec::len)], data: rows.concat() })
            }
        }
    }

    /// One vector for each input, and what it took.
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
        let works = self.for_each_output(inputs, visit).await?;
        Ok((rows, works))
    }

    async fn token_features(&self, inputs: &[Encoding], normalize: bool) -> Result<Features> {
        let mut vectors = vec![Vec::new(); inputs.len()];
        let mut width = 0;
        self.for_each_output(inputs, |index, states, hidden| {
            width = hidden;
            vectors[index] = states.to_vec();
            if normalize {
                vectors[index].chunks_exact_mut(hidden).for_each(to_unit_length);
            }
        })
        .await?;
        let seq = inputs.iter().map(|input| input.input_ids.len()).max().unwrap_or(0);
        let mut data = Vec::with_capacity(inputs.len() * seq * width);
        for vectors in vectors {
            let padding = seq * width - vectors.len();
            data.extend(vectors);
            data.resize(data.len() + padding, 0.0);
        }
        Ok(Features { dims: vec![inputs.len(), seq, width], data })
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

/// Scales `row` to length 1; zeros stay.
fn to_unit_length(row: &mut [f32]) {
    let length = row.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|number| *number /= length);
    }
}
