//! GPU kernels of operators, by Burn, for 32-bit floats.
//!
//! The CPU kernels of `ops` are authoritative. Whatever a GPU kernel cannot do exactly (a type, a shape that does not fit,
//! a rounding mode that Burn lacks) is left to them, which compute it or report the error.

pub mod conv;
pub mod elementwise;
pub mod layout;
pub mod matmul;
pub mod matmul_nbits;
pub mod norm;
pub mod pool;
pub mod reduce;
pub mod resize;

use burn::backend::ops::{BoolTensorOps, FloatTensorOps, IntTensorOps};
use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};
use burn::backend::{BackendTypes, DispatchDevice, TensorMetadata, Wgpu};
use burn::tensor::{DType, Shape, TensorData};

use super::host::{self, HostTensor};
use super::ops::NodeSpec;
use super::options::Limits;
use super::value::Value;
use crate::device::Device;
use crate::error::{Error, ErrorKind, Result};

/// Floats on the GPU, of rank 1 at least.
type Floats = FloatTensor<Wgpu>;
type GpuDevice = <Wgpu as BackendTypes>::Device;

/// A tensor on the GPU, with its shape in ONNX: a scalar has one dimension in Burn and none in ONNX.
#[derive(Clone)]
pub struct GpuTensor {
    numbers: Numbers,
    shape: Vec<usize>,
}

#[derive(Clone)]
enum Numbers {
    Floats(Floats),
    Bools(BoolTensor<Wgpu>),
}

impl GpuTensor {
    /// Floats, reshaped to `shape` where they have another shape.
    fn floats(tensor: Floats, shape: &[usize]) -> Self {
        let wanted = at_least_one(shape);
        let tensor =
            if *tensor.shape() == wanted[..] { tensor } else { Wgpu::float_reshape(tensor, Shape::from(wanted)) };
        Self { numbers: Numbers::Floats(tensor), shape: shape.to_vec() }
    }

    fn bools(tensor: BoolTensor<Wgpu>, shape: &[usize]) -> Self {
        Self { numbers: Numbers::Bools(tensor), shape: shape.to_vec() }
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Downloads it to the CPU's memory.
    ///
    /// # Errors
    /// Device lost.
    pub async fn read(self) -> Result<HostTensor> {
        let lost = |error: &dyn std::fmt::Debug| {
            Error::new(ErrorKind::DeviceLost, format!("the GPU gave no result: {error:?}"))
        };
        Ok(match self.numbers {
            Numbers::Floats(tensor) => {
                let data = Wgpu::float_into_data(tensor).await.map_err(|error| lost(&error))?;
                host::reshape(host::from_data(data), &self.shape)
            }
            Numbers::Bools(tensor) => {
                let data = Wgpu::bool_into_data(tensor).await.map_err(|error| lost(&error))?;
                host::bools(&self.shape, data.iter::<bool>().map(u8::from).collect())
            }
        })
    }
}

fn at_least_one(shape: &[usize]) -> Vec<usize> {
    if shape.is_empty() { vec![1] } else { shape.to_vec() }
}

/// What the rows of the operators' tables name as their GPU kernels.
pub mod kernels {
    pub use burn::backend::Wgpu;
    pub use burn::backend::ops::{ActivationOps, FloatTensorOps};

    pub use super::{conv, elementwise, layout, matmul, matmul_nbits, norm, pool, reduce, resize};
}

/// Runs an operator on the GPU; gives `None` where these inputs are left to the CPU.
pub type Run = Box<dyn Fn(&Call<'_>) -> Option<Vec<GpuTensor>> + Send + Sync>;

/// Reads a node's attributes and makes its kernel; gives `None` where the node is left to the CPU.
pub type Prepare = fn(&NodeSpec<'_>) -> Option<Run>;

/// Runs an operator on the GPU.
pub struct GpuKernel {
    device: GpuDevice,
    run: Run,
}

impl GpuKernel {
    /// The kernel of `node` on `device`; `None` where it is left to the CPU.
    pub fn prepare(node: &NodeSpec<'_>, device: &Device) -> Option<Self> {
        let DispatchDevice::Cube(gpu) = device.gpu()?.as_dispatch() else { return None };
        if node.dtype(0).is_some_and(|dtype| host::is_float(dtype) && dtype != DType::F32) {
            return None;
        }
        let run = (node.op.gpu?)(node)?;
        Some(Self { device: gpu.clone(), run })
    }

    /// The outputs; `None` where these inputs are left to the CPU.
    pub fn run(&self, inputs: &[Option<Value>], limits: &Limits) -> Result<Option<Vec<Value>>> {
        let call = Call { inputs, device: &self.device, limits };
        Ok((self.run)(&call).map(|outputs| outputs.into_iter().map(Value::from).collect()))
    }
}

/// The inputs of one run of an operator.
pub struct Call<'a> {
    inputs: &'a [Option<Value>],
    device: &'a GpuDevice,
    limits: &'a Limits,
}

impl Call<'_> {
    fn value(&self, index: usize) -> Option<&Value> {
        self.inputs.get(index)?.as_ref()
    }

    /// The input at `index` on the GPU, if it has 32-bit floats, and some of them: a GPU has no empty buffers.
    fn floats(&self, index: usize) -> Option<(Floats, &[usize])> {
        let value = self.value(index).filter(|value| !value.shape().contains(&0))?;
        let tensor = match value {
            Value::Gpu(tensor) => (**tensor).clone(),
            Value::Host(tensor, _) if tensor.dtype() != DType::F32 => return None,
            Value::Host(tensor, None) => self.upload(tensor),
            Value::Host(tensor, Some(uploaded)) => uploaded.get_or_init(|| self.upload(tensor)).clone(),
            _ => return None,
        };
        match tensor.numbers {
            Numbers::Floats(tensor) => Some((tensor, value.shape())),
            Numbers::Bools(_) => None,
        }
    }

    /// [`Self::floats`] for an optional input, `Some(None)` where it is left out.
    #[expect(clippy::option_option, reason = "left out, and not for the GPU, are two things")]
    fn optional_floats(&self, index: usize) -> Option<Option<Floats>> {
        match self.value(index) {
            None => Some(None),
            Some(_) => self.floats(index).map(|(tensor, _)| Some(tensor)),
        }
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

    fn upload(&self, tensor: &HostTensor) -> GpuTensor {
        let shape = host::shape(tensor).to_vec();
        let tensor = host::reshape(tensor.clone(), &at_least_one(&shape));
        GpuTensor { numbers: Numbers::Floats(Wgpu::float_from_data(host::into_data(tensor), self.device)), shape }
    }

    /// Uploads integers, which have 32 bits on the GPU.
    fn upload_ints(&self, shape: &[usize], numbers: Vec<i32>) -> IntTensor<Wgpu> {
        Wgpu::int_from_data(TensorData::new(numbers, shape.to_vec()), self.device)
    }

    /// Whether a GPU can have a tensor of this shape.
    fn fits(&self, shape: &[usize]) -> bool {
        !shape.contains(&0) && host::count(shape, self.limits.max_elements).is_ok()
    }
}

/// The only output.
fn one(tensor: Floats, shape: &[usize]) -> Option<Vec<GpuTensor>> {
    Some(vec![GpuTensor::floats(tensor, shape)])
}

/// `tensor` with leading ones up to `rank` dimensions.
fn of_rank(tensor: Floats, shape: &[usize], rank: usize) -> Floats {
    if shape.len() == rank && !shape.is_empty() {
        return tensor;
    }
    let mut padded = vec![1; rank.max(1) - shape.len().min(rank.max(1))];
    padded.extend(shape);
    Wgpu::float_reshape(tensor, Shape::from(padded))
}
