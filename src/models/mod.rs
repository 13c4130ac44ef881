//! Models: what `config.json` says of them, their weights, and their equations.

mod batch;
mod config;
mod encoder;
pub mod graph;
mod head;
mod weights;

pub use batch::plan_batches;
pub use config::{Activation, Config, Family, HeadKind, LinearHeadConfig, ModelConfig, Problem};
pub use encoder::{Encoder, Hidden};
pub use head::{Head, Linear, Squash};
pub use weights::Weights;
