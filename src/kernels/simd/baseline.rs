//! With the SIMD that every browser has: pairs of 16 bits are multiplied and added up in one instruction.

use std::arch::wasm32::{
    f32x4, f32x4_add, f32x4_convert_i32x4, f32x4_extract_lane as lane, f32x4_mul, f32x4_splat, i16x8_shl, i16x8_shr,
    i16x8_shuffle, i32x4, i32x4_add, i32x4_dot_i16x8, i32x4_extract_lane as lane32, i32x4_max, i32x4_min, i32x4_splat,
    i32x4_sub, v128,
};

use super::{LEAST, MOST, PANEL, Quad, ROUND, Second, Sums};

/// Four numbers of a row: the first and the third, and the second and the fourth.
pub type Word = [i32; 2];

/// Sixteen numbers of a row times `by` plus `zero`, as [`integers`] wants them: the nearest integers, whole, so that
/// there are no second digits.
#[inline(always)]
pub fn quantise(x: &[f32; 16], by: f32, zero: f32) -> ([Word; 4], Option<[[Word; 4]; 2]>) {
    let nearest = |at: usize| {
        let x = f32x4_mul(f32x4(x[at], x[at + 1], x[at + 2], x[at + 3]), f32x4_splat(by));
        let number = i32x4_sub(f32x4_add(x, f32x4_splat(ROUND + zero)), i32x4_splat(ROUND.to_bits() as i32));
        i32x4_min(i32x4_max(number, i32x4_splat(LEAST)), i32x4_splat(MOST))
    };
    // Their first, third, second and fourth in the lower halves of 32 bits each: the halves of a number are its word.
    let word = |at: usize| {
        let pairs = i16x8_shuffle::<0, 4, 2, 6, 0, 4, 2, 6>(nearest(at), nearest(at));
        [lane32::<0>(pairs), lane32::<1>(pairs)]
    };
    ([word(0), word(4), word(8), word(12)], None)
}

/// What second digits come to: there are none.
pub fn seconds(_: &[Second], _: i32, _: &[Quad], _: &mut [[i32; PANEL]]) {}

/// The sums of a tile: `left` has four numbers of each row after another. Each `group` rows of `right` have
/// their `scales`, and begin with nought.
pub fn integers<const R: usize>(
    left: &[[Word; R]],
    right: &[Quad],
    scales: &[[f32; PANEL]],
    _: &[Sums<R>],
    group: usize,
) -> [[f32; PANEL]; R] {
    let mut all = [[f32x4_splat(0.0); 2]; R];
    for ((left, right), [a, b, c, d, e, f, g, h]) in left.chunks(group).zip(right.chunks(group)).zip(scales) {
        let mut sums = [[i32x4_splat(0); 2]; R];
        for (left, [a, b, c, d, e, f, g, h]) in left.iter().zip(right) {
            let (low, high) = (pairs(i32x4(*a, *b, *c, *d)), pairs(i32x4(*e, *f, *g, *h)));
            for (sums, left) in sums.iter_mut().zip(left) {
                for turn in 0..2 {
                    let left = i32x4_splat(left[turn]);
                    sums[0] = i32x4_add(sums[0], i32x4_dot_i16x8(left, low[turn]));
                    sums[1] = i32x4_add(sums[1], i32x4_dot_i16x8(left, high[turn]));
                }
            }
        }
        let scales = [f32x4(*a, *b, *c, *d), f32x4(*e, *f, *g, *h)];
        for (all, sums) in all.iter_mut().zip(sums) {
            for half in 0..2 {
                all[half] = f32x4_add(all[half], f32x4_mul(f32x4_convert_i32x4(sums[half]), scales[half]));
            }
        }
    }
    all.map(|[a, b]| {
        [lane::<0>(a), lane::<1>(a), lane::<2>(a), lane::<3>(a), lane::<0>(b), lane::<1>(b), lane::<2>(b), lane::<3>(b)]
    })
}

/// Of each four bytes the first and the third, and the second and the fourth, in 16 bits.
#[inline(always)]
fn pairs(quads: v128) -> [v128; 2] {
    [i16x8_shr(i16x8_shl(quads, 8), 8), i16x8_shr(quads, 8)]
}

/// `sums += left · right` of a tile: `left` has a number of each row after another.
#[inline(always)]
pub fn floats<const R: usize>(left: &[[f32; R]], right: &[[f32; PANEL]], sums: &mut [[f32; PANEL]; R]) {
    let mut all = *sums;
    for (left, right) in left.iter().zip(right) {
        for (sums, left) in all.iter_mut().zip(left) {
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum += left * right;
            }
        }
    }
    *sums = all;
}
