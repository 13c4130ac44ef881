//! Convolution and transposed convolution.

use super::{Run, elementwise};
use crate::gpu::{self, Conv};
use crate::graph::host;
use crate::graph::ops::NodeSpec;

/// A sliding window, as the attributes describe it.
pub struct Window {
    pub kernel: Vec<usize>,
    pub strides: Vec<usize>,
    pub pads: Vec<usize>,
    pub dilations: Vec<usize>,
}

impl Window {
    /// For as many dimensions as the kernel has; with explicit padding alone.
    pub fn new(node: &NodeSpec<'_>, kernel: Vec<usize>) -> Option<Self> {
        let rank = kernel.len();
        let list = |name: &str, default: usize, count: usize| match node.attributes.ints(name).ok()? {
            None => Some(vec![default; count]),
            Some(list) => {
                let list = list.into_iter().map(|size| usize::try_from(size).ok().filter(|size| *size < 1 << 20));
                list.collect::<Option<Vec<_>>>().filter(|list| list.len() == count)
            }
        };
        if !matches!(node.attributes.string("auto_pad", "NOTSET").ok()?, "NOTSET" | "VALID") {
            return None;
        }
        let window = Self {
            strides: list("strides", 1, rank)?,
            pads: list("pads", 0, 2 * rank)?,
            dilations: list("dilations", 1, rank)?,
            kernel,
        };
        let positive = |list: &[usize]| list.iter().all(|size| *size > 0);
        (positive(&window.strides) && positive(&window.dilations) && positive(&window.kernel)).then_some(window)
    }

    pub fn padding(&self, axis: usize) -> (usize, usize) {
        (self.pads[axis], self.pads[axis + self.kernel.len()])
    }

    /// The output size along each dimension; `None` where the window does not fit in.
    pub fn outputs(&self, spatial: &[usize]) -> Option<Vec<usize>> {
        let outputs = |axis: usize| {
            let (before, after) = self.padding(axis);
            let width = self.dilations[axis] * (self.kernel[axis] - 1) + 1;
            Some((spatial.get(axis)? + before + after).checked_sub(width)? / self.strides[axis] + 1)
        };
        (0..self.kernel.len()).map(outputs).collect()
    }

    /// It over two dimensions: one over a single dimension has a height of 1.
    pub fn planar(&self) -> Option<gpu::Window> {
        let rank = self.kernel.len();
        let pair = |list: &[usize], of_one: usize| match list[..rank] {
            [width] => Some([of_one, width]),
            [height, width] => Some([height, width]),
            _ => None,
        };
        Some(gpu::Window {
            size: pair(&self.kernel, 1)?,
            strides: pair(&self.strides, 1)?,
            pads: pair(&self.pads, 0)?,
            dilations: pair(&self.dilations, 1)?,
        })
    }
}

pub fn conv(node: &NodeSpec<'_>) -> Option<Run> {
    let activation = elementwise::activation(node)?;
    let weight = node.constant(1)?;
    let &[outputs, per_group, ref kernel @ ..] = host::shape(weight) else { return None };
    let window = Window::new(node, kernel.to_vec())?;
    let planar = window.planar()?;
    let groups = usize::try_from(node.attributes.int("group", 1).ok()?).ok().filter(|groups| *groups > 0)?;
    let rank = kernel.len();
    if outputs % groups != 0 {
        return None;
    }
    Some(Box::new(move |call| {
        let (x, weight) = (call.floats(0)?, call.floats(1)?);
        let &[batch, channels, ref spatial @ ..] = x.shape() else { return None };
        if spatial.len() != rank || channels != per_group * groups {
            return None;
        }
        let sizes = window.outputs(spatial)?;
        let wanted = [&[batch, outputs], &sizes[..]].concat();
        let bias = call.optional_vector(2, outputs)?;
        let (from, sizes) = match (spatial, &sizes[..]) {
            (&[width], &[to]) => ([batch, channels, 1, width], [1, to]),
            (&[height, width], &[rows, columns]) => ([batch, channels, height, width], [rows, columns]),
            _ => return None,
        };
        let [height, width] = planar.size;
        let weight = call.gpu.reshaped(&weight, &[outputs, per_group, height, width])?;
        let conv = Conv { window: planar, groups, bias: bias.as_ref(), activation: &activation, sizes };
        call.fits(&wanted).then(|| call.gpu.conv(&call.gpu.reshaped(&x, &from)?, &weight, &conv)?.reshape(&wanted))?
    }))
}

pub fn conv_transpose(node: &NodeSpec<'_>) -> Option<Run> {
    let &[inputs, per_group, kernel @ ..] = &host::shape(node.constant(1)?) else { return None };
    let (inputs, per_group) = (*inputs, *per_group);
    let window = Window::new(node, kernel.to_vec())?;
    let groups = usize::try_from(node.attributes.int("group", 1).ok()?).ok().filter(|groups| *groups > 0)?;
    let symmetric = window.kernel.len() == 2 && (0..2).all(|axis| window.padding(axis).0 == window.padding(axis).1);
    if !symmetric || node.attributes.has("output_shape") || node.attributes.has("output_padding") {
        return None;
    }
    let planar = window.planar()?;
    Some(Box::new(move |call| {
        let (x, weight) = (call.floats(0)?, call.floats(1)?);
        let &[batch, channels, height, width] = x.shape() else { return None };
        if channels != inputs {
            return None;
        }
        let size = |axis: usize, size: usize| {
            let whole = window.strides[axis] * (size - 1) + window.dilations[axis] * (window.kernel[axis] - 1) + 1;
            whole.checked_sub(2 * window.padding(axis).0).filter(|size| *size > 0)
        };
        let sizes = [size(0, height)?, size(1, width)?];
        let outputs = per_group * groups;
        let bias = call.optional_vector(2, outputs)?;
        let conv = Conv { window: planar, groups, bias: bias.as_ref(), activation: "x", sizes };
        call.fits(&[batch, outputs, sizes[0], sizes[1]]).then(|| call.gpu.conv_transpose(&x, &weight, &conv))?
    }))
}
