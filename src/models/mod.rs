//! Models: what `config.json` says of them, their weights, and their equations.

mod backbone;
mod bucketing;
mod config;
mod embedding;
mod encoder;
mod head;
mod output;
mod packed_linear;
mod text_graph;
mod weights;

pub use backbone::Backbone;
pub use bucketing::plan_batches;
pub use config::{Config, Family, HeadKind, LinearHeadConfig, ModelConfig, Problem, TextConfig};
pub use encoder::Encoder;
pub use head::{Head, HeadActivation, Linear, length_feature};
pub use output::{ModelOutput, OutputKind};
pub use packed_linear::PackedLinear;
pub use text_graph::TextGraph;
pub use weights::Weights;

pub use crate::kernels::Activation;
