//! Reductions and softmax.

use super::Run;
use crate::gpu::Reduction;
use crate::graph::ops::{NodeSpec, axes_of, axis_of};

pub fn softmax(node: &NodeSpec<'_>) -> Option<Run> {
    along_axis(node, false)
}

pub fn log_softmax(node: &NodeSpec<'_>) -> Option<Run> {
    along_axis(node, true)
}

fn along_axis(node: &NodeSpec<'_>, log: bool) -> Option<Run> {
    let old = node.opset < 13;
    let axis = node.attributes.int("axis", if old { 1 } else { -1 }).ok()?;
    Some(Box::new(move |call| {
        let x = call.floats(0)?;
        let axis = axis_of(axis, x.shape().len()).ok()?;
        // Before opset 13 it went over all the dimensions from the axis on.
        (!old || axis + 1 == x.shape().len()).then(|| call.gpu.softmax(&x, axis, log))?
    }))
}

/// The reduction over each of the axes.
pub fn reduce(node: &NodeSpec<'_>, reduction: Reduction) -> Option<Run> {
    let axes = node.attributes.ints("axes").ok()?;
    let keep = node.attributes.flag("keepdims", true).ok()?;
    let empty_is_none = node.attributes.flag("noop_with_empty_axes", false).ok()?;
    Some(Box::new(move |call| {
        // Over nothing, what the CPU gives has a definition.
        let x = call.floats(0)?;
        let shape = x.shape().to_vec();
        let axes = if call.value(1).is_some() { Some(call.ints(1)?) } else { axes.clone() };
        let axes = match axes {
            Some(axes) if !axes.is_empty() => axes_of(&axes, shape.len()).ok()?,
            _ if empty_is_none => return Some(x),
            _ => (0..shape.len()).collect(),
        };
        let left = |axis: usize| match (axes.contains(&axis), keep) {
            (false, _) => Some(shape[axis]),
            (true, true) => Some(1),
            (true, false) => None,
        };
        let wanted: Vec<usize> = (0..shape.len()).filter_map(left).collect();
        let reduced = axes.iter().try_fold(x, |x, axis| call.gpu.reduce(&x, *axis, reduction))?;
        reduced.reshape(&wanted)
    }))
}
