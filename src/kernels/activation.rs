//! Activations, done to the pieces of a result while they are in the cache.

use super::exp;
use super::gelu::gelu;

/// A function of each number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// Nought where it is negative.
    Relu,
    /// Between two numbers.
    Clip(f32, f32),
    /// `αx + β` between 0 and 1.
    HardSigmoid(f32, f32),
    /// `x` times that.
    HardSwish(f32, f32),
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// `x` times that of `αx`.
    Swish(f32),
    /// The hyperbolic tangent.
    Tanh,
    /// `x Φ(x)`.
    Gelu,
    /// The same by way of the hyperbolic tangent.
    FastGelu,
}

impl Activation {
    /// Replaces each of the numbers.
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
            Self::FastGelu => map(numbers, fast_gelu),
        }
    }
}

/// GELU by way of the hyperbolic tangent.
///
/// # Source
/// Hendrycks and Gimpel 2016 (1606.08415), section 2.
#[inline]
pub fn fast_gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + exp::tanh(0.797_884_6 * (x + 0.044_715 * x * x * x)))
}

#[inline(always)]
fn map(numbers: &mut [f32], f: impl Fn(f32) -> f32) {
    numbers.iter_mut().for_each(|x| *x = f(*x));
}

// Unlike `max` and `min` these keep what is no number, and are one instruction.
#[inline(always)]
fn at_least(x: f32, low: f32) -> f32 {
    if x < low { low } else { x }
}

#[inline(always)]
fn at_most(x: f32, high: f32) -> f32 {
    if x > high { high } else { x }
}
