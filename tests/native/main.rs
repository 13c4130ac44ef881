//! The crate against values that implementations which are not ours have computed, and against real servers; see
//! `tests/golden/README.md`.

mod calibrate;
mod chain;
mod encoders;
mod files;
mod gguf;
mod int8;
mod minilm;
mod onnx_golden;
mod onnx_models;
mod onnx_mutations;
mod onnx_nodes;
mod onnx_operators;
mod onnx_refusals;
mod privacy;
mod protobuf;
mod remote;
mod sessions;
mod support;
mod tasks;
mod tokens;
