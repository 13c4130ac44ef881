//! Baseline SIMD of WebAssembly: one instruction multiplies pairs of 16-bit integers and adds the products.

use std::arch::wasm32::{
    f32x4, f32x4_add, f32x4_convert_i32x4, f32x4_mul, f32x4_splat, i16x8_shl, i16x8_shr, i16x8_shuffle, i32x4,
    i32x4_add, i32x4_dot_i16x8, i32x4_extract_lane as lane32, i32x4_max, i32x4_min, i32x4_splat, i32x4_sub, v128,
};

use super::wasm::{add_block, numbers, vectors};
use super::{Block, BlockRows, HighDigits, LEAST, MOST, PANEL, Quad, ROUND, Sums, quad_at};

/// Four integers of a row: the first and the third, and the second and the fourth.
pub type Word = [i32; 2];

/// Quantises sixteen numbers of a row to the integers nearest to `x · by + zero`. They are multiplied whole, so there are
/// no high digits.
#[inline(always)]
pub fn quantise(x: &[f32; 16], by: f32, zero: f32) -> ([Word; 4], Option<[[Word; 4]; 2]>) {
    let nearest = |at: usize| {
        let x = f32x4_mul(f32x4(x[at], x[at + 1], x[at + 2], x[at + 3]), f32x4_splat(by));
        let number = i32x4_sub(f32x4_add(x, f32x4_splat(ROUND + zero)), i32x4_splat(ROUND.to_bits() as i32));
        i32x4_min(i32x4_max(number, i32x4_splat(LEAST)), i32x4_splat(MOST))
    };
    // The first, third, second and fourth as 16-bit integers: each pair is one half of the word.
    let word = |at: usize| {
        let pairs = i16x8_shuffle::<0, 4, 2, 6, 0, 4, 2, 6>(nearest(at), nearest(at));
        [lane32::<0>(pairs), lane32::<1>(pairs)]
    };
    ([word(0), word(4), word(8), word(12)], None)
}

/// Quantises sixteen numbers of a row to the signed bytes nearest to `x · by`, which are from -127 to 127.
#[inline(always)]
pub fn quantise_signed(x: &[f32; 16], by: f32) -> [Word; 4] {
    quantise(x, by, 0.0).0
}

/// The products of signed bytes with weights of 4 bits.
pub fn blocks<const R: usize>(rows: BlockRows<'_, R>, columns: &[Block]) -> [[f32; PANEL]; R] {
    let mut all = [[f32x4_splat(0.0); 2]; R];
    let blocks = rows.words.iter().zip(columns);
    for (index, (lhs, block)) in blocks.enumerate() {
        let mut sums = [[i32x4_splat(0); 2]; R];
        for (at, lhs) in lhs.iter().enumerate() {
            multiply(lhs, quad_at::<true>(&block.pairs, at), &mut sums);
        }
        add_block(&mut all, sums, index, &rows, block);
    }
    all.map(numbers)
}

/// There are no high digits.
pub fn add_high_digits<const HALVES: bool>(_: &[HighDigits], _: i32, _: &[Quad], _: &mut [[i32; PANEL]]) {}

/// The sums of a tile. `lhs` has four integers of each row in turn. Each `group` quads of `rhs` have their `scales`, and
/// their initial sums `init`. There are no high digits. With `HALVES` the weights are of 4 bits, see
/// [`halves`](super::halves).
pub fn integers<const R: usize, const HALVES: bool>(
    lhs: &[[Word; R]],
    _: &[[Word; R]],
    rhs: &[Quad],
    scales: &[[f32; PANEL]],
    init: &[Sums<R>],
    group: usize,
) -> [[f32; PANEL]; R] {
    let mut all = [[f32x4_splat(0.0); 2]; R];
    let stored = if HALVES { group / 2 } else { group };
    let groups = lhs.chunks(group).zip(rhs.chunks(stored)).zip(scales).zip(init);
    for (((lhs, rhs), scales), init) in groups {
        let mut sums = init.map(|[a, b, c, d, e, f, g, h]| [i32x4(a, b, c, d), i32x4(e, f, g, h)]);
        for (at, lhs) in lhs.iter().enumerate() {
            multiply(lhs, quad_at::<HALVES>(rhs, at), &mut sums);
        }
        let scales = vectors(*scales);
        for (all, sums) in all.iter_mut().zip(sums) {
            for half in 0..2 {
                all[half] = f32x4_add(all[half], f32x4_mul(f32x4_convert_i32x4(sums[half]), scales[half]));
            }
        }
    }
    all.map(numbers)
}

/// Adds the products of four integers of each row by those of a panel to the sums of a tile.
#[inline(always)]
fn multiply<const R: usize>(lhs: &[Word; R], [a, b, c, d, e, f, g, h]: Quad, sums: &mut [[v128; 2]; R]) {
    let (low, high) = (pairs(i32x4(a, b, c, d)), pairs(i32x4(e, f, g, h)));
    for (sums, lhs) in sums.iter_mut().zip(lhs) {
        for pair in 0..2 {
            let lhs = i32x4_splat(lhs[pair]);
            sums[0] = i32x4_add(sums[0], i32x4_dot_i16x8(lhs, low[pair]));
            sums[1] = i32x4_add(sums[1], i32x4_dot_i16x8(lhs, high[pair]));
        }
    }
}

/// The first and third, and the second and fourth, of each four bytes, as 16-bit integers.
#[inline(always)]
fn pairs(quads: v128) -> [v128; 2] {
    [i16x8_shr(i16x8_shl(quads, 8), 8), i16x8_shr(quads, 8)]
}

/// `sums += lhs · rhs` of a tile. `lhs` has an element of each row in turn.
#[inline(always)]
pub fn floats<const R: usize>(lhs: &[[f32; R]], rhs: &[[f32; PANEL]], sums: &mut [[f32; PANEL]; R]) {
    let mut all = *sums;
    for (lhs, rhs) in lhs.iter().zip(rhs) {
        for (sums, lhs) in all.iter_mut().zip(lhs) {
            for (sum, rhs) in sums.iter_mut().zip(rhs) {
                *sum += lhs * rhs;
            }
        }
    }
    *sums = all;
}
