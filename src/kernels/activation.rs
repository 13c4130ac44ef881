//! Activation functions, applied to tiles of a result while they are in the cache.

use super::exp;
use super::gelu::{gelu, gelu_tanh};

/// An activation function of one number. It is the one list of them: configurations, fused operators and the kernels of
/// both devices match on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x` clamped to a least and a greatest number.
    Clip(f32, f32),
    /// `αx + β` clamped to [0, 1].
    HardSigmoid(f32, f32),
    /// `x · hard_sigmoid(x)`.
    HardSwish(f32, f32),
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// `x · sigmoid(αx)`.
    Swish(f32),
    /// The hyperbolic tangent.
    Tanh,
    /// `x Φ(x)`, by the error function.
    Gelu,
    /// GELU by its tanh approximation.
    GeluTanh,
}

impl Activation {
    /// Replaces each number by its activation.
    pub fn apply(self, numbers: &mut [f32]) {
        match self {
            Self::Relu => map(numbers, |x| if x < 0.0 { 0.0 } else { x }),
            Self::Clip(low, high) => map(numbers, |x| at_most(at_least(x, low), high)),
            Self::HardSigmoid(alpha, beta) => map(numbers, |x| at_most(at_least(alpha * x + beta, 0.0), 1.0)),
            Self::HardSwish(alpha, beta) => map(numbers, |x| x * at_most(at_least(alpha * x + beta, 0.0), 1.0)),
            Self::Sigmoid => map(numbers, exp::sigmoid),
            Self::Swish(alpha) => map(numbers, |x| x * exp::sigmoid(alpha * x)),
            Self::Tanh => map(numbers, exp::tanh),
            Self::Gelu => map(numbers, gelu),
            Self::GeluTanh => map(numbers, gelu_tanh),
        }
    }
}

#[inline(always)]
fn map(numbers: &mut [f32], f: impl Fn(f32) -> f32) {
    numbers.iter_mut().for_each(|x| *x = f(*x));
}

// Unlike `max` and `min` these return NaN for NaN, and are one instruction.
#[inline(always)]
fn at_least(x: f32, low: f32) -> f32 {
    if x < low { low } else { x }
}

#[inline(always)]
fn at_most(x: f32, high: f32) -> f32 {
    if x > high { high } else { x }
}
