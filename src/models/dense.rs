//! The `Dense` module of sentence-transformers: a layer behind the pooling.

use serde::Deserialize;

use super::config::dimension;
use super::head::Linear;
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::kernels::Activation;

/// `y = f(x Wᵀ + b)`, to which `x` or a projection of it may be added.
///
/// # Source
/// `Dense` of sentence-transformers 6.2, `base/modules/dense.py`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    linear: Linear,
    activation: Option<Activation>,
    residual: Residual,
    outputs: usize,
}

/// What is added to the outputs.
#[derive(Clone, Debug, PartialEq)]
enum Residual {
    None,
    /// The inputs, which are as many as the outputs.
    Inputs,
    Projected(Linear),
}

/// Its `config.json`.
#[derive(Deserialize)]
struct Config {
    in_features: Option<usize>,
    out_features: Option<usize>,
    bias: Option<bool>,
    activation_function: Option<String>,
    module_input_name: Option<String>,
    module_output_name: Option<String>,
    use_residual: Option<bool>,
}

/// What a module reads and writes: the embedding of the text.
const EMBEDDING: &str = "sentence_embedding";

impl Dense {
    /// The module of a `config.json` and its weights, on `inputs` numbers.
    ///
    /// # Errors
    /// Invalid artefact: the configuration is not right, or does not fit the weights or `inputs`. Unsupported: an activation
    /// that is not known here, or a module for something else than the embedding of a text.
    pub fn from_json(config: &str, weights: &mut Weights, inputs: usize) -> Result<Self> {
        let config: Config = serde_json::from_str(config)
            .map_err(|error| Error::invalid_artefact(format!("config.json is not right: {error}")))?;
        let (given, outputs) =
            (dimension("in_features", config.in_features)?, dimension("out_features", config.out_features)?);
        if given != inputs {
            return Err(Error::invalid_artefact(format!("in_features must be {inputs}, got {given}")));
        }
        for name in [&config.module_input_name, &config.module_output_name].into_iter().flatten() {
            if name != EMBEDDING {
                return Err(Error::unsupported(format!("expected a module for {EMBEDDING}, got one for {name}")));
            }
        }
        let linear = match config.bias {
            Some(false) => without_bias(weights, "linear.weight", outputs, inputs)?,
            _ => Linear::take(weights, "linear", outputs, inputs)?,
        };
        let residual = match config.use_residual {
            Some(true) if inputs == outputs => Residual::Inputs,
            Some(true) => Residual::Projected(without_bias(weights, "residual.weight", outputs, inputs)?),
            _ => Residual::None,
        };
        Ok(Self { linear, activation: activation(config.activation_function.as_deref())?, residual, outputs })
    }

    /// How many numbers it gives.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// `[in]` to `[out]`.
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        let mut y = self.linear.forward(x);
        if let Some(activation) = self.activation {
            activation.apply(&mut y);
        }
        let mut add = |residual: &[f32]| y.iter_mut().zip(residual).for_each(|(y, residual)| *y += residual);
        match &self.residual {
            Residual::None => {}
            Residual::Inputs => add(x),
            Residual::Projected(linear) => add(&linear.forward(x)),
        }
        y
    }
}

fn without_bias(weights: &mut Weights, name: &str, outputs: usize, inputs: usize) -> Result<Linear> {
    Linear::new(weights.take(name, &[outputs, inputs])?, vec![0.0; outputs])
}

/// The activation of a class of PyTorch; the hyperbolic tangent where none is named.
fn activation(class: Option<&str>) -> Result<Option<Activation>> {
    let Some(class) = class else { return Ok(Some(Activation::Tanh)) };
    let known = class.starts_with("torch.nn.").then(|| class.rsplit('.').next()).flatten();
    Ok(match known {
        Some("Identity") => None,
        Some("Tanh") => Some(Activation::Tanh),
        Some("ReLU") => Some(Activation::Relu),
        Some("GELU") => Some(Activation::Gelu),
        Some("SiLU") => Some(Activation::Swish(1.0)),
        Some("Sigmoid") => Some(Activation::Sigmoid),
        _ => return Err(Error::unsupported(format!("the activation_function '{class}' is not supported"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::formats::safetensors::{Array, Tensor};

    fn refusal(config: &str) -> Error {
        let mut weights = Weights::default();
        for (name, shape) in [("linear.weight", vec![1, 2]), ("linear.bias", vec![1])] {
            let data = vec![1.0; shape.iter().product()];
            weights.insert(name.into(), Tensor::Floats(Array { shape, data })).unwrap();
        }
        Dense::from_json(config, &mut weights, 2).unwrap_err()
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (config, kind, word) in [
            ("3", ErrorKind::InvalidArtefact, "config.json"),
            (r#"{"out_features":1}"#, ErrorKind::InvalidArtefact, "in_features"),
            (r#"{"in_features":3,"out_features":1}"#, ErrorKind::InvalidArtefact, "in_features must be 2, got 3"),
            (r#"{"in_features":2,"out_features":9}"#, ErrorKind::InvalidArtefact, "linear.weight"),
            (r#"{"in_features":2,"out_features":99999999999}"#, ErrorKind::InvalidArtefact, "out_features"),
            (
                r#"{"in_features":2,"out_features":1,"use_residual":true}"#,
                ErrorKind::InvalidArtefact,
                "residual.weight",
            ),
            (
                r#"{"in_features":2,"out_features":1,"activation_function":"my.Softplus"}"#,
                ErrorKind::Unsupported,
                "my.Softplus",
            ),
            (
                r#"{"in_features":2,"out_features":1,"module_input_name":"token_embeddings"}"#,
                ErrorKind::Unsupported,
                "token_embeddings",
            ),
        ] {
            let error = refusal(config);
            assert_eq!(error.kind(), kind, "{config}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
