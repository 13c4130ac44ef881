//! Helpers for tasks on graphs: checks of inputs, and one tensor in, floats out.

use burn::tensor::{Element, TensorData};

use crate::error::{Error, Result};
use crate::graph::{Dim, Graph};

/// A tensor of 32-bit floats, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatTensor {
    /// Its shape.
    pub dims: Vec<usize>,
    /// As many as the product of `dims`.
    pub data: Vec<f32>,
}

impl TryFrom<&TensorData> for FloatTensor {
    type Error = Error;

    fn try_from(tensor: &TensorData) -> Result<Self> {
        let data = tensor.as_slice::<f32>().map_err(|_| {
            Error::invalid_artefact(format!("the model's output must be 32-bit floats, got {:?}", tensor.dtype()))
        })?;
        Ok(Self { dims: tensor.shape().to_vec(), data: data.to_vec() })
    }
}

/// The first output of `graph` for its one input.
///
/// # Errors
/// As [`Graph::run`]; invalid artefact: it has no output, or one of another type than 32-bit floats.
pub async fn run_one<E: Element>(graph: &Graph, data: Vec<E>, dims: &[usize]) -> Result<FloatTensor> {
    let [input] = graph.inputs() else { return Err(Error::invalid_artefact("the model must have one input")) };
    let outputs = graph.run(vec![(input.name.clone(), TensorData::new(data, dims.to_vec()))]).await?;
    let first = outputs.first().ok_or_else(|| Error::invalid_artefact("the model has no output"))?;
    FloatTensor::try_from(&first.1)
}

/// Checks that `graph` has one input, of a shape that may be `dims`; 0 stands for any size.
///
/// # Errors
/// Invalid artefact: it has not; `model` names the graph in the message.
pub fn expect_input(graph: &Graph, model: &str, dims: &[usize]) -> Result<()> {
    let fits = |dim: &Dim, &wanted: &usize| match dim {
        Dim::Fixed(count) => wanted == 0 || *count == wanted,
        Dim::Free(_) => true,
    };
    match graph.inputs() {
        [input] => match &input.dims {
            Some(found)
                if found.len() != dims.len() || !found.iter().zip(dims).all(|(dim, wanted)| fits(dim, wanted)) =>
            {
                Err(Error::invalid_artefact(format!("{model} must take {dims:?}, got {found:?}")))
            }
            _ => Ok(()),
        },
        inputs => Err(Error::invalid_artefact(format!("{model} must have one input, got {}", inputs.len()))),
    }
}
