//! Reductions of rows of 32-bit floats, in several lanes, which compilers vectorise: a single sum of floats they leave in
//! the order in which it is written.

use super::exp::exp;

/// Partial results that are computed side by side.
const LANES: usize = 8;

/// The reduction by `join` of `f` of each element; `identity` is the neutral element of `join`.
#[inline(always)]
pub fn fold(row: &[f32], identity: f32, f: impl Fn(f32) -> f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [identity; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for numbers in whole {
        for lane in 0..LANES {
            lanes[lane] = join(lanes[lane], f(numbers[lane]));
        }
    }
    let lanes = lanes.into_iter().fold(identity, &join);
    rest.iter().fold(lanes, |all, x| join(all, f(*x)))
}

/// The sum of all elements.
pub fn sum(row: &[f32]) -> f32 {
    fold(row, 0.0, |x| x, |a, b| a + b)
}

/// The sum of the squared differences to `mean`.
pub fn squares(row: &[f32], mean: f32) -> f32 {
    fold(row, 0.0, |x| (x - mean) * (x - mean), |a, b| a + b)
}

/// The largest element; NaN where there is one.
pub fn largest(row: &[f32]) -> f32 {
    fold(row, f32::NEG_INFINITY, |x| x, |a, b| if b > a || b.is_nan() { b } else { a })
}

/// The index of the largest element that `allowed` allows, the first of equal ones. NaN is never the largest.
pub fn first_largest(row: &[f32], allowed: impl Fn(u32) -> bool) -> Option<u32> {
    let mut best: Option<(u32, f32)> = None;
    for (index, x) in (0u32..).zip(row) {
        if best.is_none_or(|(_, most)| *x > most) && !x.is_nan() && allowed(index) {
            best = Some((index, *x));
        }
    }
    best.map(|(index, _)| index)
}

/// The logarithm of the sum of the exponentials of all elements.
pub fn log_sum_exp(row: &[f32]) -> f32 {
    let most = largest(row);
    most + fold(row, 0.0, |x| exp(x - most), |a, b| a + b).ln()
}

/// The smallest element, the largest, and the sum of squares, in one pass. The first two skip NaN.
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

/// The smallest element; NaN where there is one.
pub fn smallest(row: &[f32]) -> f32 {
    fold(row, f32::INFINITY, |x| x, |a, b| if b < a || b.is_nan() { b } else { a })
}
