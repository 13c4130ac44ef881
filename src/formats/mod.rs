//! Bytes into named tensors: pure, bounded, and checked before anything is believed.

pub mod gguf;
pub mod onnx;
pub mod safetensors;
