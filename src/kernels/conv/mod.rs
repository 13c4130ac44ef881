//! Convolutions of 32-bit floats, by im2col and GEMM: the image matrix is gathered while it is packed.

mod depthwise;
mod im2col;
mod transpose;

pub use transpose::transpose;

use super::activation::Activation;
use super::gemm::{Gemm, Init, Matrix, Rhs};
use im2col::Im2col;

/// Output positions of one image that are enough for a product per image.
const MANY: usize = 64;
/// Output channels per input channel up to which a depthwise convolution has its own kernel.
const FEW: usize = 4;

/// One spatial dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Its size in the input.
    pub input: usize,
    /// Its size in the kernel.
    pub kernel: usize,
    /// The step of the kernel between outputs.
    pub stride: usize,
    /// The distance between the kernel's elements.
    pub dilation: usize,
    /// The zero padding before the input.
    pub before: usize,
    /// Its size in the output.
    pub output: usize,
}

impl Axis {
    /// A dimension that the input does not have.
    pub const NONE: Self = Self { input: 1, kernel: 1, stride: 1, dilation: 1, before: 0, output: 1 };

    /// The input index under the kernel element `at` for the output `output`; `None` in the padding.
    fn source(&self, output: usize, at: usize) -> Option<usize> {
        (output * self.stride + at * self.dilation).checked_sub(self.before).filter(|index| *index < self.input)
    }

    /// The range of outputs for which the kernel element `at` lies over the input: its start and its end.
    fn valid_outputs(&self, at: usize) -> (usize, usize) {
        let shift = at * self.dilation;
        let first = self.before.saturating_sub(shift).div_ceil(self.stride);
        let last = (self.input + self.before).saturating_sub(shift).div_ceil(self.stride);
        (first.min(self.output), last.clamp(first.min(self.output), self.output))
    }

    /// Whether output and input positions are the same (a 1 × 1 convolution).
    fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.before == 0 && self.input == self.output
    }
}

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Conv {
    /// How many images there are.
    pub images: usize,
    /// How many groups of channels.
    pub groups: usize,
    /// Channels of the input in each group.
    pub channels: usize,
    /// Channels of the output in each group.
    pub features: usize,
    /// The spatial dimensions.
    pub axes: [Axis; 3],
}

/// One to three spatial dimensions as three, rhs-aligned.
pub fn three(axes: &[Axis]) -> [Axis; 3] {
    let mut three = [Axis::NONE; 3];
    let there = axes.iter().rev().filter(|axis| **axis != Axis::NONE);
    three.iter_mut().rev().zip(there).for_each(|(to, axis)| *to = *axis);
    three
}

impl Conv {
    fn product(&self, size: impl Fn(&Axis) -> usize) -> usize {
        self.axes.iter().map(size).product()
    }

    /// The convolution of `x`, `[images, groups · channels, spatial]`, with `weights`, `[groups · features, channels,
    /// kernel]`, into `out`, `[images, groups · features, spatial]`.
    pub fn run(
        &self,
        x: &[f32],
        weights: &[f32],
        bias: Option<&[f32]>,
        activation: Option<Activation>,
        out: &mut [f32],
    ) {
        let positions = self.product(|axis| axis.output);
        if self.channels == 1 && self.features <= FEW && depthwise::fits(self) {
            return depthwise::run(self, x, weights, bias, activation, out);
        }
        let apply = |numbers: &mut [f32]| {
            if let Some(activation) = activation {
                activation.apply(numbers);
            }
        };
        let depth = self.channels * self.product(|axis| axis.kernel);
        let pixels = self.product(|axis| axis.input);
        let pointwise = self.axes.iter().all(Axis::is_pointwise);
        let together = if positions < MANY { self.images } else { 1 };
        let mut scratch = vec![0.0; if together > 1 { self.features * positions * together } else { 0 }];
        for group in 0..self.groups {
            let weights = &weights[group * self.features * depth..][..self.features * depth];
            let bias = bias.map(|bias| &bias[group * self.features..][..self.features]);
            for image in (0..self.images).step_by(together.max(1)) {
                let x = &x[(image * self.groups + group) * self.channels * pixels..];
                let (matrix, im2col);
                let rhs: &dyn Rhs = if pointwise && together == 1 {
                    matrix = Matrix::new(x, pixels);
                    &matrix
                } else {
                    im2col = Im2col { x, axes: self.axes, image_stride: self.groups * self.channels * pixels };
                    &im2col
                };
                let shape = (self.features, positions * together, depth);
                let mut product = Gemm::new(shape, Matrix::new(weights, depth), rhs);
                product.init = bias.map_or(Init::Zero, Init::Rows);
                product.epilogue = activation.is_some().then_some(&apply);
                let out = &mut out[(image * self.groups + group) * self.features * positions..];
                if together == 1 {
                    product.write(out, positions);
                    continue;
                }
                product.write(&mut scratch, positions * together);
                for (row, numbers) in scratch.chunks_exact((positions * together).max(1)).enumerate() {
                    for (image, numbers) in numbers.chunks_exact(positions).enumerate() {
                        let offset = (image * self.groups * self.features + row) * positions;
                        out[offset..offset + positions].copy_from_slice(numbers);
                    }
                }
            }
        }
    }
}
