//! Operations on tensors where Burn's own are not fast enough on the CPU. Each is a backend extension: written for
//! the CPU here, and what Burn has on a GPU.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod conv;
pub(crate) mod exp;
pub(crate) mod gelu;
pub(crate) mod gemm;
pub(crate) mod packed;
pub(crate) mod rows;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;

/// The operations, on a backend's own tensors.
#[backend_extension(Flex, Cube: cfg(feature = "gpu"))]
pub trait Ops: Backend {
    /// See [`gelu`].
    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Ops for Flex {
    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let mut x = x.to_contiguous();
        x.storage_mut::<f32>().iter_mut().for_each(|x| *x = gelu::gelu(*x));
        x
    }
}

#[cfg(feature = "gpu")]
impl Ops for burn::backend::Wgpu {
    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        <Self as burn::backend::ops::ActivationOps<Self>>::gelu(x)
    }
}

/// `x Φ(x)` of each number, Φ being the normal distribution's. `x` is of 32-bit floats, of any shape.
///
/// # Source
/// Hendrycks and Gimpel 2016 (1606.08415), section 2; the exact form, not the approximation by tanh.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Ops>::exact_gelu(x.into_dispatch()))
}
