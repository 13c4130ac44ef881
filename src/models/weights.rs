//! A checkpoint's tensors by name, taken out by the model that is built from them.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::formats::safetensors::HostTensor;
use crate::ops::gemm::Matrix;
use crate::ops::int8::Packed;

/// The tensors of a model's files.
#[derive(Default)]
pub struct Weights {
    tensors: HashMap<String, HostTensor>,
    /// Whether the matrices of layers are quantised as they come.
    int8: bool,
    packed: HashMap<String, Packed>,
    prefix: &'static str,
}

/// What checkpoints put before the names of the encoder's tensors, according to what stands on it.
const PREFIXES: [&str; 6] = ["", "bert.", "distilbert.", "roberta.", "model.", "0.auto_model."];

impl Weights {
    /// Adds a tensor as a file had it.
    ///
    /// # Errors
    /// Invalid artefact: there is one of this name already.
    pub fn insert(&mut self, name: String, tensor: HostTensor) -> Result<()> {
        if self.tensors.contains_key(&name) || self.packed.contains_key(&name) {
            return Err(Error::invalid_artefact(format!("the tensor {name} is there twice")));
        }
        // Only the layers: embeddings are looked up, and heads are small.
        match tensor.shape[..] {
            [outputs, inputs] if self.int8 && name.contains(".layer.") && !tensor.data.is_empty() => {
                let weights = Matrix::transposed(&tensor.data, inputs);
                self.packed.insert(name, Packed::quantise((inputs, outputs), weights));
            }
            _ => {
                self.tensors.insert(name, tensor);
            }
        }
        Ok(())
    }

    /// Has the matrices of layers that are still to come quantised to 8 bits.
    pub fn quantise(&mut self) {
        self.int8 = true;
    }

    /// Whether they are.
    pub(super) fn is_quantised(&self) -> bool {
        self.int8
    }

    /// Whether there are no tensors.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty() && self.packed.is_empty()
    }

    /// Finds out what stands before the names of the encoder's tensors, one of which is `known`.
    pub fn find_prefix(&mut self, known: &str) {
        let found = PREFIXES.iter().find(|prefix| self.tensors.contains_key(&format!("{prefix}{known}")));
        self.prefix = found.unwrap_or(&"");
    }

    /// Takes the encoder's tensor `name` out: its numbers, once its shape was found to be `shape`.
    ///
    /// # Errors
    /// Invalid artefact: it is missing, of a type that is not read, or of another shape.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.take_as(&format!("{}{name}", self.prefix), shape)
    }

    /// Takes the encoder's matrix `name` out, from `inputs` to `outputs`, which was quantised as it came.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(super) fn take_packed(&mut self, name: &str, inputs: usize, outputs: usize) -> Result<Packed> {
        let name = format!("{}{name}", self.prefix);
        match self.packed.remove(&name) {
            Some(packed) if packed.shape == (inputs, outputs) => Ok(packed),
            Some(packed) => Err(wrong_shape(&name, &[packed.shape.1, packed.shape.0], &[outputs, inputs])),
            None => Err(missing(&name)),
        }
    }

    /// Takes a tensor of what stands on the encoder out; see [`Self::take`].
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn take_as(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensor = self.tensors.remove(name).or_else(|| self.tensors.remove(&old_name(name)));
        let tensor = tensor.ok_or_else(|| missing(name))?;
        if tensor.shape == shape { Ok(tensor.data) } else { Err(wrong_shape(name, &tensor.shape, shape)) }
    }
}

fn missing(name: &str) -> Error {
    Error::invalid_artefact(format!("the tensor {name} is missing, or is of another type than F32, F16 and BF16"))
}

fn wrong_shape(name: &str, is: &[usize], wanted: &[usize]) -> Error {
    Error::invalid_artefact(format!("the tensor {name} has the shape {is:?}, and config.json asks for {wanted:?}"))
}

/// The name that the first checkpoints, converted from TensorFlow, have for a layer norm's tensor.
fn old_name(name: &str) -> String {
    name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
}
