//! Any ONNX model: read, checked and planned at load, run on the CPU or a GPU.

mod options;

use std::collections::HashMap;

use burn::tensor::{DType, TensorData};

pub use options::{Fusion, GraphOptions, Limits};

use crate::device::Device;
use crate::error::{Error, Result};

/// A dimension of an input or an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Always this many.
    Fixed(usize),
    /// Any number; equal names are meant to be equal numbers. Empty where the file names none.
    Free(String),
}

/// What a model takes or gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The type of its numbers.
    pub dtype: DType,
    /// Its dimensions; none where the file does not tell even how many there are.
    pub dims: Option<Vec<Dim>>,
}

/// A model, ready to be run.
pub struct Graph {
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

impl Graph {
    /// Reads an ONNX file. `external` has the bytes of the files that it names beside itself.
    ///
    /// # Errors
    /// Invalid artefact: the file is broken, or larger than the limits. Unsupported: operators, types or
    /// attributes that are not known here, all of them in one error.
    pub fn load(
        bytes: Vec<u8>,
        external: HashMap<String, Vec<u8>>,
        device: &Device,
        options: &GraphOptions,
    ) -> Result<Self> {
        let _ = (bytes, external, device, options);
        Err(Error::unsupported("ONNX models"))
    }

    /// What [`Self::run`] is to be given.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// What [`Self::run`] gives.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// The outputs, by name, in the order of [`Self::outputs`].
    ///
    /// # Errors
    /// Invalid input: a name, type or shape is not what the model takes, or the model itself finds the
    /// numbers impossible (an index out of range, a shape that does not fit). Device lost.
    pub async fn run(&self, inputs: Vec<(String, TensorData)>) -> Result<Vec<(String, TensorData)>> {
        let _ = inputs;
        Err(Error::unsupported("ONNX models"))
    }
}
