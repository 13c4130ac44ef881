//! Numbers of 8 and 16 bits that stand for others.

use super::{Op, wrong};
use crate::error::Result;
use crate::models::graph::host::{self, HostTensor};
use burn::tensor::DType;

pub const OPS: &[Op] = &[];

/// Integers as 32-bit floats, less their zero points, of which there is one, or one for each along `axis`.
///
/// # Errors
/// Invalid input: the zero points do not fit.
pub fn centred(x: HostTensor, zero: Option<HostTensor>, axis: usize) -> Result<HostTensor> {
    let shape = host::shape(&x).to_vec();
    let mut numbers = host::to_f32s(x);
    if let Some(zero) = zero {
        let zero = host::to_f32s(host::cast(zero, DType::F32));
        let inner = match (shape.get(axis), zero.len()) {
            (_, 1) => numbers.len(),
            (Some(size), count) if *size == count => shape[axis + 1..].iter().product(),
            (_, count) => return wrong(format!("{count} zero points do not fit the shape {shape:?}")),
        };
        for (at, part) in numbers.chunks_exact_mut(inner.max(1)).enumerate() {
            let zero = zero[at % zero.len()];
            part.iter_mut().for_each(|x| *x -= zero);
        }
    }
    Ok(host::tensor(&shape, numbers))
}
