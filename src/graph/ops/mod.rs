//! The operators of ONNX on the CPU: a table of them for each family, and what they all share.
//!
//! An operator is prepared once, at load, where everything about it that is not known here is refused; what comes out
//! is a function of its inputs alone.

use burn::tensor::DType;

use super::attributes::{Attributes, Refusal};
use super::host::{self, HostTensor, is_float};
use super::options::Limits;
use crate::error::{Error, Result};
use crate::sort::sort_by;

mod attention;
mod binary_elementwise;
mod columns;
mod contrib;
mod conv;
mod fft;
mod gather;
mod generate;
mod grid_sample;
mod layout;
mod logic;
mod loss;
mod matmul;
mod norm;
mod order;
mod pad;
mod pool;
mod quantize;
mod reduce;
mod regions;
mod resize;
mod rnn;
mod scatter;
mod select;
mod shape;
mod softmax;
mod support;
#[cfg(test)]
mod tests;
mod tf_idf_vectorizer;
mod unary_elementwise;

pub use contrib::matmul_nbits;
pub use layout::concat;
pub use matmul::{int8, panels};
#[cfg(feature = "gpu")]
pub use shape::reshaped;

/// The newest version of the default operator set that the operators here were written for.
pub const NEWEST_OPSET: i64 = 27;
/// The oldest.
pub const OLDEST_OPSET: i64 = 7;
/// The domain of what [`super::passes::fusion`] makes.
pub const OWN_DOMAIN: &str = "pilot-light";
/// The domain of onnxruntime's operators.
pub const MICROSOFT: &str = "com.microsoft";

/// What runs an operator.
pub type Kernel = Box<dyn Fn(&mut Inputs<'_>) -> Result<Vec<HostTensor>> + Send + Sync>;

/// A kernel, or why there is none for this node.
pub type Prepared = Result<Kernel, Refusal>;

/// An operator.
pub struct Op {
    /// Its domain.
    pub domain: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The types of numbers of the first input that it is written for.
    pub accepts: Accepts,
    /// The type of each output; the last counts for all that follow.
    pub gives: &'static [Gives],
    /// Reads the attributes.
    pub prepare: fn(&NodeSpec<'_>) -> Prepared,
}

/// Types of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// All.
    Any,
    /// All but booleans.
    Numbers,
    /// Floats of all sizes.
    Floats,
    /// Floats of 32 and 16 bits, computed in 32.
    Singles,
    /// Integers.
    Integers,
    /// Booleans.
    Bools,
}

/// The type of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// That of the input at this place.
    As(usize),
    /// This one.
    Is(DType),
    /// What the attribute of this name says, by ONNX's number, or else the second.
    Says(&'static str, DType),
    /// Known only at run time.
    Unknown,
}

/// Most operators give what they take.
pub const SAME: &[Gives] = &[Gives::As(0)];
/// Comparisons.
pub const BOOLS: &[Gives] = &[Gives::Is(host::BOOL)];
/// Counts and places.
pub const INDICES: &[Gives] = &[Gives::Is(DType::I64)];

impl Op {
    /// An operator of the default domain.
    pub const fn new(
        name: &'static str,
        accepts: Accepts,
        gives: &'static [Gives],
        prepare: fn(&NodeSpec<'_>) -> Prepared,
    ) -> Self {
        Self { domain: "", name, accepts, gives, prepare }
    }

    /// An operator of another domain.
    pub const fn of(
        domain: &'static str,
        name: &'static str,
        accepts: Accepts,
        gives: &'static [Gives],
        prepare: fn(&NodeSpec<'_>) -> Prepared,
    ) -> Self {
        Self { domain, name, accepts, gives, prepare }
    }
}

impl Accepts {
    fn has(self, dtype: DType) -> bool {
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

/// What an operator is told of its node when it is prepared.
pub struct NodeSpec<'a> {
    /// The operator's name.
    pub op: &'a str,
    /// Its domain.
    pub domain: &'a str,
    /// The version of the domain's operator set.
    pub opset: i64,
    /// The attributes.
    pub attributes: &'a Attributes,
    /// The inputs; none for one that is left out.
    pub inputs: &'a [Option<InputSpec>],
    /// How many outputs it has, unwanted ones included.
    pub outputs: usize,
}

/// What is known of an input before the graph is run.
#[derive(Clone)]
pub struct InputSpec {
    /// The type of its numbers, where it is known.
    pub dtype: Option<DType>,
    /// The input itself, where it is a constant.
    pub constant: Option<HostTensor>,
}

impl NodeSpec<'_> {
    /// Whether the input at `place` is there.
    pub fn has(&self, place: usize) -> bool {
        self.inputs.get(place).is_some_and(Option::is_some)
    }

    /// The input at `place`, where it is a constant.
    pub fn constant(&self, place: usize) -> Option<&HostTensor> {
        self.inputs.get(place)?.as_ref()?.constant.as_ref()
    }

    /// The type of the input at `place`, where it is known.
    pub fn dtype(&self, place: usize) -> Option<DType> {
        self.inputs.get(place)?.as_ref()?.dtype
    }
}

/// What a kernel is run on. Whoever takes an input that nobody else needs may write to it.
pub struct Inputs<'a> {
    values: Vec<Option<HostTensor>>,
    limits: &'a Limits,
}

impl<'a> Inputs<'a> {
    pub fn new(values: Vec<Option<HostTensor>>, limits: &'a Limits) -> Self {
        Self { values, limits }
    }

    /// How many there are, left out ones included.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Takes the input at `place`.
    ///
    /// # Errors
    /// Invalid artefact: it was left out.
    pub fn take(&mut self, place: usize) -> Result<HostTensor> {
        self.optional(place).ok_or_else(|| Error::invalid_artefact(format!("its input {place} is missing")))
    }

    /// Takes the input at `place`, in the order of its indices.
    ///
    /// # Errors
    /// Invalid artefact: it was left out.
    pub fn contiguous(&mut self, place: usize) -> Result<HostTensor> {
        Ok(host::contiguous(self.take(place)?))
    }

    /// Takes the input at `place` as 32-bit floats in the order of its indices.
    ///
    /// # Errors
    /// Invalid artefact: it was left out.
    pub fn floats(&mut self, place: usize) -> Result<HostTensor> {
        Ok(host::contiguous(host::cast(self.take(place)?, DType::F32)))
    }

    /// Takes the input at `place`, which may be left out.
    pub fn optional(&mut self, place: usize) -> Option<HostTensor> {
        self.values.get_mut(place)?.take()
    }

    /// Takes all that are left, in their order.
    pub fn rest(&mut self) -> Vec<HostTensor> {
        self.values.iter_mut().filter_map(Option::take).collect()
    }

    /// Takes the input at `place` as integers: a shape, axes, places.
    ///
    /// # Errors
    /// Invalid artefact: it was left out.
    pub fn ints(&mut self, place: usize) -> Result<Vec<i64>> {
        Ok(host::to_i64s(&self.take(place)?))
    }

    /// Takes the input at `place` as integers; none where it was left out.
    pub fn optional_ints(&mut self, place: usize) -> Option<Vec<i64>> {
        self.optional(place).map(|tensor| host::to_i64s(&tensor))
    }

    /// How many numbers a tensor of this shape has.
    ///
    /// # Errors
    /// Invalid input: more than the limits allow.
    pub fn count(&self, shape: &[usize]) -> Result<usize> {
        host::count(shape, self.limits.max_elements)
    }
}

/// The only output.
pub fn one(tensor: HostTensor) -> Result<Vec<HostTensor>> {
    Ok(vec![tensor])
}

/// The place of `axis`, which counts from the end where it is negative, among `rank`.
///
/// # Errors
/// Invalid input: it is none.
pub fn axis_of(axis: i64, rank: usize) -> Result<usize> {
    let signed = rank as i64;
    let place = if axis < 0 { axis.checked_add(signed) } else { Some(axis) };
    place
        .filter(|place| (0..signed).contains(place))
        .map(|place| place as usize)
        .ok_or_else(|| Error::invalid_input(format!("there is no axis {axis} in a tensor of {rank} dimensions")))
}

/// The places of `axes`, each once, in ascending order.
///
/// # Errors
/// Invalid input: one is none, or is there twice.
pub fn axes_of(axes: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut places = axes.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>>>()?;
    sort_by(&mut places, Ord::cmp);
    let count = places.len();
    places.dedup();
    if places.len() == count {
        Ok(places)
    } else {
        Err(Error::invalid_input(format!("an axis of {axes:?} is there twice")))
    }
}

/// A dimension that the file or the caller gives.
///
/// # Errors
/// Invalid input: it is negative, or beyond this machine.
pub fn size(value: i64) -> Result<usize> {
    usize::try_from(value).map_err(|_| Error::invalid_input(format!("{value} is no size")))
}

/// Invalid input, in words.
pub fn wrong<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::invalid_input(what))
}

/// The families.
const FAMILIES: &[&[Op]] = &[
    binary_elementwise::OPS,
    attention::OPS,
    columns::OPS,
    conv::OPS,
    gather::OPS,
    generate::OPS,
    grid_sample::OPS,
    layout::OPS,
    logic::OPS,
    loss::OPS,
    matmul::OPS,
    contrib::OPS,
    tf_idf_vectorizer::OPS,
    norm::OPS,
    order::OPS,
    pad::OPS,
    pool::OPS,
    quantize::OPS,
    rnn::OPS,
    reduce::OPS,
    regions::OPS,
    resize::OPS,
    scatter::OPS,
    select::OPS,
    shape::OPS,
    fft::OPS,
    softmax::OPS,
    unary_elementwise::OPS,
];

/// The operator of this name.
pub fn find(domain: &str, name: &str) -> Option<&'static Op> {
    FAMILIES.iter().flat_map(|family| family.iter()).find(|op| op.name == name && op.domain == domain)
}

/// Prepares the operator of `node`, and gives the types of its outputs, where they are known.
///
/// # Errors
/// Why it cannot be run.
pub fn prepare(node: &NodeSpec<'_>) -> Result<(Kernel, Vec<Option<DType>>), Refusal> {
    let op = find(node.domain, node.op).ok_or("the operator is not known")?;
    if let Some(dtype) = node.dtype(0)
        && !op.accepts.has(dtype)
    {
        return Err(format!("it is not known for numbers of the type {dtype:?}"));
    }
    let kernel = (op.prepare)(node)?;
    let types = (0..node.outputs).map(|place| op.gives[place.min(op.gives.len() - 1)].resolve(node)).collect();
    match node.attributes.unknown() {
        Some(name) => Err(format!("its attribute {name} is not known")),
        None => Ok((kernel, types)),
    }
}

impl Gives {
    fn resolve(self, node: &NodeSpec<'_>) -> Option<DType> {
        match self {
            Self::As(place) => node.dtype(place),
            Self::Is(dtype) => Some(dtype),
            Self::Says(name, default) => match node.attributes.optional_int(name) {
                Ok(Some(number)) => super::import::dtype(number).ok(),
                _ => Some(default),
            },
            Self::Unknown => None,
        }
    }
}
