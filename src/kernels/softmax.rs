//! Softmax and log-softmax of rows of 32-bit floats.

use super::exp::exp;
use super::reduce::{fold, largest, sum};

/// Replaces a row by its softmax.
pub fn softmax(row: &mut [f32]) {
    let largest = largest(row);
    row.iter_mut().for_each(|x| *x = exp(*x - largest));
    let factor = 1.0 / sum(row);
    row.iter_mut().for_each(|x| *x *= factor);
}

/// Replaces a row by its log-softmax.
pub fn log_softmax(row: &mut [f32]) {
    let largest = largest(row);
    let all = largest + fold(row, 0.0, |x| exp(x - largest), |a, b| a + b).ln();
    row.iter_mut().for_each(|x| *x -= all);
}
