//! Operators that rearrange elements: reshape, transpose, concat, slice, expand, gather, pad.

use burn::backend::Wgpu;
use burn::backend::ops::{FloatTensorOps, PadMode};
use burn::tensor::{Shape, Slice};

use super::{Call, GpuTensor, Run, one};
use crate::graph::host;
use crate::graph::ops::{NodeSpec, axes_of, axis_of, reshaped};
use crate::sort::sort_by;

pub fn reshape(node: &NodeSpec<'_>) -> Option<Run> {
    let keep_zero = node.attributes.flag("allowzero", false).ok()?;
    Some(Box::new(move |call| {
        let (x, shape) = call.floats(0)?;
        let wanted = reshaped(shape, &call.ints(1)?, keep_zero).ok()?;
        one(x, &wanted)
    }))
}

pub fn flatten(node: &NodeSpec<'_>) -> Option<Run> {
    let axis = node.attributes.int("axis", 1).ok()?;
    Some(Box::new(move |call| {
        let (x, shape) = call.floats(0)?;
        let at = if axis < 0 { axis + shape.len() as i64 } else { axis };
        let (rows, columns) = shape.split_at_checked(usize::try_from(at).ok()?)?;
        one(x, &[rows.iter().product(), columns.iter().product()])
    }))
}

pub fn squeeze(node: &NodeSpec<'_>) -> Option<Run> {
    let axes = node.attributes.ints("axes").ok()?;
    Some(Box::new(move |call| {
        let (x, shape) = call.floats(0)?;
        let axes = if call.value(1).is_some() { Some(call.ints(1)?) } else { axes.clone() };
        let gone = match axes {
            None => (0..shape.len()).filter(|axis| shape[*axis] == 1).collect(),
            Some(axes) => axes_of(&axes, shape.len()).ok()?,
        };
        if gone.iter().any(|axis| shape[*axis] != 1) {
            return None;
        }
        let left: Vec<usize> = (0..shape.len()).filter(|axis| !gone.contains(axis)).map(|axis| shape[axis]).collect();
        one(x, &left)
    }))
}

pub fn unsqueeze(node: &NodeSpec<'_>) -> Option<Run> {
    let axes = node.attributes.ints("axes").ok()?;
    Some(Box::new(move |call| {
        let (x, shape) = call.floats(0)?;
        let axes = if call.value(1).is_some() { call.ints(1)? } else { axes.clone()? };
        let mut with = shape.to_vec();
        for axis in axes_of(&axes, shape.len() + axes.len()).ok()? {
            with.insert(axis, 1);
        }
        one(x, &with)
    }))
}

pub fn expand(call: &Call<'_>) -> Option<Vec<GpuTensor>> {
    let (x, shape) = call.floats(0)?;
    let wanted = call.ints(1)?.into_iter().map(|size| usize::try_from(size).ok()).collect::<Option<Vec<_>>>()?;
    let wanted = host::broadcast_shape(shape, &wanted).ok().filter(|shape| call.fits(shape) && !shape.is_empty())?;
    one(Wgpu::float_expand(super::of_rank(x, shape, wanted.len()), Shape::from(wanted.clone())), &wanted)
}

pub fn transpose(node: &NodeSpec<'_>) -> Option<Run> {
    let perm = node.attributes.ints("perm").ok()?;
    Some(Box::new(move |call| permute(call, perm.as_deref())))
}

fn permute(call: &Call<'_>, perm: Option<&[i64]>) -> Option<Vec<GpuTensor>> {
    let (x, shape) = call.floats(0)?;
    if shape.is_empty() {
        return one(x, shape);
    }
    let axes = match perm {
        None => (0..shape.len()).rev().collect(),
        Some(perm) => perm.iter().map(|axis| axis_of(*axis, shape.len()).ok()).collect::<Option<Vec<_>>>()?,
    };
    let mut sorted = axes.clone();
    sort_by(&mut sorted, Ord::cmp);
    if !sorted.iter().copied().eq(0..shape.len()) {
        return None;
    }
    let wanted: Vec<usize> = axes.iter().map(|axis| shape[*axis]).collect();
    one(Wgpu::float_permute(x, &axes), &wanted)
}

pub fn concat(node: &NodeSpec<'_>) -> Option<Run> {
    let axis = node.attributes.int("axis", 0).ok()?;
    Some(Box::new(move |call| concat_along(call, axis)))
}

fn concat_along(call: &Call<'_>, axis: i64) -> Option<Vec<GpuTensor>> {
    let mut shape = call.value(0)?.shape().to_vec();
    let axis = axis_of(axis, shape.len()).ok()?;
    let (mut parts, mut total) = (Vec::new(), 0usize);
    for index in 0..call.inputs.len() {
        let own = call.value(index)?.shape();
        // An empty part adds nothing, as the cache of a decoder before its first token.
        if own.len() == shape.len() && own[axis] == 0 {
            continue;
        }
        let (part, own) = call.floats(index)?;
        if own.len() != shape.len() || (0..own.len()).any(|at| at != axis && own[at] != shape[at]) {
            return None;
        }
        total = total.checked_add(own[axis])?;
        parts.push(part);
    }
    shape[axis] = total;
    call.fits(&shape).then(|| one(Wgpu::float_cat(parts, axis), &shape))?
}

/// With steps of 1 alone.
pub fn slice(node: &NodeSpec<'_>) -> Option<Run> {
    // Before opset 10 the bounds were attributes.
    (node.opset >= 10).then(|| -> Run { Box::new(slice_by_inputs) })
}

fn slice_by_inputs(call: &Call<'_>) -> Option<Vec<GpuTensor>> {
    let (x, shape) = call.floats(0)?;
    let (starts, ends) = (call.ints(1)?, call.ints(2)?);
    let axes = if call.value(3).is_some() { call.ints(3)? } else { (0..starts.len() as i64).collect() };
    if call.value(4).is_some() && call.ints(4)?.iter().any(|step| *step != 1) {
        return None;
    }
    if starts.len() != ends.len() || starts.len() != axes.len() {
        return None;
    }
    let mut ranges: Vec<(usize, usize)> = shape.iter().map(|size| (0, *size)).collect();
    for ((start, end), axis) in starts.into_iter().zip(ends).zip(axes) {
        let axis = axis_of(axis, shape.len()).ok()?;
        let size = shape[axis] as i64;
        let position = |at: i64| (if at < 0 { at.saturating_add(size) } else { at }).clamp(0, size) as usize;
        ranges[axis] = (position(start), position(end));
    }
    let wanted: Vec<usize> = ranges.iter().map(|(start, end)| end.saturating_sub(*start)).collect();
    let slices: Vec<Slice> = ranges.into_iter().map(|(start, end)| Slice::from(start..end)).collect();
    call.fits(&wanted).then(|| one(Wgpu::float_slice(x, &slices), &wanted))?
}

pub fn gather(node: &NodeSpec<'_>) -> Option<Run> {
    let axis = node.attributes.int("axis", 0).ok()?;
    Some(Box::new(move |call| gather_along(call, axis)))
}

fn gather_along(call: &Call<'_>, axis: i64) -> Option<Vec<GpuTensor>> {
    // A table in the CPU's memory is looked up there: the table need not go to the GPU for a copy of some rows.
    if matches!(call.value(0)?, super::Value::Host(..)) {
        return None;
    }
    let (x, shape) = call.floats(0)?;
    let axis = axis_of(axis, shape.len()).ok()?;
    let size = i64::try_from(shape[axis]).ok()?;
    let index = |at: i64| {
        i32::try_from(if at < 0 { at + size } else { at }).ok().filter(|at| (0..size).contains(&i64::from(*at)))
    };
    let indices = call.ints(1)?.into_iter().map(index).collect::<Option<Vec<_>>>()?;
    let mut wanted = shape.to_vec();
    wanted.splice(axis..=axis, call.value(1)?.shape().iter().copied());
    if !call.fits(&wanted) {
        return None;
    }
    let indices = call.upload_ints(&[indices.len()], indices);
    one(Wgpu::float_select(x, axis, indices), &wanted)
}

/// With constant padding alone.
pub fn pad(node: &NodeSpec<'_>) -> Option<Run> {
    let constant = node.attributes.string("mode", "constant").ok()? == "constant";
    // Before opset 11 the widths were attributes.
    (constant && node.opset >= 11).then(|| -> Run { Box::new(pad_by_inputs) })
}

fn pad_by_inputs(call: &Call<'_>) -> Option<Vec<GpuTensor>> {
    let (x, shape) = call.floats(0)?;
    let pads = call.ints(1)?.into_iter().map(|pad| usize::try_from(pad).ok()).collect::<Option<Vec<_>>>()?;
    let value = if call.value(2).is_some() { call.scalar(2)? } else { 0.0 };
    if call.value(3).is_some() || pads.len() != 2 * shape.len() || shape.is_empty() {
        return None;
    }
    let pairs: Vec<(usize, usize)> = (0..shape.len()).map(|axis| (pads[axis], pads[axis + shape.len()])).collect();
    let wanted: Vec<usize> = shape
        .iter()
        .zip(&pairs)
        .map(|(size, (before, after))| size.checked_add(*before)?.checked_add(*after))
        .collect::<Option<_>>()?;
    call.fits(&wanted).then(|| one(Wgpu::float_pad(x, &pairs, PadMode::Constant(value)), &wanted))?
}
