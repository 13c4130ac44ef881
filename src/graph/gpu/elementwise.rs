//! Functions of one number and of two.

use burn::backend::Wgpu;
use burn::backend::ops::{ActivationOps, FloatTensorOps};
use burn::tensor::BoolDType;

use super::{Call, Floats, GpuTensor, Numbers, Run, of_rank, one};
use crate::graph::host;
use crate::graph::ops::{NodeSpec, OWN_DOMAIN};
use crate::graph::value::Value;

pub fn prepare(node: &NodeSpec<'_>) -> Option<Run> {
    let own = node.domain == OWN_DOMAIN;
    if !node.domain.is_empty() && !own {
        return None;
    }
    let attributes = node.attributes;
    let float = |name, default| attributes.float(name, default).ok();
    Some(match node.op {
        "Relu" => unary(Wgpu::relu),
        "Sigmoid" => unary(Wgpu::sigmoid),
        "Tanh" => unary(tanh),
        "Exp" => unary(Wgpu::float_exp),
        "Log" => unary(Wgpu::float_log),
        "Sqrt" => unary(Wgpu::float_sqrt),
        "Abs" => unary(Wgpu::float_abs),
        "Neg" => unary(Wgpu::float_neg),
        "Erf" => unary(Wgpu::float_erf),
        "Sin" => unary(Wgpu::float_sin),
        "Cos" => unary(Wgpu::float_cos),
        "Floor" => unary(Wgpu::float_floor),
        "Ceil" => unary(Wgpu::float_ceil),
        "Reciprocal" => unary(Wgpu::float_recip),
        "Gelu" if attributes.string("approximate", "none").ok()? == "tanh" => unary(gelu_tanh),
        "Gelu" => unary(Wgpu::gelu),
        "Identity" => unary(|x| x),
        "HardSigmoid" => hard_sigmoid(float("alpha", 0.2)?, float("beta", 0.5)?),
        "HardSwish" => unary(hard_swish),
        "Swish" if float("alpha", 1.0)? == 1.0 => unary(swish),
        "LeakyRelu" => {
            let slope = float("alpha", 0.01)?;
            unary(move |x| Wgpu::leaky_relu(x, slope.into()))
        }
        "Clip" => Box::new(clip(float("min", f32::MIN)?, float("max", f32::MAX)?)),
        "Add" => binary(Wgpu::float_add, Some(|x, y| Wgpu::float_add_scalar(x, y.into()))),
        "Sub" => binary(Wgpu::float_sub, Some(|x, y| Wgpu::float_sub_scalar(x, y.into()))),
        "Mul" => binary(Wgpu::float_mul, Some(|x, y| Wgpu::float_mul_scalar(x, y.into()))),
        "Div" => binary(Wgpu::float_div, Some(|x, y| Wgpu::float_div_scalar(x, y.into()))),
        "Pow" => Box::new(square),
        "Greater" => compare(|a, b| Wgpu::float_greater(a, b, BOOLS)),
        "Less" => compare(|a, b| Wgpu::float_lower(a, b, BOOLS)),
        "Where" => Box::new(choose),
        _ => return None,
    })
}

const BOOLS: BoolDType = BoolDType::U32;

/// What a convolution or a product ends with, by its name in the operators that `fuse` makes.
pub fn activation(node: &NodeSpec<'_>) -> Option<Box<dyn Fn(Floats) -> Floats + Send + Sync>> {
    let float = |name, default| node.attributes.float(name, default).ok();
    Some(match node.attributes.string("activation", "").ok()? {
        "" => Box::new(|x| x),
        "relu" => Box::new(Wgpu::relu),
        "gelu" => Box::new(Wgpu::gelu),
        "gelu_tanh" => Box::new(gelu_tanh),
        "sigmoid" => Box::new(Wgpu::sigmoid),
        "swish" => Box::new(swish),
        "hard_swish" => Box::new(hard_swish),
        "hard_sigmoid" => {
            let (alpha, beta) = (float("alpha", 0.2)?, float("beta", 0.5)?);
            Box::new(move |x| linear_clamp(x, alpha, beta))
        }
        "clip" => {
            let (low, high) = (float("low", f32::MIN)?, float("high", f32::MAX)?);
            Box::new(move |x| Wgpu::float_clamp(x, low.into(), high.into()))
        }
        _ => return None,
    })
}

fn unary(f: impl Fn(Floats) -> Floats + Send + Sync + 'static) -> Run {
    Box::new(move |call| {
        let (x, shape) = call.floats(0)?;
        one(f(x), shape)
    })
}

/// Burn's own clamps to 0 and 1 as well, by way of more dispatches.
fn linear_clamp(x: Floats, alpha: f32, beta: f32) -> Floats {
    let x = Wgpu::float_add_scalar(Wgpu::float_mul_scalar(x, alpha.into()), beta.into());
    Wgpu::float_clamp(x, 0f32.into(), 1f32.into())
}

fn hard_sigmoid(alpha: f32, beta: f32) -> Run {
    unary(move |x| linear_clamp(x, alpha, beta))
}

fn hard_swish(x: Floats) -> Floats {
    Wgpu::float_mul(x.clone(), linear_clamp(x, 1.0 / 6.0, 0.5))
}

/// Some drivers compute it by exponentials that overflow; beyond 15 it is 1 in 32 bits.
fn tanh(x: Floats) -> Floats {
    Wgpu::float_tanh(Wgpu::float_clamp(x, (-15f32).into(), 15f32.into()))
}

/// # Source
/// Hendrycks and Gimpel 2016 (1606.08415), section 2: the approximation by tanh.
fn gelu_tanh(x: Floats) -> Floats {
    let cube = Wgpu::float_mul(Wgpu::float_mul(x.clone(), x.clone()), x.clone());
    let sum = Wgpu::float_add(x.clone(), Wgpu::float_mul_scalar(cube, 0.044_715f32.into()));
    let tanh = tanh(Wgpu::float_mul_scalar(sum, 0.797_884_6f32.into()));
    Wgpu::float_mul(Wgpu::float_mul_scalar(x, 0.5f32.into()), Wgpu::float_add_scalar(tanh, 1f32.into()))
}

fn swish(x: Floats) -> Floats {
    Wgpu::float_mul(x.clone(), Wgpu::sigmoid(x))
}

fn clip(low: f32, high: f32) -> impl Fn(&Call<'_>) -> Option<Vec<GpuTensor>> + Send + Sync {
    move |call| {
        let bound = |place, default| if call.value(place).is_some() { call.scalar(place) } else { Some(default) };
        // Where they cross, the upper one counts for ONNX.
        let (low, high) = Some((bound(1, low)?, bound(2, high)?)).filter(|(low, high)| low <= high)?;
        let (x, shape) = call.floats(0)?;
        one(Wgpu::float_clamp(x, low.into(), high.into()), shape)
    }
}

type Binary = fn(Floats, Floats) -> Floats;

fn binary(f: Binary, scalar: Option<fn(Floats, f32) -> Floats>) -> Run {
    Box::new(move |call| {
        let (a, a_shape) = (call.value(0)?.shape(), call.floats(0)?);
        let b_shape = call.value(1)?.shape();
        if let (Some(f), Some(b)) = (scalar, call.scalar(1))
            && b_shape.len() <= a.len()
        {
            return one(f(a_shape.0, b), a);
        }
        let (a, b) = (a_shape, call.floats(1)?);
        let shape = host::broadcast_shape(a.1, b.1).ok().filter(|shape| call.fits(shape))?;
        one(f(of_rank(a.0, a.1, shape.len()), of_rank(b.0, b.1, shape.len())), &shape)
    })
}

/// Only the square: a GPU's power has no sign and little precision.
fn square(call: &Call<'_>) -> Option<Vec<GpuTensor>> {
    let (x, shape) = call.floats(0)?;
    if call.scalar(1)? != 2.0 || call.value(1)?.shape().len() > shape.len() {
        return None;
    }
    one(Wgpu::float_mul(x.clone(), x), shape)
}

fn compare(f: fn(Floats, Floats) -> burn::backend::tensor::BoolTensor<Wgpu>) -> Run {
    Box::new(move |call| {
        let (a, b) = (call.floats(0)?, call.floats(1)?);
        let shape = host::broadcast_shape(a.1, b.1).ok().filter(|shape| call.fits(shape))?;
        let (a, b) = (of_rank(a.0, a.1, shape.len()), of_rank(b.0, b.1, shape.len()));
        Some(vec![GpuTensor::bools(f(a, b), &shape)])
    })
}

fn choose(call: &Call<'_>) -> Option<Vec<GpuTensor>> {
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
            // How a GPU keeps booleans is its own business: it is left to make them.
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
