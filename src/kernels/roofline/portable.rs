//! Peak loops without machine-specific instructions.

use std::hint::black_box;

use super::SUMS;

/// Multiplications per accumulator and iteration.
pub const FLOATS: usize = 4;
/// The same for integers.
pub const INTEGERS: usize = 4;

/// Each accumulator depends on itself alone, so that the compiler can leave nothing out.
pub fn floats(iterations: usize) -> [[f32; FLOATS]; SUMS] {
    let (by, more) = (black_box(0.5), black_box(1.0));
    let mut sums = [[0.0; FLOATS]; SUMS];
    for _ in 0..iterations {
        sums.as_flattened_mut().iter_mut().for_each(|sum| *sum = *sum * by + more);
    }
    sums
}

/// The same for integers.
pub fn integers(iterations: usize) -> [[i32; INTEGERS]; SUMS] {
    let by = black_box(3i32);
    let mut sums = [[black_box(1i32); INTEGERS]; SUMS];
    for _ in 0..iterations {
        sums.as_flattened_mut().iter_mut().for_each(|sum| *sum = sum.wrapping_mul(by).wrapping_add(*sum));
    }
    sums
}
