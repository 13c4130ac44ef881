//! Values: tensors on the host or on the GPU.

use std::sync::{Arc, OnceLock};

use super::data::MapKey;
use super::gpu::GpuTensor;
use super::host::HostTensor;
use crate::error::{Error, Result};

/// A tensor on its device.
#[derive(Clone)]
pub enum Value {
    /// In the CPU's memory. What several nodes may use caches its copy on the GPU, so that it is uploaded once.
    Host(HostTensor, Option<Arc<Uploaded>>),
    /// On the GPU: 32-bit floats, or booleans from comparisons.
    Gpu(Box<GpuTensor>),
    /// Values one after another.
    Sequence(Arc<Vec<Value>>),
    /// Numbers by key.
    Map(Arc<[(MapKey, f32)]>),
    /// An optional value that is not there.
    Nothing,
}

/// The copy on the GPU of a tensor in the CPU's memory.
#[derive(Default)]
pub struct Uploaded {
    /// Whether it is for many runs.
    pub constant: bool,
    /// The copy, once a kernel has used it.
    #[cfg_attr(not(feature = "gpu"), expect(dead_code, reason = "no kernel is on a GPU"))]
    pub copy: OnceLock<GpuTensor>,
}

impl Value {
    /// A constant of the graph.
    pub fn constant(tensor: HostTensor) -> Self {
        Self::Host(tensor, Some(Arc::new(Uploaded { constant: true, copy: OnceLock::new() })))
    }

    /// An input of a run.
    pub fn input(tensor: HostTensor) -> Self {
        Self::Host(tensor, Some(Arc::default()))
    }

    /// The shape; of what is not a tensor, that of a scalar.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Host(tensor, _) => super::host::shape(tensor),
            Self::Gpu(tensor) => tensor.shape(),
            Self::Sequence(_) | Self::Map(_) | Self::Nothing => &[],
        }
    }

    /// The tensor in the CPU's memory.
    ///
    /// # Errors
    /// Device lost. Invalid input: it is not a tensor.
    pub async fn into_host(self) -> Result<HostTensor> {
        match self {
            Self::Host(tensor, _) => Ok(tensor),
            Self::Gpu(tensor) => tensor.read().await,
            Self::Sequence(_) => Err(not_a_tensor("a sequence")),
            Self::Map(_) => Err(not_a_tensor("a map")),
            Self::Nothing => Err(not_a_tensor("an optional value that is not there")),
        }
    }

    /// The bytes of one element.
    pub fn number_bytes(&self) -> usize {
        match self {
            Self::Host(tensor, _) => super::host::size_of(tensor.dtype()),
            Self::Gpu(_) => size_of::<f32>(),
            Self::Sequence(_) | Self::Map(_) | Self::Nothing => 0,
        }
    }
}

fn not_a_tensor(what: &str) -> Error {
    Error::invalid_input(format!("expected a tensor, got {what}"))
}

impl From<HostTensor> for Value {
    fn from(tensor: HostTensor) -> Self {
        Self::Host(tensor, None)
    }
}

impl From<GpuTensor> for Value {
    fn from(tensor: GpuTensor) -> Self {
        Self::Gpu(Box::new(tensor))
    }
}
