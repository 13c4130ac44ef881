//! A checkpoint's tensors by name, taken out by the model that is built from them.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::formats::safetensors::HostTensor;

/// The tensors of a model's files.
#[derive(Default)]
pub struct Weights {
    tensors: HashMap<String, HostTensor>,
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
        match self.tensors.insert(name.clone(), tensor) {
            None => Ok(()),
            Some(_) => Err(Error::invalid_artefact(format!("the tensor {name} is there twice"))),
        }
    }

    /// Whether there are no tensors.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
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

    /// Takes a tensor of what stands on the encoder out; see [`Self::take`].
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn take_as(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensor = self.tensors.remove(name).or_else(|| self.tensors.remove(&old_name(name)));
        let tensor = tensor.ok_or_else(|| {
            Error::invalid_artefact(format!(
                "the tensor {name} is missing, or is of another type than F32, F16 and BF16"
            ))
        })?;
        if tensor.shape != shape {
            let is = tensor.shape;
            return Err(Error::invalid_artefact(format!(
                "the tensor {name} has the shape {is:?}, and config.json asks for {shape:?}"
            )));
        }
        Ok(tensor.data)
    }
}

/// The name that the first checkpoints, converted from TensorFlow, have for a layer norm's tensor.
fn old_name(name: &str) -> String {
    name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
}
