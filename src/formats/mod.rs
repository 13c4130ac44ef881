//! File formats: readers of safetensors, ONNX and GGUF. They do no I/O, are bounded, and trust no size in a file.

pub mod gguf;
pub mod onnx;
pub mod safetensors;
