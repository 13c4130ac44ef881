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

/// The smallest, the largest and the sum of squares, in one go. What is no number is passed over, but for the sum.
pub fn extent(row: &[f32]) -> (f32, f32, f32) {
    let mut lanes = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES], [0.0; LANES]);
    let (whole, rest) = row.as_chunks::<LANES>();
    let mut join = |lane: usize, x: f32| {
        lanes.0[lane] = if x < lanes.0[lane] { x } else { lanes.0[lane] };
        lanes.1[lane] = if x > lanes.1[lane] { x } else { lanes.1[lane] };
        lanes.2[lane] += x * x;
    };
    for numbers in whole {
        (0..LANES).for_each(|lane| join(lane, numbers[lane]));
    }
    rest.iter().enumerate().for_each(|(lane, x)| join(lane, *x));
    let (least, most, squares) = lanes;
    (
        least.into_iter().fold(f32::INFINITY, f32::min),
        most.into_iter().fold(f32::NEG_INFINITY, f32::max),
        squares.iter().sum(),
    )
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
