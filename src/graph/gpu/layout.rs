//! Operators that rearrange elements: reshape, transpose, concat, slice, expand, gather, pad.

use super::{Call, Run};
use crate::gpu::Tensor;
use crate::graph::host;
use crate::graph::ops::{NodeSpec, axes_of, axis_of, reshaped};

/// The input as it is.
pub fn same(call: &Call<'_>) -> Option<Tensor> {
    call.floats(0)
}

pub fn reshape(node: &NodeSpec<'_>) -> Option<Run> {
    let keep_zero = node.attributes.flag("allowzero", false).ok()?;
    Some(Box::new(move |call| {
        let x = call.floats(0)?;
        let wanted = reshaped(x.shape(), &call.ints(1)?, keep_zero).ok()?;
        call.gpu.reshaped(&x, &wanted)
    }))
}

pub fn flatten(node: &NodeSpec<'_>) -> Option<Run> {
    let axis = node.attributes.int("axis", 1).ok()?;
    Some(Box::new(move |call| {
        let x = call.floats(0)?;
        let at = if axis < 0 { axis + x.shape().len() as i64 } else { axis };
        let (rows, columns) = x.shape().split_at_checked(usize::try_from(at).ok()?)?;
        call.gpu.reshaped(&x, &[rows.iter().product(), columns.iter().product()])
    }))
}

pub fn squeeze(node: &NodeSpec<'_>) -> Option<Run> {
    let axes = node.attributes.ints("axes").ok()?;
    Some(Box::new(move |call| {
        let x = call.floats(0)?;
        let shape = x.shape();
        let axes = if call.value(1).is_some() { Some(call.ints(1)?) } else { axes.clone() };
        let gone = match axes {
            None => (0..shape.len()).filter(|axis| shape[*axis] == 1).collect(),
            Some(axes) => axes_of(&axes, shape.len()).ok()?,
        };
        if gone.iter().any(|axis| shape[*axis] != 1) {
            return None;
        }
        let left: Vec<usize> = (0..shape.len()).filter(|axis| !gone.contains(axis)).map(|axis| shape[axis]).collect();
        call.gpu.reshaped(&x, &left)
    }))
}

pub fn unsqueeze(node: &NodeSpec<'_>) -> Option<Run> {
    let axes = node.attributes.ints("axes").ok()?;
    Some(Box::new(move |call| {
        let x = call.floats(0)?;
        let axes = if call.value(1).is_some() { call.ints(1)? } else { axes.clone()? };
        let mut with = x.shape().to_vec();
        for axis in axes_of(&axes, with.len() + axes.len()).ok()? {
            with.insert(axis, 1);
        }
        call.gpu.reshaped(&x, &with)
    }))
}

pub fn expand(call: &Call<'_>) -> Option<Tensor> {
    let x = call.floats(0)?;
    let wanted = call.ints(1)?.into_iter().map(|size| usize::try_from(size).ok()).collect::<Option<Vec<_>>>()?;
    x.expand(&call.broadcast(&[x.shape(), &wanted])?)
}

pub fn transpose(node: &NodeSpec<'_>) -> Option<Run> {
    let perm = node.attributes.ints("perm").ok()?;
    Some(Box::new(move |call| permute(call, perm.as_deref())))
}

fn permute(call: &Call<'_>, perm: Option<&[i64]>) -> Option<Tensor> {
    let x = call.floats(0)?;
    let rank = x.shape().len();
    let axes = match perm {
        None => (0..rank).rev().collect(),
        Some(perm) => perm.iter().map(|axis| axis_of(*axis, rank).ok()).collect::<Option<Vec<_>>>()?,
    };
    x.permute(&axes)
}

pub fn concat(node: &NodeSpec<'_>) -> Option<Run> {
    let axis = node.attributes.int("axis", 0).ok()?;
    Some(Box::new(move |call| concat_along(call, axis)))
}

fn concat_along(call: &Call<'_>, axis: i64) -> Option<Tensor> {
    let rank = call.value(0)?.shape().len();
    let axis = axis_of(axis, rank).ok()?;
    let (mut parts, mut total) = (Vec::new(), 0usize);
    for index in 0..call.inputs.len() {
        let own = call.value(index)?.shape();
        // An empty part adds nothing, as the cache of a decoder before its first token.
        if own.len() == rank && own[axis] == 0 {
            continue;
        }
        let part = call.floats(index)?;
        total = total.checked_add(*part.shape().get(axis)?)?;
        parts.push(part);
    }
    let mut shape = parts.first()?.shape().to_vec();
    shape[axis] = total;
    call.fits(&shape).then(|| call.gpu.concat(&parts.iter().collect::<Vec<_>>(), axis))?
}

/// With steps of 1 alone.
pub fn slice(node: &NodeSpec<'_>) -> Option<Run> {
    // Before opset 10 the bounds were attributes.
    (node.opset >= 10).then(|| -> Run { Box::new(slice_by_inputs) })
}

fn slice_by_inputs(call: &Call<'_>) -> Option<Tensor> {
    let mut x = call.floats(0)?;
    let (starts, ends) = (call.ints(1)?, call.ints(2)?);
    let axes = if call.value(3).is_some() { call.ints(3)? } else { (0..starts.len() as i64).collect() };
    if call.value(4).is_some() && call.ints(4)?.iter().any(|step| *step != 1) {
        return None;
    }
    if starts.len() != ends.len() || starts.len() != axes.len() {
        return None;
    }
    let axes = axes.iter().map(|axis| axis_of(*axis, x.shape().len()).ok()).collect::<Option<Vec<_>>>()?;
    for (index, axis) in axes.iter().enumerate() {
        let size = x.shape()[*axis] as i64;
        let position = |at: i64| (if at < 0 { at.saturating_add(size) } else { at }).clamp(0, size) as usize;
        let (start, end) = (position(starts[index]), position(ends[index]));
        // An axis that is named twice has bounds in another size.
        if axes[..index].contains(axis) {
            return None;
        }
        x = x.narrow(*axis, start, end.saturating_sub(start))?;
    }
    Some(x)
}

pub fn gather(node: &NodeSpec<'_>) -> Option<Run> {
    let axis = node.attributes.int("axis", 0).ok()?;
    Some(Box::new(move |call| gather_along(call, axis)))
}

fn gather_along(call: &Call<'_>, axis: i64) -> Option<Tensor> {
    // A table in the CPU's memory is looked up there: the table need not go to the GPU for a copy of some rows.
    if matches!(call.value(0)?, super::Value::Host(..)) {
        return None;
    }
    let x = call.floats(0)?;
    let axis = axis_of(axis, x.shape().len()).ok()?;
    let size = i64::try_from(x.shape()[axis]).ok()?;
    let index = |at: i64| u32::try_from(if at < 0 { at + size } else { at }).ok().filter(|at| i64::from(*at) < size);
    let indices = call.ints(1)?.into_iter().map(index).collect::<Option<Vec<_>>>()?;
    let mut wanted = x.shape().to_vec();
    wanted.splice(axis..=axis, call.value(1)?.shape().iter().copied());
    call.fits(&wanted).then(|| call.gpu.gather(&x, axis, &indices)?.reshape(&wanted))?
}

/// With constant padding alone.
pub fn pad(node: &NodeSpec<'_>) -> Option<Run> {
    let constant = node.attributes.string("mode", "constant").ok()? == "constant";
    // Before opset 11 the widths were attributes.
    (constant && node.opset >= 11).then(|| -> Run { Box::new(pad_by_inputs) })
}

fn pad_by_inputs(call: &Call<'_>) -> Option<Tensor> {
    let x = call.floats(0)?;
    let pads = call.ints(1)?.into_iter().map(|pad| usize::try_from(pad).ok()).collect::<Option<Vec<_>>>()?;
    let value = if call.value(2).is_some() { call.scalar(2)? } else { 0.0 };
    let rank = x.shape().len();
    if call.value(3).is_some() || pads.len() != 2 * rank || rank == 0 {
        return None;
    }
    let pairs: Vec<(usize, usize)> = (0..rank).map(|axis| (pads[axis], pads[axis + rank])).collect();
    let sizes =
        x.shape().iter().zip(&pairs).map(|(size, (before, after))| size.checked_add(*before)?.checked_add(*after));
    let wanted = sizes.collect::<Option<Vec<_>>>()?;
    call.fits(&wanted).then(|| call.gpu.pad(&x, &pairs, value))?
}

/// Whether two shapes are one.
pub fn fits_with(a: &[usize], b: &[usize]) -> bool {
    host::broadcast_shape(a, b).is_ok_and(|shape| shape == b)
}
