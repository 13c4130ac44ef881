//! Elementwise operators, and activations, as expressions of WGSL: `a` and `b` are elements of the inputs, `p.s0` and `p.s1`
//! are numbers.

use super::{Call, Run};
use crate::gpu::Tensor;
use crate::graph::host;
use crate::graph::ops::NodeSpec;
use crate::graph::value::Value;
use crate::kernels::activation::Activation;

/// The activation at the end of a fused operator: an expression of `x`.
pub fn activation(node: &NodeSpec<'_>) -> Option<String> {
    let number = |x: f32| x.is_finite().then(|| format!("{x:?}f"));
    Some(match node.attributes.activation().ok()? {
        None => "x".into(),
        Some(Activation::Relu) => "at_least(x, 0.0)".into(),
        Some(Activation::Clip(low, high)) => {
            format!("at_most(at_least(x, {}), {})", number(low.max(f32::MIN))?, number(high.min(f32::MAX))?)
        }
        Some(Activation::HardSigmoid(alpha, beta)) => format!("hard_sigmoid(x, {}, {})", number(alpha)?, number(beta)?),
        Some(Activation::HardSwish(alpha, beta)) => {
            format!("x * hard_sigmoid(x, {}, {})", number(alpha)?, number(beta)?)
        }
        Some(Activation::Sigmoid) => "sigmoid(x)".into(),
        Some(Activation::Swish(alpha)) => format!("swish(x, {})", number(alpha)?),
        Some(Activation::Tanh) => "bounded_tanh(x)".into(),
        Some(Activation::Gelu) => "gelu(x)".into(),
        Some(Activation::GeluTanh) => "gelu_tanh(x)".into(),
    })
}

pub fn gelu(node: &NodeSpec<'_>) -> Option<Run> {
    match node.attributes.string("approximate", "none").ok()? {
        "tanh" => unary("gelu_tanh(a)"),
        _ => unary("gelu(a)"),
    }
}

pub fn hard_sigmoid(node: &NodeSpec<'_>) -> Option<Run> {
    let (alpha, beta) = (node.attributes.float("alpha", 0.2).ok()?, node.attributes.float("beta", 0.5).ok()?);
    with_numbers("hard_sigmoid(a, p.s0, p.s1)", [alpha, beta])
}

pub fn swish(node: &NodeSpec<'_>) -> Option<Run> {
    with_numbers("swish(a, p.s0)", [node.attributes.float("alpha", 1.0).ok()?, 0.0])
}

pub fn leaky_relu(node: &NodeSpec<'_>) -> Option<Run> {
    with_numbers("select(a, p.s0 * a, a < 0.0)", [node.attributes.float("alpha", 0.01).ok()?, 0.0])
}

/// `expression` of each element.
pub fn unary(expression: &'static str) -> Option<Run> {
    with_numbers(expression, [0.0; 2])
}

fn with_numbers(expression: &'static str, numbers: [f32; 2]) -> Option<Run> {
    Some(Box::new(move |call| {
        let x = call.floats(0)?;
        call.gpu.map(expression, &[&x], numbers, x.shape())
    }))
}

pub fn clip(node: &NodeSpec<'_>) -> Option<Run> {
    let (low, high) = (node.attributes.float("min", f32::MIN).ok()?, node.attributes.float("max", f32::MAX).ok()?);
    Some(Box::new(move |call| {
        let bound = |index, default| if call.value(index).is_some() { call.scalar(index) } else { Some(default) };
        // Where the bounds cross, ONNX takes the upper one.
        let (low, high) = Some((bound(1, low)?, bound(2, high)?)).filter(|(low, high)| low <= high)?;
        let x = call.floats(0)?;
        call.gpu.map("at_most(at_least(a, p.s0), p.s1)", &[&x], [low, high], x.shape())
    }))
}

/// `operator` between the elements of two tensors that are broadcast to each other. One number in the CPU's memory is not
/// uploaded.
pub fn binary(operator: &'static str) -> Option<Run> {
    Some(Box::new(move |call| {
        let (a, b) = (call.value(0)?.shape(), call.value(1)?.shape());
        let shape = call.broadcast(&[a, b])?;
        if let Some(number) = call.scalar(1) {
            return call.gpu.map(&format!("a {operator} p.s0"), &[&call.floats(0)?], [number, 0.0], &shape);
        }
        if let Some(number) = call.scalar(0) {
            return call.gpu.map(&format!("p.s0 {operator} a"), &[&call.floats(1)?], [number, 0.0], &shape);
        }
        call.gpu.map(&format!("a {operator} b"), &[&call.floats(0)?, &call.floats(1)?], [0.0; 2], &shape)
    }))
}

/// `Pow` for the exponent 2 alone: a GPU's power loses the sign and has little precision.
pub fn square(call: &Call<'_>) -> Option<Tensor> {
    let x = call.floats(0)?;
    if call.scalar(1)? != 2.0 || call.value(1)?.shape().len() > x.shape().len() {
        return None;
    }
    call.gpu.map("a * a", &[&x], [0.0; 2], x.shape())
}

/// A comparison of two tensors that are broadcast to each other.
pub fn compare(operator: &'static str) -> Option<Run> {
    Some(Box::new(move |call| {
        let (a, b) = (call.floats(0)?, call.floats(1)?);
        let shape = call.broadcast(&[a.shape(), b.shape()])?;
        call.gpu.map(&format!("select(0.0, 1.0, a {operator} b)"), &[&a, &b], [0.0; 2], &shape)
    }))
}

/// `Where`.
pub fn choose(call: &Call<'_>) -> Option<Tensor> {
    let condition = match call.value(0)? {
        Value::Gpu(found) if found.bools => found.tensor.clone(),
        Value::Host(mask, _) if mask.dtype() == host::BOOL => {
            let mask = host::contiguous(mask.clone());
            let numbers: Vec<f32> = host::slice::<u8>(&mask).iter().map(|byte| f32::from(*byte)).collect();
            call.gpu.upload(host::shape(&mask), &numbers)?
        }
        _ => return None,
    };
    let (yes, no) = (call.floats(1)?, call.floats(2)?);
    let shape = call.broadcast(&[condition.shape(), yes.shape(), no.shape()])?;
    call.gpu.map("select(c, b, a != 0.0)", &[&condition, &yes, &no], [0.0; 2], &shape)
}
