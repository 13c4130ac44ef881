//! 8-bit integer products: MatMulInteger, QLinearMatMul and QLinearConv.

use burn::backend::flex::Layout;
use burn::tensor::{DType, Shape};

use super::super::conv::{Window, floats as conv};
use super::super::matmul::{as_matrix, host_view, offset_of, shape_of, split};
use super::super::{Inputs, NodeSpec, Prepared, one, wrong};
use super::{Target, centred, number, quantise};
use crate::error::{Error, Result};
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor};
use crate::kernels::gemm_i8::{Int8Slice, PackedRhs};

/// The RHS of a product, packed at load where it is a constant matrix.
pub struct Rhs {
    index: usize,
    zero: usize,
    packed: Option<PackedRhs>,
}

impl Rhs {
    /// The RHS at the input `index`, with its zero points at the input `zero`.
    ///
    /// # Errors
    /// Its type is not an 8-bit one.
    pub fn new(node: &NodeSpec<'_>, index: usize, zero: usize) -> Result<Self, Refusal> {
        for dtype in [node.dtype(0), node.dtype(index)].into_iter().flatten() {
            if ![DType::U8, DType::I8, DType::F32].contains(&dtype) {
                return Err(format!("the element type {dtype:?} is not supported"));
            }
        }
        let pack = || -> Result<Option<PackedRhs>> {
            let (Some(weights), true) = (node.constant(index), !node.has(zero) || node.constant(zero).is_some()) else {
                return Ok(None);
            };
            if host::shape(weights).len() != 2 {
                return Ok(None);
            }
            weights_of(&host::contiguous(weights.clone()), node.constant(zero).cloned()).map(Some)
        };
        Ok(Self { index, zero, packed: pack().map_err(|error| error.to_string())? })
    }
}

/// A tensor as signed or unsigned 8-bit integers.
fn numbers_of(tensor: &HostTensor) -> Result<Int8Slice<'_>> {
    match tensor.dtype() {
        DType::U8 | DType::I8 => Ok(Int8Slice { bytes: tensor.bytes(), signed: tensor.dtype() == DType::I8 }),
        dtype => wrong(format!("the operands have the type {dtype:?}, expected 8-bit integers")),
    }
}

/// A zero point for each of `count`, where `tensor` has one or `count`.
fn zeros_of(tensor: Option<HostTensor>, count: usize) -> Result<Vec<i16>> {
    let zeros: Vec<i16> =
        tensor.map_or_else(|| vec![0], |zero| host::to_i64s(&zero).iter().map(|x| *x as i16).collect());
    match zeros[..] {
        [zero] => Ok(vec![zero; count]),
        _ if zeros.len() == count => Ok(zeros),
        _ => wrong(format!("there are {} zero points, expected 1 or {count}", zeros.len())),
    }
}

fn weights_of(matrix: &HostTensor, zero: Option<HostTensor>) -> Result<PackedRhs> {
    let &[rows, columns] = host::shape(matrix) else { return wrong("an operand must be a matrix") };
    let weights = PackedRhs::new((rows, columns), numbers_of(matrix)?, &zeros_of(zero, columns)?);
    weights.ok_or_else(|| Error::internal("the number of weights does not fit their shape"))
}

/// The integers `a` minus their zero points: one for all, or one for each row of a matrix.
///
/// # Errors
/// Invalid input: they are not of 8 bits, or the zero points do not fit.
pub fn lhs(a: &HostTensor, zero: Option<HostTensor>) -> Result<Vec<i16>> {
    let &[ref batch @ .., m, _] = &as_matrix(host::shape(a), true)[..] else {
        return wrong("an operand must not be a scalar");
    };
    let zeros = zeros_of(zero, m)?;
    let rows = batch.iter().product::<usize>() * m;
    let zeros: Vec<i16> = zeros.iter().copied().cycle().take(rows).collect();
    Ok(numbers_of(a)?.centred(&zeros))
}

/// The product of `lhs`, integers minus their zero points with the shape `shape_a`, and the RHS.
///
/// # Errors
/// Invalid input: they do not fit each other.
pub fn multiply(inputs: &mut Inputs<'_>, lhs: &[i16], shape_a: &[usize], rhs: &Rhs) -> Result<(Vec<usize>, Vec<i32>)> {
    if let Some(weights) = &rhs.packed {
        let (k, n) = weights.shape();
        let shape = shape_of(shape_a, &[k, n])?;
        let mut out = vec![0; inputs.count(&shape)?];
        weights.multiply(lhs, out.len() / n.max(1), &mut out);
        return Ok((shape, out));
    }
    let (b, zero) = (inputs.contiguous(rhs.index)?, inputs.optional(rhs.zero));
    let shape = shape_of(shape_a, host::shape(&b))?;
    let mut out = vec![0; inputs.count(&shape)?];
    let (matrix_a, matrix_b) = (as_matrix(shape_a, true), as_matrix(host::shape(&b), false));
    let ((batch_a, [m, k]), (batch_b, [_, n])) = (split(&matrix_a), split(&matrix_b));
    let batch = host::broadcast_shape(batch_a, batch_b)?;
    let b = host_view(b, &matrix_b);
    // A tensor without data, for the offset of each matrix of the LHS.
    let a = host::tensor::<u8>(&[0], Vec::new());
    let a = a.with_layout(Layout::contiguous(Shape::from(matrix_a.clone())));
    for (index, out) in out.chunks_exact_mut((m * n).max(1)).enumerate() {
        let (a, b_offset) = (offset_of(&a, batch_a, &batch, index), offset_of(&b, batch_b, &batch, index));
        let one = b.clone().with_layout(Layout::new(Shape::from(vec![k, n]), vec![n as isize, 1], b_offset));
        let weights = weights_of(&host::contiguous(one), zero.clone())?;
        weights.multiply(lhs.get(a..).unwrap_or_default(), m, out);
    }
    Ok((shape, out))
}

pub fn matmul_integer(node: &NodeSpec<'_>) -> Prepared {
    let rhs = Rhs::new(node, 1, 3)?;
    Ok(Box::new(move |inputs| {
        let a = inputs.contiguous(0)?;
        let lhs = lhs(&a, inputs.optional(2))?;
        let (shape, sums) = multiply(inputs, &lhs, host::shape(&a), &rhs)?;
        one(host::tensor(&shape, sums))
    }))
}

pub fn qlinear_matmul(node: &NodeSpec<'_>) -> Prepared {
    let rhs = Rhs::new(node, 3, 5)?;
    Ok(Box::new(move |inputs| {
        let a = inputs.contiguous(0)?;
        let lhs = lhs(&a, inputs.optional(2))?;
        let (shape, sums) = multiply(inputs, &lhs, host::shape(&a), &rhs)?;
        let (scale_a, scale_b) = (inputs.floats(1)?, inputs.floats(4)?);
        let (scale, zero) = (inputs.floats(6)?, inputs.take(7)?);
        // Vectors of scales are for the rows of the LHS, and for the columns of the RHS.
        let scale_a = match *host::shape(&scale_a) {
            [count] if count > 1 => host::reshape(scale_a, &[count, 1]),
            _ => scale_a,
        };
        let spread = |scale: HostTensor| Ok::<_, Error>(host::to_f32s(host::expand(scale, &shape)?));
        let (scales_a, scales_b) = (spread(scale_a)?, spread(scale_b)?);
        let mut numbers: Vec<f32> = sums.iter().map(|x| *x as f32).collect();
        let scales = scales_a.iter().zip(&scales_b);
        numbers.iter_mut().zip(scales).for_each(|(x, (a, b))| *x *= a * b);
        one(quantise(host::tensor(&shape, numbers), &scale, Some(zero.clone()), plain(zero.dtype()))?)
    }))
}

/// One scale for all, or one for each along the first dimension.
pub fn plain(dtype: DType) -> Target {
    Target { dtype, axis: 0, block: 0, zero: 0.0 }
}

pub fn qlinear_conv(node: &NodeSpec<'_>) -> Prepared {
    let window = Window::new_with_weights(node, 3)?;
    Ok(Box::new(move |inputs| {
        let (x, scale_x, zero_x) = (inputs.take(0)?, number(inputs, 1)?, inputs.optional(2));
        let (w, scale_w, zero_w) = (inputs.take(3)?, host::to_f32s(inputs.take(4)?), inputs.optional(5));
        let (scale, zero, bias) = (number(inputs, 6)?, inputs.take(7)?, inputs.optional(8));
        let bias = bias.map(|bias| host::contiguous(host::cast(bias, DType::F32)));
        let out = conv(&window, &centred(x, zero_x, 1)?, &centred(w, zero_w, 0)?, bias.as_ref(), None, inputs)?;
        let shape = host::shape(&out).to_vec();
        if ![1, shape[1]].contains(&scale_w.len()) {
            return wrong(format!("the weights have {} scales, not {}", scale_w.len(), shape[1]));
        }
        let mut numbers = host::to_f32s(out);
        let plane = shape[2..].iter().product::<usize>().max(1);
        for (at, numbers) in numbers.chunks_exact_mut(plane).enumerate() {
            let by = scale_x * scale_w[at % shape[1] % scale_w.len()] / scale;
            numbers.iter_mut().for_each(|x| *x *= by);
        }
        let one_scale = host::tensor(&[], vec![1.0f32]);
        one(quantise(host::tensor(&shape, numbers), &one_scale, Some(zero.clone()), plain(zero.dtype()))?)
    }))
}
