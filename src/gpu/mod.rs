//! GPU kernels in WGSL, and what runs them: buffers, pipelines, one command buffer for a pass.
//!
//! Tensors have 32-bit floats; weights may stay packed in integers. Transposing, slicing, expanding and most reshaping are views of a buffer, which kernels read
//! by its strides. Dispatches are recorded; [`Gpu::read`] submits them at once with the copy that it reads back. Kernels
//! keep to the limits that every WebGPU has: 256 invocations and 16 KB of memory for a workgroup, 8 storage buffers, 128 MiB
//! for a binding.
//!
//! A kernel is a file of `wgsl/` behind constants and declarations that are made here. A function that gives `None` has no
//! kernel for these shapes.

mod attention;
mod choice;
mod conv;
mod decoding;
mod elementwise;
mod kernel;
mod matmul;
mod memory;
mod norm;
mod packed;
mod pool;
mod queue;
mod rows;
mod tensor;
#[cfg(test)]
mod tests;

pub use attention::Attention;
pub use conv::{Conv, Window};
pub use decoding::{Cache, Heads, Rotary};
pub use matmul::{Nibbles, Product};
pub use norm::Norm;
pub use packed::{Packed, PackedLayout, PackedPanels};
pub use pool::Pool;
pub use queue::{Counts, Gpu};
pub use rows::Reduction;
pub use tensor::Tensor;
