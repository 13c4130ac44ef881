//! Models: what `config.json` says of them, their weights, and their equations.

mod backbone;
mod batch;
mod config;
mod encoder;
pub mod graph;
mod head;
mod packed_linear;
mod table;
mod text_graph;
mod weights;
mod work;

pub use backbone::Backbone;
pub use batch::plan_batches;
pub use config::{Activation, Config, Family, HeadKind, LinearHeadConfig, ModelConfig, Problem, TextConfig};
pub use encoder::{Encoder, Hidden};
pub use head::{Head, Linear, Squash, length_feature};
pub use packed_linear::PackedLinear;
pub use text_graph::TextGraph;
pub use weights::Weights;
pub use work::Work;
