//! im2col: the input under each kernel element, as the rows of a matrix that is never stored whole.

use std::ops::Range;

use super::Axis;
use crate::kernels::gemm::Rhs;

/// A row for each channel and kernel element, a column for each image and output position.
pub struct Im2col<'a> {
    /// The images, from their first channel on.
    pub x: &'a [f32],
    /// The spatial dimensions.
    pub axes: [Axis; 3],
    /// The distance between images, in elements.
    pub image_stride: usize,
}

impl Rhs for Im2col<'_> {
    fn row<'s>(&'s self, row: usize, columns: Range<usize>, scratch: &'s mut [f32]) -> &'s [f32] {
        let [depth, height, width] = &self.axes;
        let (row, at_x) = (row / width.kernel, row % width.kernel);
        let (row, at_y) = (row / height.kernel, row % height.kernel);
        let (channel, at_z) = (row / depth.kernel, row % depth.kernel);
        let pixels = depth.input * height.input * width.input;
        let (first, last) = width.valid_outputs(at_x);
        let mut column = columns.start;
        while column < columns.end {
            let (line, x) = (column / width.output, column % width.output);
            let (plane, y) = (line / height.output, line % height.output);
            let (image, z) = (plane / depth.output, plane % depth.output);
            let end = width.output.min(x + columns.end - column);
            let to = &mut scratch[column - columns.start..][..end - x];
            if let (Some(z), Some(y)) = (depth.source(z, at_z), height.source(y, at_y)) {
                let line = (z * height.input + y) * width.input;
                let line = &self.x[image * self.image_stride + channel * pixels + line..][..width.input];
                let (first, last) = (first.clamp(x, end), last.clamp(x, end));
                to[..first - x].fill(0.0);
                to[last - x..].fill(0.0);
                if first < last {
                    let line = &line[first * width.stride + at_x * width.dilation - width.before..];
                    copy(line, width.stride, &mut to[first - x..last - x]);
                }
            } else {
                to.fill(0.0);
            }
            column += end - x;
        }
        scratch
    }
}

fn copy(from: &[f32], stride: usize, to: &mut [f32]) {
    match stride {
        1 => to.copy_from_slice(&from[..to.len()]),
        2 => to.iter_mut().zip(from.chunks(2)).for_each(|(to, from)| *to = from[0]),
        _ => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from),
    }
}
