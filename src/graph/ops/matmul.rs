//! Matrix products: MatMul, Gemm, Einsum, and those with epilogues.

use burn::tensor::DType;
use bytemuck::Pod;

use super::{Accepts, NodeSpec, Op, Prepared, SAME, on_gpu, one, wrong};
use crate::error::Result;
use crate::graph::cost::CostRule;
use crate::graph::host::{self, HostTensor, Number, is_float};
use crate::kernels::activation::Activation;
use crate::kernels::gemm::{Gemm, Init, Matrix};

mod einsum;
pub mod int8;
pub mod panels;

pub static OPS: &[Op] = &[
    Op::new("MatMul", Accepts::Numbers, SAME, |_| {
        Ok(Box::new(|inputs| {
            let (a, b) = (inputs.take(0)?, inputs.take(1)?);
            inputs.count(&shape_of(host::shape(&a), host::shape(&b))?)?;
            one(matmul(a, b)?)
        }))
    })
    .costs(CostRule::MatMul)
    .gpu(on_gpu!(|_| Some(Box::new(matmul::matmul)))),
    Op::new("Gemm", Accepts::Numbers, SAME, gemm).costs(CostRule::MatMul).gpu(on_gpu!(matmul::gemm)),
    Op::new("Einsum", Accepts::Numbers, SAME, einsum::einsum),
    Op::own("MatMulBias", Accepts::Singles, SAME, matmul_bias)
        .costs(CostRule::MatMul)
        .gpu(on_gpu!(matmul::matmul_bias)),
    Op::own("MatMulInt8", Accepts::Singles, SAME, int8::matmul).costs(CostRule::MatMul).gpu(on_gpu!(packed::int8)),
    Op::own("MatMulInt4", Accepts::Singles, SAME, int8::matmul_int4).costs(CostRule::MatMul).gpu(on_gpu!(packed::int4)),
    Op::own("MatMulOnGpu", Accepts::Singles, SAME, int8::matmul_on_gpu)
        .costs(CostRule::MatMul)
        .gpu(on_gpu!(packed::on_gpu)),
    Op::own("MatMulPanels", Accepts::Singles, SAME, panels::matmul).costs(CostRule::MatMul),
];

/// The shape of a product of `a` and `b`, vectors included.
///
/// # Errors
/// Invalid input: they do not fit.
pub fn shape_of(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let (left, right) = (as_matrix(a, true), as_matrix(b, false));
    let ([batch_a @ .., m, k], [batch_b @ .., rows, n]) = (&left[..], &right[..]) else {
        return wrong(format!("the shapes {a:?} and {b:?} do not fit a matrix product"));
    };
    if k != rows || a.is_empty() || b.is_empty() {
        return wrong(format!("the shapes {a:?} and {b:?} do not fit a matrix product"));
    }
    let mut shape = host::broadcast_shape(batch_a, batch_b)?;
    shape.extend((a.len() > 1).then_some(m));
    shape.extend((b.len() > 1).then_some(n));
    Ok(shape)
}

/// A vector as a row or as a column.
pub fn as_matrix(shape: &[usize], row: bool) -> Vec<usize> {
    match shape {
        [size] if row => vec![1, *size],
        [size] => vec![*size, 1],
        _ => shape.to_vec(),
    }
}

/// The product of `a` and `b`, as NumPy's `matmul`.
///
/// # Errors
/// Invalid input: their shapes or types do not fit.
pub fn matmul(a: HostTensor, b: HostTensor) -> Result<HostTensor> {
    let dtype = a.dtype();
    if dtype != b.dtype() {
        return wrong(format!("the operands have different types: {dtype:?} and {:?}", b.dtype()));
    }
    if is_float(dtype) && dtype != DType::F64 {
        let product = floats(host::cast(a, DType::F32), host::cast(b, DType::F32), &Epilogue::default())?;
        return Ok(host::cast(product, dtype));
    }
    let lane = if dtype == DType::F64 { DType::F64 } else { DType::I64 };
    let (a, b) = (host::contiguous(host::cast(a, lane)), host::contiguous(host::cast(b, lane)));
    let product = match lane {
        DType::F64 => slow(&a, &b, |sum: f64, a, b| sum + a * b)?,
        _ => slow(&a, &b, |sum: i64, a, b| sum.wrapping_add(a.wrapping_mul(b)))?,
    };
    Ok(host::cast(product, dtype))
}

/// The epilogue of a product.
#[derive(Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// A factor of the product.
    pub scale: Option<f32>,
    /// Added to each row.
    pub bias: Option<&'a [f32]>,
    /// Applied to each element last.
    pub activation: Option<Activation>,
}

/// The product of `a` and `b`, of 32-bit floats with any strides.
///
/// # Errors
/// Invalid input: their shapes do not fit.
pub fn floats(a: HostTensor, b: HostTensor, epilogue: &Epilogue<'_>) -> Result<HostTensor> {
    let shape = shape_of(host::shape(&a), host::shape(&b))?;
    let (mut left, right) = (as_matrix(host::shape(&a), true), as_matrix(host::shape(&b), false));
    let n = right[right.len() - 1];
    if epilogue.bias.is_some_and(|bias| bias.len() != n) {
        return wrong(format!("the bias has the wrong length, expected {n}"));
    }
    let (mut a, b) = (forward(host_view(a, &left)), forward(host_view(b, &right)));
    if right.len() == 2 && left.len() > 2 {
        // One product with the rows of the whole batch.
        let rows = left[..left.len() - 1].iter().product();
        left = vec![rows, left[left.len() - 1]];
        a = host::reshape(a, &left);
    }
    let (batch_a, [m, k]) = split(&left);
    let (batch_b, _) = split(&right);
    let batch = host::broadcast_shape(batch_a, batch_b)?;
    let mut out = vec![0.0; shape.iter().product()];
    let apply = |numbers: &mut [f32]| {
        if let Some(activation) = epilogue.activation {
            activation.apply(numbers);
        }
    };
    if m * n > 0 {
        for (index, out) in out.chunks_exact_mut(m * n).enumerate() {
            let left = matrix(&a, offset_of(&a, batch_a, &batch, index));
            let right = matrix(&b, offset_of(&b, batch_b, &batch, index));
            let mut product = Gemm::new((m, n, k), left, &right);
            product.scale = epilogue.scale.unwrap_or(1.0);
            product.init = epilogue.bias.map_or(Init::Zero, Init::Columns);
            product.epilogue = epilogue.activation.is_some().then_some(&apply);
            product.write(out, n);
        }
    }
    Ok(host::tensor(&shape, out))
}

pub fn split(shape: &[usize]) -> (&[usize], [usize; 2]) {
    let at = shape.len() - 2;
    (&shape[..at], [shape[at], shape[at + 1]])
}

/// A view of a vector as a matrix.
pub fn host_view(tensor: HostTensor, shape: &[usize]) -> HostTensor {
    if host::shape(&tensor) == shape { tensor } else { host::reshape(tensor, shape) }
}

/// `tensor` itself, unless it has a negative stride.
fn forward(tensor: HostTensor) -> HostTensor {
    if tensor.layout().strides().iter().all(|stride| *stride >= 0) { tensor } else { host::contiguous(tensor) }
}

/// The last two dimensions of `tensor` as a matrix that begins at the offset `offset`.
fn matrix(tensor: &HostTensor, offset: usize) -> Matrix<'_> {
    let strides = tensor.layout().strides();
    let at = strides.len() - 2;
    let data = bytemuck::cast_slice(tensor.bytes()).get(offset..).unwrap_or_default();
    Matrix { data, row_stride: strides[at] as usize, column_stride: strides[at + 1] as usize }
}

/// The offset of the matrix of `tensor` for the matrix `index` of the result, where the batch dimensions `own` are
/// broadcast to `batch`.
pub fn offset_of(tensor: &HostTensor, own: &[usize], batch: &[usize], mut index: usize) -> usize {
    let mut offset = tensor.layout().start_offset();
    for (axis, size) in batch.iter().enumerate().rev() {
        if let Some(axis) = (axis + own.len()).checked_sub(batch.len())
            && own[axis] != 1
        {
            offset += index % size * tensor.layout().strides()[axis] as usize;
        }
        index /= size;
    }
    offset
}

/// The product of any element type, by three loops.
fn slow<T: Number + Pod>(a: &HostTensor, b: &HostTensor, add: fn(T, T, T) -> T) -> Result<HostTensor> {
    let shape = shape_of(host::shape(a), host::shape(b))?;
    let (left, right) = (as_matrix(host::shape(a), true), as_matrix(host::shape(b), false));
    let ((batch_a, [m, k]), (batch_b, [_, n])) = (split(&left), split(&right));
    let batch = host::broadcast_shape(batch_a, batch_b)?;
    let (a, b) = (host_view(a.clone(), &left), host_view(b.clone(), &right));
    let count = shape.iter().product::<usize>();
    let mut out = Vec::with_capacity(count);
    for index in 0..count / (m * n).max(1) {
        let (a_offset, b_offset) = (offset_of(&a, batch_a, &batch, index), offset_of(&b, batch_b, &batch, index));
        let a = host::slice::<T>(&a).get(a_offset..).unwrap_or_default();
        let b = host::slice::<T>(&b).get(b_offset..).unwrap_or_default();
        for row in 0..m {
            for column in 0..n {
                let sum = (0..k).fold(T::from_i64(0), |sum, at| add(sum, a[row * k + at], b[at * n + column]));
                out.push(sum);
            }
        }
    }
    Ok(host::tensor(&shape, out))
}

fn gemm(node: &NodeSpec<'_>) -> Prepared {
    let (alpha, beta) = (node.attributes.float("alpha", 1.0)?, node.attributes.float("beta", 1.0)?);
    let transposed = [node.attributes.flag("transA", false)?, node.attributes.flag("transB", false)?];
    // Before opset 7 the addend was broadcast only where this attribute said so; since then it always is.
    node.attributes.get("broadcast");
    Ok(Box::new(move |inputs| {
        let transpose = |tensor: HostTensor, transposed| match host::shape(&tensor).len() {
            2 if transposed => Ok(tensor.permute(&[1, 0])),
            2 => Ok(tensor),
            rank => wrong(format!("an operand has {rank} dimensions, expected 2")),
        };
        let (a, b) = (transpose(inputs.take(0)?, transposed[0])?, transpose(inputs.take(1)?, transposed[1])?);
        let shape = shape_of(host::shape(&a), host::shape(&b))?;
        let count = inputs.count(&shape)?;
        let addend = inputs.optional(2);
        if let Some(addend) = &addend
            && host::broadcast_shape(host::shape(addend), &shape)? != shape
        {
            return wrong("the input C cannot be broadcast to the product");
        }
        let dtype = a.dtype();
        if dtype == DType::F64 || !is_float(dtype) {
            let product = slow_gemm(&a, &b, addend, (alpha.into(), beta.into()), &shape)?;
            return one(host::from_f64s(dtype, &shape, &product));
        }
        let (a, b) = (host::cast(a, DType::F32), host::cast(b, DType::F32));
        let mut addend = addend.map(|addend| host::contiguous(host::cast(addend, DType::F32)));
        let bias = addend.take_if(|addend| host::shape(addend).ends_with(&shape[1..]) && count_of(addend) == shape[1]);
        let bias = bias.map(|bias| host::slice::<f32>(&bias).iter().map(|x| x * beta).collect::<Vec<_>>());
        let epilogue = Epilogue { scale: Some(alpha), bias: bias.as_deref(), activation: None };
        let product = floats(a, b, &epilogue)?;
        let Some(addend) = addend else { return one(host::cast(product, dtype)) };
        let addend = host::contiguous(host::expand(addend, &shape)?);
        let mut out = Vec::with_capacity(count);
        out.extend(host::slice::<f32>(&product).iter().zip(host::slice::<f32>(&addend)).map(|(a, b)| a + beta * b));
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}

fn count_of(tensor: &HostTensor) -> usize {
    tensor.layout().num_elements()
}

fn slow_gemm(
    a: &HostTensor,
    b: &HostTensor,
    addend: Option<HostTensor>,
    (alpha, beta): (f64, f64),
    shape: &[usize],
) -> Result<Vec<f64>> {
    let doubles = |tensor: &HostTensor| host::tensor(host::shape(tensor), host::to_f64s(tensor));
    let product = slow(&doubles(a), &doubles(b), |sum: f64, a, b| sum + a * b)?;
    let mut product: Vec<f64> = host::to_f64s(&product).into_iter().map(|x| alpha * x).collect();
    if let Some(addend) = addend {
        let addend = host::to_f64s(&host::expand(addend, shape)?);
        product.iter_mut().zip(addend).for_each(|(x, addend)| *x += beta * addend);
    }
    Ok(product)
}

/// A product with a bias and an activation, which fusion makes.
fn matmul_bias(node: &NodeSpec<'_>) -> Prepared {
    let activation = node.attributes.activation()?;
    Ok(Box::new(move |inputs| {
        let (a, b, bias) = (inputs.take(0)?, inputs.take(1)?, inputs.floats(2)?);
        let dtype = a.dtype();
        inputs.count(&shape_of(host::shape(&a), host::shape(&b))?)?;
        let (a, b) = (host::cast(a, DType::F32), host::cast(b, DType::F32));
        let epilogue = Epilogue { scale: None, bias: Some(host::slice(&bias)), activation };
        one(host::cast(floats(a, b, &epilogue)?, dtype))
    }))
}
