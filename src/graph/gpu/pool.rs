//! Pooling.

use burn::backend::Wgpu;
use burn::backend::ops::{FloatTensorOps, ModuleOps};

use super::conv::Window;
use super::{Call, GpuTensor, Run, one};
use crate::graph::ops::NodeSpec;

pub fn max_pool(node: &NodeSpec<'_>) -> Option<Run> {
    pool(node, false)
}

pub fn average_pool(node: &NodeSpec<'_>) -> Option<Run> {
    pool(node, true)
}

pub fn global_average_pool(call: &Call<'_>) -> Option<Vec<GpuTensor>> {
    let (x, shape) = call.floats(0)?;
    let axes: Vec<usize> = (2..shape.len()).collect();
    let mut wanted = shape.to_vec();
    axes.iter().for_each(|axis| wanted[*axis] = 1);
    one(axes.into_iter().fold(x, Wgpu::float_mean_dim), &wanted)
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
    Some(Box::new(move |call| {
        let (x, shape) = call.floats(0)?;
        let &[batch, channels, ref spatial @ ..] = shape else { return None };
        if spatial.len() != 2 {
            return None;
        }
        let wanted = [&[batch, channels], &window.outputs(spatial)?[..]].concat();
        let pair = |list: &[usize]| [list[0], list[1]];
        let (kernel, strides, pads) = (pair(&window.kernel), pair(&window.strides), pair(&window.pads));
        let pooled = if average {
            Wgpu::avg_pool2d(x, kernel, strides, pads, counts_pads, false)
        } else {
            Wgpu::max_pool2d(x, kernel, strides, pads, pair(&window.dilations), false)
        };
        call.fits(&wanted).then(|| one(pooled, &wanted))?
    }))
}
