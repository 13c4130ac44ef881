//! Layer and batch normalisation.

use burn::backend::Wgpu;
use burn::backend::ops::{FloatTensorOps, ModuleOps};

use super::{Call, Floats, Run, one};
use crate::graph::ops::{NodeSpec, axis_of};

pub fn layer_norm(node: &NodeSpec<'_>) -> Option<Run> {
    // The statistics are outputs of the CPU kernel alone.
    if node.outputs != 1 {
        return None;
    }
    layer_norm_of(node, |call| call.floats(0).map(|(x, shape)| (x, shape.to_vec())), 1)
}

pub fn add_layer_norm(node: &NodeSpec<'_>) -> Option<Run> {
    let sum = |call: &Call<'_>| {
        let ((x, shape), (residual, own)) = (call.floats(0)?, call.floats(1)?);
        (shape == own).then(|| (Wgpu::float_add(x, residual), shape.to_vec()))
    };
    layer_norm_of(node, sum, 2)
}

pub fn batch_norm(node: &NodeSpec<'_>) -> Option<Run> {
    let epsilon = f64::from(node.attributes.float("epsilon", 1e-5).ok()?);
    if node.outputs > 1 || node.attributes.flag("training_mode", false).ok()? {
        return None;
    }
    Some(Box::new(move |call| {
        let (x, shape) = call.floats(0)?;
        let channels = *shape.get(1)?;
        let part = |index| call.floats(index).filter(|(_, own)| *own == [channels]).map(|(part, _)| part);
        one(Wgpu::batch_norm(x, part(1)?, part(2)?, part(3)?, part(4)?, epsilon), shape)
    }))
}

/// The layer normalisation of what `of` computes; scale and bias are the inputs from `index` on.
fn layer_norm_of(
    node: &NodeSpec<'_>,
    of: impl Fn(&Call<'_>) -> Option<(Floats, Vec<usize>)> + Send + Sync + 'static,
    index: usize,
) -> Option<Run> {
    let (axis, epsilon) = (node.attributes.int("axis", -1).ok()?, node.attributes.float("epsilon", 1e-5).ok()?);
    Some(Box::new(move |call| {
        let (x, shape) = of(call)?;
        let (scale, own) = call.floats(index)?;
        if axis_of(axis, shape.len()).ok()? + 1 != shape.len() || own != [*shape.last()?] {
            return None;
        }
        let bias = call.optional_floats(index + 1)?;
        one(Wgpu::layer_norm(x, scale, bias, f64::from(epsilon)), &shape)
    }))
}
