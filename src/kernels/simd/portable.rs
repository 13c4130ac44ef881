//! Portable loops, which compilers vectorise for the machine.

use super::{Block, BlockRows, HighDigits, PANEL, Quad, Sums, nearest, quad_at, rounded, scale_and_smallest};

/// Four integers below 128 of a row, the first in the lowest byte.
pub type Word = i32;

/// Quantises sixteen numbers of a row to the integers nearest to `x · by + zero`: their lowest seven bits, and, where they
/// have more, their high digits, those of negative integers first.
#[inline(always)]
pub fn quantise(x: &[f32; 16], by: f32, zero: f32) -> ([Word; 4], Option<[[Word; 4]; 2]>) {
    let numbers = x.map(|x| nearest(x, by, zero));
    let words = |digit: fn(i32) -> i32| {
        let mut bytes = [[0; 4]; 4];
        bytes.as_flattened_mut().iter_mut().zip(numbers).for_each(|(byte, number)| *byte = digit(number) as u8);
        bytes.map(Word::from_le_bytes)
    };
    let more = numbers.iter().any(|number| number >> 7 != 0);
    let sides = || [words(|number| (-(number >> 7)).max(0)), words(|number| (number >> 7).max(0))];
    (words(|number| number & 127), more.then(sides))
}

/// Quantises sixteen numbers of a row to the signed bytes nearest to `x · by`, which are from -127 to 127.
#[inline(always)]
pub fn quantise_signed(x: &[f32; 16], by: f32) -> [Word; 4] {
    let mut bytes = [[0; 4]; 4];
    bytes.as_flattened_mut().iter_mut().zip(x).for_each(|(byte, x)| *byte = rounded(*x, by) as u8);
    bytes.map(Word::from_le_bytes)
}

/// The products of signed bytes with weights of 4 bits.
pub fn blocks<const R: usize>(rows: BlockRows<'_, R>, columns: &[Block]) -> [[f32; PANEL]; R] {
    let mut all = [[0.0; PANEL]; R];
    for (index, (lhs, block)) in rows.words.iter().zip(columns).enumerate() {
        let mut sums = [[0; PANEL]; R];
        for (at, lhs) in lhs.iter().enumerate() {
            add_signed(&mut sums, lhs, &quad_at::<true>(&block.pairs, at));
        }
        let floats = block.floats.map(scale_and_smallest);
        for (row, (all, sums)) in all.iter_mut().zip(sums).enumerate() {
            for ((all, sum), (scale, smallest)) in all.iter_mut().zip(sums).zip(floats) {
                *all += sum as f32 * rows.scales[index][row] * scale;
                *all += smallest * rows.sums[index][row];
            }
        }
    }
    all
}

/// Adds the products of four signed bytes of each row by those of a quad.
#[inline(always)]
fn add_signed<const R: usize>(sums: &mut [[i32; PANEL]; R], lhs: &[Word; R], quad: &Quad) {
    let byte = |word: i32, at: usize| word << (24 - 8 * at) >> 24;
    for at in 0..4 {
        for (sums, lhs) in sums.iter_mut().zip(lhs) {
            sums.iter_mut().zip(quad).for_each(|(sum, quad)| *sum += byte(*lhs, at) * byte(*quad, at));
        }
    }
}

/// Adds the products of high digits, times `by`, to their sums.
pub fn add_high_digits<const HALVES: bool>(digits: &[HighDigits], by: i32, rhs: &[Quad], sums: &mut [[i32; PANEL]]) {
    for HighDigits { quad, sums: at, word } in digits {
        let quads = quad_at::<HALVES>(rhs, *quad as usize);
        add(std::array::from_mut(&mut sums[*at as usize]), &[*word], &quads, 128 * by);
    }
}

/// The sums of a tile. `lhs` has four integers of each row in turn. Each `group` quads of `rhs` have their `scales`, and
/// their initial sums `init`. `high` has the high digits (× 128) of `lhs`, or none. With `HALVES` the weights are of 4 bits,
/// see [`halves`](super::halves).
pub fn integers<const R: usize, const HALVES: bool>(
    lhs: &[[Word; R]],
    high: &[[Word; R]],
    rhs: &[Quad],
    scales: &[[f32; PANEL]],
    init: &[Sums<R>],
    group: usize,
) -> [[f32; PANEL]; R] {
    let mut all = [[0.0; PANEL]; R];
    let stored = if HALVES { group / 2 } else { group };
    let groups = lhs.chunks(group).zip(rhs.chunks(stored)).zip(scales).zip(init);
    for (index, (((lhs, rhs), scales), init)) in groups.enumerate() {
        let mut sums = *init;
        for (at, high) in high.iter().skip(index * group).take(lhs.len()).enumerate() {
            add(&mut sums, high, &quad_at::<HALVES>(rhs, at), 128);
        }
        for (at, lhs) in lhs.iter().enumerate() {
            add(&mut sums, lhs, &quad_at::<HALVES>(rhs, at), 1);
        }
        for (all, sums) in all.iter_mut().zip(sums) {
            for ((all, sum), scale) in all.iter_mut().zip(sums).zip(scales) {
                *all += sum as f32 * scale;
            }
        }
    }
    all
}

/// Adds the products of four integers of each row, times `by`, by those of each column.
#[inline(always)]
fn add<const R: usize>(sums: &mut [[i32; PANEL]; R], lhs: &[Word], quads: &Quad, by: i32) {
    for at in 0..4 {
        let weights = quads.map(|quad| quad << (24 - 8 * at) >> 24);
        for (sums, lhs) in sums.iter_mut().zip(lhs) {
            let lhs = by * (lhs >> (8 * at) & 0xff);
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += lhs * weight);
        }
    }
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
