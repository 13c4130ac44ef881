//! Quantisation: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear, and integer products.

use burn::tensor::DType;

use super::op::given;
use super::{Accepts, Given, Gives, Inputs, NodeSpec, Op, Prepared, axis_of, one, wrong};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::cost::CostRule;
use crate::graph::encoding::{Encoding, Round};
use crate::graph::host::{self, HostTensor};
use crate::kernels::reduce;
use quant_params::QuantParams;

pub mod product;
mod quant_params;

pub static OPS: &[Op] = &[
    Op::new("QuantizeLinear", Accepts::Numbers, &[Gives::By(quantised_type)], quantise_op).encoded(),
    Op::new("DequantizeLinear", Accepts::Integers, &[Gives::As(1)], dequantise_op).encoded(),
    Op::contrib("QuantizeLinear", Accepts::Numbers, &[Gives::As(2)], quantise_op),
    Op::contrib("DequantizeLinear", Accepts::Integers, &[Gives::As(1)], dequantise_op),
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
    Op::new("MatMulInteger", Accepts::Integers, &[Gives::Is(DType::I32)], product::matmul_integer)
        .costs(CostRule::MatMul),
    Op::new("QLinearMatMul", Accepts::Integers, &[Gives::As(7)], product::qlinear_matmul).costs(CostRule::MatMul),
    Op::new("QLinearConv", Accepts::Integers, &[Gives::As(7)], product::qlinear_conv)
        .costs(CostRule::Conv { weights: 3 }),
];

/// The scale and the zero point that map the range of `numbers`, with zero, to bytes.
///
/// # Source
/// The ONNX specification of DynamicQuantizeLinear; where all numbers are zero, the scale is that of onnxruntime.
pub fn range(numbers: &[f32]) -> (f32, f32) {
    let (low, high) = (reduce::smallest(numbers).min(0.0), reduce::largest(numbers).max(0.0));
    let scale = if low == high { 1.0 } else { (high - low) / 255.0 };
    let zero = (-low / scale).round_ties_even().clamp(0.0, 255.0);
    // An infinite range has no scale, and so no zero point.
    (scale, if zero.is_nan() { 0.0 } else { zero })
}

fn is_small(dtype: DType) -> bool {
    matches!(dtype, DType::U8 | DType::I8 | DType::U16 | DType::I16)
}

/// The quantised form of a tensor.
#[derive(Clone, Copy)]
pub struct Target {
    /// The type of its integers.
    pub dtype: DType,
    /// The axis of the scales.
    pub axis: i64,
    /// The elements of a block along it; zero where the scales are per axis or per tensor.
    pub block: usize,
    /// The zero point where no tensor gives it.
    pub zero: f32,
}

/// The attributes of QuantizeLinear and DequantizeLinear.
fn target(node: &NodeSpec<'_>) -> Result<Target, Refusal> {
    let block = node.attributes.int("block_size", 0)?;
    let block =
        usize::try_from(block).map_err(|_| format!("the attribute block_size is {block}, which is not supported"))?;
    // That of the scale anyway.
    node.attributes.get("precision");
    let dtype = match node.attributes.int("output_dtype", 0)? {
        0 => DType::U8,
        number => crate::graph::import::dtype(number).map_err(|error| error.to_string())?,
    };
    Ok(Target { dtype, axis: node.attributes.int("axis", 1)?, block, zero: 0.0 })
}

/// The type of the zero point, or that which the attribute says.
fn quantised_type(node: &NodeSpec<'_>) -> Given {
    match node.attributes.optional_int("output_dtype") {
        _ if node.has(2) => (node.dtype(2), node.encoding(2)),
        Ok(Some(number)) if number != 0 => given(number),
        _ => (Some(DType::U8), None),
    }
}

fn quantise_op(node: &NodeSpec<'_>) -> Prepared {
    let target = target(node)?;
    let (_, encoding) = quantised_type(node);
    let saturate = node.attributes.flag("saturate", true)?;
    if node.dtype(2).is_some_and(|dtype| !is_small(dtype)) || !is_small(target.dtype) {
        return Err("only integers of 8 and 16 bits are supported".to_string());
    }
    Ok(Box::new(move |inputs| {
        let (x, scale, zero) = (inputs.floats(0)?, inputs.take(1)?, inputs.optional(2));
        if let Some(encoding @ Encoding::Float(_)) = encoding {
            // Their zero point is zero, to which a negative zero is added.
            let quotients = scaled(x, &scale, None, target, |x, scale, zero| x / scale + zero)?;
            return one(encoding.encode(quotients, saturate, Round::Nearest));
        }
        let dtype = zero.as_ref().map_or(target.dtype, HostTensor::dtype);
        let y = quantise(x, &scale, zero, Target { dtype, ..target })?;
        one(match encoding.and_then(Encoding::range) {
            None => y,
            Some((low, high)) => {
                let numbers: Vec<i64> = host::to_i64s(&y).into_iter().map(|y| y.clamp(low, high)).collect();
                host::from_i64s(dtype, host::shape(&y), &numbers)
            }
        })
    }))
}

fn dequantise_op(node: &NodeSpec<'_>) -> Prepared {
    let target = target(node)?;
    let wanted = node.attributes.int("output_dtype", 0)?;
    let encoding = node.encoding(0);
    Ok(Box::new(move |inputs| {
        let decode = |x: HostTensor| match encoding {
            Some(encoding) => encoding.decode(x),
            None => x,
        };
        let (x, scale, zero) = (decode(inputs.take(0)?), inputs.take(1)?, inputs.optional(2).map(decode));
        let dtype = if wanted == 0 { scale.dtype() } else { target.dtype };
        one(host::cast(dequantise(x, &scale, zero, target)?, dtype))
    }))
}

/// Quantises `x`, of 32-bit floats.
///
/// # Errors
/// Invalid input: scales and zero points do not fit it.
pub fn quantise(x: HostTensor, scale: &HostTensor, zero: Option<HostTensor>, to: Target) -> Result<HostTensor> {
    let y = scaled(x, scale, zero, to, |x, scale, zero| (x / scale).round_ties_even() + zero)?;
    let shape = host::shape(&y).to_vec();
    let numbers = host::to_f32s(y);
    // Casts from floats to integers saturate.
    Ok(match to.dtype {
        DType::U8 => host::tensor(&shape, numbers.iter().map(|x| *x as u8).collect()),
        DType::I8 => host::tensor(&shape, numbers.iter().map(|x| *x as i8).collect()),
        DType::U16 => host::tensor(&shape, numbers.iter().map(|x| *x as u16).collect()),
        DType::I16 => host::tensor(&shape, numbers.iter().map(|x| *x as i16).collect()),
        dtype => return wrong(format!("the output type is {dtype:?}, expected an integer of 8 or 16 bits")),
    })
}

/// Dequantises the integers `x` to 32-bit floats.
///
/// # Errors
/// Invalid input: scales and zero points do not fit them.
pub fn dequantise(x: HostTensor, scale: &HostTensor, zero: Option<HostTensor>, from: Target) -> Result<HostTensor> {
    scaled(x, scale, zero, from, |x, scale, zero| (x - zero) * scale)
}

/// `f` of each element, its scale and its zero point, as 32-bit floats.
fn scaled(
    x: HostTensor,
    scale: &HostTensor,
    zero: Option<HostTensor>,
    target: Target,
    f: impl Fn(f32, f32, f32) -> f32,
) -> Result<HostTensor> {
    let shape = host::shape(&x).to_vec();
    let params = QuantParams::new(&shape, host::shape(scale), target.axis, target.block)?;
    let scales = host::to_f32s(scale.clone());
    let zeros = zeros(zero, target.zero, scales.len())?;
    let mut numbers = host::to_f32s(x);
    params.each(|run, at, moves| {
        let x = &mut numbers[run];
        if moves {
            let scales = scales[at..].iter().zip(&zeros[at..]);
            x.iter_mut().zip(scales).for_each(|(x, (scale, zero))| *x = f(*x, *scale, *zero));
        } else {
            let (scale, zero) = (scales[at], zeros[at]);
            x.iter_mut().for_each(|x| *x = f(*x, scale, zero));
        }
    });
    Ok(host::tensor(&shape, numbers))
}

fn zeros(zero: Option<HostTensor>, default: f32, count: usize) -> Result<Vec<f32>> {
    let zeros = zero.map_or_else(|| vec![default; count], host::to_f32s);
    if zeros.len() != count {
        return wrong(format!("there are {} zero points, expected {count}, as many as scales", zeros.len()));
    }
    Ok(zeros)
}

/// Integers minus their zero points, as 32-bit floats. There is one zero point, or one for each index along `axis`.
///
/// # Errors
/// Invalid input: the zero points do not fit.
pub fn centred(x: HostTensor, zero: Option<HostTensor>, axis: i64) -> Result<HostTensor> {
    let Some(zero) = zero else { return Ok(host::contiguous(host::cast(x, DType::F32))) };
    // As a vector: onnxruntime and ONNX's own tests also have `[n, 1]`.
    let count = zero.layout().num_elements();
    let zero = if count == 1 { host::reshape(zero, &[]) } else { host::reshape(zero, &[count]) };
    let ones = host::tensor(host::shape(&zero), vec![1.0f32; count]);
    dequantise(x, &ones, Some(zero), Target { dtype: DType::F32, axis, block: 0, zero: 0.0 })
}

/// The input at `index`, which has one element.
///
/// # Errors
/// Invalid input: it has another number of elements.
pub fn number(inputs: &mut Inputs<'_>, index: usize) -> Result<f32> {
    match host::to_f32s(inputs.take(index)?)[..] {
        [number] => Ok(number),
        ref numbers => wrong(format!("the input {index} has {} elements, expected 1", numbers.len())),
    }
}
