//! With relaxed SIMD: a fused multiply and add, and a dot product of bytes.
//!
//! What relaxed instructions give differs by machine in places. The dot product is given bytes with a sign on the left
//! and bytes below 128 on the right, where all machines agree, and where two products fit 16 bits. Whether a float is
//! rounded between multiplying and adding is the machine's choice, so sums of floats differ in the last bit.

use std::arch::wasm32::{
    f32x4, f32x4_add, f32x4_convert_i32x4, f32x4_extract_lane as lane, f32x4_mul, f32x4_relaxed_madd, f32x4_splat,
    i8x16_narrow_i16x8, i16x8_narrow_i32x4, i32x4, i32x4_extract_lane as word, i32x4_relaxed_dot_i8x16_i7x16_add,
    i32x4_splat, v128, v128_and, v128_andnot, v128_any_true, v128_or,
};

use super::{GROUP, PANEL, Quad};

/// Four numbers below 128 of a row.
pub type Word = i32;

/// Numbers of a row as [`integers`] wants them: their lowest seven bits, and whether any has more.
#[inline(always)]
pub fn words(numbers: &[i32; 16]) -> ([Word; 4], bool) {
    let [a, b, c, d] = [0, 4, 8, 12].map(|at| i32x4(numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]));
    let low = |x| v128_and(x, i32x4_splat(127));
    let halves = [i16x8_narrow_i32x4(low(a), low(b)), i16x8_narrow_i32x4(low(c), low(d))];
    let words = i8x16_narrow_i16x8(halves[0], halves[1]);
    let all = v128_or(v128_or(a, b), v128_or(c, d));
    let word = [word::<0>(words), word::<1>(words), word::<2>(words), word::<3>(words)];
    (word, v128_any_true(v128_andnot(all, i32x4_splat(127))))
}

/// The sums of a tile: `left` has four numbers of each row after another. Each group of `right` has its `scales`.
#[target_feature(enable = "relaxed-simd")]
pub fn integers<const R: usize>(left: &[[Word; R]], right: &[Quad], scales: &[[f32; PANEL]]) -> [[f32; PANEL]; R] {
    let mut all = [[f32x4_splat(0.0); 2]; R];
    for ((left, right), [a, b, c, d, e, f, g, h]) in left.chunks(GROUP).zip(right.chunks(GROUP)).zip(scales) {
        let mut sums = [[i32x4_splat(0); 2]; R];
        for (left, [a, b, c, d, e, f, g, h]) in left.iter().zip(right) {
            let (low, high) = (i32x4(*a, *b, *c, *d), i32x4(*e, *f, *g, *h));
            for (sums, left) in sums.iter_mut().zip(left) {
                let left = i32x4_splat(*left);
                sums[0] = i32x4_relaxed_dot_i8x16_i7x16_add(low, left, sums[0]);
                sums[1] = i32x4_relaxed_dot_i8x16_i7x16_add(high, left, sums[1]);
            }
        }
        let scales = [f32x4(*a, *b, *c, *d), f32x4(*e, *f, *g, *h)];
        for (all, sums) in all.iter_mut().zip(sums) {
            for half in 0..2 {
                // Not fused: so that the result is that of every other machine.
                all[half] = f32x4_add(all[half], f32x4_mul(f32x4_convert_i32x4(sums[half]), scales[half]));
            }
        }
    }
    all.map(numbers)
}

/// `sums += left · right` of a tile: `left` has a number of each row after another.
#[target_feature(enable = "relaxed-simd")]
pub fn floats<const R: usize>(left: &[[f32; R]], right: &[[f32; PANEL]], sums: &mut [[f32; PANEL]; R]) {
    let mut all = sums.map(vectors);
    for (left, right) in left.iter().zip(right) {
        let right = vectors(*right);
        for (sums, left) in all.iter_mut().zip(left) {
            let left = f32x4_splat(*left);
            sums[0] = f32x4_relaxed_madd(left, right[0], sums[0]);
            sums[1] = f32x4_relaxed_madd(left, right[1], sums[1]);
        }
    }
    *sums = all.map(numbers);
}

#[inline(always)]
fn vectors([a, b, c, d, e, f, g, h]: [f32; PANEL]) -> [v128; 2] {
    [f32x4(a, b, c, d), f32x4(e, f, g, h)]
}

#[inline(always)]
fn numbers([a, b]: [v128; 2]) -> [f32; PANEL] {
    [lane::<0>(a), lane::<1>(a), lane::<2>(a), lane::<3>(a), lane::<0>(b), lane::<1>(b), lane::<2>(b), lane::<3>(b)]
}
