//! Layer, root mean square and batch normalisation.

use super::Run;
use crate::gpu::Norm;
use crate::graph::ops::{NodeSpec, axis_of};

pub fn layer_norm(node: &NodeSpec<'_>) -> Option<Run> {
    // The statistics are outputs of the CPU kernel alone.
    if node.outputs != 1 { None } else { norm(node, true, false) }
}

pub fn add_layer_norm(node: &NodeSpec<'_>) -> Option<Run> {
    norm(node, true, true)
}

pub fn rms_norm(node: &NodeSpec<'_>) -> Option<Run> {
    norm(node, false, false)
}

/// A normalisation of the last dimension, `residual`: of the sum of two tensors. Scale and bias are the inputs behind them.
fn norm(node: &NodeSpec<'_>, centred: bool, residual: bool) -> Option<Run> {
    let (axis, epsilon) = (node.attributes.int("axis", -1).ok()?, node.attributes.float("epsilon", 1e-5).ok()?);
    let index = 1 + usize::from(residual);
    Some(Box::new(move |call| {
        let x = call.floats(0)?;
        let other = if residual { Some(call.floats(1)?) } else { None };
        let (scale, bias) = (call.floats(index)?, call.optional_floats(index + 1)?);
        if axis_of(axis, x.shape().len()).ok()? + 1 != x.shape().len() {
            return None;
        }
        let (bias, residual) = (bias.as_ref(), other.as_ref());
        call.gpu.norm(&x, &Norm { centred, epsilon, scale: &scale, bias, residual })
    }))
}

pub fn batch_norm(node: &NodeSpec<'_>) -> Option<Run> {
    let epsilon = node.attributes.float("epsilon", 1e-5).ok()?;
    if node.outputs > 1 || node.attributes.flag("training_mode", false).ok()? {
        return None;
    }
    Some(Box::new(move |call| {
        let x = call.floats(0)?;
        let channels = *x.shape().get(1)?;
        // Of each channel, behind the batch.
        let mut shape = vec![1; x.shape().len() - 1];
        shape[0] = channels;
        let part = |index| call.optional_vector(index, channels)??.reshape(&shape);
        let (scale, bias, mean, variance) = (part(1)?, part(2)?, part(3)?, part(4)?);
        let centred = call.gpu.map("(a - b) / sqrt(c + p.s0)", &[&x, &mean, &variance], [epsilon, 0.0], x.shape())?;
        call.gpu.map("a * b + c", &[&centred, &scale, &bias], [0.0; 2], x.shape())
    }))
}
