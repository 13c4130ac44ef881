//! Any ONNX model: read, checked and planned at load, run on the CPU or a GPU.
//!
//! ```text
//! formats::onnx -> import -> widen -> fold -> fuse -> weights -> plan -> run
//! ```
//!
//! `import` gives every name a slot, `widen` makes 32-bit floats of weights of 16 bits, `fold` computes what hangs on
//! constants alone and refuses what is not known, `fuse` joins what exporters take apart, `weights` packs constant
//! matrices for the kernels, in 8 bits where that was asked for, `plan` finds out when each value is needed for the last time, `run` takes the steps. The operators are in `ops`, those for a GPU in `gpu`.

mod attributes;
mod builder;
mod compute_cost;
mod contiguous;
mod control;
mod cost;
#[cfg_attr(not(feature = "gpu"), path = "gpu_disabled.rs")]
mod gpu;
mod host;
mod import;
mod ops;
mod options;
mod passes;
mod plan;
mod program;
mod run;
mod value;

use std::collections::HashMap;

use burn::tensor::{DType, TensorData};

pub(crate) use attributes::Attribute;
pub(crate) use builder::{Builder, Operand};
pub use options::{Fusion, GraphOptions, Limits};

use crate::device::{Device, DeviceKind};
use crate::error::{Error, Result};
use crate::formats::onnx;
pub use compute_cost::ComputeCost;
use passes::{constant_folding, fusion, prepack_weights, upcast_f16};
use plan::Plan;
use program::Program;
use run::Run;
use value::Value;

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
    metadata: HashMap<String, String>,
    options: GraphOptions,
    /// Whether 16-bit floats are 32-bit ones inside.
    widened: bool,
    plan: Plan,
    /// The constants by their slots.
    constants: Vec<Option<Value>>,
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
        let limits = options.limits.clone();
        let model = onnx::read(&bytes, onnx::Bounds { nodes: limits.max_nodes, depth: limits.max_depth })?;
        check_opsets(&model)?;
        let mut program = import::program(&model, &external, &limits)?;
        let metadata = model.metadata.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        // What follows needs memory of its own, and the file's bytes have been copied where they are wanted.
        drop(model);
        drop((bytes, external));
        program.block.prune(program.types.len());
        let widened = upcast_f16::widen(&mut program);
        constant_folding::fold(&mut program, &limits)?;
        program.block.prune(program.types.len());
        fusion::fuse(&mut program, &options.fusion);
        Self::of_program(program, metadata, widened, device, options)
    }

    fn of_program(
        mut program: Program,
        metadata: HashMap<String, String>,
        widened: bool,
        device: &Device,
        options: &GraphOptions,
    ) -> Result<Self> {
        if options.int8 {
            prepack_weights::pack(&mut program, prepack_weights::Form::Int8);
        } else if device.kind() == DeviceKind::Wasm {
            prepack_weights::pack(&mut program, prepack_weights::Form::Panels);
        }
        let plan = plan::plan(&program, device)?;
        let mut constants = vec![None; program.types.len()];
        let mut keep = |slot: usize| {
            if let Some(tensor) = program.constants.remove(&slot) {
                constants[slot] = Some(Value::constant(tensor));
            }
        };
        program.block.nodes.iter().for_each(|node| node.reads(&mut keep));
        program.block.outputs.iter().for_each(|slot| keep(*slot));
        let (inputs, outputs) = (program.inputs, program.outputs);
        Ok(Self { inputs, outputs, metadata, options: options.clone(), widened, plan, constants })
    }

    /// What [`Self::run`] is to be given.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// What [`Self::run`] gives.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// What the file's maker noted under `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The outputs, by name, in the order of [`Self::outputs`], and what they took.
    ///
    /// # Errors
    /// Invalid input: a name, type or shape is not what the model takes, or the model itself finds the
    /// numbers impossible (an index out of range, a shape that does not fit). Device lost.
    pub async fn run_counted(
        &self,
        inputs: Vec<(String, TensorData)>,
    ) -> Result<(Vec<(String, TensorData)>, ComputeCost)> {
        let inputs = self.in_order(inputs)?;
        let mut run = Run::new(&self.constants, &self.options);
        let outputs = run.block(&self.plan, inputs).await?;
        let mut named = Vec::with_capacity(outputs.len());
        for (port, output) in self.outputs.iter().zip(outputs) {
            let mut tensor = run.to_host(output).await?;
            if self.widened && port.dtype == DType::F16 {
                tensor = host::cast(tensor, DType::F16);
            }
            named.push((port.name.clone(), host::into_data(tensor)));
        }
        Ok((named, run.work))
    }

    /// The outputs alone.
    ///
    /// # Errors
    /// As [`Self::run_counted`].
    pub async fn run(&self, inputs: Vec<(String, TensorData)>) -> Result<Vec<(String, TensorData)>> {
        Ok(self.run_counted(inputs).await?.0)
    }

    /// The inputs in the order of [`Self::inputs`], once each was found to be what the model takes.
    fn in_order(&self, inputs: Vec<(String, TensorData)>) -> Result<Vec<Option<Value>>> {
        let mut given = HashMap::with_capacity(inputs.len());
        for (name, data) in inputs {
            let Some(port) = self.inputs.iter().find(|port| port.name == name) else {
                let names: Vec<_> = self.inputs.iter().map(|port| port.name.as_str()).collect();
                return Err(Error::invalid_input(format!(
                    "the model has no input '{name}'; it has {}",
                    names.join(", ")
                )));
            };
            check_input(port, &data)?;
            host::count(data.shape(), self.options.limits.max_elements)?;
            if given.insert(name, data).is_some() {
                return Err(Error::invalid_input(format!("the input '{}' is given twice", port.name)));
            }
        }
        let take = |port: &Port| match given.remove(&port.name) {
            Some(data) => {
                let tensor = host::from_data(data);
                let wide = self.widened && port.dtype == DType::F16;
                Ok(Some(if wide { host::cast(tensor, DType::F32) } else { tensor }.into()))
            }
            None => Err(Error::invalid_input(format!("the input '{}' is missing", port.name))),
        };
        self.inputs.iter().map(take).collect()
    }
}

/// The numbers as 32-bit floats, whatever their type; without a copy where they are.
pub(crate) fn to_floats(data: TensorData) -> Vec<f32> {
    host::to_f32s(host::from_data(data))
}

/// Reads a tensor that was saved by itself (`.pb`), as ONNX's own tests do.
///
/// # Errors
/// Invalid artefact: it is broken. Unsupported: the type of its numbers.
pub fn read_tensor(bytes: &[u8]) -> Result<TensorData> {
    let tensor = onnx::Tensor::read(bytes)?;
    Ok(host::into_data(import::tensor(&tensor, &HashMap::new(), &Limits::default())?))
}

fn check_opsets(model: &onnx::Model<'_>) -> Result<()> {
    let found = model.opsets.iter().find(|(domain, _)| domain.is_empty()).map(|(_, version)| *version);
    match found {
        Some(version) if !(ops::OLDEST_OPSET..=ops::NEWEST_OPSET).contains(&version) => {
            Err(Error::unsupported(format!(
                "the file uses version {version} of ONNX's operators; known are {} to {}",
                ops::OLDEST_OPSET,
                ops::NEWEST_OPSET
            )))
        }
        _ => Ok(()),
    }
}

fn check_input(port: &Port, data: &TensorData) -> Result<()> {
    let shape: &[usize] = data.shape();
    if data.dtype() != port.dtype {
        let (is, wanted) = (data.dtype(), port.dtype);
        return Err(Error::invalid_input(format!("the input '{}' has the type {is:?}, not {wanted:?}", port.name)));
    }
    let Some(dims) = &port.dims else { return Ok(()) };
    let fits = |(dim, size): (&Dim, &usize)| matches!(dim, Dim::Free(_)) || *dim == Dim::Fixed(*size);
    if dims.len() != shape.len() || !dims.iter().zip(shape).all(fits) {
        let words = |dim: &Dim| match dim {
            Dim::Fixed(size) => size.to_string(),
            Dim::Free(name) if name.is_empty() => "?".to_string(),
            Dim::Free(name) => name.clone(),
        };
        let wanted: Vec<_> = dims.iter().map(words).collect();
        return Err(Error::invalid_input(format!(
            "the input '{}' has the shape {shape:?}, not [{}]",
            port.name,
            wanted.join(", ")
        )));
    }
    Ok(())
}
