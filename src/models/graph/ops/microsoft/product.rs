//! Products with more to them.

use burn::tensor::DType;

use super::super::matmul::{Finish, floats, shape_of};
use super::super::quantise::product::factors;
use super::super::quantise::{self, Target, centred};
use super::super::{NodeSpec, Prepared, one, wrong};
use super::{add_bias, optional_floats};
use crate::error::Result;
use crate::models::graph::host::{self, HostTensor};

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

pub fn matmul_integer_to_float(_: &NodeSpec<'_>) -> Prepared {
    Ok(Box::new(|inputs| {
        let (a, b) = factors(inputs, [0, 1], [4, 5])?;
        let (scale_a, scale_b) = (host::to_f32s(inputs.take(2)?), host::to_f32s(inputs.take(3)?));
        let [scale_a] = scale_a[..] else { return wrong("the left factor has more than one scale") };
        let product = floats(a, b, &Finish { scale: Some(scale_a), ..Finish::default() })?;
        let bias = optional_floats(inputs, 6);
        one(scaled(product, &scale_b, bias.as_deref())?)
    }))
}

pub fn dynamic_quantize_matmul(_: &NodeSpec<'_>) -> Prepared {
    Ok(Box::new(|inputs| {
        let (x, b) = (inputs.floats(0)?, inputs.take(1)?);
        inputs.count(&shape_of(host::shape(&x), host::shape(&b))?)?;
        let scale_b = host::to_f32s(inputs.take(2)?);
        let b = centred(b, inputs.optional(3), -1)?;
        let bias = optional_floats(inputs, 4);
        let (scale, zero) = quantise::range(host::slice(&x));
        let one_scale = host::tensor(&[], vec![scale]);
        let x = quantise::quantise(x, &one_scale, None, Target { dtype: DType::U8, axis: 0, block: 0, zero })?;
        let x = centred(x, Some(host::tensor(&[], vec![zero])), 0)?;
        let product = floats(x, b, &Finish { scale: Some(scale), ..Finish::default() })?;
        one(scaled(product, &scale_b, bias.as_deref())?)
    }))
}

/// `product` times one scale, or one for each column, plus a bias.
fn scaled(product: HostTensor, scales: &[f32], bias: Option<&[f32]>) -> Result<HostTensor> {
    let shape = host::shape(&product).to_vec();
    let columns = shape.last().copied().unwrap_or(1);
    let mut numbers = host::to_f32s(product);
    match scales {
        [scale] => numbers.iter_mut().for_each(|x| *x *= scale),
        _ if scales.len() == columns => {
            for row in numbers.chunks_exact_mut(columns.max(1)) {
                row.iter_mut().zip(scales).for_each(|(x, scale)| *x *= scale);
            }
        }
        _ => return wrong(format!("{} scales do not fit {columns} columns", scales.len())),
    }
    let product = host::tensor(&shape, numbers);
    match bias {
        Some(bias) => add_bias(product, bias),
        None => Ok(product),
    }
}
