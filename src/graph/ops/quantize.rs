//! Integers that stand for other numbers, by a scale and a zero point.

use burn::tensor::DType;

use super::{Accepts, Gives, Inputs, NodeSpec, Op, Prepared, axis_of, one, wrong};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor};
use crate::kernels::rows;
use quant_params::Spread;

pub mod product;
mod quant_params;

pub const OPS: &[Op] = &[
    Op::new("QuantizeLinear", Accepts::Numbers, &[Gives::As(2)], quantise_op),
    Op::new("DequantizeLinear", Accepts::Integers, &[Gives::As(1)], dequantise_op),
    Op::of(super::MICROSOFT, "QuantizeLinear", Accepts::Numbers, &[Gives::As(2)], quantise_op),
    Op::of(super::MICROSOFT, "DequantizeLinear", Accepts::Integers, &[Gives::As(1)], dequantise_op),
    Op::new(
        "DynamicQuantizeLinear",
        Accepts::Singles,
        &[Gives::Is(DType::U8), Gives::Is(DType::F32), Gives::Is(DType::U8)],
        |_| {
            Ok(Box::new(|inputs| {
                let x = inputs.floats(0)?;
                let (scale, zero) = range(host::slice(&x));
                let scale = host::tensor(&[], vec![scale]);
                let y = quantise(x, &scale, None, Target { dtype: DType::U8, axis: 0, block: 0, zero })?;
                Ok(vec![y, scale, host::tensor(&[], vec![zero as u8])])
            }))
        },
    ),
    Op::new("MatMulInteger", Accepts::Integers, &[Gives::Is(DType::I32)], product::matmul_integer),
    Op::new("QLinearMatMul", Accepts::Integers, &[Gives::As(7)], product::qlinear_matmul),
    Op::new("QLinearConv", Accepts::Integers, &[Gives::As(7)], product::qlinear_conv),
];

/// The scale and the zero point of numbers as bytes, with nought among them.
///
/// # Source
/// The ONNX specification of DynamicQuantizeLinear; where all numbers are nought the scale is onnxruntime's.
pub fn range(numbers: &[f32]) -> (f32, f32) {
    let (low, high) = (rows::smallest(numbers).min(0.0), rows::largest(numbers).max(0.0));
    let scale = if low == high { 1.0 } else { (high - low) / 255.0 };
    let zero = (-low / scale).round_ties_even().clamp(0.0, 255.0);
    // Numbers without an end have no scale, and so no place for nought.
    (scale, if zero.is_nan() { 0.0 } else { zero })
}

fn is_small(dtype: DType) -> bool {
    matches!(dtype, DType::U8 | DType::I8 | DType::U16 | DType::I16)
}

/// What numbers are to become.
#[derive(Clone, Copy)]
pub struct Target {
    /// Their type.
    pub dtype: DType,
    /// The dimension that the scales are along.
    pub axis: i64,
    /// How many numbers along it have one scale; nought where each has one of its own.
    pub block: usize,
    /// The zero point where no tensor says it.
    pub zero: f32,
}

/// The attributes of both.
fn target(node: &NodeSpec<'_>) -> Result<Target, Refusal> {
    let block = node.attributes.int("block_size", 0)?;
    let block = usize::try_from(block).map_err(|_| format!("its block_size is {block}"))?;
    // Of floats of 8 bits, and of what the scale is anyway.
    node.attributes.get("saturate");
    node.attributes.get("precision");
    let dtype = match node.attributes.int("output_dtype", 0)? {
        0 => DType::U8,
        number => crate::graph::import::dtype(number).map_err(|error| error.to_string())?,
    };
    Ok(Target { dtype, axis: node.attributes.int("axis", 1)?, block, zero: 0.0 })
}

fn quantise_op(node: &NodeSpec<'_>) -> Prepared {
    let target = target(node)?;
    if node.dtype(2).is_some_and(|dtype| !is_small(dtype)) || !is_small(target.dtype) {
        return Err("it is known for integers of 8 and 16 bits".to_string());
    }
    Ok(Box::new(move |inputs| {
        let (x, scale, zero) = (inputs.floats(0)?, inputs.take(1)?, inputs.optional(2));
        let dtype = zero.as_ref().map_or(target.dtype, HostTensor::dtype);
        one(quantise(x, &scale, zero, Target { dtype, ..target })?)
    }))
}

fn dequantise_op(node: &NodeSpec<'_>) -> Prepared {
    let target = target(node)?;
    let wanted = node.attributes.int("output_dtype", 0)?;
    Ok(Box::new(move |inputs| {
        let (x, scale) = (inputs.take(0)?, inputs.take(1)?);
        let dtype = if wanted == 0 { scale.dtype() } else { target.dtype };
        one(host::cast(dequantise(x, &scale, inputs.optional(2), target)?, dtype))
    }))
}

/// The integers that stand for `x`, of 32-bit floats.
///
/// # Errors
/// Invalid input: scales and zero points do not fit it.
pub fn quantise(x: HostTensor, scale: &HostTensor, zero: Option<HostTensor>, to: Target) -> Result<HostTensor> {
    let shape = host::shape(&x).to_vec();
    let spread = Spread::new(&shape, host::shape(scale), to.axis, to.block)?;
    let scales = host::to_f32s(scale.clone());
    let zeros = zeros(zero, to.zero, scales.len())?;
    let mut numbers = host::to_f32s(x);
    spread.each(|run, at, moves| {
        let x = &mut numbers[run];
        if moves {
            let scales = scales[at..].iter().zip(&zeros[at..]);
            x.iter_mut().zip(scales).for_each(|(x, (scale, zero))| *x = (*x / scale).round_ties_even() + zero);
        } else {
            let (scale, zero) = (scales[at], zeros[at]);
            x.iter_mut().for_each(|x| *x = (*x / scale).round_ties_even() + zero);
        }
    });
    // To cast a float to an integer is to take the nearest that there is.
    Ok(match to.dtype {
        DType::U8 => host::tensor(&shape, numbers.iter().map(|x| *x as u8).collect()),
        DType::I8 => host::tensor(&shape, numbers.iter().map(|x| *x as i8).collect()),
        DType::U16 => host::tensor(&shape, numbers.iter().map(|x| *x as u16).collect()),
        DType::I16 => host::tensor(&shape, numbers.iter().map(|x| *x as i16).collect()),
        dtype => return wrong(format!("it gives integers of 8 and 16 bits, not {dtype:?}")),
    })
}

/// What the integers `x` stand for, as 32-bit floats.
///
/// # Errors
/// Invalid input: scales and zero points do not fit them.
pub fn dequantise(x: HostTensor, scale: &HostTensor, zero: Option<HostTensor>, from: Target) -> Result<HostTensor> {
    let shape = host::shape(&x).to_vec();
    let spread = Spread::new(&shape, host::shape(scale), from.axis, from.block)?;
    let scales = host::to_f32s(scale.clone());
    let zeros = zeros(zero, 0.0, scales.len())?;
    let mut numbers = host::to_f32s(x);
    spread.each(|run, at, moves| {
        let x = &mut numbers[run];
        if moves {
            let scales = scales[at..].iter().zip(&zeros[at..]);
            x.iter_mut().zip(scales).for_each(|(x, (scale, zero))| *x = (*x - zero) * scale);
        } else {
            let (scale, zero) = (scales[at], zeros[at]);
            x.iter_mut().for_each(|x| *x = (*x - zero) * scale);
        }
    });
    Ok(host::tensor(&shape, numbers))
}

fn zeros(zero: Option<HostTensor>, default: f32, count: usize) -> Result<Vec<f32>> {
    let zeros = zero.map_or_else(|| vec![default; count], host::to_f32s);
    if zeros.len() != count {
        return wrong(format!("there are {} zero points for {count} scales", zeros.len()));
    }
    Ok(zeros)
}

/// Integers as 32-bit floats, less their zero points, of which there is one, or one for each along `axis`.
///
/// # Errors
/// Invalid input: the zero points do not fit.
pub fn centred(x: HostTensor, zero: Option<HostTensor>, axis: i64) -> Result<HostTensor> {
    let Some(zero) = zero else { return Ok(host::contiguous(host::cast(x, DType::F32))) };
    // One for each, and of one dimension: onnxruntime and ONNX's own tests also have `[n, 1]`.
    let count = zero.layout().num_elements();
    let zero = if count == 1 { host::reshape(zero, &[]) } else { host::reshape(zero, &[count]) };
    let ones = host::tensor(host::shape(&zero), vec![1.0f32; count]);
    dequantise(x, &ones, Some(zero), Target { dtype: DType::F32, axis, block: 0, zero: 0.0 })
}

/// A number: a tensor of one.
///
/// # Errors
/// Invalid input: it has more or none.
pub fn number(inputs: &mut Inputs<'_>, place: usize) -> Result<f32> {
    match host::to_f32s(inputs.take(place)?)[..] {
        [number] => Ok(number),
        ref numbers => wrong(format!("its input {place} has {} numbers, not one", numbers.len())),
    }
}
