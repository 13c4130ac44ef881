//! Attention of all heads, wherever their numbers lie.

use burn::tensor::DType;

use super::super::wrong;
use crate::error::Result;
use crate::models::graph::host::{self, HostTensor};
use crate::ops::attention::{Head, Sizes};
use crate::ops::gemm::Matrix;

/// Queries, keys and values of the shape `[batch, heads, sequence, size]`, in any order in memory. Several heads of
/// queries may have the same keys and values.
pub struct Heads {
    q: HostTensor,
    k: HostTensor,
    v: HostTensor,
    pub scale: f32,
}

/// A tensor in the order of its dimensions, none of them backwards.
fn forward(tensor: HostTensor) -> HostTensor {
    if tensor.layout().strides().iter().all(|stride| *stride >= 0) { tensor } else { host::contiguous(tensor) }
}

/// The rows of one head.
fn matrix(tensor: &HostTensor, batch: usize, head: usize) -> Matrix<'_> {
    let strides = tensor.layout().strides();
    let place = tensor.layout().start_offset() + batch * strides[0] as usize + head * strides[1] as usize;
    let data = bytemuck::cast_slice(tensor.bytes()).get(place..).unwrap_or_default();
    Matrix { data, row_stride: strides[2] as usize, column_stride: strides[3] as usize }
}

impl Heads {
    /// Without a scale it is that of the size of a query.
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
            return wrong(format!("queries, keys and values have the shapes {shape_q:?}, {shape_k:?} and {shape_v:?}"));
        }
        let scale = scale.unwrap_or_else(|| 1.0 / (shape_q[3] as f32).sqrt());
        Ok(Self { q: forward(q), k: forward(k), v: forward(v), scale })
    }

    /// That of the result: `[batch, heads, sequence, size]`.
    pub fn shape(&self) -> Vec<usize> {
        let (q, v) = (host::shape(&self.q), host::shape(&self.v));
        vec![q[0], q[1], q[2], v[3]]
    }

    /// How many keys there are.
    pub fn keys(&self) -> usize {
        host::shape(&self.k)[2]
    }
}

/// Attends. The result has the shape of [`Heads::shape`], or with `sequence_first` that with heads and sequence
/// exchanged. `adjust` and `shares` are given batch, head and query with the scores before and after softmax.
pub fn attend(
    heads: &Heads,
    out: &mut [f32],
    sequence_first: bool,
    mut adjust: impl FnMut((usize, usize, usize), &mut [f32]),
    mut shares: impl FnMut((usize, usize, usize), &[f32]),
) {
    let shape = heads.shape();
    let &[batch, count, queries, value_size] = &shape[..] else { return };
    if batch * count * queries * value_size == 0 {
        return;
    }
    let groups = host::shape(&heads.k)[1];
    let sizes = Sizes { queries, keys: heads.keys(), size: host::shape(&heads.q)[3], value_size };
    for at in 0..batch {
        for head in 0..count {
            let group = head * groups / count;
            let one = Head {
                sizes,
                queries: matrix(&heads.q, at, head),
                keys: matrix(&heads.k, at, group),
                values: matrix(&heads.v, at, group),
                scale: heads.scale,
            };
            let (place, stride) = if sequence_first {
                ((at * queries * count + head) * value_size, count * value_size)
            } else {
                ((at * count + head) * queries * value_size, value_size)
            };
            one.write(
                &mut out[place..],
                stride,
                |query, scores| adjust((at, head, query), scores),
                |query, scores| shares((at, head, query), scores),
            );
        }
    }
}

/// What is added to the scores.
pub struct Mask {
    numbers: HostTensor,
}

impl Mask {
    /// A mask that can be broadcast to `[batch, heads, queries, keys]`, or to fewer keys, of which the rest is masked.
    /// Of booleans those that are false are masked.
    ///
    /// # Errors
    /// Invalid input: it cannot be.
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
            return wrong(format!("the mask is for {own} keys, of which there are {}", heads.keys()));
        }
        Ok(Self { numbers: host::expand(numbers, &shape)? })
    }

    /// Adds it to the scores of one query.
    pub fn add(&self, (batch, head, query): (usize, usize, usize), scores: &mut [f32]) {
        let strides = self.numbers.layout().strides();
        let place = batch as isize * strides[0] + head as isize * strides[1] + query as isize * strides[2];
        let numbers = bytemuck::cast_slice::<u8, f32>(self.numbers.bytes());
        let numbers = numbers.get(place as usize..).unwrap_or_default();
        let keys = host::shape(&self.numbers)[3];
        if strides[3] == 0 {
            let Some(number) = numbers.first() else { return };
            return scores.iter_mut().for_each(|score| *score += number);
        }
        scores.iter_mut().zip(&numbers[..keys]).for_each(|(score, number)| *score += number);
        scores[keys..].fill(f32::NEG_INFINITY);
    }
}
