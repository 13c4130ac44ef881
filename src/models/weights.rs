//! The weights of a checkpoint: tensors by name, which the model that is built from them takes out.

use std::collections::HashMap;

use super::embedding::{Table, quantise};
use crate::error::{Error, Result};
use crate::formats::safetensors::{Array, Tensor};
use crate::kernels::gemm::Matrix;
use crate::kernels::qlinear::{QuantizedWeights, Shapes};

/// The tensors of a model's files.
///
/// A matrix of 8 bits is several tensors: its numbers under the name of the matrix, and their scales and sums under that
/// name with a suffix.
///
/// ```
/// use pilot_light::formats::safetensors::Reader;
/// use pilot_light::models::Weights;
///
/// let bytes = std::fs::read("tests/golden/tiny-bert-seq/model.safetensors").unwrap();
/// let (mut reader, mut weights) = (Reader::default(), Weights::default());
/// reader.feed(&bytes, &mut |name, tensor| weights.insert(name, tensor).unwrap())?;
/// reader.finish()?;
/// let name = "bert.embeddings.LayerNorm.weight";
/// assert!(weights.contains(name));
/// assert_eq!(weights.take(name, &[16])?.len(), 16);
/// assert!(!weights.contains(name));
/// # Ok::<(), pilot_light::Error>(())
/// ```
#[derive(Default)]
pub struct Weights {
    tensors: HashMap<String, Tensor>,
    /// How a tensor that is inserted is quantised.
    quantisation: Option<fn(&str) -> Option<Quantisation>>,
}

/// How a matrix is quantised to 8 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantisation {
    /// As the weights of a linear layer, `[outputs, inputs]`, with a scale for each output.
    Linear,
    /// As an embedding table, `[rows, width]`, with a scale for each row.
    Rows,
}

/// The suffixes of the names of scales and sums.
const SCALES: &str = ".scales";
const SUMS: &str = ".sums";

/// The modules that `torch.compile`, FSDP and the checkpointing of activations wrap others in, wherever they are.
const WRAPPERS: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];
/// The module that data parallelism wraps a whole model in.
const PARALLEL: &str = "module";

impl Weights {
    /// Adds a tensor of a file, under its name in the model as it was before it was wrapped for training, and quantised if
    /// that was requested.
    ///
    /// # Errors
    /// Invalid artefact: there is one of this name already.
    pub fn insert(&mut self, name: String, tensor: Tensor) -> Result<()> {
        let name = unwrapped(&name);
        match tensor {
            Tensor::Floats(tensor) if !tensor.data.is_empty() && tensor.shape.len() == 2 => {
                match self.quantisation.and_then(|quantisation| quantisation(&name)) {
                    Some(Quantisation::Linear) => self.insert_linear(name, &tensor),
                    Some(Quantisation::Rows) => {
                        let (numbers, scales) = quantise(&tensor);
                        self.add(format!("{name}{SCALES}"), Tensor::Floats(scales))?;
                        self.add(name, Tensor::Bytes(numbers))
                    }
                    None => self.add(name, Tensor::Floats(tensor)),
                }
            }
            tensor => self.add(name, tensor),
        }
    }

    /// Quantises the matrix of a linear layer, `[outputs, inputs]`.
    fn insert_linear(&mut self, name: String, tensor: &Array) -> Result<()> {
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
            return Err(Error::invalid_artefact(format!("the tensor {name} occurs twice")));
        }
        self.tensors.insert(name, tensor);
        Ok(())
    }

    /// Quantises matrices that are inserted from now on, as the architecture says for each name.
    pub fn quantise(&mut self, quantisation: fn(&str) -> Option<Quantisation>) {
        self.quantisation = Some(quantisation);
    }

    /// Whether linear layers have weights of 8 bits.
    pub fn is_quantised(&self) -> bool {
        self.tensors.values().any(|tensor| matches!(tensor, Tensor::Words(_)))
    }

    /// The tensors with their names.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Whether there are no tensors.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Takes the floats of the tensor `name` out, which must have the shape `shape`.
    ///
    /// # Errors
    /// Invalid artefact: it is missing, of a type that is not read, or of another shape.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some(Tensor::Floats(tensor)) = self.tensors.remove(name) else { return Err(missing(name)) };
        if tensor.shape == shape { Ok(tensor.data) } else { Err(wrong_shape(name, &tensor.shape, shape)) }
    }

    /// Takes the matrix `name` of 8 bits out, `[outputs, inputs]`; `None` where it is of floats.
    ///
    /// # Errors
    /// Invalid artefact: its scales or its sums are missing, or of another shape than it.
    pub(super) fn take_packed(
        &mut self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Option<QuantizedWeights>> {
        let Some(Tensor::Words(_)) = self.tensors.get(name) else { return Ok(None) };
        let Some(Tensor::Words(quads)) = self.tensors.remove(name) else { return Ok(None) };
        let shapes = Shapes::new((inputs, outputs));
        if quads.shape != shapes.quads {
            return Err(wrong_shape(name, &quads.shape, &shapes.quads));
        }
        let scales = self.take(&format!("{name}{SCALES}"), &shapes.scales)?;
        let sums = self.take(&format!("{name}{SUMS}"), &shapes.sums)?;
        Ok(Some(QuantizedWeights { shape: (inputs, outputs), quads: quads.data, scales, sums }))
    }

    /// Takes the table `name` out, `[rows, width]`, of floats or of 8 bits.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(super) fn take_table(&mut self, name: &str, rows: usize, width: usize) -> Result<Table> {
        let Some(Tensor::Bytes(_)) = self.tensors.get(name) else {
            return Ok(Table::Floats(self.take(name, &[rows, width])?));
        };
        let Some(Tensor::Bytes(numbers)) = self.tensors.remove(name) else { return Err(missing(name)) };
        if numbers.shape != [rows, width] {
            return Err(wrong_shape(name, &numbers.shape, &[rows, width]));
        }
        let scales = self.take(&format!("{name}{SCALES}"), &[rows])?;
        Ok(Table::Bytes { numbers: numbers.data, scales })
    }
}

/// `name` without the modules that wrap others.
fn unwrapped(name: &str) -> String {
    let own = name.split('.').filter(|part| !WRAPPERS.contains(part)).skip_while(|part| *part == PARALLEL);
    own.collect::<Vec<_>>().join(".")
}

fn missing(name: &str) -> Error {
    Error::invalid_artefact(format!("the tensor {name} is missing, or is of another type than F32, F16 and BF16"))
}

fn wrong_shape(name: &str, is: &[usize], wanted: &[usize]) -> Error {
    Error::invalid_artefact(format!("the tensor {name} has the shape {is:?}, and config.json expects {wanted:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_model_before_it_was_wrapped() {
        for (name, own) in [
            ("_orig_mod.bert.pooler.dense.bias", "bert.pooler.dense.bias"),
            ("module.bert.pooler.dense.bias", "bert.pooler.dense.bias"),
            ("module._orig_mod.classifier.weight", "classifier.weight"),
            ("_orig_mod.module.classifier.weight", "classifier.weight"),
            ("module.module.classifier.weight", "classifier.weight"),
            ("bert.encoder._orig_mod.layer.0.output.dense.bias", "bert.encoder.layer.0.output.dense.bias"),
            (
                "_fsdp_wrapped_module.bert.encoder.layer.0._fsdp_wrapped_module.output.dense.bias",
                "bert.encoder.layer.0.output.dense.bias",
            ),
            (
                "bert.encoder.layer.0._checkpoint_wrapped_module.output.dense.bias",
                "bert.encoder.layer.0.output.dense.bias",
            ),
            ("my_module.weight", "my_module.weight"),
            ("head.module.weight", "head.module.weight"),
        ] {
            let mut weights = Weights::default();
            weights.insert(name.to_string(), Tensor::Floats(Array { shape: vec![1], data: vec![0.5] })).unwrap();
            assert_eq!(weights.take(own, &[1]).unwrap(), [0.5], "{name}");
        }
        // Two that would be one are refused, not mixed.
        let mut weights = Weights::default();
        let tensor = || Tensor::Floats(Array { shape: vec![1], data: vec![0.5] });
        weights.insert("module.a".to_string(), tensor()).unwrap();
        assert!(weights.insert("a".to_string(), tensor()).unwrap_err().to_string().contains("a occurs twice"));
    }
}
