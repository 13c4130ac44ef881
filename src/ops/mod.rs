//! Kernels for the CPU: functions on numbers and on slices of 32-bit floats, written so that compilers turn them into
//! SIMD.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod conv;
pub(crate) mod exp;
pub(crate) mod gelu;
pub(crate) mod gemm;
pub(crate) mod int8;
pub(crate) mod integers;
pub(crate) mod packed;
pub(crate) mod panels;
pub(crate) mod parallel;
#[cfg(any(test, feature = "web"))]
pub(crate) mod roofline;
pub(crate) mod rows;
pub(crate) mod simd;
