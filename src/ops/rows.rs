//! Sums, softmax and normalisation of rows of 32-bit floats, in loops that compilers turn into SIMD: sums of floats they
//! leave in the order that they are written in.

use super::exp::exp;

/// Sums that are kept side by side.
const LANES: usize = 8;

/// `f` of all numbers, joined; `nothing` is what joins to nothing.
#[inline(always)]
fn fold(row: &[f32], nothing: f32, f: impl Fn(f32) -> f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [nothing; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for numbers in whole {
        for lane in 0..LANES {
            lanes[lane] = join(lanes[lane], f(numbers[lane]));
        }
    }
    let lanes = lanes.into_iter().fold(nothing, &join);
    rest.iter().fold(lanes, |all, x| join(all, f(*x)))
}

/// The sum.
pub fn sum(row: &[f32]) -> f32 {
    fold(row, 0.0, |x| x, |a, b| a + b)
}

/// The sum of squares of what is more than `mean`.
pub fn squares(row: &[f32], mean: f32) -> f32 {
    fold(row, 0.0, |x| (x - mean) * (x - mean), |a, b| a + b)
}

/// The largest.
pub fn largest(row: &[f32]) -> f32 {
    fold(row, f32::NEG_INFINITY, |x| x, |a, b| if b > a || b.is_nan() { b } else { a })
}

/// The smallest.
pub fn smallest(row: &[f32]) -> f32 {
    fold(row, f32::INFINITY, |x| x, |a, b| if b < a || b.is_nan() { b } else { a })
}

/// Replaces each number by its share of the exponentials.
pub fn softmax(row: &mut [f32]) {
    let largest = largest(row);
    row.iter_mut().for_each(|x| *x = exp(*x - largest));
    let share = 1.0 / sum(row);
    row.iter_mut().for_each(|x| *x *= share);
}

/// The logarithm of that.
pub fn log_softmax(row: &mut [f32]) {
    let largest = largest(row);
    let all = largest + fold(row, 0.0, |x| exp(x - largest), |a, b| a + b).ln();
    row.iter_mut().for_each(|x| *x -= all);
}

/// Subtracts the mean, divides by the deviation, and gives both: the mean and what was multiplied by.
pub fn normalise(row: &mut [f32], epsilon: f32) -> (f32, f32) {
    let count = row.len() as f32;
    let mean = sum(row) / count;
    let scale = 1.0 / (squares(row, mean) / count + epsilon).sqrt();
    row.iter_mut().for_each(|x| *x = (*x - mean) * scale);
    (mean, scale)
}

/// Multiplies each number by one of `scale` and adds one of `bias`.
pub fn affine(row: &mut [f32], scale: &[f32], bias: Option<&[f32]>) {
    match bias {
        Some(bias) => row.iter_mut().zip(scale).zip(bias).for_each(|((x, scale), bias)| *x = *x * scale + bias),
        None => row.iter_mut().zip(scale).for_each(|(x, scale)| *x *= scale),
    }
}
