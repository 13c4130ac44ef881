//! How a graph is loaded.

/// How a graph is loaded and run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GraphOptions {
    /// What a file may ask for.
    pub limits: Limits,
    /// Which operations are joined into one.
    pub fusion: Fusion,
}

/// Bounds on what a file, and a run of it, may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nodes, those of inner graphs included.
    pub max_nodes: usize,
    /// Numbers in one tensor.
    pub max_elements: usize,
    /// Graphs within graphs.
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_nodes: 100_000, max_elements: 1 << 28, max_depth: 16 }
    }
}

/// What exporters take apart and is joined again, each with a switch to turn it off for comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fusion {
    /// Layer normalisation from its parts.
    pub layer_norm: bool,
    /// GELU and the like from their parts.
    pub activations: bool,
    /// A product and the addition of a bias; a convolution and what follows it.
    pub linear: bool,
    /// Quantise and dequantise around a product or a look-up.
    pub quantised: bool,
    /// Attention from its parts.
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
