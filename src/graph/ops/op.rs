//! An operator's record: all that is known of it, in one row of its family's table.

use burn::tensor::DType;

use super::{Inputs, MICROSOFT, OWN_DOMAIN};
use crate::error::Result;
use crate::graph::attributes::{Attributes, Refusal};
use crate::graph::cost::CostRule;
use crate::graph::encoding::Encoding;
use crate::graph::gpu;
use crate::graph::host::{self, HostTensor, is_float};

/// Runs an operator on the CPU.
pub type Kernel = Box<dyn Fn(&mut Inputs<'_>) -> Result<Vec<HostTensor>> + Send + Sync>;

/// A kernel, or why this node cannot be run.
pub type Prepared = std::result::Result<Kernel, Refusal>;

/// Reads a node's attributes and makes its kernel.
type Prepare = fn(&NodeSpec<'_>) -> Prepared;

/// An operator.
pub struct Op {
    /// Its domain; empty for ONNX's own.
    pub domain: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The types of the first input's elements that it is implemented for.
    pub accepts: Accepts,
    /// The type of each output; the last one holds for all that follow.
    pub gives: &'static [Gives],
    /// Makes its CPU kernel.
    pub prepare: Prepare,
    /// Whether its kernel knows of elements that Burn has no type for, or only moves them.
    pub encoded: bool,
    /// Whether equal inputs may give unequal outputs. Such an operator is never folded to a constant.
    pub random: bool,
    /// How its operations are counted; `None` where they are too few to matter.
    pub cost: Option<CostRule>,
    /// Makes its GPU kernel; `None` where it always runs on the CPU.
    pub gpu: Option<gpu::Prepare>,
}

impl Op {
    /// An operator of ONNX's default domain.
    pub const fn new(name: &'static str, accepts: Accepts, gives: &'static [Gives], prepare: Prepare) -> Self {
        Self { domain: "", name, accepts, gives, prepare, encoded: false, random: false, cost: None, gpu: None }
    }

    /// An operator of onnxruntime.
    pub const fn contrib(name: &'static str, accepts: Accepts, gives: &'static [Gives], prepare: Prepare) -> Self {
        Self { domain: MICROSOFT, ..Self::new(name, accepts, gives, prepare) }
    }

    /// An operator that only the passes and [`Builder`](crate::graph::Builder) make.
    pub const fn own(name: &'static str, accepts: Accepts, gives: &'static [Gives], prepare: Prepare) -> Self {
        Self { domain: OWN_DOMAIN, ..Self::new(name, accepts, gives, prepare) }
    }

    /// The operator is also for strings, small floats and small integers.
    pub const fn encoded(self) -> Self {
        Self { encoded: true, ..self }
    }

    /// The operator draws random numbers.
    pub const fn random(self) -> Self {
        Self { random: true, ..self }
    }

    /// The operator's operations are counted by `rule`.
    pub const fn costs(self, rule: CostRule) -> Self {
        Self { cost: Some(rule), ..self }
    }

    /// The operator has a GPU kernel, given by [`on_gpu`].
    pub const fn gpu(self, prepare: Option<gpu::Prepare>) -> Self {
        Self { gpu: prepare, ..self }
    }

    /// Whether it is the same operator. Compared by name: the compiler may place several copies of a record in a program.
    pub fn is(&self, other: &Self) -> bool {
        self.name == other.name && self.domain == other.domain
    }
}

/// The GPU kernel of an operator, an expression over the functions of `graph::gpu`; compiled only with the feature
/// `gpu`.
#[cfg(feature = "gpu")]
macro_rules! on_gpu {
    ($prepare:expr) => {{
        use $crate::graph::gpu::kernels::*;
        Some($prepare)
    }};
}
#[cfg(not(feature = "gpu"))]
macro_rules! on_gpu {
    ($prepare:expr) => {
        None
    };
}
pub(crate) use on_gpu;

/// Element types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// All.
    Any,
    /// All except booleans.
    Numbers,
    /// Floats of all sizes.
    Floats,
    /// Floats of 32 and 16 bits, computed in 32 bits.
    Singles,
    /// Integers.
    Integers,
    /// Booleans.
    Bools,
}

/// What is known of a type: that of the tensor, and what its elements are where Burn has no type for them.
pub type Given = (Option<DType>, Option<Encoding>);

/// The type of an output.
#[derive(Clone, Copy)]
pub enum Gives {
    /// That of the input at this index.
    As(usize),
    /// This one.
    Is(DType),
    /// That of the attribute with this name, as a number of ONNX, or else this default.
    Says(&'static str, DType),
    /// What this gives.
    By(fn(&NodeSpec<'_>) -> Given),
    /// Strings.
    Text,
    /// Known at run time alone.
    Unknown,
}

/// The type of the first input, as most operators have it.
pub const SAME: &[Gives] = &[Gives::As(0)];
/// Booleans, as comparisons have them.
pub const BOOLS: &[Gives] = &[Gives::Is(host::BOOL)];
/// 64-bit integers: counts and indices.
pub const INDICES: &[Gives] = &[Gives::Is(DType::I64)];

impl Accepts {
    pub fn has(self, dtype: DType) -> bool {
        match self {
            Self::Any => true,
            Self::Numbers => dtype != host::BOOL,
            Self::Floats => is_float(dtype),
            Self::Singles => is_float(dtype) && dtype != DType::F64,
            Self::Integers => dtype != host::BOOL && !is_float(dtype),
            Self::Bools => dtype == host::BOOL,
        }
    }
}

/// What an operator knows of its node when it is prepared.
pub struct NodeSpec<'a> {
    /// The operator.
    pub op: &'static Op,
    /// The version of its domain's operator set.
    pub opset: i64,
    /// The attributes.
    pub attributes: &'a Attributes,
    /// The inputs; `None` for one that is left out.
    pub inputs: &'a [Option<InputSpec>],
    /// The number of outputs, with those that are not used.
    pub outputs: usize,
}

/// What is known of an input before the graph is run.
#[derive(Clone)]
pub struct InputSpec {
    /// Its element type, where it is known.
    pub dtype: Option<DType>,
    /// What its elements are, where Burn has no type for them.
    pub encoding: Option<Encoding>,
    /// The input itself, where it is a constant.
    pub constant: Option<HostTensor>,
}

impl NodeSpec<'_> {
    /// Whether the node has the input at `index`.
    pub fn has(&self, index: usize) -> bool {
        self.inputs.get(index).is_some_and(Option::is_some)
    }

    /// The input at `index`, where it is a constant.
    pub fn constant(&self, index: usize) -> Option<&HostTensor> {
        self.inputs.get(index)?.as_ref()?.constant.as_ref()
    }

    /// The type of the input at `index`, where it is known.
    pub fn dtype(&self, index: usize) -> Option<DType> {
        self.inputs.get(index)?.as_ref()?.dtype
    }

    /// What the elements of the input at `index` are, where Burn has no type for them.
    pub fn encoding(&self, index: usize) -> Option<Encoding> {
        self.inputs.get(index)?.as_ref()?.encoding
    }

    /// Whether the input at `index` has strings.
    pub fn is_text(&self, index: usize) -> bool {
        self.encoding(index) == Some(Encoding::Text)
    }
}

impl Gives {
    pub fn resolve(self, node: &NodeSpec<'_>) -> Given {
        match self {
            Self::As(index) => (node.dtype(index), node.encoding(index)),
            Self::Is(dtype) => (Some(dtype), None),
            Self::Says(name, default) => match node.attributes.optional_int(name) {
                Ok(Some(number)) => given(number),
                _ => (Some(default), None),
            },
            Self::By(given) => given(node),
            Self::Text => (Some(Encoding::Text.storage()), Some(Encoding::Text)),
            Self::Unknown => (None, None),
        }
    }
}

/// The element type with this number in ONNX.
pub fn given(number: i64) -> Given {
    (crate::graph::import::dtype(number).ok(), Encoding::of_number(number))
}
