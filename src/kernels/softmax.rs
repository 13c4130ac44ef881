//! Softmax and log-softmax of rows of 32-bit floats.

use super::exp::exp;
use super::reduce::{largest, log_sum_exp, sum};

/// Replaces a row by its softmax.
pub fn softmax(row: &mut [f32]) {
    let largest = largest(row);
    row.iter_mut().for_each(|x| *x = exp(*x - largest));
    let factor = 1.0 / sum(row);
    row.iter_mut().for_each(|x| *x *= factor);
}

/// Replaces a row by its log-softmax.
pub fn log_softmax(row: &mut [f32]) {
    let all = log_sum_exp(row);
    row.iter_mut().for_each(|x| *x -= all);
}
