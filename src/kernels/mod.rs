//! CPU kernels: functions on numbers and on slices of 32-bit floats, written so that compilers vectorise them.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod block_quant;
pub(crate) mod conv;
pub(crate) mod decoding;
pub(crate) mod exp;
pub(crate) mod gelu;
pub(crate) mod gemm;
pub(crate) mod gemm_i8;
pub(crate) mod norm;
pub(crate) mod parallel;
pub(crate) mod prepack;
pub(crate) mod qlinear;
pub(crate) mod reduce;
#[cfg(any(test, feature = "bench"))]
pub(crate) mod roofline;
pub(crate) mod simd;
pub(crate) mod softmax;

pub use activation::Activation;
