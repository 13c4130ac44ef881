//! The interface of an architecture: what the loader asks of it.

use super::config::ConfigFile;
use super::encoder::Encoder;
use super::head::Head;
use super::weights::{Quantisation, Weights};
use crate::device::Device;
use crate::error::Result;

/// An architecture. Each is a file of its own, and a row of [`ARCHITECTURES`](super::ARCHITECTURES).
pub struct Architecture {
    /// The values of `model_type` in `config.json` that name it.
    pub model_types: &'static [&'static str],
    /// Reads `config.json`.
    pub read_config: fn(&ConfigFile) -> Result<Box<dyn Checkpoint>>,
    /// How the tensor of this name is quantised where 8-bit weights are requested; `None`: it is not.
    pub quantisation: fn(&str) -> Option<Quantisation>,
}

/// A checkpoint of an architecture, as its `config.json` describes it.
pub trait Checkpoint {
    /// Builds the encoder on `device` of the checkpoint's tensors, which it takes out of `weights`.
    ///
    /// # Errors
    /// Invalid artefact: a tensor is missing, or has another shape than `config.json` says.
    fn encoder(&self, weights: &mut Weights, device: &Device) -> Result<Encoder>;

    /// The head of the checkpoint; `None` for a bare encoder.
    ///
    /// # Errors
    /// Invalid artefact: a tensor is missing, or has another shape than `config.json` says.
    fn head(&self, weights: &mut Weights) -> Result<Option<Head>>;
}
