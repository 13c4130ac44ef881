//! Scaled dot-product attention of one head.

use super::gemm::{Gemm, Matrix};
use super::parallel::Tile;
use super::softmax::softmax;

/// Attention scores that are computed at once.
const SCORES: usize = 1 << 16;
/// Queries per block, at least: for fewer it is not worth packing the keys again.
const LEAST: usize = 64;
/// Scores per block, at most, whatever the number of queries.
const MOST: usize = 1 << 24;

/// The sizes of a head.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The number of queries.
    pub queries: usize,
    /// The number of keys, and of values.
    pub keys: usize,
    /// The size of a query, and of a key.
    pub size: usize,
    /// The size of a value.
    pub value_size: usize,
}

/// The queries, keys and values of a head, one in each row.
pub struct Head<'a> {
    /// Their numbers and sizes.
    pub sizes: Sizes,
    /// The queries.
    pub queries: Matrix<'a>,
    /// The keys.
    pub keys: Matrix<'a>,
    /// The values.
    pub values: Matrix<'a>,
    /// The factor of the scores.
    pub scale: f32,
}

impl Head<'_> {
    /// Computes the output of each query into a row of `out`. `adjust` gets each query's index and scores, and may mask
    /// them. `weights` gets their softmax.
    pub fn write(
        &self,
        out: &mut Tile<'_, f32>,
        mut adjust: impl FnMut(usize, &mut [f32]),
        mut weights: impl FnMut(usize, &[f32]),
    ) {
        let Sizes { queries, keys, size, value_size } = self.sizes;
        if keys == 0 {
            return;
        }
        let rows = (SCORES / keys).max(LEAST.min(MOST / keys)).clamp(1, queries.max(1));
        let mut scores = vec![0.0; rows * keys];
        let rhs =
            Matrix { data: self.keys.data, row_stride: self.keys.column_stride, column_stride: self.keys.row_stride };
        for first in (0..queries).step_by(rows.max(1)) {
            let count = rows.min(queries - first);
            let data = self.queries.data.get(first * self.queries.row_stride..).unwrap_or_default();
            let mut product = Gemm::new((count, keys, size), Matrix { data, ..self.queries }, &rhs);
            product.scale = self.scale;
            product.write(&mut scores, keys);
            for (row, scores) in scores.chunks_exact_mut(keys).take(count).enumerate() {
                adjust(first + row, scores);
                softmax(scores);
                weights(first + row, scores);
            }
            let lhs = Matrix::new(&scores, keys);
            let mut out = out.part(first..first + count, 0..value_size);
            Gemm::new((count, value_size, keys), lhs, &self.values).write_tile(&mut out);
        }
    }
}
