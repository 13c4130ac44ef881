//! The crate against values that independent implementations computed, and against real servers; see
//! `tests/golden/README.md`. Needs the repository's own files alone; `tests/models` has the tests that need more.

mod architecture;
mod chain;
mod changed_texts;
mod chat;
mod constrained_onnx_decoders;
mod decoders;
mod encoders;
mod examples;
mod external_data;
mod files;
mod gguf;
mod gguf_tokens;
mod learning;
mod onnx_decoders;
mod onnx_operators;
mod onnx_refusals;
mod remote;
mod replies;
mod sentence_embedding;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod tiny_decoders;
mod tokens;
