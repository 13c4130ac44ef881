//! Without instructions of any machine.

use std::hint::black_box;

use super::SUMS;

/// Multiplications of a line of the loop.
pub const FLOATS: usize = 4;
/// The same of integers.
pub const INTEGERS: usize = 4;

/// Each sum depends on itself alone, so that nothing can be left out.
pub fn floats(turns: usize) -> [[f32; FLOATS]; SUMS] {
    let (by, more) = (black_box(0.5), black_box(1.0));
    let mut sums = [[0.0; FLOATS]; SUMS];
    for _ in 0..turns {
        sums.as_flattened_mut().iter_mut().for_each(|sum| *sum = *sum * by + more);
    }
    sums
}

/// The same of integers.
pub fn integers(turns: usize) -> [[i32; INTEGERS]; SUMS] {
    let by = black_box(3i32);
    let mut sums = [[black_box(1i32); INTEGERS]; SUMS];
    for _ in 0..turns {
        sums.as_flattened_mut().iter_mut().for_each(|sum| *sum = sum.wrapping_mul(by).wrapping_add(*sum));
    }
    sums
}
