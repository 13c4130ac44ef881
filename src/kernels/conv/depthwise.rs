//! Depthwise convolutions: each channel by itself. A plane is copied into a padded one, whose columns are grouped by
//! their remainder modulo the stride, so that neighbouring outputs read neighbouring inputs.

use super::{Axis, Conv};
use crate::kernels::activation::Activation;

/// Outputs of one block.
const BLOCK: usize = 16;
/// Outputs of a block at the end of a line.
const REST: usize = 8;
/// A padded plane of at most so many elements is never too large.
const SMALL: usize = 1 << 18;

/// The layout of a padded plane.
struct Plane {
    /// Elements of a line with the same remainder modulo the stride.
    part: usize,
    /// Elements of a line.
    line: usize,
    /// Lines.
    lines: usize,
}

impl Plane {
    /// `None` where it is too large to be counted.
    fn new(height: &Axis, width: &Axis) -> Option<Self> {
        let part = width.output.checked_next_multiple_of(REST)? + (width.kernel - 1) * width.dilation / width.stride;
        let line = part.checked_mul(width.stride)?;
        let lines = (height.output - 1) * height.stride + (height.kernel - 1) * height.dilation + 1;
        Some(Self { part, line, lines })
    }

    fn count(&self) -> Option<usize> {
        self.line.checked_mul(self.lines)
    }

    /// The offset in a line of the padded column `column`.
    fn offset(&self, column: usize, stride: usize) -> usize {
        column % stride * self.part + column / stride
    }
}

/// Whether a depthwise convolution is two-dimensional and its padded plane not much larger than the plane itself.
pub fn fits(conv: &Conv) -> bool {
    let [depth, height, width] = &conv.axes;
    let there = [height, width].iter().all(|axis| axis.output > 0 && axis.kernel > 0 && axis.input > 0);
    let count = || Plane::new(height, width)?.count();
    *depth == Axis::NONE
        && there
        && count().is_some_and(|count| count <= SMALL || count / 8 <= height.input * width.input)
}

/// See [`Conv::run`].
pub fn run(
    conv: &Conv,
    x: &[f32],
    weights: &[f32],
    bias: Option<&[f32]>,
    activation: Option<Activation>,
    out: &mut [f32],
) {
    let [_, height, width] = &conv.axes;
    let Some(plane) = Plane::new(height, width) else { return };
    let pixels = height.input * width.input;
    let size = height.output * width.output;
    let taps = height.kernel * width.kernel;
    let mut padded = vec![0.0; plane.line * plane.lines];
    let mut offset_weights = vec![(0, 0.0); taps];
    for (at, x) in x.chunks_exact(pixels).take(conv.images * conv.groups).enumerate() {
        fill(&mut padded, &plane, x, height, width);
        for feature in 0..conv.features {
            let channel = at % conv.groups * conv.features + feature;
            for (tap, weight) in weights[channel * taps..][..taps].iter().enumerate() {
                let (y, x) = (tap / width.kernel, tap % width.kernel);
                let offset = y * height.dilation * plane.line + plane.offset(x * width.dilation, width.stride);
                offset_weights[tap] = (offset, *weight);
            }
            let bias = bias.map_or(0.0, |bias| bias[channel]);
            let out = &mut out[(at * conv.features + feature) * size..][..size];
            for (y, out) in out.chunks_exact_mut(width.output).enumerate() {
                line(&padded[y * height.stride * plane.line..], &offset_weights, bias, out);
            }
            if let Some(activation) = activation {
                activation.apply(out);
            }
        }
    }
}

/// Copies a plane into the padded one.
fn fill(padded: &mut [f32], plane: &Plane, x: &[f32], height: &Axis, width: &Axis) {
    let lines = padded.chunks_exact_mut(plane.line).skip(height.before);
    for (to, from) in lines.zip(x.chunks_exact(width.input)) {
        for first in 0..width.stride.min(width.input) {
            let column = first + width.before;
            let end = (column % width.stride + 1) * plane.part;
            let Some(to) = to.get_mut(plane.offset(column, width.stride)..end) else { continue };
            if width.stride == 1 {
                let count = to.len().min(from.len());
                to[..count].copy_from_slice(&from[..count]);
            } else {
                to.iter_mut().zip(from[first..].iter().step_by(width.stride)).for_each(|(to, from)| *to = *from);
            }
        }
    }
}

/// A line of the output. `taps` are the kernel's weights with the offsets of the inputs under them for the first output.
fn line(padded: &[f32], taps: &[(usize, f32)], bias: f32, out: &mut [f32]) {
    let mut blocks = out.chunks_exact_mut(BLOCK);
    let mut at = 0;
    for out in &mut blocks {
        out.copy_from_slice(&block::<BLOCK>(&padded[at..], taps, bias));
        at += BLOCK;
    }
    for out in blocks.into_remainder().chunks_mut(REST) {
        out.copy_from_slice(&block::<REST>(&padded[at..], taps, bias)[..out.len()]);
        at += REST;
    }
}

#[inline(always)]
fn block<const N: usize>(padded: &[f32], taps: &[(usize, f32)], bias: f32) -> [f32; N] {
    let mut sums = [bias; N];
    for (offset, weight) in taps {
        for (sum, x) in sums.iter_mut().zip(&padded[*offset..*offset + N]) {
            *sum += weight * x;
        }
    }
    sums
}
