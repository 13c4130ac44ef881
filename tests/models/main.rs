//! The crate with the models, samples and ONNX tests that `cargo xtask models` fetches (1.5 GB), against values that
//! independent implementations computed; see `tests/golden/README.md`.
//!
//! Plain `cargo test` leaves this target out; `cargo test --test models` runs it, and so does `cargo xtask test`. Without
//! what is fetched every test here fails.

mod decoders;
mod e5;
mod gguf;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(feature = "gpu")]
mod gpu_decoders;
mod int8;
mod minilm;
mod onnx_golden;
mod onnx_models;
mod onnx_mutations;
mod onnx_nodes;
mod privacy;
mod protobuf;
mod records;
mod summaries;
#[path = "../support/mod.rs"]
mod support;
mod tagger;
mod tasks;
mod templates;
mod tokens;
