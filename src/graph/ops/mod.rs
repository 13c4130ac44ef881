//! ONNX operators: a table of records for each family, with a CPU kernel each, and what they share.
//!
//! An operator is prepared once, at load, which refuses every attribute and type that is not supported. The kernel that
//! this gives is a function of its inputs alone.

use burn::tensor::DType;

use std::sync::Arc;

use super::attributes::Refusal;
use super::encoding::Encoding;
use super::host::{self, HostTensor};
use super::options::Limits;
use super::texts::Texts;
use crate::error::{Error, Result};
use crate::kernels::qlinear::Precision;
use crate::sort::sort_by;

mod arg;
mod attention;
mod binary_elementwise;
mod cast;
mod clip;
mod col2im;
mod contrib;
mod conv;
mod cumulative;
mod deform_conv;
mod fft;
mod gated;
mod gather;
mod generate;
mod grid_sample;
mod layout;
mod logic;
mod loss;
mod matmul;
mod ml;
pub mod named;
mod non_max_suppression;
mod norm;
mod op;
mod pad;
mod pool;
mod quantize;
mod reduce;
mod resize;
mod rnn;
mod roi_align;
mod scatter;
mod shape;
mod softmax;
mod strings;
mod support;
#[cfg(test)]
mod tests;
mod tf_idf_vectorizer;
mod topk;
mod unary_elementwise;
mod unique;
mod where_op;

#[cfg(feature = "gpu")]
pub use attention::cached::{DecoderAttention, STEP as CACHE_STEP};
pub use contrib::matmul_nbits;
pub use layout::concat;
pub use matmul::{int8, panels};
pub use ml::DOMAIN as ML_DOMAIN;
use op::on_gpu;
pub use op::{Accepts, BOOLS, Given, Gives, INDICES, InputSpec, Kernel, NodeSpec, Op, Prepared, SAME};
#[cfg(feature = "gpu")]
pub use shape::reshaped;

/// The newest version of the default operator set that is supported.
pub const NEWEST_OPSET: i64 = 27;
/// The oldest version that is supported.
pub const OLDEST_OPSET: i64 = 1;
/// The domain of the operators that [`super::passes`] makes.
pub const OWN_DOMAIN: &str = "pilot-light";
/// The domain of onnxruntime's operators.
pub const MICROSOFT: &str = "com.microsoft";

/// The inputs of one run of a kernel. A kernel may write to an input that it takes and that has no other user.
pub struct Inputs<'a> {
    values: Vec<Option<HostTensor>>,
    limits: &'a Limits,
    /// The strings of the graph, to which a kernel may add.
    pub texts: Texts,
}

impl<'a> Inputs<'a> {
    pub fn new(values: Vec<Option<HostTensor>>, limits: &'a Limits, texts: Texts) -> Self {
        Self { values, limits, texts }
    }

    /// The number of inputs, with those that are left out.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Takes the input at `index`.
    ///
    /// # Errors
    /// Invalid artefact: it was left out.
    pub fn take(&mut self, index: usize) -> Result<HostTensor> {
        self.optional(index).ok_or_else(|| Error::invalid_artefact(format!("the input {index} is missing")))
    }

    /// Takes the input at `index`, contiguous.
    ///
    /// # Errors
    /// Invalid artefact: it was left out.
    pub fn contiguous(&mut self, index: usize) -> Result<HostTensor> {
        Ok(host::contiguous(self.take(index)?))
    }

    /// Takes the input at `index` as contiguous 32-bit floats.
    ///
    /// # Errors
    /// Invalid artefact: it was left out.
    pub fn floats(&mut self, index: usize) -> Result<HostTensor> {
        Ok(host::contiguous(host::cast(self.take(index)?, DType::F32)))
    }

    /// Takes the input at `index`, which may be left out.
    pub fn optional(&mut self, index: usize) -> Option<HostTensor> {
        self.values.get_mut(index)?.take()
    }

    /// Takes all inputs that are left, in order.
    pub fn rest(&mut self) -> Vec<HostTensor> {
        self.values.iter_mut().filter_map(Option::take).collect()
    }

    /// Takes the input at `index` as integers: a shape, axes, indices.
    ///
    /// # Errors
    /// Invalid artefact: it was left out.
    pub fn ints(&mut self, index: usize) -> Result<Vec<i64>> {
        Ok(host::to_i64s(&self.take(index)?))
    }

    /// Takes the input at `index` as integers; `None` where it was left out.
    pub fn optional_ints(&mut self, index: usize) -> Option<Vec<i64>> {
        self.optional(index).map(|tensor| host::to_i64s(&tensor))
    }

    /// Takes the shape and the strings of the input at `index`.
    ///
    /// # Errors
    /// Invalid artefact: it was left out. Invalid input: it has no strings.
    pub fn texts(&mut self, index: usize) -> Result<(Vec<usize>, Vec<Arc<str>>)> {
        let tensor = self.contiguous(index)?;
        if tensor.dtype() != Encoding::Text.storage() {
            return wrong(format!("the input {index} has the type {:?}, expected strings", tensor.dtype()));
        }
        let texts = host::slice::<u32>(&tensor).iter().map(|index| self.texts.get(*index)).collect();
        Ok((host::shape(&tensor).to_vec(), texts))
    }

    /// A tensor of strings, as many as `shape` has elements.
    pub fn text_tensor<'t>(&mut self, shape: &[usize], texts: impl Iterator<Item = &'t str>) -> HostTensor {
        host::tensor(shape, texts.map(|text| self.texts.index(text)).collect::<Vec<u32>>())
    }

    /// The number of elements of a tensor of this shape.
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

/// The index of `axis`, which counts from the end where it is negative, in a tensor of `rank` dimensions.
///
/// # Errors
/// Invalid input: it is out of range.
pub fn axis_of(axis: i64, rank: usize) -> Result<usize> {
    let signed = rank as i64;
    let index = if axis < 0 { axis.checked_add(signed) } else { Some(axis) };
    index.filter(|index| (0..signed).contains(index)).map(|index| index as usize).ok_or_else(|| {
        Error::invalid_input(format!("the axis {axis} is out of range for a tensor of {rank} dimensions"))
    })
}

/// The indices of `axes`, each once, in ascending order.
///
/// # Errors
/// Invalid input: one is out of range or repeated.
pub fn axes_of(axes: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut indices = axes.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>>>()?;
    sort_by(&mut indices, Ord::cmp);
    let count = indices.len();
    indices.dedup();
    if indices.len() == count {
        Ok(indices)
    } else {
        Err(Error::invalid_input(format!("the axes {axes:?} have a duplicate")))
    }
}

/// A dimension that comes from the file or from the caller.
///
/// # Errors
/// Invalid input: it is negative, or too large for this machine.
pub fn size(value: i64) -> Result<usize> {
    usize::try_from(value).map_err(|_| Error::invalid_input(format!("{value} is not a valid size")))
}

/// The attribute of products of integers that says the [`Precision`] of their activations, by its number.
pub const PRECISE: &str = "precise";

/// The precision of activations that a product's attribute says.
pub fn precision(node: &NodeSpec<'_>) -> Result<Precision, Refusal> {
    Ok(match node.attributes.int(PRECISE, Precision::Normal as i64)? {
        number if number == Precision::High as i64 => Precision::High,
        _ => Precision::Normal,
    })
}

/// An invalid-input error.
pub fn wrong<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::invalid_input(what))
}

/// The operators' records, by family.
static FAMILIES: &[&[Op]] = &[
    binary_elementwise::OPS,
    attention::OPS,
    arg::OPS,
    cast::OPS,
    clip::OPS,
    col2im::OPS,
    conv::OPS,
    gated::OPS,
    gather::OPS,
    generate::OPS,
    grid_sample::OPS,
    layout::OPS,
    logic::OPS,
    loss::OPS,
    matmul::OPS,
    contrib::OPS,
    ml::OPS,
    strings::OPS,
    tf_idf_vectorizer::OPS,
    norm::OPS,
    cumulative::OPS,
    deform_conv::OPS,
    non_max_suppression::OPS,
    pad::OPS,
    pool::OPS,
    quantize::OPS,
    rnn::OPS,
    reduce::OPS,
    roi_align::OPS,
    topk::OPS,
    unique::OPS,
    where_op::OPS,
    resize::OPS,
    scatter::OPS,
    shape::OPS,
    fft::OPS,
    softmax::OPS,
    unary_elementwise::OPS,
];

/// The operator of this name.
pub const fn find(domain: &str, name: &str) -> Option<&'static Op> {
    // `const fn` allows neither `for` nor string comparison.
    let mut family = 0;
    while family < FAMILIES.len() {
        let mut row = 0;
        while row < FAMILIES[family].len() {
            let op = &FAMILIES[family][row];
            if equal(op.name.as_bytes(), name.as_bytes()) && equal(op.domain.as_bytes(), domain.as_bytes()) {
                return Some(op);
            }
            row += 1;
        }
        family += 1;
    }
    None
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Prepares the operator of `node`, and gives the types of its outputs, where they are known.
///
/// # Errors
/// Why it cannot be run.
pub fn prepare(node: &NodeSpec<'_>) -> Result<(Kernel, Vec<Given>), Refusal> {
    let op = node.op;
    if let Some(dtype) = node.dtype(0)
        && !op.accepts.has(dtype)
    {
        return Err(format!("the element type {dtype:?} is not supported"));
    }
    if let Some(encoding) = (0..node.inputs.len()).find_map(|index| node.encoding(index)).filter(|_| !op.encoded) {
        return Err(format!("the element type {encoding:?} is not supported"));
    }
    let kernel = (op.prepare)(node)?;
    let types = (0..node.outputs).map(|index| op.gives[index.min(op.gives.len() - 1)].resolve(node)).collect();
    match node.attributes.unread() {
        Some(name) => Err(format!("the attribute '{name}' is not supported")),
        None => Ok((kernel, types)),
    }
}
