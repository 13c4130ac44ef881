//! Convolution and transposed convolution.

use burn::backend::Wgpu;
use burn::backend::ops::{ConvOptions, ConvTransposeOptions, ModuleOps};

use super::{Run, elementwise, one};
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
}

pub fn conv(node: &NodeSpec<'_>) -> Option<Run> {
    let activation = elementwise::activation(node)?;
    let weight = node.constant(1)?;
    let &[outputs, per_group, ref kernel @ ..] = host::shape(weight) else { return None };
    let window = Window::new(node, kernel.to_vec())?;
    let groups = usize::try_from(node.attributes.int("group", 1).ok()?).ok().filter(|groups| *groups > 0)?;
    let rank = kernel.len();
    if !(1..=2).contains(&rank) || outputs % groups != 0 {
        return None;
    }
    Some(Box::new(move |call| {
        let ((x, shape), (weight, _)) = (call.floats(0)?, call.floats(1)?);
        let &[batch, channels, ref spatial @ ..] = shape else { return None };
        if spatial.len() != rank || channels != per_group * groups {
            return None;
        }
        let sizes = window.outputs(spatial)?;
        let bias = match call.value(2) {
            None => None,
            Some(_) => Some(call.floats(2).filter(|(_, own)| *own == [outputs])?.0),
        };
        let wanted = [&[batch, outputs], &sizes[..]].concat();
        if !call.fits(&wanted) {
            return None;
        }
        let product = match rank {
            1 => Wgpu::conv1d(
                x,
                weight,
                bias,
                ConvOptions::new_with_padding([window.strides[0]], [window.padding(0)], [window.dilations[0]], groups),
            ),
            _ => Wgpu::conv2d(
                x,
                weight,
                bias,
                ConvOptions::new_with_padding(
                    [window.strides[0], window.strides[1]],
                    [window.padding(0), window.padding(1)],
                    [window.dilations[0], window.dilations[1]],
                    groups,
                ),
            ),
        };
        one(activation(product), &wanted)
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
    Some(Box::new(move |call| {
        let ((x, shape), (weight, _)) = (call.floats(0)?, call.floats(1)?);
        let &[batch, channels, height, width] = shape else { return None };
        if channels != inputs {
            return None;
        }
        let size = |axis: usize, size: usize| {
            let whole = window.strides[axis] * (size - 1) + window.dilations[axis] * (window.kernel[axis] - 1) + 1;
            whole.checked_sub(2 * window.padding(axis).0).filter(|size| *size > 0)
        };
        let wanted = [batch, per_group * groups, size(0, height)?, size(1, width)?];
        let bias = match call.value(2) {
            None => None,
            Some(_) => Some(call.floats(2).filter(|(_, own)| *own == [wanted[1]])?.0),
        };
        let pair = |list: &[usize]| [list[0], list[1]];
        let options = ConvTransposeOptions::new(
            pair(&window.strides),
            pair(&window.pads),
            [0, 0],
            pair(&window.dilations),
            groups,
        );
        call.fits(&wanted).then(|| one(Wgpu::conv_transpose2d(x, weight, bias, options), &wanted))?
    }))
}
