//! State of a graph: named values that stay on their device from one run to the next, such as the keys and values that
//! a decoder has computed so far.

use burn::tensor::{DType, TensorData};

use super::value::Value;
use super::{Graph, check_dtype, check_shape, host};
use crate::device::DeviceKind;
use crate::error::{Error, Result};

/// An input that each run gets from an output of the run before it.
pub struct State<'a> {
    /// The name of the input.
    pub input: &'a str,
    /// The name of the output.
    pub output: &'a str,
    /// What the first run gets.
    pub initial: TensorData,
}

/// The state of one sequence of runs of a graph. [`Graph::session`] makes it, [`Graph::run_session`] advances it.
///
/// The values of a state are not given back by a run: they stay where they were computed, on the CPU or on the GPU. A
/// run that fails loses them, and its session cannot be run again.
#[derive(Clone, Default)]
pub struct Session(Vec<Slot>);

#[derive(Clone)]
struct Slot {
    input: String,
    output: String,
    /// The type of the elements, as the model names it.
    dtype: DType,
    /// `None` while a run has it, and after a run that failed.
    value: Option<Value>,
}

impl Session {
    /// The session of `graph` with these states.
    ///
    /// # Errors
    /// Invalid input: an input or an output is not there or is bound twice, their types differ, or an initial value does
    /// not fit its input.
    pub(super) fn new(graph: &Graph, states: Vec<State<'_>>) -> Result<Self> {
        let mut slots: Vec<Slot> = Vec::with_capacity(states.len());
        for State { input, output, initial } in states {
            if slots.iter().any(|slot| slot.input == input || slot.output == output) {
                return Err(Error::invalid_input(format!("the state '{input}' from '{output}' is bound twice")));
            }
            let port = super::find_port(&graph.inputs, "input", input)?;
            let from = super::find_port(&graph.outputs, "output", output)?;
            if [port, from].iter().any(|port| port.kind != super::Kind::Tensor || port.strings) {
                return Err(Error::invalid_input(format!(
                    "the state '{input}' from '{output}' is not a tensor of numbers"
                )));
            }
            if port.dtype != from.dtype {
                let (is, wanted) = (from.dtype, port.dtype);
                return Err(Error::invalid_input(format!(
                    "the output '{output}' has the type {is:?}, and the input '{input}' expects {wanted:?}"
                )));
            }
            check_dtype(port, initial.dtype())?;
            check_shape(port, initial.shape())?;
            host::count(initial.shape(), graph.options.limits.max_elements)?;
            let value = Some(graph.widen(port, initial));
            slots.push(Slot { input: port.name.clone(), output: from.name.clone(), dtype: port.dtype, value });
        }
        Ok(Self(slots))
    }

    /// Whether the input `name` is part of the state.
    pub(super) fn has_input(&self, name: &str) -> bool {
        self.0.iter().any(|slot| slot.input == name)
    }

    /// Takes the value of the input `name`.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.iter_mut().find(|slot| slot.input == name)?.value.take()
    }

    /// Stores the value of the output `name`; gives it back where that is not part of the state.
    pub(super) fn store(&mut self, name: &str, value: Value) -> Option<Value> {
        match self.0.iter_mut().find(|slot| slot.output == name) {
            None => Some(value),
            Some(slot) => {
                slot.value = Some(value);
                None
            }
        }
    }

    /// Stores the value that a run which was stopped has of the output `name`, where that is part of the state.
    pub(super) fn restore_output(&mut self, name: &str, value: Option<Value>) {
        if let Some(slot) = self.0.iter_mut().find(|slot| slot.output == name) {
            slot.value = value;
        }
    }

    /// Gives back the value that a run which was stopped has of the input `name`, where it has no new one.
    pub(super) fn restore_input(&mut self, name: &str, value: Option<Value>) {
        if let Some(slot) = self.0.iter_mut().find(|slot| slot.input == name && slot.value.is_none()) {
            slot.value = value;
        }
    }

    /// A copy of the state of the input `name`, in the CPU's memory.
    ///
    /// # Errors
    /// Invalid input: there is no such state, or a run that failed has lost it. Device lost.
    pub async fn read(&self, name: &str) -> Result<TensorData> {
        let slot = self.slot(name)?;
        let tensor = self.value(name)?.clone().into_host().await?;
        Ok(host::into_data(if slot.dtype == DType::F16 { host::cast(tensor, DType::F16) } else { tensor }))
    }

    /// The shape of the state of the input `name`.
    ///
    /// # Errors
    /// Invalid input: there is no such state, or a run that failed or was stopped has lost it.
    pub(crate) fn shape(&self, name: &str) -> Result<&[usize]> {
        Ok(self.value(name)?.shape())
    }

    /// Cuts the state of the input `name` to its first `count` elements along `axis`. It stays where it is in the CPU's
    /// memory; one on a GPU comes from there.
    ///
    /// # Errors
    /// Invalid input: there is no such state or it is lost, or it has fewer. Device lost.
    pub(crate) async fn truncate(&mut self, name: &str, axis: usize, count: usize) -> Result<()> {
        let shape = self.shape(name)?;
        match shape.get(axis) {
            Some(size) if *size == count => return Ok(()),
            Some(size) if *size > count => {}
            _ => {
                return Err(Error::invalid_input(format!(
                    "the state '{name}' has the shape {shape:?}, expected at least {count} along the axis {axis}"
                )));
            }
        }
        let Some(slot) = self.0.iter_mut().find(|slot| slot.input == name) else { return Err(lost(name)) };
        let tensor = slot.value.take().ok_or_else(|| lost(name))?.into_host().await?;
        slot.value = Some(tensor.narrow(axis, 0, count).into());
        Ok(())
    }

    /// The device that the state of the input `name` is on.
    ///
    /// # Errors
    /// Invalid input: there is no such state, or a run that failed has lost it.
    pub fn device(&self, name: &str) -> Result<DeviceKind> {
        Ok(match self.value(name)? {
            Value::Gpu(_) => DeviceKind::Webgpu,
            _ => DeviceKind::Wasm,
        })
    }

    fn slot(&self, name: &str) -> Result<&Slot> {
        let found = self.0.iter().find(|slot| slot.input == name);
        found.ok_or_else(|| Error::invalid_input(format!("the session has no state '{name}'")))
    }

    fn value(&self, name: &str) -> Result<&Value> {
        self.slot(name)?.value.as_ref().ok_or_else(|| lost(name))
    }
}

/// The error for a state that a failed run had taken.
pub(super) fn lost(name: &str) -> Error {
    Error::invalid_input(format!("the state '{name}' was lost in a run that failed; a new session is needed"))
}
