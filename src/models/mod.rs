//! Models for texts: their architectures, configuration, weights, heads and batches.
//!
//! # Architectures
//!
//! An architecture is one file, such as `bert.rs`, with everything that is particular to it: the fields of `config.json`,
//! the names of its tensors, which of them may be quantised, its heads, and its equations as a graph. It is one row of
//! [`ARCHITECTURES`]; the loader and the conversion to 8 bits ask nothing else. A model of any other architecture runs from
//! its ONNX file, as a [`TextGraph`], or as a decoder by [`Decoder::from_graph`].

mod bert;
mod gemma3;
mod llama;

/// The architectures of which checkpoints are loaded.
pub const ARCHITECTURES: &[Architecture] = &[bert::ARCHITECTURE];

/// The architectures of decoders.
pub const DECODERS: &[DecoderArchitecture] = &[llama::ARCHITECTURE, gemma3::ARCHITECTURE];

mod architecture;
mod backbone;
mod bucketing;
mod config;
mod decoder;
mod dense;
mod embedding;
mod encoder;
mod head;
mod output;
mod text_graph;
mod weights;

pub use architecture::{Architecture, Checkpoint};
pub use backbone::Backbone;
pub use bucketing::plan_batches;
pub use config::{ConfigFile, HeadKind, LinearHeadConfig, ModelConfig, Problem, TextConfig};
pub use decoder::{Decoder, DecoderArchitecture, DecoderSizes, KeyValueCache, Logits, PackedTensors};
pub use dense::Dense;
pub use encoder::{Encoder, EncoderInputs};
pub use head::{Head, Linear, length_feature, linear};
pub use output::{ModelOutput, OutputKind};
pub use text_graph::TextGraph;
pub use weights::{Quantisation, Weights};
