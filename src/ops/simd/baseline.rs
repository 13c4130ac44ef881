//! With the SIMD that every browser has: pairs of 16 bits are multiplied and added up in one instruction.

use std::arch::wasm32::{
    f32x4, f32x4_add, f32x4_convert_i32x4, f32x4_extract_lane as lane, f32x4_mul, f32x4_splat, i16x8_shl, i16x8_shr,
    i32x4, i32x4_add, i32x4_dot_i16x8, i32x4_splat, v128,
};

use super::{GROUP, PANEL, Quad};

/// Four numbers of a row: the first and the third, and the second and the fourth.
pub type Word = [i32; 2];

/// Numbers of a row as [`integers`] wants them: whole, of 16 bits, so that none has more.
#[inline(always)]
pub fn words(numbers: &[i32; 16]) -> ([Word; 4], bool) {
    let pair = |low: i32, high: i32| low & 0xffff | high << 16;
    let word = |at: usize| [pair(numbers[at], numbers[at + 2]), pair(numbers[at + 1], numbers[at + 3])];
    ([word(0), word(4), word(8), word(12)], false)
}

/// The sums of a tile: `left` has four numbers of each row after another. Each group of `right` has its `scales`.
pub fn integers<const R: usize>(left: &[[Word; R]], right: &[Quad], scales: &[[f32; PANEL]]) -> [[f32; PANEL]; R] {
    let mut all = [[f32x4_splat(0.0); 2]; R];
    for ((left, right), [a, b, c, d, e, f, g, h]) in left.chunks(GROUP).zip(right.chunks(GROUP)).zip(scales) {
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
