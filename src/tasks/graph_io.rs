//! What tasks on graphs have in common: one tensor in, numbers out.

use burn::tensor::{Element, TensorData};

use crate::error::{Error, Result};
use crate::graph::{Dim, Graph};

/// Numbers, row-major, and their dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// How many there are in each dimension.
    pub dims: Vec<usize>,
    /// As many as the product of `dims`.
    pub data: Vec<f32>,
}

impl Numbers {
    /// The numbers of a tensor that a graph gave.
    ///
    /// # Errors
    /// Invalid artefact: they are not 32-bit floats.
    pub fn of(data: &TensorData) -> Result<Self> {
        let numbers = data.as_slice::<f32>().map_err(|_| {
            Error::invalid_artefact(format!("the model gives {:?} where 32-bit floats are expected", data.dtype()))
        })?;
        Ok(Self { dims: data.shape().to_vec(), data: numbers.to_vec() })
    }
}

/// The first output of `graph` for its one input.
///
/// # Errors
/// As [`Graph::run`]; invalid artefact: it gives nothing, or no 32-bit floats.
pub async fn run_one<E: Element>(graph: &Graph, data: Vec<E>, dims: &[usize]) -> Result<Numbers> {
    let [input] = graph.inputs() else { return Err(Error::invalid_artefact("the model has not one input")) };
    let outputs = graph.run(vec![(input.name.clone(), TensorData::new(data, dims.to_vec()))]).await?;
    let first = outputs.first().ok_or_else(|| Error::invalid_artefact("the model gives nothing"))?;
    Numbers::of(&first.1)
}

/// Checks that `graph` has one input, of dimensions that may be `dims`; 0 stands for any number.
///
/// # Errors
/// Invalid artefact: it has not; `model` names it.
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
                Err(Error::invalid_artefact(format!("{model} takes {found:?}, not {dims:?}")))
            }
            _ => Ok(()),
        },
        inputs => Err(Error::invalid_artefact(format!("{model} has {} inputs, not one", inputs.len()))),
    }
}
