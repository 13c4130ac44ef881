//! Gather family: Gather, GatherElements, GatherND and Compress.

use burn::backend::flex::Layout;
use burn::tensor::Shape;

use super::{Accepts, Inputs, NodeSpec, Op, Prepared, SAME, axis_of, on_gpu, one, wrong};
use crate::error::{Error, Result};
use crate::graph::host::{self, HostTensor, with_unit};

pub static OPS: &[Op] = &[
    Op::new("Gather", Accepts::Any, SAME, gather).encoded().gpu(on_gpu!(layout::gather)),
    Op::new("GatherElements", Accepts::Any, SAME, gather_elements).encoded(),
    Op::new("GatherND", Accepts::Any, SAME, gather_nd).encoded(),
    Op::new("Compress", Accepts::Any, SAME, compress).encoded(),
];

/// The index in a dimension of the size `dim`, where a negative one counts from the end.
///
/// # Errors
/// Invalid input: it is out of range.
pub fn index_of(index: i64, dim: usize) -> Result<usize> {
    let signed = dim as i64;
    let position = if index < 0 { index.wrapping_add(signed) } else { index };
    if (0..signed).contains(&position) {
        Ok(position as usize)
    } else {
        Err(Error::invalid_input(format!("the index {index} is out of range for the size {dim}")))
    }
}

fn gather(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.int("axis", 0)?;
    Ok(Box::new(move |inputs| {
        let (tensor, indices) = (inputs.take(0)?, inputs.take(1)?);
        let shape = host::shape(&tensor).to_vec();
        let axis = axis_of(axis, shape.len())?;
        let out = [&shape[..axis], host::shape(&indices), &shape[axis + 1..]].concat();
        let indices = host::to_i64s(&indices);
        if let [index] = *indices {
            // A single index needs no copy.
            let chosen = tensor.narrow(axis, index_of(index, shape[axis])?, 1);
            let old = chosen.layout().strides();
            let ones = out.len() + 1 - shape.len();
            let strides = [&old[..axis], &vec![1; ones][..], &old[axis + 1..]].concat();
            let layout = Layout::new(Shape::from(out), strides, chosen.layout().start_offset());
            return one(chosen.with_layout(layout));
        }
        inputs.count(&out)?;
        let indices = indices.iter().map(|index| index_of(*index, shape[axis])).collect::<Result<Vec<_>>>()?;
        one(host::reshape(take(tensor, axis, &indices), &out))
    }))
}

/// The slices of `tensor` at `indices` along `axis`; all are in range.
fn take(tensor: HostTensor, axis: usize, indices: &[usize]) -> HostTensor {
    let tensor = host::contiguous(tensor);
    let (dtype, mut shape) = (tensor.dtype(), host::shape(&tensor).to_vec());
    let dim = std::mem::replace(&mut shape[axis], indices.len());
    let (outer, run): (usize, usize) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
    with_unit!(dtype, U => {
        let source = host::slice::<U>(&tensor);
        let mut out: Vec<U> = Vec::with_capacity(outer * indices.len() * run);
        for rows in source.chunks_exact((dim * run).max(1)).take(outer) {
            match run {
                1 => out.extend(indices.iter().map(|index| rows[*index])),
                _ => indices.iter().for_each(|index| out.extend_from_slice(&rows[index * run..][..run])),
            }
        }
        host::of_type(dtype, &shape, out)
    })
}

/// For each element of a tensor of `indices`' shape, in order, its offset in a tensor of `shape`: that of its own
/// position, with its index along `axis`.
///
/// # Errors
/// Invalid input: one is out of range.
pub fn element_offsets(shape: &[usize], indices: &HostTensor, axis: usize) -> Result<Vec<usize>> {
    let own = host::shape(indices);
    let fits = own.len() == shape.len() && (0..own.len()).all(|at| at == axis || own[at] <= shape[at]);
    if !fits {
        return wrong(format!("indices of the shape {own:?} do not fit a tensor of the shape {shape:?}"));
    }
    let (strides, values) = (host::strides(shape), host::to_i64s(indices));
    let mut turn = vec![0; own.len()];
    let mut offsets = Vec::with_capacity(values.len());
    for index in values {
        let base: usize = (0..own.len()).filter(|at| *at != axis).map(|at| turn[at] * strides[at]).sum();
        offsets.push(base + index_of(index, shape[axis])? * strides[axis]);
        for at in (0..own.len()).rev() {
            turn[at] += 1;
            if turn[at] < own[at] {
                break;
            }
            turn[at] = 0;
        }
    }
    Ok(offsets)
}

fn gather_elements(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.int("axis", 0)?;
    Ok(Box::new(move |inputs| {
        let (tensor, indices) = (inputs.contiguous(0)?, inputs.take(1)?);
        let axis = axis_of(axis, host::shape(&tensor).len())?;
        let offsets = element_offsets(host::shape(&tensor), &indices, axis)?;
        one(pick(&tensor, host::shape(&indices), &offsets, 1))
    }))
}

/// `run` elements from each of the offsets `offsets`.
fn pick(tensor: &HostTensor, shape: &[usize], offsets: &[usize], run: usize) -> HostTensor {
    with_unit!(tensor.dtype(), U => {
        let source = host::slice::<U>(tensor);
        let mut out: Vec<U> = Vec::with_capacity(offsets.len() * run);
        offsets.iter().for_each(|offset| out.extend_from_slice(&source[*offset..][..run]));
        host::of_type(tensor.dtype(), shape, out)
    })
}

/// Slices of a tensor by the tuples in the last dimension of the indices.
pub struct Tuples {
    /// The offset of each.
    pub offsets: Vec<usize>,
    /// The number of elements of each.
    pub run: usize,
    /// The shape of all together.
    pub shape: Vec<usize>,
}

impl Tuples {
    /// The slices of a tensor of `shape`, whose first `batch_dims` dimensions are also those of the indices.
    ///
    /// # Errors
    /// Invalid input: an index is out of range, the shapes do not fit, or the result is too large.
    pub fn new(inputs: &Inputs<'_>, shape: &[usize], indices: &HostTensor, batch_dims: usize) -> Result<Self> {
        let own = host::shape(indices);
        let bad = || Error::invalid_input(format!("indices of the shape {own:?} do not fit a tensor of {shape:?}"));
        let (depth, outer) = own.split_last().ok_or_else(bad)?;
        let end = batch_dims.checked_add(*depth).filter(|end| *end <= shape.len()).ok_or_else(bad)?;
        if batch_dims > outer.len() || outer[..batch_dims] != shape[..batch_dims] {
            return Err(bad());
        }
        let run = shape[end..].iter().product();
        let all = [outer, &shape[end..]].concat();
        if inputs.count(&all)? == 0 {
            return Ok(Self { offsets: Vec::new(), run, shape: all });
        }
        let (strides, values) = (host::strides(shape), host::to_i64s(indices));
        let batch: usize = shape[batch_dims..].iter().product();
        let per_batch: usize = outer[batch_dims..].iter().product();
        let count = outer.iter().product();
        let mut offsets = Vec::with_capacity(count);
        for at in 0..count {
            let mut start = at / per_batch * batch;
            for (index, axis) in values[at * depth..][..*depth].iter().zip(batch_dims..) {
                start += index_of(*index, shape[axis])? * strides[axis];
            }
            offsets.push(start);
        }
        Ok(Self { offsets, run, shape: all })
    }
}

fn gather_nd(node: &NodeSpec<'_>) -> Prepared {
    let batch_dims = node.attributes.int("batch_dims", 0)?;
    let batch_dims = usize::try_from(batch_dims).map_err(|_| format!("its batch_dims are {batch_dims}"))?;
    Ok(Box::new(move |inputs: &mut Inputs<'_>| {
        let (tensor, indices) = (inputs.contiguous(0)?, inputs.take(1)?);
        let tuples = Tuples::new(inputs, host::shape(&tensor), &indices, batch_dims)?;
        one(pick(&tensor, &tuples.shape, &tuples.offsets, tuples.run))
    }))
}

fn compress(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.optional_int("axis")?;
    Ok(Box::new(move |inputs| {
        let (mut tensor, chosen) = (inputs.contiguous(0)?, inputs.ints(1)?);
        let axis = match axis {
            Some(axis) => axis_of(axis, host::shape(&tensor).len())?,
            None => {
                let count = tensor.layout().num_elements();
                tensor = host::reshape(tensor, &[count]);
                0
            }
        };
        let dim = host::shape(&tensor)[axis];
        let indices: Vec<usize> = (0..chosen.len()).filter(|at| chosen[*at] != 0).collect();
        match indices.last() {
            Some(last) if *last >= dim => wrong(format!("the index {last} is out of range for the size {dim}")),
            _ => one(take(tensor, axis, &indices)),
        }
    }))
}
