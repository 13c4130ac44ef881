//! Options of a graph.

use serde::{Deserialize, Serialize};

/// Options for loading and running a graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct GraphOptions {
    /// Bounds on files and runs.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub limits: Limits,
    /// Which operators are fused.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub fusion: Fusion,
    /// Elements of a float tensor from which it is worth uploading to the GPU. Smaller ones are scales and shapes, which
    /// cost less than a dispatch.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub gpu_min_elements: usize,
    /// Whether products with constant matrices are computed in 8 bits on the CPU. Matrices of 32-bit floats are quantised;
    /// those that the file has in 4 or 8 bits are multiplied as they are, unless a GPU computes them.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub int8: bool,
    /// Whether products in 8 bits on the CPU have activations of 13 bits, and not of 7, in twice the time; matrices that the
    /// file has in 4 or 8 bits are then always multiplied as they are. Decoders need it: with 7 bits logits are off by as much
    /// as the distance between the likeliest tokens.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub precise: bool,
}

impl Default for GraphOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            fusion: Fusion::default(),
            gpu_min_elements: 1024,
            int8: false,
            precise: false,
        }
    }
}

/// Bounds on a file, and on a run of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Nodes, with those of subgraphs.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub max_nodes: usize,
    /// Elements of one tensor.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub max_elements: usize,
    /// Levels of nested graphs.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_nodes: 100_000, max_elements: 1 << 28, max_depth: 16 }
    }
}

/// Switches of the fusion pass, for comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct Fusion {
    /// Layer normalisation, and the sum before it.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub layer_norm: bool,
    /// GELU, swish and hard swish.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub activations: bool,
    /// Products and convolutions with bias, scale and activation.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub linear: bool,
    /// Quantised products, with dequantisation and bias.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub quantised: bool,
    /// Attention.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub attention: bool,
}

impl Fusion {
    /// No fusion: everything as the file has it.
    pub const NONE: Self =
        Self { layer_norm: false, activations: false, linear: false, quantised: false, attention: false };
}

impl Default for Fusion {
    fn default() -> Self {
        Self { layer_norm: true, activations: true, linear: true, quantised: true, attention: true }
    }
}
