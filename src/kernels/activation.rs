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
    // A function that is given by its name is called for each number: where little is inlined, its call is not.
    #[expect(clippy::redundant_closure)]
    pub fn apply(self, numbers: &mut [f32]) {
        match self {
            Self::Relu => map(numbers, |x| if x < 0.0 { 0.0 } else { x }),
            Self::Clip(low, high) => map(numbers, |x| at_most(at_least(x, low), high)),
            Self::HardSigmoid(alpha, beta) => map(numbers, |x| at_most(at_least(alpha * x + beta, 0.0), 1.0)),
            Self::HardSwish(alpha, beta) => map(numbers, |x| x * at_most(at_least(alpha * x + beta, 0.0), 1.0)),
            Self::Sigmoid => map(numbers, |x| exp::sigmoid(x)),
            Self::Swish(alpha) => map(numbers, |x| x * exp::sigmoid(alpha * x)),
            Self::Tanh => map(numbers, |x| exp::tanh(x)),
            Self::Gelu => map(numbers, |x| gelu(x)),
            Self::GeluTanh => map(numbers, |x| gelu_tanh(x)),
        }
    }
}

#[inline(always)]
fn map(numbers: &mut [f32], f: impl Fn(f32) -> f32) {
    numbers.iter_mut().for_each(|x| *x = f(*x));
}

/// `x`, or `low` where that is larger. Unlike `max` this returns NaN for NaN, and is one instruction.
#[inline(always)]
pub fn at_least(x: f32, low: f32) -> f32 {
    if x < low { low } else { x }
}

/// `x`, or `high` where that is smaller; NaN for NaN.
#[inline(always)]
pub fn at_most(x: f32, high: f32) -> f32 {
    if x > high { high } else { x }
}
