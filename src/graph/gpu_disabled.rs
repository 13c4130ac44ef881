//! In place of `gpu.rs` where the crate is built without the feature `gpu`: there are no such tensors.

use super::host::HostTensor;
use super::ops::NodeSpec;
use super::options::Limits;
use super::value::Value;
use crate::device::Device;
use crate::error::Result;

#[derive(Clone)]
pub enum GpuTensor {}

impl GpuTensor {
    pub fn shape(&self) -> &[usize] {
        match *self {}
    }

    pub async fn read(self) -> Result<HostTensor> {
        match self {}
    }
}

/// Runs an operator on the GPU.
pub enum GpuKernel {}

impl GpuKernel {
    pub fn prepare(_node: &NodeSpec<'_>, _device: &Device) -> Option<Self> {
        None
    }

    pub fn run(&self, _inputs: &[Option<Value>], _limits: &Limits) -> Result<Option<Vec<Value>>> {
        match *self {}
    }
}
