//! Pooling windows.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::graph::attributes::Refusal;
use crate::graph::ops::{Inputs, NodeSpec, size, wrong};

/// The attributes of pooling windows over one to three spatial dimensions.
pub struct Windows {
    kernel: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    /// The padding before each dimension, then that after each.
    pads: Vec<usize>,
    auto: Auto,
    ceil: bool,
}

/// The attribute auto_pad.
#[derive(Clone, Copy, PartialEq)]
enum Auto {
    Explicit,
    Valid,
    Upper,
    Lower,
}

/// The windows along one dimension.
pub struct Axis {
    /// The dimension.
    pub input: usize,
    /// The distance between windows.
    pub stride: usize,
    /// The windows.
    pub windows: Vec<Window>,
    /// The windows that are entirely within the tensor.
    pub whole: Range<usize>,
}

/// The part of a window within the tensor, and its size with padding.
pub struct Window {
    first: usize,
    count: usize,
    dilation: usize,
    padded: usize,
}

impl Windows {
    pub fn new(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        let sizes = |name: &str, least: i64| -> Result<Option<Vec<usize>>, Refusal> {
            let Some(values) = node.attributes.ints(name)? else { return Ok(None) };
            if values.iter().any(|value| *value < least) {
                return Err(format!("the attribute {name} is {values:?}, which is out of range"));
            }
            Ok(Some(values.into_iter().map(|value| usize::try_from(value).unwrap_or(usize::MAX)).collect()))
        };
        let kernel = sizes("kernel_shape", 1)?.ok_or("the attribute kernel_shape is missing")?;
        let rank = kernel.len();
        let strides = sizes("strides", 1)?.unwrap_or_else(|| vec![1; rank]);
        let dilations = sizes("dilations", 1)?.unwrap_or_else(|| vec![1; rank]);
        let pads = sizes("pads", 0)?.unwrap_or_else(|| vec![0; 2 * rank]);
        let auto = match node.attributes.string("auto_pad", "NOTSET")? {
            "NOTSET" => Auto::Explicit,
            "VALID" => Auto::Valid,
            "SAME_UPPER" => Auto::Upper,
            "SAME_LOWER" => Auto::Lower,
            auto => return Err(format!("the attribute auto_pad is '{auto}', which is not supported")),
        };
        if !(1..=3).contains(&rank) || [strides.len(), dilations.len()] != [rank; 2] || pads.len() != 2 * rank {
            return Err(format!(
                "the kernel has {rank} dimensions, expected 1 to 3, or strides, dilations and pads do not fit it"
            ));
        }
        Ok(Self { kernel, strides, dilations, pads, auto, ceil: node.attributes.flag("ceil_mode", false)? })
    }

    /// The windows over the spatial dimensions of `shape`, right-aligned to three, and the shape of the output.
    ///
    /// # Errors
    /// Invalid input: no window fits, or there are too many.
    pub fn axes(&self, inputs: &Inputs<'_>, shape: &[usize]) -> Result<([Axis; 3], Vec<usize>)> {
        let rank = self.kernel.len();
        if shape.len() != rank + 2 {
            return wrong(format!("a kernel of {rank} dimensions does not fit a tensor of the shape {shape:?}"));
        }
        let mut out = shape.to_vec();
        let mut before = vec![0; rank];
        for axis in 0..rank {
            let beyond = || {
                let (kernel, input) = (self.kernel[axis], shape[axis + 2]);
                Error::invalid_input(format!(
                    "a window of the size {kernel} does not fit a dimension of {input} with its padding"
                ))
            };
            (before[axis], out[axis + 2]) = self.padding_and_count(axis, shape[axis + 2]).ok_or_else(beyond)?;
        }
        inputs.count(&out)?;
        let single = || Axis { input: 1, stride: 1, windows: vec![Window::ONE], whole: 0..1 };
        let mut axes = [single(), single(), single()];
        for axis in 0..rank {
            axes[3 - rank + axis] = self.axis(axis, shape[axis + 2], before[axis], out[axis + 2]);
        }
        Ok((axes, out))
    }

    /// The padding before a dimension of the size `input`, and its number of windows.
    fn padding_and_count(&self, axis: usize, input: usize) -> Option<(usize, usize)> {
        let (stride, rank) = (self.strides[axis], self.kernel.len());
        let span = (self.kernel[axis] - 1).checked_mul(self.dilations[axis])?.checked_add(1)?;
        if self.auto == Auto::Upper || self.auto == Auto::Lower {
            let out = input.div_ceil(stride);
            let added = (out.saturating_sub(1) * stride).checked_add(span)?.saturating_sub(input);
            let before = if self.auto == Auto::Upper { added / 2 } else { added - added / 2 };
            return Some((before, out));
        }
        let (before, after) = if self.auto == Auto::Valid { (0, 0) } else { (self.pads[axis], self.pads[rank + axis]) };
        let room = before.checked_add(after)?.checked_add(input)?.checked_sub(span)?;
        if !self.ceil || self.auto == Auto::Valid {
            return Some((before, room / stride + 1));
        }
        let last = room.div_ceil(stride);
        // No window begins after the end of the tensor.
        let begins = last.checked_mul(stride)? < input + before;
        Some((before, if begins { last + 1 } else { last }))
    }

    fn axis(&self, axis: usize, input: usize, before: usize, count: usize) -> Axis {
        let (kernel, stride, dilation) = (self.kernel[axis], self.strides[axis], self.dilations[axis]);
        let end = match self.auto {
            Auto::Explicit => input.saturating_add(before).saturating_add(self.pads[self.kernel.len() + axis]),
            Auto::Valid => input,
            _ => usize::MAX,
        };
        // The number of indices from `start` on, `dilation` apart, before `end`.
        let until = |start: usize, end: usize| end.saturating_sub(start).div_ceil(dilation).min(kernel);
        let window = |at: usize| {
            let start = at * stride;
            let skipped = until(start, before);
            let inside = until(start, before.saturating_add(input)) - skipped;
            let first = if inside > 0 { start + skipped * dilation - before } else { 0 };
            Window { first, count: inside, dilation, padded: until(start, end) }
        };
        let windows: Vec<Window> = (0..count).map(window).collect();
        let from = windows.iter().position(|window| window.count == kernel).unwrap_or(0);
        let whole = windows[from.min(windows.len())..].iter().take_while(|window| window.count == kernel).count();
        Axis { input, stride, windows, whole: from..from + whole }
    }

    /// The shape of a tensor whose pooling has the shape `shape`.
    ///
    /// # Errors
    /// Invalid input: its dimensions do not fit, or the result would be too large.
    pub fn unpooled(&self, shape: &[usize]) -> Result<Vec<usize>> {
        let rank = self.kernel.len();
        if shape.len() != rank + 2 {
            return wrong(format!("a kernel of {rank} dimensions does not fit a tensor of the shape {shape:?}"));
        }
        let mut out = shape.to_vec();
        for axis in 0..rank {
            let [dim, stride, kernel, before, after] =
                [shape[axis + 2], self.strides[axis], self.kernel[axis], self.pads[axis], self.pads[rank + axis]]
                    .map(|value| value as i128);
            let dim = (dim - 1) * stride + kernel - before - after;
            out[axis + 2] = size(i64::try_from(dim).unwrap_or(-1))?;
        }
        Ok(out)
    }
}

impl Axis {
    /// The number of windows.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// The number of elements of each window, with padding or without.
    pub fn counts(&self, padded: bool) -> Vec<f32> {
        self.windows.iter().map(|window| if padded { window.padded } else { window.count } as f32).collect()
    }
}

impl Window {
    const ONE: Self = Self { first: 0, count: 1, dilation: 1, padded: 1 };

    /// The indices within the tensor.
    pub fn indices(&self) -> impl Iterator<Item = usize> + Clone {
        let (first, dilation) = (self.first, self.dilation);
        (0..self.count).map(move |at| first + at * dilation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::attributes::{Attribute, Attributes};
    use crate::graph::host;
    use crate::graph::ops::{InputSpec, find, prepare};
    use crate::graph::options::Limits;
    use crate::graph::texts::Texts;

    /// The shape of the pooling of a 1 × 1 × `input` tensor.
    fn pooled(op: &str, input: usize, lists: &[(&str, &[i64])], flags: &[(&str, i64)]) -> Result<Vec<usize>, String> {
        let mut attributes = Attributes::of_ints(flags);
        lists.iter().for_each(|(name, values)| attributes.push(name, Attribute::Ints(values.to_vec())));
        let inputs = [Some(InputSpec { dtype: None, encoding: None, constant: None })];
        let op = find("", op).ok_or("no such operator")?;
        let node = NodeSpec { op, opset: 19, attributes: &attributes, inputs: &inputs, outputs: 1 };
        let (kernel, _) = prepare(&node)?;
        let limits = Limits { max_elements: 1 << 20, ..Limits::default() };
        let tensor = host::tensor(&[1, 1, input], vec![1.0f32; input]);
        let out = kernel(&mut Inputs::new(vec![Some(tensor)], &limits, Texts::default()))
            .map_err(|error| error.to_string())?;
        Ok(host::shape(&out[0]).to_vec())
    }

    #[test]
    fn windows_that_do_not_fit_are_errors_and_large_ones_are_not_walked() {
        const MOST: i64 = i64::MAX;
        for op in ["MaxPool", "AveragePool", "LpPool"] {
            for (input, lists) in [
                (5, [("kernel_shape", &[6][..]), ("pads", &[0, 0][..])]),
                (5, [("kernel_shape", &[0]), ("pads", &[0, 0])]),
                (5, [("kernel_shape", &[1]), ("pads", &[MOST, MOST])]),
                (5, [("kernel_shape", &[1]), ("pads", &[1 << 40, 0])]),
                (5, [("kernel_shape", &[2]), ("dilations", &[MOST])]),
                (5, [("kernel_shape", &[3]), ("pads", &[0])]),
                (5, [("kernel_shape", &[1]), ("strides", &[0])]),
                (5, [("kernel_shape", &[1, 1]), ("strides", &[1, 1])]),
                (0, [("kernel_shape", &[1]), ("strides", &[1])]),
            ] {
                assert!(pooled(op, input, &lists, &[]).is_err(), "{op} {lists:?}");
            }
            let wide = [("kernel_shape", &[1 << 50][..]), ("pads", &[1 << 49, 1 << 49][..])];
            assert_eq!(pooled(op, 5, &wide, &[]).unwrap(), [1, 1, 6], "{op}");
            let far = [("kernel_shape", &[2][..]), ("strides", &[MOST][..])];
            assert_eq!(pooled(op, 5, &far, &[]).unwrap(), [1, 1, 1], "{op}");
            // The second window would begin after the last element.
            let ceil = [("kernel_shape", &[1][..]), ("strides", &[5][..]), ("pads", &[0, 1])];
            assert_eq!(pooled(op, 5, &ceil, &[("ceil_mode", 1)]).unwrap(), [1, 1, 1], "{op}");
        }
    }
}
