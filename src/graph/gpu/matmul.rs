//! Matrix products and attention.

use super::layout::fits_with;
use super::{Call, Run, elementwise};
use crate::gpu::{Attention, Product, Tensor};
use crate::graph::ops::NodeSpec;

pub fn matmul(call: &Call<'_>) -> Option<Tensor> {
    product(&call.floats(0)?, &call.floats(1)?, &Product::default(), call)
}

pub fn matmul_bias(node: &NodeSpec<'_>) -> Option<Run> {
    let activation = elementwise::activation(node)?;
    Some(Box::new(move |call| {
        let (a, b, bias) = (call.floats(0)?, call.floats(1)?, call.floats(2)?);
        if bias.shape() != [*b.shape().last()?] {
            return None;
        }
        let epilogue = Product { bias: Some(&bias), activation: &activation, ..Product::default() };
        product(&a, &b, &epilogue, call)
    }))
}

/// The matrix product, with the batch dimensions broadcast to each other.
fn product(a: &Tensor, b: &Tensor, epilogue: &Product<'_>, call: &Call<'_>) -> Option<Tensor> {
    let (&[ref a_batch @ .., rows, inner], &[ref b_batch @ .., b_inner, columns]) = (a.shape(), b.shape()) else {
        return None;
    };
    let batch = call.broadcast(&[a_batch, b_batch])?;
    let fits = inner == b_inner && call.fits(&[&batch[..], &[rows, columns]].concat());
    fits.then(|| call.gpu.matmul(a, b, epilogue))?
}

/// `softmax(q kᵀ · scale + mask) v`, each being `[batch, heads, seq, size]`.
pub fn attention(node: &NodeSpec<'_>) -> Option<Run> {
    let scale = node.attributes.float("scale", 1.0).ok()?;
    Some(Box::new(move |call| {
        let (q, k, v) = (call.floats(0)?, call.floats(1)?, call.floats(2)?);
        let (&[batch, heads, queries, _], &[_, _, keys, _]) = (q.shape(), k.shape()) else { return None };
        let mask = call.optional_floats(3)?;
        if mask.as_ref().is_some_and(|mask| !fits_with(mask.shape(), &[batch, heads, queries, keys])) {
            return None;
        }
        call.gpu.attention([&q, &k, &v], mask.as_ref(), &Attention { scale, ..Attention::default() })
    }))
}

pub fn gemm(node: &NodeSpec<'_>) -> Option<Run> {
    let attributes = node.attributes;
    let (alpha, beta) = (attributes.float("alpha", 1.0).ok()?, attributes.float("beta", 1.0).ok()?);
    let (trans_a, trans_b) = (attributes.flag("transA", false).ok()?, attributes.flag("transB", false).ok()?);
    Some(Box::new(move |call| {
        let operand = |index: usize, transposed: bool| {
            let tensor = call.floats(index).filter(|tensor| tensor.shape().len() == 2)?;
            if transposed { tensor.permute(&[1, 0]) } else { Some(tensor) }
        };
        let (a, b) = (operand(0, trans_a)?, operand(1, trans_b)?);
        let c = call.optional_floats(2)?;
        if c.as_ref().is_some_and(|c| !fits_with(c.shape(), &[a.shape()[0], b.shape()[1]])) {
            return None;
        }
        product(&a, &b, &Product { alpha, beta, bias: c.as_ref(), ..Product::default() }, call)
    }))
}
