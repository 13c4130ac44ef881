//! Classification heads: logits from hidden states. A head is a few thousand operations for each text, too few to be worth
//! a transfer to the device and back: it runs on the CPU, on the hidden states that come from there.

use super::output::OutputKind;
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::formats::safetensors::{self, Array, Tensor};
use crate::kernels::Activation;

/// A layer `y = x Wᵀ + b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// `[out, in]`, row-major.
    weight: Vec<f32>,
    /// `[out]`
    bias: Vec<f32>,
}

/// Logits from hidden states.
#[derive(Clone, Debug, PartialEq)]
pub enum Head {
    /// On the first token: a layer and its activation, then the logits of the text.
    Sequence {
        /// `[hidden, hidden]`
        dense: Linear,
        /// What is applied to its outputs.
        activation: Activation,
        /// `[labels, hidden]`
        classifier: Linear,
    },
    /// On each token: `[labels, hidden]`.
    Token(Linear),
    /// On the embedding of the text, the normalised mean of its hidden states: `[labels, hidden]`.
    Embedding(Linear),
    /// On the embedding and the [`length_feature`]: `[labels, hidden + 1]`.
    EmbeddingAndLength(Linear),
}

impl Linear {
    /// A layer from `[out, in]` weights.
    ///
    /// # Errors
    /// Invalid artefact: the sizes do not fit each other, or a number is not finite.
    pub fn new(weight: Vec<f32>, bias: Vec<f32>) -> Result<Self> {
        if bias.is_empty() || weight.is_empty() || !weight.len().is_multiple_of(bias.len()) {
            return Err(Error::invalid_artefact(format!(
                "a layer of {} weights cannot have {} outputs",
                weight.len(),
                bias.len()
            )));
        }
        if !weight.iter().chain(&bias).all(|number| number.is_finite()) {
            return Err(Error::invalid_artefact("a layer has a number that is not finite"));
        }
        Ok(Self { weight, bias })
    }

    /// `[in]` to `[out]`.
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        linear(&self.weight, &self.bias, x)
    }

    /// `[out, in]`, row-major, and `[out]`.
    pub fn parameters(&self) -> (&[f32], &[f32]) {
        (&self.weight, &self.bias)
    }

    /// A `head.safetensors`.
    ///
    /// # Errors
    /// Internal: the file cannot be written.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let outputs = self.bias.len();
        let weight = Array { shape: vec![outputs, self.weight.len() / outputs], data: self.weight.clone() };
        let bias = Array { shape: vec![outputs], data: self.bias.clone() };
        safetensors::write([("head.weight", &Tensor::Floats(weight)), ("head.bias", &Tensor::Floats(bias))])
    }

    /// Takes the tensors `{name}.weight`, `[outputs, inputs]`, and `{name}.bias`, `[outputs]`, out of `weights`.
    pub(super) fn take(weights: &mut Weights, name: &str, outputs: usize, inputs: usize) -> Result<Self> {
        Self::new(
            weights.take(&format!("{name}.weight"), &[outputs, inputs])?,
            weights.take(&format!("{name}.bias"), &[outputs])?,
        )
    }
}

impl Head {
    /// The labels that it tells apart.
    pub fn label_count(&self) -> usize {
        match self {
            Self::Sequence { classifier: linear, .. }
            | Self::Token(linear)
            | Self::Embedding(linear)
            | Self::EmbeddingAndLength(linear) => linear.bias.len(),
        }
    }

    /// What the head gives.
    pub fn output(&self) -> OutputKind {
        match self {
            Self::Token(_) => OutputKind::TokenLogits,
            Self::Sequence { .. } | Self::Embedding(_) | Self::EmbeddingAndLength(_) => OutputKind::TextLogits,
        }
    }

    /// A head on embeddings, out of a `head.safetensors`.
    ///
    /// # Errors
    /// Invalid artefact: a tensor is missing or has another shape.
    pub fn on_embeddings(weights: &mut Weights, labels: usize, hidden: usize) -> Result<Self> {
        Ok(Self::Embedding(Linear::take(weights, "head", labels, hidden)?))
    }

    /// One that sees the length of the text as well.
    ///
    /// # Errors
    /// Invalid artefact: a tensor is missing or has another shape.
    pub fn on_embeddings_and_length(weights: &mut Weights, labels: usize, hidden: usize) -> Result<Self> {
        Ok(Self::EmbeddingAndLength(Linear::take(weights, "head", labels, hidden + 1)?))
    }
}

/// `y = x Wᵀ + b`, for a `weight` of `[out, in]`, row-major.
pub fn linear(weight: &[f32], bias: &[f32], x: &[f32]) -> Vec<f32> {
    let rows = weight.chunks_exact(x.len());
    rows.zip(bias).map(|(row, bias)| row.iter().zip(x).map(|(weight, x)| weight * x).sum::<f32>() + bias).collect()
}

/// What a head sees of the length of a text of so many tokens: ln(1 + tokens). The embedding alone says little of it.
pub fn length_feature(tokens: usize) -> f32 {
    (tokens as f32).ln_1p()
}
