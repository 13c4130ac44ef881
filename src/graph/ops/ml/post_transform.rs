//! What is done to the scores of a row at last.

use crate::graph::attributes::Refusal;
use crate::graph::ops::NodeSpec;
use crate::kernels::exp::{exp, sigmoid};

/// The transformation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostTransform {
    None,
    Logistic,
    Softmax,
    /// Softmax of the scores that are not zero.
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    /// That of the attribute `post_transform`.
    pub fn of(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        Ok(match node.attributes.string("post_transform", "NONE")? {
            "NONE" => Self::None,
            "LOGISTIC" => Self::Logistic,
            "SOFTMAX" => Self::Softmax,
            "SOFTMAX_ZERO" => Self::SoftmaxZero,
            "PROBIT" => Self::Probit,
            other => return Err(format!("the attribute post_transform is '{other}', which is not supported")),
        })
    }

    /// That with this number in the operator TreeEnsemble.
    pub fn from_number(number: i64) -> Result<Self, Refusal> {
        let all = [Self::None, Self::Softmax, Self::Logistic, Self::SoftmaxZero, Self::Probit];
        let found = usize::try_from(number).ok().and_then(|at| all.get(at).copied());
        found.ok_or(format!("the attribute post_transform is {number}, expected 0 to 4"))
    }

    /// Transforms the scores of a row.
    pub fn apply(self, scores: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|score| *score = sigmoid(*score)),
            Self::Softmax => softmax(scores, |_| true),
            Self::SoftmaxZero => softmax(scores, |score| score.abs() > 1e-7),
            Self::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }
}

/// Softmax of the scores that `counts` holds for; the others are zero.
fn softmax(scores: &mut [f32], counts: impl Fn(f32) -> bool) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = if counts(*score) { exp(*score - largest) } else { 0.0 };
        sum += *score;
    }
    if sum > 0.0 {
        scores.iter_mut().for_each(|score| *score /= sum);
    }
}

/// The quantile function of the normal distribution.
///
/// # Source
/// Winitzki 2008, "A handy approximation for the error function and its inverse", as onnxruntime has it.
fn probit(score: f32) -> f32 {
    let x = 2.0 * score - 1.0;
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let v = 2.0 / (std::f32::consts::PI * 0.147) + 0.5 * log;
    let root = (v * v - log / 0.147).sqrt() - v;
    std::f32::consts::SQRT_2 * root.sqrt().copysign(x)
}
