//! Operators that move numbers and do not look at them.

use super::{Accepts, NodeSpec, Op, Prepared, SAME, axis_of, one, wrong};
use crate::error::Result;
use crate::models::graph::host::{self, HostTensor, with_unit};

pub const OPS: &[Op] = &[
    Op::new("Identity", Accepts::Any, SAME, |_| Ok(Box::new(|inputs| one(inputs.take(0)?)))),
    Op::new("Concat", Accepts::Any, SAME, concat_op),
    Op::new("Transpose", Accepts::Any, SAME, transpose),
];

fn concat_op(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.optional_int("axis")?.ok_or("it has no axis")?;
    Ok(Box::new(move |inputs| {
        let parts = inputs.rest();
        let rank = parts.first().map_or(0, |part| host::shape(part).len());
        one(concat(parts, axis_of(axis, rank)?)?)
    }))
}

/// `parts` one after another along `axis`.
///
/// # Errors
/// Invalid input: there is none, or they differ in another dimension or in their type.
pub fn concat(parts: Vec<HostTensor>, axis: usize) -> Result<HostTensor> {
    let Some(first) = parts.first() else { return wrong("there is nothing to be joined") };
    let (dtype, mut shape) = (first.dtype(), host::shape(first).to_vec());
    let fits = |part: &HostTensor| {
        let other = host::shape(part);
        part.dtype() == dtype
            && other.len() == shape.len()
            && (0..shape.len()).all(|at| at == axis || other[at] == shape[at])
    };
    if axis >= shape.len() || !parts.iter().all(fits) {
        let shapes: Vec<_> = parts.iter().map(|part| host::shape(part).to_vec()).collect();
        return wrong(format!("tensors of the shapes {shapes:?} cannot be joined along the axis {axis}"));
    }
    let parts: Vec<HostTensor> = parts.into_iter().map(host::contiguous).collect();
    shape[axis] = parts.iter().map(|part| host::shape(part)[axis]).sum();
    let outer: usize = shape[..axis].iter().product();
    Ok(with_unit!(dtype, U => {
        let mut out: Vec<U> = Vec::with_capacity(shape.iter().product());
        for row in 0..outer {
            for part in &parts {
                let run: usize = host::shape(part)[axis..].iter().product();
                out.extend_from_slice(&host::slice::<U>(part)[row * run..][..run]);
            }
        }
        host::of_type(dtype, &shape, out)
    }))
}

fn transpose(node: &NodeSpec<'_>) -> Prepared {
    let perm = node.attributes.ints("perm")?;
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let rank = host::shape(&tensor).len();
        let axes = match &perm {
            None => (0..rank).rev().collect(),
            Some(perm) => perm.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>>>()?,
        };
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        if sorted != (0..rank).collect::<Vec<_>>() {
            return wrong(format!("{axes:?} is no permutation of {rank} axes"));
        }
        one(tensor.permute(&axes))
    }))
}
