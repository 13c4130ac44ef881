//! Peak loops with baseline SIMD.

use std::arch::wasm32::{
    f32x4_add, f32x4_mul, f32x4_splat, i16x8_splat, i32x4_add, i32x4_dot_i16x8, i32x4_splat, v128,
};
use std::hint::black_box;

use super::SUMS;

/// Multiplications per instruction.
pub const FLOATS: usize = 4;
/// The same for integers, which are widened first.
pub const INTEGERS: usize = 8;

/// Each accumulator depends on itself alone, so that the compiler can leave nothing out.
pub fn floats(iterations: usize) -> [v128; SUMS] {
    let (by, more) = (f32x4_splat(black_box(0.5)), f32x4_splat(black_box(1.0)));
    let mut sums = [f32x4_splat(0.0); SUMS];
    for _ in 0..iterations {
        sums.iter_mut().for_each(|sum| *sum = f32x4_add(f32x4_mul(*sum, by), more));
    }
    sums
}

/// The same for integers.
pub fn integers(iterations: usize) -> [v128; SUMS] {
    let by = i16x8_splat(black_box(3));
    let mut sums = [i32x4_splat(black_box(1)); SUMS];
    for _ in 0..iterations {
        sums.iter_mut().for_each(|sum| *sum = i32x4_add(i32x4_dot_i16x8(*sum, by), *sum));
    }
    sums
}
