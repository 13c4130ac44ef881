//! The innermost loops of products, written once for each set of instructions: relaxed SIMD of WebAssembly (the cargo
//! feature `relaxed-simd`), its baseline SIMD, and none in particular. Tiles of integers are the same to the last bit
//! in all of them.
//!
//! A module that contains one relaxed instruction is refused whole by a browser without them, so that they are a build
//! of its own, and a feature.

#[cfg_attr(all(target_family = "wasm", feature = "relaxed-simd"), path = "relaxed.rs")]
#[cfg_attr(all(target_family = "wasm", not(feature = "relaxed-simd")), path = "baseline.rs")]
#[cfg_attr(not(target_family = "wasm"), path = "portable.rs")]
mod kernels;

pub use kernels::{Word, floats, integers, quantise, seconds};
#[cfg(all(target_family = "wasm", feature = "relaxed-simd"))]
pub use kernels::{dot, in_pairs, ones};

/// Columns of a panel.
pub const PANEL: usize = 8;

/// Four rows of a panel of integers: each number has the bytes of a column, the first in the lowest.
pub type Quad = [i32; PANEL];

/// Sums of the rows of a tile in a group, for each column of a panel.
pub type Sums<const R: usize> = [[i32; PANEL]; R];

/// Second digits of four numbers of a row: how much more they are than 127, or how much less than nought.
// In the baseline a number is multiplied whole.
#[cfg_attr(all(target_family = "wasm", not(feature = "relaxed-simd")), expect(dead_code))]
#[derive(Clone, Copy, Debug)]
pub struct Second {
    /// Which four numbers of a row they belong to.
    pub quad: u32,
    /// Which sums they add to.
    pub sums: u32,
    pub word: Word,
}

/// Added to a small float it leaves the nearest integer in the last bits.
const ROUND: f32 = 12_582_912.0;

/// The least number that two digits have, and the most; a hundred thousand numbers have a root mean square that none of
/// them is beyond.
const LEAST: i32 = -128 * 64;
const MOST: i32 = -LEAST - 1;

/// The number that `x` times `by` plus `zero` is quantised to, as the kernels' `quantise` does.
#[inline(always)]
pub fn nearest(x: f32, by: f32, zero: f32) -> i32 {
    let number = (x * by + (ROUND + zero)).to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    number.clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers for `count` bytes, all different.
    fn bytes(count: usize, turn: usize) -> Vec<i8> {
        (0..count).map(|at| (at * turn % 256) as u8 as i8).collect()
    }

    /// A tile of integers is what three loops give.
    fn check_integers<const R: usize>(depth: usize, group: usize, turn: usize) {
        let weights = bytes(depth * 4 * PANEL, 2 * turn + 1);
        let weight = |k: usize, column: usize| weights[k * PANEL + column];
        // One in a dozen has a second digit.
        let number = |row: usize, k: usize| match (k * 7 + row * 5 + turn) % 12 {
            0 => (k * 977 + row * 389 + turn) as i32 % (MOST - LEAST) + LEAST,
            _ => ((k * 31 + row * 17 + turn) % 128) as i32,
        };
        let word = |row: usize, quad: usize| {
            let numbers = std::array::from_fn(|at| if at < 4 { number(row, 4 * quad + at) as f32 } else { 0.0 });
            let (words, digits) = quantise(&numbers, 1.0, 0.0);
            (words[0], digits.map(|sides| sides.map(|digits| digits[0])).unwrap_or_default())
        };
        let digits = |side: usize| {
            let places = (0..depth).flat_map(|quad| (0..R).map(move |row| (quad, row)));
            let second = |(quad, row)| {
                let word: Word = word(row, quad).1[side];
                let sums = (quad / group * R + row) as u32;
                (word != Word::default()).then_some(Second { quad: quad as u32, sums, word })
            };
            places.filter_map(second).collect::<Vec<_>>()
        };
        let right: Vec<Quad> = (0..depth)
            .map(|quad| {
                std::array::from_fn(|column| {
                    i32::from_le_bytes([0, 1, 2, 3].map(|at| weight(4 * quad + at, column) as u8))
                })
            })
            .collect();
        let left: Vec<[Word; R]> = (0..depth).map(|quad| std::array::from_fn(|row| word(row, quad).0)).collect();
        let scales: Vec<[f32; PANEL]> =
            (0..depth.div_ceil(group)).map(|place| std::array::from_fn(|at| (place + at + 1) as f32)).collect();
        let mut begin = vec![[0; PANEL]; scales.len() * R];
        seconds(&digits(0), -1, &right, &mut begin);
        seconds(&digits(1), 1, &right, &mut begin);
        let tile = integers::<R>(&left, &right, &scales, begin.as_chunks().0, group);
        for (row, sums) in tile.iter().enumerate() {
            for (column, is) in sums.iter().enumerate() {
                let mut wanted = 0.0;
                for (place, scales) in scales.iter().enumerate() {
                    let term = |k: usize| number(row, k) * i32::from(weight(k, column));
                    let part: i32 = (place * group * 4..4 * depth.min((place + 1) * group)).map(term).sum();
                    wanted += part as f32 * scales[column];
                }
                assert_eq!(*is, wanted, "{R} rows of {depth} at {row}, {column}");
            }
        }
    }

    proptest! {
        #[test]
        fn tiles_of_integers_are_those_of_three_loops(
            depth in 0usize..200,
            group in 1usize..40,
            turn in 0usize..1000,
        ) {
            check_integers::<1>(depth, group, turn);
            check_integers::<2>(depth, group, turn);
            check_integers::<3>(depth, group, turn);
            check_integers::<4>(depth, group, turn);
        }

        #[test]
        fn tiles_of_floats_are_those_of_three_loops(
            left in prop::collection::vec(prop::array::uniform4(-2f32..2.0), 0..80),
            turn in 1usize..50,
        ) {
            let right: Vec<[f32; PANEL]> =
                (0..left.len()).map(|k| std::array::from_fn(|at| ((k * turn + at) % 23) as f32 / 23.0 - 0.4)).collect();
            let mut sums: [[f32; PANEL]; 4] = std::array::from_fn(|row| [row as f32; PANEL]);
            floats(&left, &right, &mut sums);
            for (row, sums) in sums.iter().enumerate() {
                for (column, is) in sums.iter().enumerate() {
                    let terms = left.iter().zip(&right);
                    let wanted: f64 = terms.map(|(left, right)| f64::from(left[row]) * f64::from(right[column])).sum();
                    let difference = (f64::from(*is) - wanted - row as f64).abs();
                    prop_assert!(difference < 1e-5 * (left.len() + 1) as f64, "{row}, {column}: {difference}");
                }
            }
        }
    }
}
