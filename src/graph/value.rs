//! Values: tensors on the host or on the GPU.

use std::sync::{Arc, OnceLock};

use super::gpu::GpuTensor;
use super::host::HostTensor;
use crate::error::Result;

/// A tensor on its device.
#[derive(Clone)]
pub enum Value {
    /// In the CPU's memory. A constant caches its copy on the GPU, so that it is uploaded once.
    Host(HostTensor, Option<Arc<OnceLock<GpuTensor>>>),
    /// On the GPU: 32-bit floats, or booleans from comparisons.
    Gpu(Box<GpuTensor>),
}

impl Value {
    /// A constant of the graph.
    pub fn constant(tensor: HostTensor) -> Self {
        Self::Host(tensor, Some(Arc::default()))
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Host(tensor, _) => super::host::shape(tensor),
            Self::Gpu(tensor) => tensor.shape(),
        }
    }

    /// The tensor in the CPU's memory.
    ///
    /// # Errors
    /// Device lost.
    pub async fn into_host(self) -> Result<HostTensor> {
        match self {
            Self::Host(tensor, _) => Ok(tensor),
            Self::Gpu(tensor) => tensor.read().await,
        }
    }

    /// The bytes of one element.
    pub fn number_bytes(&self) -> usize {
        match self {
            Self::Host(tensor, _) => super::host::size_of(tensor.dtype()),
            Self::Gpu(_) => size_of::<f32>(),
        }
    }
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
