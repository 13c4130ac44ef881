//! Transposed convolution: a GEMM, and col2im, which adds its columns to the output positions.

use super::Conv;
use crate::kernels::gemm::{Gemm, Matrix};

/// Rows of the product that are computed at once, unless they are too long.
const ROWS: usize = 64;
/// Elements of these rows, at most.
const MOST: usize = 1 << 22;

/// The transpose of the convolution `conv`: from `x`, `[images, groups · features, spatial]`, into `out`, `[images,
/// groups · channels, spatial]`. `weights` are `[groups · features, channels, kernel]`.
pub fn transpose(conv: &Conv, x: &[f32], weights: &[f32], bias: Option<&[f32]>, out: &mut [f32]) {
    let positions = conv.product(|axis| axis.output);
    let pixels = conv.product(|axis| axis.input);
    let taps = conv.product(|axis| axis.kernel);
    if pixels == 0 {
        return;
    }
    for (at, out) in out.chunks_exact_mut(pixels).enumerate() {
        out.fill(bias.map_or(0.0, |bias| bias[at % (conv.groups * conv.channels)]));
    }
    if positions == 0 || taps == 0 {
        return;
    }
    let all = conv.channels * taps;
    let rows = (MOST / positions).clamp(1, ROWS).min(all);
    let mut columns = vec![0.0; rows * positions];
    for at in 0..conv.images * conv.groups {
        let group = at % conv.groups;
        let x = Matrix::new(&x[at * conv.features * positions..][..conv.features * positions], positions);
        let weights = &weights[group * conv.features * all..][..conv.features * all];
        let out = &mut out[at * conv.channels * pixels..][..conv.channels * pixels];
        for first in (0..all).step_by(rows.max(1)) {
            let count = rows.min(all - first);
            let lhs = Matrix::transposed(weights.get(first..).unwrap_or_default(), all);
            Gemm::new((count, positions, conv.features), lhs, &x).write(&mut columns, positions);
            for (row, columns) in (first..).zip(columns.chunks_exact(positions)).take(count) {
                add(conv, row % taps, columns, &mut out[row / taps * pixels..][..pixels]);
            }
        }
    }
}

/// Adds to a channel the products of one kernel element with all inputs (col2im).
fn add(conv: &Conv, tap: usize, columns: &[f32], out: &mut [f32]) {
    let [depth, height, width] = &conv.axes;
    let (rest, at_x) = (tap / width.kernel, tap % width.kernel);
    let (at_z, at_y) = (rest / height.kernel, rest % height.kernel);
    let (first, last) = width.valid_outputs(at_x);
    if first >= last {
        return;
    }
    for (line, columns) in columns.chunks_exact(width.output).enumerate() {
        let (z, y) = (line / height.output, line % height.output);
        if let (Some(z), Some(y)) = (depth.source(z, at_z), height.source(y, at_y)) {
            let offset =
                (z * height.input + y) * width.input + first * width.stride + at_x * width.dilation - width.before;
            let to = out[offset..].iter_mut().step_by(width.stride);
            to.zip(&columns[first..last]).for_each(|(to, x)| *to += x);
        }
    }
}
