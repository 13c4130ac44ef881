//! FusedMatMul, MatMulIntegerToFloat and DynamicQuantizeMatMul.

use burn::tensor::DType;

use super::super::matmul::{Epilogue, floats, shape_of};
use super::super::quantize;
use super::super::quantize::product::{self, Rhs};
use super::super::{NodeSpec, Prepared, one, wrong};
use super::optional_floats;
use crate::error::Result;
use crate::graph::host::{self, HostTensor};
use crate::kernels::activation::{at_least, at_most};

pub fn fused_matmul(node: &NodeSpec<'_>) -> Prepared {
    let alpha = node.attributes.float("alpha", 1.0)?;
    let transposed = [node.attributes.flag("transA", false)?, node.attributes.flag("transB", false)?];
    if node.attributes.flag("transBatchA", false)? || node.attributes.flag("transBatchB", false)? {
        return Err("transBatchA and transBatchB are not supported".to_string());
    }
    Ok(Box::new(move |inputs| {
        let (a, b) = (transpose(inputs.take(0)?, transposed[0]), transpose(inputs.take(1)?, transposed[1]));
        let dtype = a.dtype();
        inputs.count(&shape_of(host::shape(&a), host::shape(&b))?)?;
        let finish = Epilogue { scale: Some(alpha), ..Epilogue::default() };
        one(host::cast(floats(host::cast(a, DType::F32), host::cast(b, DType::F32), &finish)?, dtype))
    }))
}

/// The tensor with its last two dimensions exchanged.
fn transpose(x: HostTensor, wanted: bool) -> HostTensor {
    let rank = host::shape(&x).len();
    if wanted && rank > 1 { x.transpose(rank - 2, rank - 1) } else { x }
}

pub fn matmul_integer_to_float(node: &NodeSpec<'_>) -> Prepared {
    let rhs = Rhs::new(node, 1, 5)?;
    Ok(Box::new(move |inputs| {
        let a = inputs.contiguous(0)?;
        let lhs = product::lhs(&a, inputs.optional(4))?;
        let (shape, sums) = product::multiply(inputs, &lhs, host::shape(&a), &rhs)?;
        let (scale_a, scales) = (quantize::number(inputs, 2)?, host::to_f32s(inputs.take(3)?));
        let bias = optional_floats(inputs, 6);
        one(scaled(&shape, &sums, scale_a, &scales, bias.as_deref())?)
    }))
}

pub fn dynamic_quantize_matmul(node: &NodeSpec<'_>) -> Prepared {
    let rhs = Rhs::new(node, 1, 3)?;
    Ok(Box::new(move |inputs| {
        let x = inputs.floats(0)?;
        let numbers = host::slice::<f32>(&x);
        let (scale, zero) = quantize::range(numbers);
        // The quantised `x` minus its zero point. Adding a large number leaves the integer in the lowest bits.
        const ROUND: f32 = 12_582_912.0;
        let within = |x| at_most(at_least(x, -zero), 255.0 - zero);
        let integer = |x: &f32| (within(x / scale) + ROUND).to_bits().wrapping_sub(ROUND.to_bits());
        let lhs: Vec<i16> = numbers.iter().map(|x| integer(x) as i16).collect();
        let (shape, sums) = product::multiply(inputs, &lhs, host::shape(&x), &rhs)?;
        let scales = host::to_f32s(inputs.take(2)?);
        let bias = optional_floats(inputs, 4);
        one(scaled(&shape, &sums, scale, &scales, bias.as_deref())?)
    }))
}

/// `sums` times the scale of the LHS and that of the RHS, which may be one for each column, plus a bias.
fn scaled(shape: &[usize], sums: &[i32], scale: f32, scales: &[f32], bias: Option<&[f32]>) -> Result<HostTensor> {
    let columns = shape.last().copied().unwrap_or(1);
    let scales: Vec<f32> = match scales {
        [one] => vec![scale * one; columns],
        _ if scales.len() == columns => scales.iter().map(|one| scale * one).collect(),
        _ => return wrong(format!("there are {} scales, expected 1 or {columns}", scales.len())),
    };
    let bias = match bias {
        Some(bias) if bias.len() != columns => {
            return wrong(format!("the bias has the wrong length, expected {columns}"));
        }
        Some(bias) => bias.to_vec(),
        None => vec![0.0; columns],
    };
    let mut out = Vec::with_capacity(sums.len());
    for sums in sums.chunks_exact(columns.max(1)) {
        out.extend(sums.iter().zip(scales.iter().zip(&bias)).map(|(sum, (scale, bias))| *sum as f32 * scale + bias));
    }
    Ok(host::tensor(shape, out))
}
