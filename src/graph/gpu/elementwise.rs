//! Elementwise operators of one and two tensors, and activations.

use burn::backend::Wgpu;
use burn::backend::ops::{ActivationOps, FloatTensorOps};
use burn::backend::tensor::BoolTensor;
use burn::tensor::BoolDType;

use super::{Call, Floats, GpuTensor, Numbers, Run, of_rank, one};
use crate::graph::host;
use crate::graph::ops::NodeSpec;
use crate::graph::value::Value;
use crate::kernels::activation::Activation;
use crate::kernels::gelu::{TANH_CUBE, TANH_FACTOR};

const BOOLS: BoolDType = BoolDType::U32;

/// The activation at the end of a fused operator.
pub fn activation(node: &NodeSpec<'_>) -> Option<Box<dyn Fn(Floats) -> Floats + Send + Sync>> {
    let Some(activation) = node.attributes.activation().ok()? else { return Some(Box::new(|x| x)) };
    Some(match activation {
        Activation::Relu => Box::new(Wgpu::relu),
        Activation::Clip(low, high) => {
            let (low, high) = (low.max(f32::MIN), high.min(f32::MAX));
            Box::new(move |x| Wgpu::float_clamp(x, low.into(), high.into()))
        }
        Activation::HardSigmoid(alpha, beta) => Box::new(move |x| linear_clamp(x, alpha, beta)),
        Activation::HardSwish(alpha, beta) => {
            Box::new(move |x| Wgpu::float_mul(x.clone(), linear_clamp(x, alpha, beta)))
        }
        Activation::Sigmoid => Box::new(Wgpu::sigmoid),
        Activation::Swish(alpha) => Box::new(move |x| swish(x, alpha)),
        Activation::Tanh => Box::new(tanh),
        Activation::Gelu => Box::new(Wgpu::gelu),
        Activation::GeluTanh => Box::new(gelu_tanh),
    })
}

pub fn gelu(node: &NodeSpec<'_>) -> Option<Run> {
    match node.attributes.string("approximate", "none").ok()? {
        "tanh" => unary(gelu_tanh),
        _ => unary(Wgpu::gelu),
    }
}

pub fn hard_sigmoid(node: &NodeSpec<'_>) -> Option<Run> {
    let (alpha, beta) = (node.attributes.float("alpha", 0.2).ok()?, node.attributes.float("beta", 0.5).ok()?);
    unary(move |x| linear_clamp(x, alpha, beta))
}

pub fn swish_op(node: &NodeSpec<'_>) -> Option<Run> {
    let alpha = node.attributes.float("alpha", 1.0).ok()?;
    unary(move |x| swish(x, alpha))
}

pub fn leaky_relu(node: &NodeSpec<'_>) -> Option<Run> {
    let slope = node.attributes.float("alpha", 0.01).ok()?;
    unary(move |x| Wgpu::leaky_relu(x, slope.into()))
}

/// `f` of each element.
pub fn unary(f: impl Fn(Floats) -> Floats + Send + Sync + 'static) -> Option<Run> {
    Some(Box::new(move |call| {
        let (x, shape) = call.floats(0)?;
        one(f(x), shape)
    }))
}

/// `αx + β` clamped to [0, 1]. Burn's own hard sigmoid takes more dispatches.
fn linear_clamp(x: Floats, alpha: f32, beta: f32) -> Floats {
    let x = Wgpu::float_add_scalar(Wgpu::float_mul_scalar(x, alpha.into()), beta.into());
    Wgpu::float_clamp(x, 0f32.into(), 1f32.into())
}

pub fn hard_swish(x: Floats) -> Floats {
    Wgpu::float_mul(x.clone(), linear_clamp(x, 1.0 / 6.0, 0.5))
}

/// Clamped first: some drivers compute it by exponentials that overflow, and beyond 15 it is 1 in 32 bits.
pub fn tanh(x: Floats) -> Floats {
    Wgpu::float_tanh(Wgpu::float_clamp(x, (-15f32).into(), 15f32.into()))
}

/// # Source
/// Hendrycks and Gimpel 2016 (1606.08415), section 2: the approximation by tanh.
fn gelu_tanh(x: Floats) -> Floats {
    let cube = Wgpu::float_mul(Wgpu::float_mul(x.clone(), x.clone()), x.clone());
    let sum = Wgpu::float_add(x.clone(), Wgpu::float_mul_scalar(cube, (TANH_CUBE as f32).into()));
    let tanh = tanh(Wgpu::float_mul_scalar(sum, (TANH_FACTOR as f32).into()));
    Wgpu::float_mul(Wgpu::float_mul_scalar(x, 0.5f32.into()), Wgpu::float_add_scalar(tanh, 1f32.into()))
}

fn swish(x: Floats, alpha: f32) -> Floats {
    let inner = if alpha == 1.0 { x.clone() } else { Wgpu::float_mul_scalar(x.clone(), alpha.into()) };
    Wgpu::float_mul(x, Wgpu::sigmoid(inner))
}

pub fn clip(node: &NodeSpec<'_>) -> Option<Run> {
    let (low, high) = (node.attributes.float("min", f32::MIN).ok()?, node.attributes.float("max", f32::MAX).ok()?);
    Some(Box::new(move |call| {
        let bound = |index, default| if call.value(index).is_some() { call.scalar(index) } else { Some(default) };
        // Where the bounds cross, ONNX takes the upper one.
        let (low, high) = Some((bound(1, low)?, bound(2, high)?)).filter(|(low, high)| low <= high)?;
        let (x, shape) = call.floats(0)?;
        one(Wgpu::float_clamp(x, low.into(), high.into()), shape)
    }))
}

/// `f` of two broadcast tensors, or `scalar` where the second is one number in the CPU's memory.
pub fn binary(f: fn(Floats, Floats) -> Floats, scalar: fn(Floats, f32) -> Floats) -> Option<Run> {
    Some(Box::new(move |call| {
        let (a, a_shape) = (call.value(0)?.shape(), call.floats(0)?);
        let b_shape = call.value(1)?.shape();
        if let Some(b) = call.scalar(1)
            && b_shape.len() <= a.len()
        {
            return one(scalar(a_shape.0, b), a);
        }
        let (a, b) = (a_shape, call.floats(1)?);
        let shape = host::broadcast_shape(a.1, b.1).ok().filter(|shape| call.fits(shape))?;
        one(f(of_rank(a.0, a.1, shape.len()), of_rank(b.0, b.1, shape.len())), &shape)
    }))
}

/// `Pow` for the exponent 2 alone: a GPU's power loses the sign and has little precision.
pub fn square(call: &Call<'_>) -> Option<Vec<GpuTensor>> {
    let (x, shape) = call.floats(0)?;
    if call.scalar(1)? != 2.0 || call.value(1)?.shape().len() > shape.len() {
        return None;
    }
    one(Wgpu::float_mul(x.clone(), x), shape)
}

/// A comparison of two broadcast tensors.
pub fn compare(f: fn(Floats, Floats, BoolDType) -> BoolTensor<Wgpu>) -> Option<Run> {
    Some(Box::new(move |call| {
        let (a, b) = (call.floats(0)?, call.floats(1)?);
        let shape = host::broadcast_shape(a.1, b.1).ok().filter(|shape| call.fits(shape))?;
        let (a, b) = (of_rank(a.0, a.1, shape.len()), of_rank(b.0, b.1, shape.len()));
        Some(vec![GpuTensor::bools(f(a, b, BOOLS), &shape)])
    }))
}

/// `Where`.
pub fn choose(call: &Call<'_>) -> Option<Vec<GpuTensor>> {
    let (yes, no) = (call.floats(1)?, call.floats(2)?);
    let condition = call.value(0)?;
    let shape = host::broadcast_shape(yes.1, no.1).ok()?;
    let shape = host::broadcast_shape(condition.shape(), &shape).ok().filter(|shape| call.fits(shape))?;
    let mask = match condition {
        Value::Gpu(found) if found.shape == shape => match &found.numbers {
            Numbers::Bools(mask) => mask.clone(),
            Numbers::Floats(_) => return None,
        },
        Value::Host(mask, _) if mask.dtype() == host::BOOL => {
            let mask = host::contiguous(host::expand(mask.clone(), &shape).ok()?);
            let numbers: Vec<f32> = host::slice::<u8>(&mask).iter().map(|byte| f32::from(*byte)).collect();
            // How a GPU stores booleans is its own: a comparison makes them there.
            let data = burn::tensor::TensorData::new(numbers, super::at_least_one(&shape));
            Wgpu::float_greater_elem(Wgpu::float_from_data(data, call.device), 0.5f32.into(), BOOLS)
        }
        _ => return None,
    };
    let expand = |(tensor, own): (Floats, &[usize])| {
        let tensor = of_rank(tensor, own, shape.len());
        Wgpu::float_expand(tensor, super::at_least_one(&shape).into())
    };
    one(Wgpu::float_mask_where(expand(no), mask, expand(yes)), &shape)
}
