//! Multi-head attention over tensors with any strides.

use std::ops::Range;

use burn::tensor::DType;

use super::super::wrong;
use crate::error::Result;
use crate::graph::host::{self, HostTensor};
use crate::kernels::attention::{Head, Sizes};
use crate::kernels::gemm::Matrix;
use crate::kernels::parallel::{Parts, Tile};

/// Queries, keys and values of the shape `[batch, heads, sequence, size]`, with any strides. Several query heads may share
/// keys and values (grouped-query attention).
pub struct Heads {
    q: HostTensor,
    k: HostTensor,
    v: HostTensor,
    pub scale: f32,
}

/// A tensor without negative strides.
fn forward(tensor: HostTensor) -> HostTensor {
    if tensor.layout().strides().iter().all(|stride| *stride >= 0) { tensor } else { host::contiguous(tensor) }
}

/// The rows of one head.
fn matrix(tensor: &HostTensor, batch: usize, head: usize) -> Matrix<'_> {
    let strides = tensor.layout().strides();
    let offset = tensor.layout().start_offset() + batch * strides[0] as usize + head * strides[1] as usize;
    let data = bytemuck::cast_slice(tensor.bytes()).get(offset..).unwrap_or_default();
    Matrix { data, row_stride: strides[2] as usize, column_stride: strides[3] as usize }
}

impl Heads {
    /// The default of `scale` is `1 / √size`.
    ///
    /// # Errors
    /// Invalid input: the shapes do not fit.
    pub fn new(q: HostTensor, k: HostTensor, v: HostTensor, scale: Option<f32>) -> Result<Self> {
        let (shape_q, shape_k, shape_v) = (host::shape(&q), host::shape(&k), host::shape(&v));
        let fits = match (shape_q, shape_k, shape_v) {
            (&[batch, heads, _, size], &[batch_k, groups, keys, size_k], &[batch_v, groups_v, values, _]) => {
                (batch, size, groups, keys) == (batch_k, size_k, groups_v, values)
                    && batch == batch_v
                    && (heads == groups || groups > 0 && heads % groups == 0)
            }
            _ => false,
        };
        if !fits {
            return wrong(format!(
                "queries, keys and values have the shapes {shape_q:?}, {shape_k:?} and {shape_v:?}, which do not fit"
            ));
        }
        let scale = scale.unwrap_or_else(|| 1.0 / (shape_q[3] as f32).sqrt());
        Ok(Self { q: forward(q), k: forward(k), v: forward(v), scale })
    }

    /// The shape of the output: `[batch, heads, sequence, size]`.
    pub fn shape(&self) -> Vec<usize> {
        let (q, v) = (host::shape(&self.q), host::shape(&self.v));
        vec![q[0], q[1], q[2], v[3]]
    }

    /// The number of keys.
    pub fn keys(&self) -> usize {
        host::shape(&self.k)[2]
    }

    /// The batch index and the head of the part `at` of the output.
    fn at(&self, rows: &Range<usize>, columns: &Range<usize>, sequence_first: bool) -> (usize, usize) {
        let count = host::shape(&self.q)[1];
        let outer = rows.start / rows.len();
        if sequence_first { (outer, columns.start / columns.len()) } else { (outer / count, outer % count) }
    }

    /// One head.
    fn one(&self, at: usize, head: usize) -> Head<'_> {
        let (q, v) = (host::shape(&self.q), host::shape(&self.v));
        let group = head * v[1] / q[1];
        Head {
            sizes: Sizes { queries: q[2], keys: self.keys(), size: q[3], value_size: v[3] },
            queries: matrix(&self.q, at, head),
            keys: matrix(&self.k, at, group),
            values: matrix(&self.v, at, group),
            scale: self.scale,
        }
    }
}

/// The indices of a batch element, a head and a query.
pub type QueryIndices = (usize, usize, usize);

/// Computes attention, with the heads in parallel. The output has the shape [`Heads::shape`], or with `sequence_first`
/// that with heads and sequence exchanged. `adjust` gets batch, head and query with the scores, and may mask them.
pub fn attend(heads: &Heads, out: &mut [f32], sequence_first: bool, adjust: impl Fn(QueryIndices, &mut [f32]) + Sync) {
    let Some((mut out, rows, columns)) = parts(heads, out, sequence_first) else { return };
    out.for_each_part(&rows, &columns, |rows, columns, mut out| {
        let (at, head) = heads.at(&rows, &columns, sequence_first);
        heads.one(at, head).write(&mut out, |query, scores| adjust((at, head, query), scores), |_, _| {});
    });
}

/// [`attend`], one head after another, for callers that store something of each: `weights` gets the softmax of the scores.
pub fn attend_in_order(
    heads: &Heads,
    out: &mut [f32],
    sequence_first: bool,
    mut adjust: impl FnMut(QueryIndices, &mut [f32]),
    mut weights: impl FnMut(QueryIndices, &[f32]),
) {
    let Some((mut out, all_rows, all_columns)) = parts(heads, out, sequence_first) else { return };
    for rows in &all_rows {
        for columns in &all_columns {
            let (at, head) = heads.at(rows, columns, sequence_first);
            heads.one(at, head).write(
                &mut out.part(rows.clone(), columns.clone()),
                |query, scores| adjust((at, head, query), scores),
                |query, scores| weights((at, head, query), scores),
            );
        }
    }
}

/// The output as a matrix, and the rows and columns of each head in it; `None` where it is empty.
fn parts<'a>(heads: &Heads, out: &'a mut [f32], sequence_first: bool) -> Option<(Tile<'a, f32>, Parts, Parts)> {
    let shape = heads.shape();
    let &[batch, count, queries, size] = &shape[..] else { return None };
    if batch * count * queries * size == 0 {
        return None;
    }
    let (outer, inner) = if sequence_first { (batch, count) } else { (batch * count, 1) };
    let pieces = |count: usize, size: usize| (0..count).map(|at| at * size..(at + 1) * size).collect();
    let tile = Tile::new(out, inner * size, outer * queries, inner * size);
    Some((tile, pieces(outer, queries), pieces(inner, size)))
}

/// A mask, which is added to the scores.
pub struct Mask {
    numbers: HostTensor,
}

impl Mask {
    /// A mask that can be broadcast to `[batch, heads, queries, keys]`, or to fewer keys: the others are then masked. Of
    /// booleans, `false` means masked.
    ///
    /// # Errors
    /// Invalid input: it cannot be broadcast.
    pub fn new(mask: HostTensor, heads: &Heads) -> Result<Self> {
        let numbers = if mask.dtype() == host::BOOL {
            let mask = host::contiguous(mask);
            let numbers = host::slice::<u8>(&mask).iter().map(|on| if *on == 0 { f32::NEG_INFINITY } else { 0.0 });
            host::tensor(host::shape(&mask), numbers.collect())
        } else {
            host::contiguous(host::cast(mask, DType::F32))
        };
        let mut shape = heads.shape();
        let own = host::shape(&numbers).last().copied().unwrap_or(1);
        shape[3] = if own == 1 { heads.keys() } else { own };
        if own > heads.keys() {
            return wrong(format!("the mask has {own} keys, expected at most {}", heads.keys()));
        }
        Ok(Self { numbers: host::expand(numbers, &shape)? })
    }

    /// Adds it to the scores of one query.
    pub fn add(&self, (batch, head, query): (usize, usize, usize), scores: &mut [f32]) {
        let strides = self.numbers.layout().strides();
        let offset = batch as isize * strides[0] + head as isize * strides[1] + query as isize * strides[2];
        let numbers = bytemuck::cast_slice::<u8, f32>(self.numbers.bytes());
        let numbers = numbers.get(offset as usize..).unwrap_or_default();
        let keys = host::shape(&self.numbers)[3];
        if strides[3] == 0 {
            let Some(number) = numbers.first() else { return };
            return scores.iter_mut().for_each(|score| *score += number);
        }
        scores.iter_mut().zip(&numbers[..keys]).for_each(|(score, number)| *score += number);
        scores[keys..].fill(f32::NEG_INFINITY);
    }
}
