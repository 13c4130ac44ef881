//! GPU kernels of operators, for 32-bit floats.
//!
//! The CPU kernels of `ops` are authoritative. Whatever a GPU kernel cannot do exactly (a type, a shape that does not fit,
//! a rounding mode) is left to them, which compute it or report the error.

pub mod conv;
pub mod decoder;
pub mod elementwise;
pub mod layout;
pub mod matmul;
pub mod matmul_nbits;
pub mod norm;
pub mod packed;
pub mod pool;
pub mod reduce;
pub mod resize;

#[cfg(test)]
mod tests;

use std::cell::RefCell;

use burn::tensor::DType;

use super::host::{self, HostTensor};
use super::ops::NodeSpec;
use super::options::Limits;
use super::value::Value;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Tensor};

/// A tensor on the GPU.
#[derive(Clone)]
pub struct GpuTensor {
    tensor: Tensor,
    gpu: Gpu,
    /// Whether its elements are booleans, as 0 and 1.
    bools: bool,
}

impl GpuTensor {
    /// The shape.
    pub fn shape(&self) -> &[usize] {
        self.tensor.shape()
    }

    /// The index of the largest number of each row, `[rows, columns]`, and the logarithm of its softmax, as [`Gpu::likeliest`].
    pub fn likeliest(&self) -> Option<Self> {
        let columns = *self.shape().last()?;
        let rows = self.gpu.reshaped(&self.tensor, &[self.tensor.count() / columns, columns])?;
        Some(Self { tensor: self.gpu.likeliest(&rows)?, ..self.clone() })
    }

    /// Downloads tensors of the same GPU, one behind the other, at once.
    ///
    /// # Errors
    /// Device lost.
    pub async fn read_all(all: &[&Self]) -> Result<Vec<f32>> {
        let flat = |one: &&Self| one.gpu.reshaped(&one.tensor, &[one.tensor.count()]);
        let Some(parts) = all.iter().map(flat).collect::<Option<Vec<_>>>() else { return Err(too_large()) };
        let Some(first) = all.first() else { return Ok(Vec::new()) };
        let joined = first.gpu.concat(&Vec::from_iter(&parts), 0).ok_or_else(too_large)?;
        first.gpu.read(&joined).await
    }

    /// Downloads it to the CPU's memory.
    ///
    /// # Errors
    /// Device lost.
    pub async fn read(self) -> Result<HostTensor> {
        let numbers = self.gpu.read(&self.tensor).await?;
        Ok(match self.bools {
            false => host::tensor(self.shape(), numbers),
            true => host::bools(self.shape(), numbers.into_iter().map(|number| u8::from(number != 0.0)).collect()),
        })
    }
}

fn too_large() -> Error {
    Error::internal("the GPU has no kernel for tensors that are read back")
}

pub use packed::GpuWeights;

/// What the rows of the operators' tables name as their GPU kernels.
pub mod kernels {
    pub use super::{conv, decoder, elementwise, layout, matmul, matmul_nbits, norm, packed, pool, reduce, resize};
    pub use crate::gpu::Reduction;
}

/// Runs an operator on the GPU; gives `None` where these inputs are left to the CPU.
pub type Run = Box<dyn Fn(&Call<'_>) -> Option<Tensor> + Send + Sync>;

/// Reads a node's attributes and makes its kernel; gives `None` where the node is left to the CPU.
pub type Prepare = fn(&NodeSpec<'_>) -> Option<Run>;

/// Runs an operator on the GPU.
pub struct GpuKernel {
    gpu: Gpu,
    /// Whether it gives booleans.
    bools: bool,
    run: Run,
}

impl GpuKernel {
    /// The kernel of `node` on `device`; `None` where it is left to the CPU.
    pub fn prepare(node: &NodeSpec<'_>, device: &Device) -> Option<Self> {
        let gpu = device.gpu()?.clone();
        if node.dtype(0).is_some_and(|dtype| host::is_float(dtype) && dtype != DType::F32) {
            return None;
        }
        let run = (node.op.gpu?)(node)?;
        let (dtype, _) = node.op.gives.first()?.resolve(node);
        Some(Self { gpu, bools: dtype == Some(host::BOOL), run })
    }

    /// The outputs; `None` where these inputs are left to the CPU.
    pub fn run(&self, inputs: &[Option<Value>], limits: &Limits) -> Result<Option<Vec<Value>>> {
        let call = Call { inputs, gpu: &self.gpu, limits, others: RefCell::default() };
        let value = |tensor| Value::from(GpuTensor { tensor, gpu: self.gpu.clone(), bools: self.bools });
        let first = (self.run)(&call);
        Ok(first.map(|first| std::iter::once(first).chain(call.others.take()).map(value).collect()))
    }
}

/// The inputs of one run of an operator.
pub struct Call<'a> {
    inputs: &'a [Option<Value>],
    gpu: &'a Gpu,
    limits: &'a Limits,
    /// The outputs behind the first.
    others: RefCell<Vec<Tensor>>,
}

impl Call<'_> {
    fn value(&self, index: usize) -> Option<&Value> {
        self.inputs.get(index)?.as_ref()
    }

    /// The input at `index` on the GPU, if it has 32-bit floats, and some of them: a GPU has no empty buffers.
    fn floats(&self, index: usize) -> Option<Tensor> {
        match self.value(index)? {
            Value::Gpu(tensor) if !tensor.bools => Some(tensor.tensor.clone()),
            Value::Host(tensor, _) if tensor.dtype() != DType::F32 => None,
            Value::Host(tensor, uploaded) => {
                if let Some(copy) = uploaded.as_ref().and_then(|uploaded| uploaded.copy.get()) {
                    return Some(copy.tensor.clone());
                }
                let tensor = host::contiguous(tensor.clone());
                let (shape, numbers) = (host::shape(&tensor), host::slice(&tensor));
                let tensor = match uploaded {
                    Some(uploaded) if uploaded.constant => self.gpu.store(shape, numbers)?,
                    _ => self.gpu.upload(shape, numbers)?,
                };
                let Some(uploaded) = uploaded else { return Some(tensor) };
                let copy = GpuTensor { tensor, gpu: self.gpu.clone(), bools: false };
                Some(uploaded.copy.get_or_init(|| copy).tensor.clone())
            }
            _ => None,
        }
    }

    /// [`Self::floats`] for an optional input, `Some(None)` where it is left out.
    #[expect(clippy::option_option, reason = "left out, and not for the GPU, are two things")]
    fn optional_floats(&self, index: usize) -> Option<Option<Tensor>> {
        match self.value(index) {
            None => Some(None),
            Some(_) => self.floats(index).map(Some),
        }
    }

    /// [`Self::optional_floats`] of this shape.
    #[expect(clippy::option_option, reason = "left out, and not for the GPU, are two things")]
    fn optional_vector(&self, index: usize, size: usize) -> Option<Option<Tensor>> {
        let vector = self.optional_floats(index)?;
        vector.as_ref().is_none_or(|vector| *vector.shape() == [size]).then_some(vector)
    }

    /// The input at `index`, if it is one float in the CPU's memory.
    fn scalar(&self, index: usize) -> Option<f32> {
        match self.value(index)? {
            Value::Host(tensor, _) if tensor.dtype() == DType::F32 && tensor.layout().num_elements() == 1 => {
                Some(host::to_f64s(tensor)[0] as f32)
            }
            _ => None,
        }
    }

    /// The input at `index`, if it has integers in the CPU's memory.
    fn ints(&self, index: usize) -> Option<Vec<i64>> {
        match self.value(index)? {
            Value::Host(tensor, _) if !host::is_float(tensor.dtype()) => Some(host::to_i64s(tensor)),
            _ => None,
        }
    }

    /// Whether a tensor of this shape is within the limits.
    fn fits(&self, shape: &[usize]) -> bool {
        !shape.contains(&0) && host::count(shape, self.limits.max_elements).is_ok()
    }

    /// The shape that all of `shapes` broadcast to, if it is within the limits.
    fn broadcast(&self, shapes: &[&[usize]]) -> Option<Vec<usize>> {
        let both = |all: Vec<usize>, shape: &&[usize]| host::broadcast_shape(&all, shape).ok();
        shapes.iter().try_fold(Vec::new(), both).filter(|shape| self.fits(shape))
    }
}
