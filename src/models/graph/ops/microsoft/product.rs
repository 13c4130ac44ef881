//! Products with more to them.

use burn::tensor::DType;

use super::super::matmul::{Finish, floats, shape_of};
use super::super::quantise::product::factors;
use super::super::quantise::{self, centred};
use super::super::zip::map_floats;
use super::super::{Inputs, NodeSpec, Prepared, one, wrong};
use super::{add_bias, optional_floats};
use crate::error::Result;
use crate::models::graph::host::{self, HostTensor};
use crate::ops::gemm::{Matrix, Product, Start};
use crate::ops::packed::{Bits, Packed};

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
    let packed = pack(node, 1, 3, 5);
    Ok(Box::new(move |inputs| {
        if let Some(weights) = &packed {
            let x = inputs.take(0)?;
            let row = if host::shape(&x).len() > 1 { -2 } else { -1 };
            let x = centred(x, inputs.optional(4), row)?;
            let scale = quantise::number(inputs, 2)?;
            return one(by_packed(inputs, x, scale, weights, 6)?);
        }
        let (a, b) = factors(inputs, [0, 1], [4, 5])?;
        let (scale_a, scale_b) = (host::to_f32s(inputs.take(2)?), host::to_f32s(inputs.take(3)?));
        let [scale_a] = scale_a[..] else { return wrong("the left factor has more than one scale") };
        let product = floats(a, b, &Finish { scale: Some(scale_a), ..Finish::default() })?;
        let bias = optional_floats(inputs, 6);
        one(scaled(product, &scale_b, bias.as_deref())?)
    }))
}

pub fn dynamic_quantize_matmul(node: &NodeSpec<'_>) -> Prepared {
    let packed = pack(node, 1, 2, 3);
    Ok(Box::new(move |inputs| {
        let x = inputs.floats(0)?;
        let (scale, zero) = quantise::range(host::slice(&x));
        // The integers that stand for `x`, less their zero point.
        let x = map_floats(x, |x| ((x / scale).round_ties_even() + zero).clamp(0.0, 255.0) - zero);
        if let Some(weights) = &packed {
            return one(by_packed(inputs, x, scale, weights, 4)?);
        }
        let b = inputs.take(1)?;
        inputs.count(&shape_of(host::shape(&x), host::shape(&b))?)?;
        let scale_b = host::to_f32s(inputs.take(2)?);
        let b = centred(b, inputs.optional(3), -1)?;
        let bias = optional_floats(inputs, 4);
        let product = floats(x, b, &Finish { scale: Some(scale), ..Finish::default() })?;
        one(scaled(product, &scale_b, bias.as_deref())?)
    }))
}

/// Constant weights of 8 bits, with one scale and zero point for each column or for all; none where they are not that.
fn pack(node: &NodeSpec<'_>, weights: usize, scale: usize, zero: usize) -> Option<Packed> {
    let weights = host::contiguous(node.constant(weights)?.clone());
    let &[k, n] = host::shape(&weights) else { return None };
    // Packed weights have no sign: those that have one are moved up, and their zero points with them.
    let (flip, up) = match weights.dtype() {
        DType::U8 => (0, 0.0),
        DType::I8 => (128, 128.0),
        _ => return None,
    };
    let each = |numbers: Vec<f32>| match numbers[..] {
        [number] => Some(vec![number; n]),
        _ => Some(numbers).filter(|numbers| numbers.len() == n),
    };
    let scales = each(host::to_f32s(node.constant(scale)?.clone()))?;
    let zeros = match node.constant(zero) {
        None if node.has(zero) => return None,
        None => vec![up; n],
        Some(zeros) => each(host::to_f32s(zeros.clone()))?.iter().map(|zero| zero + up).collect(),
    };
    let rows = host::slice::<u8>(&weights);
    let block = k.next_multiple_of(2);
    let mut columns = vec![0; block * n];
    for (at, row) in rows.chunks_exact(n.max(1)).enumerate() {
        let column = columns.iter_mut().skip(at).step_by(block.max(1));
        column.zip(row).for_each(|(to, from)| *to = from ^ flip);
    }
    Packed::new(Bits::Eight, (k, n), block, &columns, &scales, &zeros)
}

/// `x` times `scale` times the weights, plus the bias at `place`.
fn by_packed(inputs: &mut Inputs<'_>, x: HostTensor, scale: f32, weights: &Packed, place: usize) -> Result<HostTensor> {
    let (k, n) = weights.shape();
    let shape = shape_of(host::shape(&x), &[k, n])?;
    let mut out = vec![0.0; inputs.count(&shape)?];
    let bias = optional_floats(inputs, place);
    if bias.as_ref().is_some_and(|bias| bias.len() != n) {
        return wrong(format!("the bias does not have {n} numbers"));
    }
    let x = host::contiguous(x);
    let rows = out.len() / n.max(1);
    let mut product = Product::new((rows, n, k), Matrix::new(host::slice(&x), k), weights);
    product.scale = scale;
    product.start = bias.as_deref().map_or(Start::Zero, Start::Columns);
    product.write(&mut out, n);
    Ok(host::tensor(&shape, out))
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
