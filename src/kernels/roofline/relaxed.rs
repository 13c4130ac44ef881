//! Peak loops with relaxed SIMD.

use std::arch::wasm32::{f32x4_relaxed_madd, f32x4_splat, i8x16_splat, i32x4_splat, v128};
use std::hint::black_box;

use super::SUMS;
use crate::kernels::simd::{dot, in_pairs, ones};

/// Multiplications per instruction.
pub const FLOATS: usize = 4;
/// The same for integers.
pub const INTEGERS: usize = 16;

/// Each accumulator depends on itself alone, so that the compiler can leave nothing out.
#[target_feature(enable = "relaxed-simd")]
pub fn floats(iterations: usize) -> [v128; SUMS] {
    let (by, more) = (f32x4_splat(black_box(0.5)), f32x4_splat(black_box(1.0)));
    let mut sums = [f32x4_splat(0.0); SUMS];
    for _ in 0..iterations {
        sums.iter_mut().for_each(|sum| *sum = f32x4_relaxed_madd(*sum, by, more));
    }
    sums
}

/// The same for integers, with the instructions that are faster on this machine.
pub fn integers(iterations: usize) -> [v128; SUMS] {
    if in_pairs() { sums::<true>(iterations) } else { sums::<false>(iterations) }
}

#[inline]
#[target_feature(enable = "relaxed-simd")]
fn sums<const IN_PAIRS: bool>(iterations: usize) -> [v128; SUMS] {
    let (by, ones) = (i8x16_splat(black_box(3)), ones());
    let mut sums = [i32x4_splat(black_box(1)); SUMS];
    for _ in 0..iterations {
        sums.iter_mut().for_each(|sum| *sum = dot::<IN_PAIRS>(*sum, by, ones, *sum));
    }
    sums
}
