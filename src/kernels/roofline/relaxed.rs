//! With relaxed SIMD.

use std::arch::wasm32::{f32x4_relaxed_madd, f32x4_splat, i8x16_splat, i32x4_splat, v128};
use std::hint::black_box;

use super::SUMS;
use crate::kernels::simd::{dot, in_pairs, ones};

/// Multiplications of an instruction.
pub const FLOATS: usize = 4;
/// The same of integers.
pub const INTEGERS: usize = 16;

/// Each sum depends on itself alone, so that nothing can be left out.
#[target_feature(enable = "relaxed-simd")]
pub fn floats(turns: usize) -> [v128; SUMS] {
    let (by, more) = (f32x4_splat(black_box(0.5)), f32x4_splat(black_box(1.0)));
    let mut sums = [f32x4_splat(0.0); SUMS];
    for _ in 0..turns {
        sums.iter_mut().for_each(|sum| *sum = f32x4_relaxed_madd(*sum, by, more));
    }
    sums
}

/// The same of integers, in the way that this machine is quicker at.
pub fn integers(turns: usize) -> [v128; SUMS] {
    if in_pairs() { sums::<true>(turns) } else { sums::<false>(turns) }
}

#[inline]
#[target_feature(enable = "relaxed-simd")]
fn sums<const IN_PAIRS: bool>(turns: usize) -> [v128; SUMS] {
    let (by, ones) = (i8x16_splat(black_box(3)), ones());
    let mut sums = [i32x4_splat(black_box(1)); SUMS];
    for _ in 0..turns {
        sums.iter_mut().for_each(|sum| *sum = dot::<IN_PAIRS>(*sum, by, ones, *sum));
    }
    sums
}
