//! Microkernels: the innermost loops of products, once for each instruction set. These are the relaxed SIMD of WebAssembly
//! (the cargo feature `relaxed-simd`), its baseline SIMD, AVX2 of x86, and portable loops. Tiles of integers are equal to the
//! last bit in all of them.
//!
//! A browser without relaxed SIMD refuses a module that contains a single such instruction. They are therefore a build of
//! their own, and a feature.

#[cfg_attr(all(target_family = "wasm", feature = "relaxed-simd"), path = "relaxed.rs")]
#[cfg_attr(all(target_family = "wasm", not(feature = "relaxed-simd")), path = "baseline.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86.rs")]
#[cfg_attr(not(any(target_family = "wasm", target_arch = "x86_64")), path = "portable.rs")]
mod kernels;
#[cfg(target_family = "wasm")]
mod wasm;

use bytemuck::{Pod, Zeroable};
use half::f16;

pub use kernels::{Word, add_high_digits, blocks, floats, integers, quantise, quantise_signed};
#[cfg(all(target_family = "wasm", feature = "relaxed-simd", any(test, feature = "bench")))]
pub use kernels::{dot, in_pairs, ones};

/// Columns of a panel.
pub const PANEL: usize = 8;

/// Four rows of a panel of 8-bit integers: each element has the four bytes of a column, the first in the lowest.
pub type Quad = [i32; PANEL];

/// The lower half of each byte.
pub const LOWER_HALVES: i32 = 0x0f0f_0f0f;

/// What weights of 4 bits are stored with, to be from 0 to 15.
pub const HALF_ZERO: i32 = 8;

/// Words of a block of [`blocks`]: 32 inputs.
pub const BLOCK_WORDS: usize = 8;
// The products of weights of 4 bits by signed bytes fit 16 bits, when two of each word are added there.
const _: () = assert!(BLOCK_WORDS * 2 * 128 * 15 <= i16::MAX as usize);

/// The quads number `2 · pair` and `2 · pair + 1` of weights of 4 bits, which are stored in one: the first in the lower halves
/// of the bytes. They are from 0 to 15: [`HALF_ZERO`] more than the weights.
#[inline(always)]
pub fn halves(pair: &Quad) -> [Quad; 2] {
    [pair.map(|word| word & LOWER_HALVES), pair.map(|word| word >> 4 & LOWER_HALVES)]
}

/// The quad number `at`; one of weights of 4 bits with `HALVES`.
#[inline(always)]
pub fn quad_at<const HALVES: bool>(stored: &[Quad], at: usize) -> Quad {
    if HALVES { halves(&stored[at / 2])[at % 2] } else { stored[at] }
}

/// The sums of a tile in one group of inputs: `[rows, columns of a panel]`.
pub type Sums<const R: usize> = [[i32; PANEL]; R];

/// The rows of a tile of [`blocks`]: signed bytes that share a scale in each block.
#[derive(Clone, Copy)]
pub struct BlockRows<'a, const R: usize> {
    /// `[blocks]`: four integers of each row in turn.
    pub words: &'a [[[Word; R]; BLOCK_WORDS]],
    /// `[blocks]`: the scale of each row.
    pub scales: &'a [[f32; R]],
    /// `[blocks]`: the sum of the dequantised numbers of each row, which the smallest weight multiplies.
    pub sums: &'a [[f32; R]],
}

/// A block of the columns of a panel of [`blocks`]: weights of 4 bits, each `integer · scale + smallest`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Block {
    /// Two quads in one, see [`halves`].
    pub pairs: [Quad; BLOCK_WORDS / 2],
    /// The scale of each column in the lower half, its smallest weight in the upper one: floats of 16 bits.
    pub floats: Quad,
}

/// The scale and the smallest weight of a column of a [`Block`].
#[inline(always)]
pub fn scale_and_smallest(floats: i32) -> (f32, f32) {
    let float = |bits: i32| f16::from_bits(bits as u16).to_f32();
    (float(floats), float(floats >> 16))
}

/// The bits that are kept of a float of 16 bits in the upper half of a word, when the word was shifted by three bits, with its
/// sign. What they are as a float of 32 bits is smaller by [`HALF_FLOAT_FACTOR`].
#[cfg_attr(not(any(target_family = "wasm", target_arch = "x86_64")), expect(dead_code))]
const HALF_FLOAT: i32 = 0x8fff_e000_u32 as i32;
/// 2¹¹²: the difference between the exponents' biases.
#[cfg_attr(not(any(target_family = "wasm", target_arch = "x86_64")), expect(dead_code))]
const HALF_FLOAT_FACTOR: f32 = f32::from_bits((112 + 127) << 23);

/// The high digits (× 128) of four integers of a row: by how much they exceed 127, or fall below zero.
// Baseline SIMD multiplies integers whole.
#[cfg_attr(all(target_family = "wasm", not(feature = "relaxed-simd")), expect(dead_code))]
#[derive(Clone, Copy, Debug)]
pub struct HighDigits {
    /// The index of the four integers in the row.
    pub quad: u32,
    /// The index of the sums that they add to.
    pub sums: u32,
    /// The digits.
    pub word: Word,
}

/// Added to a small float, it leaves the nearest integer in the last bits.
const ROUND: f32 = 12_582_912.0;

/// The range of two digits. It is never exceeded by activations: that would take a row of more than a hundred thousand.
const LEAST: i32 = -128 * 64;
const MOST: i32 = -LEAST - 1;

/// The integer that `x · by + zero` is quantised to, as by the `quantise` of each instruction set.
#[inline(always)]
pub fn nearest(x: f32, by: f32, zero: f32) -> i32 {
    let number = (x * by + (ROUND + zero)).to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    number.clamp(LEAST, MOST)
}

/// The integer nearest to a small `x · by`.
#[inline(always)]
pub fn rounded(x: f32, by: f32) -> i32 {
    (x * by + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `count` bytes.
    fn bytes(count: usize, seed: usize) -> Vec<i8> {
        (0..count).map(|at| (at * seed % 256) as u8 as i8).collect()
    }

    /// A tile of integers is what three loops give.
    fn check_integers<const R: usize, const HALVES: bool>(depth: usize, group: usize, seed: usize) {
        let mut weights = bytes(depth * 4 * PANEL, 2 * seed + 1);
        if HALVES {
            weights.iter_mut().for_each(|weight| *weight &= 15);
        }
        let weight = |k: usize, column: usize| weights[k * PANEL + column];
        // One in a dozen has a high digit.
        let number = |row: usize, k: usize| match (k * 7 + row * 5 + seed) % 12 {
            0 => (k * 977 + row * 389 + seed) as i32 % (MOST - LEAST) + LEAST,
            _ => ((k * 31 + row * 17 + seed) % 128) as i32,
        };
        let word = |row: usize, quad: usize| {
            let numbers = std::array::from_fn(|at| if at < 4 { number(row, 4 * quad + at) as f32 } else { 0.0 });
            let (words, digits) = quantise(&numbers, 1.0, 0.0);
            (words[0], digits.map(|sides| sides.map(|digits| digits[0])).unwrap_or_default())
        };
        let digits = |side: usize| {
            let positions = (0..depth).flat_map(|quad| (0..R).map(move |row| (quad, row)));
            let second = |(quad, row)| {
                let word: Word = word(row, quad).1[side];
                let sums = (quad / group * R + row) as u32;
                (word != Word::default()).then_some(HighDigits { quad: quad as u32, sums, word })
            };
            positions.filter_map(second).collect::<Vec<_>>()
        };
        let rhs: Vec<Quad> = (0..depth)
            .map(|quad| {
                std::array::from_fn(|column| {
                    i32::from_le_bytes([0, 1, 2, 3].map(|at| weight(4 * quad + at, column) as u8))
                })
            })
            .collect();
        let lhs: Vec<[Word; R]> = (0..depth).map(|quad| std::array::from_fn(|row| word(row, quad).0)).collect();
        let scales: Vec<[f32; PANEL]> =
            (0..depth.div_ceil(group)).map(|index| std::array::from_fn(|at| (index + at + 1) as f32)).collect();
        let mut init = vec![[0; PANEL]; scales.len() * R];
        let quads = if HALVES {
            let pair = |pair: &[Quad]| {
                let upper = pair.get(1).copied().unwrap_or_default();
                std::array::from_fn(|at| pair[0][at] | upper[at] << 4)
            };
            rhs.chunks(2).map(pair).collect()
        } else {
            rhs
        };
        add_high_digits::<HALVES>(&digits(0), -1, &quads, &mut init);
        add_high_digits::<HALVES>(&digits(1), 1, &quads, &mut init);
        let tile = integers::<R, HALVES>(&lhs, &[], &quads, &scales, init.as_chunks().0, group);
        // The same with all high digits, of numbers that are not negative.
        let dense = |quad: usize, row: usize| {
            let numbers =
                std::array::from_fn(|at| if at < 4 { number(row, 4 * quad + at).abs().min(MOST) as f32 } else { 0.0 });
            let (words, digits) = quantise(&numbers, 1.0, 0.0);
            (words[0], digits.map(|[_, above]| above[0]).unwrap_or_default())
        };
        let digit = |high: bool| -> Vec<[Word; R]> {
            let word = |quad: usize, row: usize| if high { dense(quad, row).1 } else { dense(quad, row).0 };
            (0..depth).map(|quad| std::array::from_fn(|row| word(quad, row))).collect()
        };
        let zero = vec![[[0; PANEL]; R]; scales.len()];
        let of_dense = integers::<R, HALVES>(&digit(false), &digit(true), &quads, &scales, &zero, group);
        for (row, sums) in tile.iter().enumerate() {
            for (column, is) in sums.iter().enumerate() {
                let mut wanted = 0.0;
                for (index, scales) in scales.iter().enumerate() {
                    let term = |k: usize| number(row, k) * i32::from(weight(k, column));
                    let part: i32 = (index * group * 4..4 * depth.min((index + 1) * group)).map(term).sum();
                    wanted += part as f32 * scales[column];
                }
                assert_eq!(*is, wanted, "{R} rows of {depth} at {row}, {column}");
                let term = |k: usize| number(row, k).abs().min(MOST) * i32::from(weight(k, column));
                let groups = scales.iter().enumerate().map(|(index, scales)| {
                    let part: i32 = (index * group * 4..4 * depth.min((index + 1) * group)).map(term).sum();
                    part as f32 * scales[column]
                });
                let wanted = groups.fold(0.0, |all, part| all + part);
                assert_eq!(of_dense[row][column], wanted, "{R} rows of {depth} at {row}, {column}, dense");
            }
        }
    }

    /// A tile of blocks is what three loops give.
    fn check_blocks<const R: usize>(count: usize, seed: usize) {
        // Runs of the largest products, which fill 16 bits.
        let loud = |at: usize| at / 40 % 3 == seed % 3;
        let weight = |k: usize, column: usize| {
            let at = k * PANEL + column;
            if loud(k) { 15 } else { (at * (2 * seed + 1) % 16) as i32 }
        };
        let number = |row: usize, k: usize| match loud(k) {
            true => 127 - 254 * (row as i32 % 2),
            false => ((k * 31 + row * 17 + seed) % 255) as i32 - 127,
        };
        let half = |word: usize, column: usize| {
            i32::from_le_bytes(std::array::from_fn(|at| weight(4 * word + at, column) as u8))
        };
        let pair = |word: usize| std::array::from_fn(|column| half(word, column) | half(word + 1, column) << 4);
        let quads: Vec<[Quad; BLOCK_WORDS / 2]> =
            (0..count).map(|block| std::array::from_fn(|at| pair(block * BLOCK_WORDS + 2 * at))).collect();
        let word = |row: usize, word: usize| {
            let numbers = std::array::from_fn(|at| if at < 4 { number(row, 4 * word + at) as f32 * 0.5 } else { 0.0 });
            quantise_signed(&numbers, 2.0)[0]
        };
        let words: Vec<_> = (0..count)
            .map(|block| std::array::from_fn(|at| std::array::from_fn(|row| word(row, block * BLOCK_WORDS + at))))
            .collect();
        let of_row = |block: usize, row: usize| 0.25 * (block + 2 * row + 1) as f32;
        let scales: Vec<[f32; R]> = (0..count).map(|at| std::array::from_fn(|row| of_row(at, row))).collect();
        let sums: Vec<[f32; R]> = (0..count).map(|at| std::array::from_fn(|row| of_row(row, at) - 1.0)).collect();
        let float = |by: f32, at: usize, column: usize| f16::from_f32(by * (at + column) as f32 - 1.0);
        let floats = |at: usize, column: usize| {
            i32::from(float(0.5, at, column).to_bits()) | i32::from(float(0.125, at, column).to_bits()) << 16
        };
        let panel: Vec<Block> = (quads.into_iter().enumerate())
            .map(|(at, pairs)| Block { pairs, floats: std::array::from_fn(|column| floats(at, column)) })
            .collect();
        let tile = blocks::<R>(BlockRows { words: &words, scales: &scales, sums: &sums }, &panel);
        for (row, numbers) in tile.iter().enumerate() {
            for (column, is) in numbers.iter().enumerate() {
                let mut wanted = 0.0;
                for at in 0..count {
                    let term = |k: usize| number(row, k) * weight(k, column);
                    let inputs = 4 * BLOCK_WORDS * at..4 * BLOCK_WORDS * (at + 1);
                    let (scale, smallest) = (float(0.5, at, column).to_f32(), float(0.125, at, column).to_f32());
                    wanted += inputs.map(term).sum::<i32>() as f32 * scales[at][row] * scale;
                    wanted += smallest * sums[at][row];
                }
                assert_eq!(*is, wanted, "{R} rows of {count} at {row}, {column}");
            }
        }
    }

    proptest! {
        #[test]
        fn tiles_of_blocks_are_those_of_three_loops(count in 0usize..30, seed in 0usize..1000) {
            check_blocks::<1>(count, seed);
            check_blocks::<4>(count, seed);
        }

        #[test]
        fn tiles_of_integers_are_those_of_three_loops(
            depth in 0usize..200,
            group in 1usize..40,
            seed in 0usize..1000,
        ) {
            check_integers::<1, false>(depth, group, seed);
            check_integers::<2, false>(depth, group, seed);
            check_integers::<3, false>(depth, group, seed);
            check_integers::<4, false>(depth, group, seed);
            check_integers::<1, true>(depth, 2 * group, seed);
            check_integers::<4, true>(depth, 2 * group, seed);
        }

        #[test]
        fn tiles_of_floats_are_those_of_three_loops(
            lhs in prop::collection::vec(prop::array::uniform4(-2f32..2.0), 0..80),
            seed in 1usize..50,
        ) {
            let rhs: Vec<[f32; PANEL]> =
                (0..lhs.len()).map(|k| std::array::from_fn(|at| ((k * seed + at) % 23) as f32 / 23.0 - 0.4)).collect();
            let mut sums: [[f32; PANEL]; 4] = std::array::from_fn(|row| [row as f32; PANEL]);
            floats(&lhs, &rhs, &mut sums);
            for (row, sums) in sums.iter().enumerate() {
                for (column, is) in sums.iter().enumerate() {
                    let terms = lhs.iter().zip(&rhs);
                    let wanted: f64 = terms.map(|(lhs, rhs)| f64::from(lhs[row]) * f64::from(rhs[column])).sum();
                    let difference = (f64::from(*is) - wanted - row as f64).abs();
                    prop_assert!(difference < 1e-5 * (lhs.len() + 1) as f64, "{row}, {column}: {difference}");
                }
            }
        }
    }
}
