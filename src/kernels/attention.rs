//! Attention of one head: what each query finds among the keys, as shares of the values.

use super::gemm::{Matrix, Product};
use super::parallel::Tile;
use super::rows::softmax;

/// Scores that are computed at once.
const SCORES: usize = 1 << 16;
/// Queries that are worth packing the keys anew for.
const LEAST: usize = 64;
/// But no more scores than these for their sake.
const MOST: usize = 1 << 24;

/// The sizes of a head.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// How many queries there are.
    pub queries: usize,
    /// How many keys, and values.
    pub keys: usize,
    /// The size of a query, and of a key.
    pub size: usize,
    /// The size of a value.
    pub value_size: usize,
}

/// A head's queries, keys and values, one in each row.
pub struct Head<'a> {
    /// How many there are, and how large.
    pub sizes: Sizes,
    /// The queries.
    pub queries: Matrix<'a>,
    /// The keys.
    pub keys: Matrix<'a>,
    /// The values.
    pub values: Matrix<'a>,
    /// What scores are multiplied by.
    pub scale: f32,
}

impl Head<'_> {
    /// Into `out`, which has a row for each query, the values that each query finds. `adjust` is given each query's
    /// number and scores; it may mask them. `shares` is given what became of them.
    pub fn write(
        &self,
        out: &mut Tile<'_, f32>,
        mut adjust: impl FnMut(usize, &mut [f32]),
        mut shares: impl FnMut(usize, &[f32]),
    ) {
        let Sizes { queries, keys, size, value_size } = self.sizes;
        if keys == 0 {
            return;
        }
        let rows = (SCORES / keys).max(LEAST.min(MOST / keys)).clamp(1, queries.max(1));
        let mut scores = vec![0.0; rows * keys];
        let right =
            Matrix { data: self.keys.data, row_stride: self.keys.column_stride, column_stride: self.keys.row_stride };
        for first in (0..queries).step_by(rows.max(1)) {
            let count = rows.min(queries - first);
            let data = self.queries.data.get(first * self.queries.row_stride..).unwrap_or_default();
            let mut product = Product::new((count, keys, size), Matrix { data, ..self.queries }, &right);
            product.scale = self.scale;
            product.write(&mut scores, keys);
            for (row, scores) in scores.chunks_exact_mut(keys).take(count).enumerate() {
                adjust(first + row, scores);
                softmax(scores);
                shares(first + row, scores);
            }
            let left = Matrix::new(&scores, keys);
            let mut out = out.part(first..first + count, 0..value_size);
            Product::new((count, value_size, keys), left, &self.values).write_tile(&mut out);
        }
    }
}
