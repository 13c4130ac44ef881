//! Models: what `config.json` says of them, their weights, and their equations.

mod backbone;
mod bucketing;
mod config;
mod embedding;
mod encoder;
mod head;
mod packed_linear;

mod text_graph;
mod weights;

pub use backbone::Backbone;
pub use bucketing::plan_batches;
pub use config::{Config, Family, HeadKind, LinearHeadConfig, ModelConfig, Problem, TextConfig};
pub use encoder::{Encoder, Hidden};
pub use head::{Head, Linear, Squash, length_feature};
pub use packed_linear::PackedLinear;
pub use text_graph::TextGraph;
pub use weights::Weights;

pub use crate::kernels::Activation;
