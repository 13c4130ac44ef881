//! A checkpoint's tensors by name, taken out by the model that is built from them.

use std::collections::HashMap;

use super::embedding::{Table, quantise};
use crate::error::{Error, Result};
use crate::formats::safetensors::{Array, Tensor};
use crate::kernels::gemm::Matrix;
use crate::kernels::qlinear::{QuantizedWeights, Shapes};

/// The tensors of a model's files.
///
/// What is quantised to 8 bits is several tensors: the numbers, under the name of the tensor that they stand for, and
/// beside them, with a further word to the name, their scales and sums.
#[derive(Default)]
pub struct Weights {
    tensors: HashMap<String, Tensor>,
    /// Whether matrices are quantised as they come.
    int8: bool,
    prefix: &'static str,
}

/// What checkpoints put before the names of the encoder's tensors, according to what stands on it.
const PREFIXES: [&str; 6] = ["", "bert.", "distilbert.", "roberta.", "model.", "0.auto_model."];

/// How the name of the words' embeddings ends.
const WORDS: &str = "word_embeddings.weight";
/// What follows the name of a tensor of 8 bits in those of its scales and of its sums.
const SCALES: &str = ".scales";
const SUMS: &str = ".sums";

impl Weights {
    /// Adds a tensor as a file had it.
    ///
    /// # Errors
    /// Invalid artefact: there is one of this name already.
    pub fn insert(&mut self, name: String, tensor: Tensor) -> Result<()> {
        match tensor {
            // Only what is large: heads and positions are not.
            Tensor::Floats(tensor) if self.int8 && !tensor.data.is_empty() && tensor.shape.len() == 2 => {
                if name.contains(".layer.") && name.ends_with(".weight") {
                    return self.insert_layer(name, &tensor);
                }
                if name.ends_with(WORDS) {
                    let (numbers, scales) = quantise(&tensor);
                    self.add(format!("{name}{SCALES}"), Tensor::Floats(scales))?;
                    return self.add(name, Tensor::Bytes(numbers));
                }
                self.add(name, Tensor::Floats(tensor))
            }
            tensor => self.add(name, tensor),
        }
    }

    /// Quantises the matrix of a layer, `[outputs, inputs]`.
    fn insert_layer(&mut self, name: String, tensor: &Array) -> Result<()> {
        let shape = (tensor.shape[1], tensor.shape[0]);
        let Shapes { quads, scales, sums } = Shapes::new(shape);
        let packed = QuantizedWeights::quantise(shape, Matrix::transposed(&tensor.data, shape.0));
        let floats = |shape: &[usize], data| Tensor::Floats(Array { shape: shape.to_vec(), data });
        self.add(format!("{name}{SCALES}"), floats(&scales, packed.scales))?;
        self.add(format!("{name}{SUMS}"), floats(&sums, packed.sums))?;
        self.add(name, Tensor::Words(Array { shape: quads.to_vec(), data: packed.quads }))
    }

    fn add(&mut self, name: String, tensor: Tensor) -> Result<()> {
        if self.tensors.contains_key(&name) {
            return Err(Error::invalid_artefact(format!("the tensor {name} is there twice")));
        }
        self.tensors.insert(name, tensor);
        Ok(())
    }

    /// Has the large matrices that are still to come quantised to 8 bits.
    pub fn quantise(&mut self) {
        self.int8 = true;
    }

    /// Whether there are matrices of layers of 8 bits.
    pub fn is_quantised(&self) -> bool {
        self.tensors.values().any(|tensor| matches!(tensor, Tensor::Words(_)))
    }

    /// The tensors, as a file has them.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
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

    /// Takes the encoder's matrix `name` of 8 bits out, from `inputs` to `outputs`; none where it has other numbers.
    ///
    /// # Errors
    /// Invalid artefact: its scales or its sums are missing, or of another shape than it.
    pub(super) fn take_packed(
        &mut self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Option<QuantizedWeights>> {
        let name = format!("{}{name}", self.prefix);
        let Some(Tensor::Words(_)) = self.tensors.get(&name) else { return Ok(None) };
        let Some(Tensor::Words(quads)) = self.tensors.remove(&name) else { return Ok(None) };
        let shapes = Shapes::new((inputs, outputs));
        if quads.shape != shapes.quads {
            return Err(wrong_shape(&name, &quads.shape, &shapes.quads));
        }
        let scales = self.take_as(&format!("{name}{SCALES}"), &shapes.scales)?;
        let sums = self.take_as(&format!("{name}{SUMS}"), &shapes.sums)?;
        Ok(Some(QuantizedWeights { shape: (inputs, outputs), quads: quads.data, scales, sums }))
    }

    /// Takes the encoder's table `name` out, of `rows` rows of `width` numbers, of floats or of 8 bits.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(super) fn take_table(&mut self, name: &str, rows: usize, width: usize) -> Result<Table> {
        let own = format!("{}{name}", self.prefix);
        let Some(Tensor::Bytes(_)) = self.tensors.get(&own) else {
            return Ok(Table::Floats(self.take(name, &[rows, width])?));
        };
        let Some(Tensor::Bytes(numbers)) = self.tensors.remove(&own) else { return Err(missing(&own)) };
        if numbers.shape != [rows, width] {
            return Err(wrong_shape(&own, &numbers.shape, &[rows, width]));
        }
        let scales = self.take_as(&format!("{own}{SCALES}"), &[rows])?;
        Ok(Table::Bytes { numbers: numbers.data, scales })
    }

    /// Takes a tensor of what stands on the encoder out; see [`Self::take`].
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn take_as(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensor = self.tensors.remove(name).or_else(|| self.tensors.remove(&old_name(name)));
        let Some(Tensor::Floats(tensor)) = tensor else { return Err(missing(name)) };
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
