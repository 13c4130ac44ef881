//! Unary elementwise operators.

// A function that is given by its name is called for each number: where little is inlined, its call is not.
#![expect(clippy::redundant_closure)]

use std::f64::consts::FRAC_1_SQRT_2;

use burn::tensor::DType;

use super::{Accepts, BOOLS, NodeSpec, Op, Prepared, SAME, on_gpu, one};
use crate::graph::host::{self, HostTensor, is_float};
use crate::graph::ops::support::broadcast::map_floats;
use crate::kernels::exp::{exp, sigmoid, tanh};
use crate::kernels::gelu::{TANH_CUBE, TANH_FACTOR, erf, gelu, gelu_tanh};

pub static OPS: &[Op] = &[
    floats("Acos", |_| slow(f64::acos)),
    floats("Acosh", |_| slow(f64::acosh)),
    floats("Asin", |_| slow(f64::asin)),
    floats("Asinh", |_| slow(f64::asinh)),
    floats("Atan", |_| slow(f64::atan)),
    floats("Atanh", |_| slow(f64::atanh)),
    floats("Ceil", |_| fast(f32::ceil, f64::ceil)).gpu(on_gpu!(|_| elementwise::unary("ceil(a)"))),
    floats("Celu", celu),
    floats("Cos", |_| slow(f64::cos)).gpu(on_gpu!(|_| elementwise::unary("cos(a)"))),
    floats("Cosh", |_| slow(f64::cosh)),
    floats("Elu", elu),
    floats("Erf", |_| fast(|x| erf(x), wide_erf)).gpu(on_gpu!(|_| elementwise::unary("erf(a)"))),
    floats("Exp", |_| fast(|x| exp(x), f64::exp)).gpu(on_gpu!(|_| elementwise::unary("exp(a)"))),
    floats("Floor", |_| fast(f32::floor, f64::floor)).gpu(on_gpu!(|_| elementwise::unary("floor(a)"))),
    floats("Gelu", gelu_op).gpu(on_gpu!(elementwise::gelu)),
    floats("HardSigmoid", hard_sigmoid).gpu(on_gpu!(elementwise::hard_sigmoid)),
    floats("HardSwish", |_| fast(|x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0), |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)))
        .gpu(on_gpu!(|_| elementwise::unary("a * hard_sigmoid(a, 0.16666667, 0.5)"))),
    floats("LeakyRelu", leaky_relu).gpu(on_gpu!(elementwise::leaky_relu)),
    floats("Log", |_| slow(f64::ln)).gpu(on_gpu!(|_| elementwise::unary("precise_log(a)"))),
    floats("Mish", |_| fast(|x| mish(x), wide_mish)),
    floats("Reciprocal", |_| fast(f32::recip, f64::recip)).gpu(on_gpu!(|_| elementwise::unary("1.0 / a"))),
    floats("Round", |_| fast(f32::round_ties_even, f64::round_ties_even)),
    floats("Selu", selu),
    floats("Sigmoid", |_| fast(|x| sigmoid(x), wide_sigmoid)).gpu(on_gpu!(|_| elementwise::unary("sigmoid(a)"))),
    floats("Sin", |_| slow(f64::sin)).gpu(on_gpu!(|_| elementwise::unary("sin(a)"))),
    floats("Sinh", |_| slow(f64::sinh)),
    floats("Softplus", |_| slow(softplus)),
    floats("Softsign", |_| fast(|x| x / (1.0 + x.abs()), |x| x / (1.0 + x.abs()))),
    floats("Sqrt", |_| fast(f32::sqrt, f64::sqrt)).gpu(on_gpu!(|_| elementwise::unary("sqrt(a)"))),
    floats("Swish", swish).gpu(on_gpu!(elementwise::swish)),
    floats("Tan", |_| slow(f64::tan)),
    floats("Tanh", |_| fast(|x| tanh(x), f64::tanh)).gpu(on_gpu!(|_| elementwise::unary("bounded_tanh(a)"))),
    floats("ThresholdedRelu", thresholded_relu),
    Op::new("Abs", Accepts::Numbers, SAME, |_| numbers(f32::abs, f64::abs, i64::wrapping_abs, |x| x))
        .gpu(on_gpu!(|_| elementwise::unary("abs(a)"))),
    Op::new("IsInf", Accepts::Floats, BOOLS, is_inf),
    Op::new("IsNaN", Accepts::Floats, BOOLS, |_| predicate(f64::is_nan)),
    Op::new("Neg", Accepts::Numbers, SAME, |_| numbers(|x| -x, |x| -x, i64::wrapping_neg, i64::wrapping_neg))
        .gpu(on_gpu!(|_| elementwise::unary("-a"))),
    Op::new("Relu", Accepts::Numbers, SAME, |_| numbers(relu, wide_relu, |x| x.max(0), |x| x))
        .gpu(on_gpu!(|_| elementwise::unary("at_least(a, 0.0)"))),
    Op::new("Shrink", Accepts::Numbers, SAME, shrink),
    Op::new("Sign", Accepts::Numbers, SAME, |_| {
        numbers(|x| wide_sign(x.into()) as f32, wide_sign, i64::signum, |x| i64::from(x != 0))
    }),
];

const fn floats(name: &'static str, prepare: fn(&NodeSpec<'_>) -> Prepared) -> Op {
    Op::new(name, Accepts::Floats, SAME, prepare)
}

/// `singles` of each 32-bit float; `doubles` for the other types.
fn fast(
    singles: impl Fn(f32) -> f32 + Send + Sync + 'static,
    doubles: impl Fn(f64) -> f64 + Send + Sync + 'static,
) -> Prepared {
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        one(if x.dtype() == DType::F32 { map_floats(x, &singles) } else { map_doubles(&x, &doubles) })
    }))
}

/// `f` of each element of any type, in double precision.
fn slow(f: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Prepared {
    Ok(Box::new(move |inputs| one(map_doubles(&inputs.take(0)?, &f))))
}

/// As [`fast`], with `integers` for integers, and `unsigned` for the bits of unsigned 64-bit ones.
fn numbers(
    singles: impl Fn(f32) -> f32 + Send + Sync + 'static,
    doubles: fn(f64) -> f64,
    integers: fn(i64) -> i64,
    unsigned: fn(i64) -> i64,
) -> Prepared {
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        if x.dtype() == DType::F32 {
            return one(map_floats(x, &singles));
        }
        if is_float(x.dtype()) {
            return one(map_doubles(&x, &doubles));
        }
        let f = if x.dtype() == DType::U64 { unsigned } else { integers };
        let out: Vec<i64> = host::to_i64s(&x).into_iter().map(f).collect();
        one(host::from_i64s(x.dtype(), host::shape(&x), &out))
    }))
}

fn map_doubles(x: &HostTensor, f: &dyn Fn(f64) -> f64) -> HostTensor {
    let mut numbers = host::to_f64s(x);
    numbers.iter_mut().for_each(|x| *x = f(*x));
    host::from_f64s(x.dtype(), host::shape(x), &numbers)
}

fn predicate(f: impl Fn(f64) -> bool + Send + Sync + 'static) -> Prepared {
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let out = host::to_f64s(&x).into_iter().map(|x| u8::from(f(x))).collect();
        one(host::bools(host::shape(&x), out))
    }))
}

fn is_inf(node: &NodeSpec<'_>) -> Prepared {
    let negative = node.attributes.flag("detect_negative", true)?;
    let positive = node.attributes.flag("detect_positive", true)?;
    predicate(move |x| negative && x == f64::NEG_INFINITY || positive && x == f64::INFINITY)
}

/// NaN stays NaN; `max` would make it zero.
fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

fn wide_relu(x: f64) -> f64 {
    if x < 0.0 { 0.0 } else { x }
}

fn wide_sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}

fn wide_sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    wide_relu(x) + (-x.abs()).exp().ln_1p()
}

/// `x tanh(ln(1 + eˣ))`, which is `x (e²ˣ + 2 eˣ) / (e²ˣ + 2 eˣ + 2)`.
fn mish(x: f32) -> f32 {
    // From 20 on the quotient is one, and for larger numbers the powers would overflow.
    let e = exp(if x > 20.0 { 20.0 } else { x });
    let n = e * (e + 2.0);
    x * (n / (n + 2.0))
}

fn wide_mish(x: f64) -> f64 {
    x * softplus(x).tanh()
}

/// # Source
/// Abramowitz and Stegun, 7.1.6, whose terms are all positive. From 6 on, the function is 1 in double precision.
fn wide_erf(x: f64) -> f64 {
    if x.abs() >= 6.0 || x.is_nan() {
        return if x.is_nan() { x } else { x.signum() };
    }
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while term.abs() > sum.abs() * 1e-17 {
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// # Source
/// Hendrycks and Gimpel 2016 (1606.08415), section 2: the exact form, and the approximation by tanh.
fn gelu_op(node: &NodeSpec<'_>) -> Prepared {
    match node.attributes.string("approximate", "none")? {
        "none" => fast(|x| gelu(x), |x| 0.5 * x * (1.0 + wide_erf(x * FRAC_1_SQRT_2))),
        "tanh" => fast(|x| gelu_tanh(x), |x| 0.5 * x * (1.0 + (TANH_FACTOR * (x + TANH_CUBE * x * x * x)).tanh())),
        other => Err(format!("the attribute approximation is '{other}', which is not supported")),
    }
}

fn leaky_relu(node: &NodeSpec<'_>) -> Prepared {
    let alpha = node.attributes.float("alpha", 0.01)?;
    let wide = f64::from(alpha);
    fast(move |x| if x < 0.0 { alpha * x } else { x }, move |x| if x < 0.0 { wide * x } else { x })
}

fn elu(node: &NodeSpec<'_>) -> Prepared {
    let alpha = f64::from(node.attributes.float("alpha", 1.0)?);
    slow(move |x| if x < 0.0 { alpha * x.exp_m1() } else { x })
}

fn celu(node: &NodeSpec<'_>) -> Prepared {
    let alpha = f64::from(node.attributes.float("alpha", 1.0)?);
    slow(move |x| if x < 0.0 { alpha * (x / alpha).exp_m1() } else { x })
}

fn selu(node: &NodeSpec<'_>) -> Prepared {
    let alpha = f64::from(node.attributes.float("alpha", 1.673_263_2)?);
    let gamma = f64::from(node.attributes.float("gamma", 1.050_701)?);
    slow(move |x| gamma * if x < 0.0 { alpha * x.exp_m1() } else { x })
}

fn hard_sigmoid(node: &NodeSpec<'_>) -> Prepared {
    let (alpha, beta) = (node.attributes.float("alpha", 0.2)?, node.attributes.float("beta", 0.5)?);
    let (wide_alpha, wide_beta) = (f64::from(alpha), f64::from(beta));
    fast(move |x| (alpha * x + beta).clamp(0.0, 1.0), move |x| (wide_alpha * x + wide_beta).clamp(0.0, 1.0))
}

fn swish(node: &NodeSpec<'_>) -> Prepared {
    let alpha = node.attributes.float("alpha", 1.0)?;
    let wide = f64::from(alpha);
    fast(move |x| x * sigmoid(alpha * x), move |x| x * wide_sigmoid(wide * x))
}

fn thresholded_relu(node: &NodeSpec<'_>) -> Prepared {
    let alpha = f64::from(node.attributes.float("alpha", 1.0)?);
    slow(move |x| if x > alpha { x } else { 0.0 })
}

fn shrink(node: &NodeSpec<'_>) -> Prepared {
    let bias = f64::from(node.attributes.float("bias", 0.0)?);
    let lambda = f64::from(node.attributes.float("lambd", 0.5)?);
    slow(move |x| {
        if x < -lambda {
            x + bias
        } else if x > lambda {
            x - bias
        } else {
            0.0
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_is_exact_in_double_precision() {
        // From Abramowitz and Stegun, table 7.1.
        for (x, y) in [(0.5, 0.5204998778), (1.0, 0.8427007929), (2.0, 0.9953222650), (-1.5, -0.9661051465)] {
            assert!((wide_erf(x) - y).abs() < 1e-10, "{x}");
        }
        assert_eq!(wide_erf(f64::NEG_INFINITY), -1.0);
    }
}
