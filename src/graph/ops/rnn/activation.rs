//! Activations of recurrent cells, by the names in their attributes.

use super::super::NodeSpec;
use crate::graph::attributes::Refusal;
use crate::kernels::exp::{sigmoid, tanh};

/// An activation. It is a type of its own because recurrent cells have seven that nothing else has, and a Relu that turns
/// NaN into 0.
#[derive(Clone, Copy)]
pub enum Activation {
    Sigmoid,
    Tanh,
    Relu,
    /// One of [`OTHERS`], with its alpha and beta.
    Other(fn(f32, f32, f32) -> f32, f32, f32),
}

impl Activation {
    pub fn apply(self, numbers: &mut [f32]) {
        match self {
            Self::Sigmoid => numbers.iter_mut().for_each(|x| *x = sigmoid(*x)),
            Self::Tanh => numbers.iter_mut().for_each(|x| *x = tanh(*x)),
            Self::Relu => numbers.iter_mut().for_each(|x| *x = x.max(0.0)),
            Self::Other(f, alpha, beta) => numbers.iter_mut().for_each(|x| *x = f(*x, alpha, beta)),
        }
    }
}

/// The name, the function, and the defaults of alpha and beta; `None` where it has no such parameter.
type Known = (&'static str, fn(f32, f32, f32) -> f32, Option<f32>, Option<f32>);

/// # Source
/// The ONNX specification of RNN; the defaults are those of the operators of these names.
const OTHERS: &[Known] = &[
    ("affine", |x, alpha, beta| alpha * x + beta, Some(1.0), Some(0.0)),
    ("leakyrelu", |x, alpha, _| if x < 0.0 { alpha * x } else { x }, Some(0.01), None),
    ("thresholdedrelu", |x, alpha, _| if x > alpha { x } else { 0.0 }, Some(1.0), None),
    ("scaledtanh", |x, alpha, beta| alpha * tanh(beta * x), Some(1.0), Some(1.0)),
    ("hardsigmoid", |x, alpha, beta| (alpha * x + beta).clamp(0.0, 1.0), Some(0.2), Some(0.5)),
    ("elu", |x, alpha, _| if x < 0.0 { alpha * x.exp_m1() } else { x }, Some(1.0), None),
    ("softsign", |x, _, _| x / (1.0 + x.abs()), None, None),
    ("softplus", |x, _, _| x.max(0.0) + (-x.abs()).exp().ln_1p(), None, None),
];

/// The activations of a node: those that it names, or `default`.
///
/// # Errors
/// One is not supported, or their number is wrong.
pub fn read(node: &NodeSpec<'_>, default: &[&str], directions: usize) -> Result<Vec<Activation>, Refusal> {
    let mut names = node.attributes.strings("activations")?;
    if names.is_empty() {
        names = (0..directions).flat_map(|_| default.iter().map(|name| name.to_string())).collect();
    }
    if names.len() != default.len() * directions {
        return Err(format!(
            "the attribute activations has {} names, expected {}",
            names.len(),
            default.len() * directions
        ));
    }
    let mut alphas = node.attributes.floats("activation_alpha")?.unwrap_or_default().into_iter();
    let mut betas = node.attributes.floats("activation_beta")?.unwrap_or_default().into_iter();
    let one = |name: &String| match name.to_ascii_lowercase().as_str() {
        "sigmoid" => Ok(Activation::Sigmoid),
        "tanh" => Ok(Activation::Tanh),
        "relu" => Ok(Activation::Relu),
        other => {
            let known = OTHERS.iter().find(|(known, ..)| *known == other);
            let (_, f, alpha, beta) = known.ok_or_else(|| format!("the activation {name} is not supported"))?;
            let alpha = alpha.map(|alpha| alphas.next().unwrap_or(alpha));
            let beta = beta.map(|beta| betas.next().unwrap_or(beta));
            Ok(Activation::Other(*f, alpha.unwrap_or_default(), beta.unwrap_or_default()))
        }
    };
    names.iter().map(one).collect()
}
