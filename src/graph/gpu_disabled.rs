//! Stands in for `gpu` where the crate is built without that feature: no tensor is on a GPU.

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

    pub fn likeliest(&self) -> Option<Self> {
        match *self {}
    }

    pub async fn read_all(all: &[&Self]) -> Result<Vec<f32>> {
        match all.first() {
            Some(one) => match **one {},
            None => Ok(Vec::new()),
        }
    }

    pub async fn read(self) -> Result<HostTensor> {
        match self {}
    }
}

/// Runs an operator on the GPU.
pub enum Run {}

/// Makes an operator's GPU kernel.
pub type Prepare = fn(&NodeSpec<'_>) -> Option<Run>;

/// Runs an operator on the GPU.
pub enum GpuKernel {}

impl GpuKernel {
    pub fn prepare(node: &NodeSpec<'_>, _device: &Device) -> Option<Self> {
        match (node.op.gpu?)(node)? {}
    }

    pub fn run(&self, _inputs: &[Option<Value>], _limits: &Limits) -> Result<Option<Vec<Value>>> {
        match *self {}
    }
}

/// Packed weights that are on a GPU alone.
#[derive(Debug)]
pub enum GpuWeights {}

impl GpuWeights {
    pub fn reserve(_device: &Device, _shape: (usize, usize), _block: Option<usize>, _offsets: bool) -> Option<Self> {
        None
    }

    pub fn write(&self, _first: usize, _words: &[i32], _scales: &[f32], _offsets: &[f32]) -> Option<()> {
        match *self {}
    }

    pub fn concat(all: &[&Self]) -> Option<Self> {
        match **all.first()? {}
    }

    pub fn row(&self, _choice: &GpuTensor, _factor: f32) -> Option<GpuTensor> {
        match *self {}
    }

    pub fn shape(&self) -> (usize, usize) {
        match *self {}
    }

    pub fn bytes(&self) -> usize {
        match *self {}
    }
}
