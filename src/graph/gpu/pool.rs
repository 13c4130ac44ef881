//! Pooling.

use super::conv::Window;
use super::{Call, Run};
use crate::gpu::{Pool, Reduction, Tensor};
use crate::graph::ops::NodeSpec;

pub fn max_pool(node: &NodeSpec<'_>) -> Option<Run> {
    pool(node, false)
}

pub fn average_pool(node: &NodeSpec<'_>) -> Option<Run> {
    pool(node, true)
}

pub fn global_average_pool(call: &Call<'_>) -> Option<Tensor> {
    let x = call.floats(0)?;
    let &[batch, channels, ref spatial @ ..] = x.shape() else { return None };
    let mut wanted = vec![1; x.shape().len()];
    wanted[..2].copy_from_slice(&[batch, channels]);
    let planes = call.gpu.reshaped(&x, &[batch, channels, spatial.iter().product()])?;
    call.gpu.reduce(&planes, 2, Reduction::Mean)?.reshape(&wanted)
}

fn pool(node: &NodeSpec<'_>, average: bool) -> Option<Run> {
    let attributes = node.attributes;
    let kernel = attributes.ints("kernel_shape").ok()??;
    let kernel = kernel.into_iter().map(|size| usize::try_from(size).ok()).collect::<Option<Vec<_>>>()?;
    let window = Window::new(node, kernel)?;
    let symmetric = window.kernel.len() == 2 && (0..2).all(|axis| window.padding(axis).0 == window.padding(axis).1);
    let plain = !attributes.flag("ceil_mode", false).ok()? && !attributes.flag("storage_order", false).ok()?;
    let counts_pads = attributes.flag("count_include_pad", false).ok()?;
    if !symmetric || !plain || node.outputs > 1 || average && window.dilations != [1, 1] {
        return None;
    }
    let planar = window.planar()?;
    let pool = match (average, counts_pads) {
        (false, _) => Pool::Max,
        (true, false) => Pool::Average,
        (true, true) => Pool::AverageWithPads,
    };
    Some(Box::new(move |call| {
        let x = call.floats(0)?;
        let &[batch, channels, height, width] = x.shape() else { return None };
        let &[rows, columns] = &window.outputs(&[height, width])?[..] else { return None };
        // A window that has no part of the image is the CPU's.
        let covered = [height, width].iter().enumerate().all(|(axis, size)| {
            let dilation = window.dilations[axis];
            window.pads[axis] <= dilation * (window.kernel[axis] - 1) && *size >= dilation
        });
        let fits = call.fits(&[batch, channels, rows, columns]) && covered;
        fits.then(|| call.gpu.pool(&x, &planar, pool, [rows, columns]))?
    }))
}
