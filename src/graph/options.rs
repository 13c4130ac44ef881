//! How a graph is loaded.

use serde::{Deserialize, Serialize};

/// How a graph is loaded and run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct GraphOptions {
    /// What a file may ask for.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub limits: Limits,
    /// Which operations are joined into one.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub fusion: Fusion,
    /// Floats of a tensor from which it is worth taking to the GPU; fewer are scales and shapes, which cost
    /// less than a dispatch.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub gpu_min_elements: usize,
    /// Whether products with matrices that are constants are computed in 8 bits, on the CPU: those of 32-bit floats are
    /// quantised, and those that the file has in 4 or 8 bits are multiplied as they are, unless a GPU computes them.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub int8: bool,
}

impl Default for GraphOptions {
    fn default() -> Self {
        Self { limits: Limits::default(), fusion: Fusion::default(), gpu_min_elements: 1024, int8: false }
    }
}

/// Bounds on what a file, and a run of it, may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Nodes, those of inner graphs included.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub max_nodes: usize,
    /// Numbers in one tensor.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub max_elements: usize,
    /// Graphs within graphs.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_nodes: 100_000, max_elements: 1 << 28, max_depth: 16 }
    }
}

/// What exporters take apart and is joined again, each with a switch to turn it off for comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct Fusion {
    /// Layer normalisation from its parts, and with the sum before it.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub layer_norm: bool,
    /// GELU and the like from their parts.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub activations: bool,
    /// A product and the addition of a bias; a convolution and what follows it.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub linear: bool,
    /// Quantise and dequantise around a product, and a bias after it.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub quantised: bool,
    /// Attention from its parts.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub attention: bool,
}

impl Fusion {
    /// Everything as the file has it.
    pub const NONE: Self =
        Self { layer_norm: false, activations: false, linear: false, quantised: false, attention: false };
}

impl Default for Fusion {
    fn default() -> Self {
        Self { layer_norm: true, activations: true, linear: true, quantised: true, attention: true }
    }
}
