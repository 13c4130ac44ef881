//! Normalisation of rows of 32-bit floats.

use super::reduce::{squares, sum};

/// Normalises a row to mean 0 and variance 1. Returns the mean and the inverse standard deviation.
pub fn normalise(row: &mut [f32], epsilon: f32) -> (f32, f32) {
    let count = row.len() as f32;
    let mean = sum(row) / count;
    let scale = 1.0 / (squares(row, mean) / count + epsilon).sqrt();
    row.iter_mut().for_each(|x| *x = (*x - mean) * scale);
    (mean, scale)
}

/// Multiplies a row by `scale` and adds `bias`, element by element.
pub fn affine(row: &mut [f32], scale: &[f32], bias: Option<&[f32]>) {
    match bias {
        Some(bias) => row.iter_mut().zip(scale).zip(bias).for_each(|((x, scale), bias)| *x = *x * scale + bias),
        None => row.iter_mut().zip(scale).for_each(|(x, scale)| *x *= scale),
    }
}

/// Divides each of the rows by its root mean square, and multiplies it by `scale`, which is as long as a row.
pub fn root_mean_square(rows: &mut [f32], scale: &[f32], epsilon: f32) {
    for row in rows.chunks_exact_mut(scale.len().max(1)) {
        let by = 1.0 / (squares(row, 0.0) / scale.len() as f32 + epsilon).sqrt();
        row.iter_mut().for_each(|x| *x *= by);
        affine(row, scale, None);
    }
}
