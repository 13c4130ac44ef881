//! Matrix products and attention.

use burn::backend::Wgpu;
use burn::backend::ops::{ActivationOps, FloatTensorOps};
use burn::tensor::Shape;

use super::{Call, Floats, GpuTensor, Run, elementwise, of_rank, one};
use crate::graph::host;
use crate::graph::ops::NodeSpec;

pub fn matmul(call: &Call<'_>) -> Option<Vec<GpuTensor>> {
    let (product, shape) = product(call.floats(0)?, call.floats(1)?, call)?;
    one(product, &shape)
}

pub fn matmul_bias(node: &NodeSpec<'_>) -> Option<Run> {
    let activation = elementwise::activation(node)?;
    Some(Box::new(move |call| {
        let (product, shape) = product(call.floats(0)?, call.floats(1)?, call)?;
        let (bias, own) = call.floats(2)?;
        if shape.is_empty() || own != [*shape.last()?] {
            return None;
        }
        one(activation(Wgpu::float_add(product, of_rank(bias, own, shape.len()))), &shape)
    }))
}

/// The matrix product, with the batch dimensions broadcast to each other.
fn product(a: (Floats, &[usize]), b: (Floats, &[usize]), call: &Call<'_>) -> Option<(Floats, Vec<usize>)> {
    let ((a, a_shape), (b, b_shape)) = (a, b);
    let (&[ref a_batch @ .., rows, inner], &[ref b_batch @ .., b_inner, columns]) = (a_shape, b_shape) else {
        return None;
    };
    if inner != b_inner {
        return None;
    }
    // One product of many rows is faster than many products.
    if b_batch.iter().all(|size| *size == 1) && b_batch.len() <= a_batch.len() {
        let all = a_batch.iter().product::<usize>() * rows;
        let a = Wgpu::float_reshape(a, Shape::from([all, inner]));
        let b = Wgpu::float_reshape(b, Shape::from([inner, columns]));
        let shape = [a_batch, &[rows, columns]].concat();
        let product = || Wgpu::float_reshape(Wgpu::float_matmul(a, b), Shape::from(shape.clone()));
        return call.fits(&shape).then(|| (product(), shape.clone()));
    }
    let batch = host::broadcast_shape(a_batch, b_batch).ok()?;
    let shape = [&batch[..], &[rows, columns]].concat();
    let expand = |tensor, own: &[usize], last: [usize; 2]| {
        let wanted = [&batch[..], &last].concat();
        Wgpu::float_expand(of_rank(tensor, own, wanted.len()), Shape::from(wanted))
    };
    call.fits(&shape)
        .then(|| (Wgpu::float_matmul(expand(a, a_shape, [rows, inner]), expand(b, b_shape, [inner, columns])), shape))
}

/// `softmax(q kᵀ · scale + mask) v`, each being `[batch, heads, seq, size]`.
pub fn attention(node: &NodeSpec<'_>) -> Option<Run> {
    let scale = node.attributes.float("scale", 1.0).ok()?;
    Some(Box::new(move |call| scaled_dot_product(call, scale)))
}

fn scaled_dot_product(call: &Call<'_>, scale: f32) -> Option<Vec<GpuTensor>> {
    let ((q, q_shape), (k, k_shape), v) = (call.floats(0)?, call.floats(1)?, call.floats(2)?);
    let &[batch, heads, keys, size] = k_shape else { return None };
    if q_shape.len() != 4 || v.1.len() != 4 {
        return None;
    }
    let k = Wgpu::float_permute(k, &[0, 1, 3, 2]);
    let (mut scores, shape) = product((q, q_shape), (k, &[batch, heads, size, keys]), call)?;
    if scale != 1.0 {
        scores = Wgpu::float_mul_scalar(scores, scale.into());
    }
    if call.value(3).is_some() {
        let (mask, own) = call.floats(3)?;
        if host::broadcast_shape(own, &shape).ok()? != shape {
            return None;
        }
        scores = Wgpu::float_add(scores, of_rank(mask, own, shape.len()));
    }
    let (product, shape) = product((Wgpu::softmax(scores, 3), &shape), v, call)?;
    one(product, &shape)
}

pub fn gemm(node: &NodeSpec<'_>) -> Option<Run> {
    let attributes = node.attributes;
    let (alpha, beta) = (attributes.float("alpha", 1.0).ok()?, attributes.float("beta", 1.0).ok()?);
    let (trans_a, trans_b) = (attributes.flag("transA", false).ok()?, attributes.flag("transB", false).ok()?);
    Some(Box::new(move |call| {
        let ((a, &[a0, a1]), (b, &[b0, b1])) = (call.floats(0)?, call.floats(1)?) else { return None };
        let (a, rows, inner) = if trans_a { (Wgpu::float_transpose(a), a1, a0) } else { (a, a0, a1) };
        let (b, b_inner, columns) = if trans_b { (Wgpu::float_transpose(b), b1, b0) } else { (b, b0, b1) };
        if inner != b_inner || !call.fits(&[rows, columns]) {
            return None;
        }
        let mut product = Wgpu::float_matmul(a, b);
        if alpha != 1.0 {
            product = Wgpu::float_mul_scalar(product, alpha.into());
        }
        if call.value(2).is_some() {
            let (c, own) = call.floats(2)?;
            if host::broadcast_shape(own, &[rows, columns]).ok()? != [rows, columns] {
                return None;
            }
            let c = of_rank(c, own, 2);
            product = Wgpu::float_add(product, if beta == 1.0 { c } else { Wgpu::float_mul_scalar(c, beta.into()) });
        }
        one(product, &[rows, columns])
    }))
}
