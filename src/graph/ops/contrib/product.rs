//! Products with more to them.

use burn::tensor::DType;

use super::super::matmul::{Finish, floats, shape_of};
use super::super::quantize;
use super::super::quantize::product::{self, Right};
use super::super::{NodeSpec, Prepared, one, wrong};
use super::optional_floats;
use crate::error::Result;
use crate::graph::host::{self, HostTensor};

pub fn fused_matmul(node: &NodeSpec<'_>) -> Prepared {
    let alpha = node.attributes.float("alpha", 1.0)?;
    let turned = [node.attributes.flag("transA", false)?, node.attributes.flag("transB", false)?];
    if node.attributes.flag("transBatchA", false)? || node.attributes.flag("transBatchB", false)? {
        return Err("batches behind the rows are not known".to_string());
    }
    Ok(Box::new(move |inputs| {
        let (a, b) = (turn(inputs.take(0)?, turned[0]), turn(inputs.take(1)?, turned[1]));
        let dtype = a.dtype();
        inputs.count(&shape_of(host::shape(&a), host::shape(&b))?)?;
        let finish = Finish { scale: Some(alpha), ..Finish::default() };
        one(host::cast(floats(host::cast(a, DType::F32), host::cast(b, DType::F32), &finish)?, dtype))
    }))
}

/// The last two dimensions exchanged.
fn turn(x: HostTensor, wanted: bool) -> HostTensor {
    let rank = host::shape(&x).len();
    if wanted && rank > 1 { x.transpose(rank - 2, rank - 1) } else { x }
}

pub fn matmul_integer_to_float(node: &NodeSpec<'_>) -> Prepared {
    let right = Right::new(node, 1, 5)?;
    Ok(Box::new(move |inputs| {
        let a = inputs.contiguous(0)?;
        let left = product::left(&a, inputs.optional(4))?;
        let (shape, sums) = product::multiply(inputs, &left, host::shape(&a), &right)?;
        let (scale_a, scales) = (quantize::number(inputs, 2)?, host::to_f32s(inputs.take(3)?));
        let bias = optional_floats(inputs, 6);
        one(scaled(&shape, &sums, scale_a, &scales, bias.as_deref())?)
    }))
}

pub fn dynamic_quantize_matmul(node: &NodeSpec<'_>) -> Prepared {
    let right = Right::new(node, 1, 3)?;
    Ok(Box::new(move |inputs| {
        let x = inputs.floats(0)?;
        let numbers = host::slice::<f32>(&x);
        let (scale, zero) = quantize::range(numbers);
        // The integers that stand for `x`, less their zero point. Adding a large number leaves them in the lowest bits.
        const ROUND: f32 = 12_582_912.0;
        let integer =
            |x: &f32| ((x / scale).clamp(-zero, 255.0 - zero) + ROUND).to_bits().wrapping_sub(ROUND.to_bits());
        let left: Vec<i16> = numbers.iter().map(|x| integer(x) as i16).collect();
        let (shape, sums) = product::multiply(inputs, &left, host::shape(&x), &right)?;
        let scales = host::to_f32s(inputs.take(2)?);
        let bias = optional_floats(inputs, 4);
        one(scaled(&shape, &sums, scale, &scales, bias.as_deref())?)
    }))
}

/// `sums` times a scale of the left factor, and one of the right or one for each column, plus a bias.
fn scaled(shape: &[usize], sums: &[i32], scale: f32, scales: &[f32], bias: Option<&[f32]>) -> Result<HostTensor> {
    let columns = shape.last().copied().unwrap_or(1);
    let scales: Vec<f32> = match scales {
        [one] => vec![scale * one; columns],
        _ if scales.len() == columns => scales.iter().map(|one| scale * one).collect(),
        _ => return wrong(format!("{} scales do not fit {columns} columns", scales.len())),
    };
    let bias = match bias {
        Some(bias) if bias.len() != columns => return wrong(format!("the bias does not have {columns} numbers")),
        Some(bias) => bias.to_vec(),
        None => vec![0.0; columns],
    };
    let mut out = Vec::with_capacity(sums.len());
    for sums in sums.chunks_exact(columns.max(1)) {
        out.extend(sums.iter().zip(scales.iter().zip(&bias)).map(|(sum, (scale, bias))| *sum as f32 * scale + bias));
    }
    Ok(host::tensor(shape, out))
}
