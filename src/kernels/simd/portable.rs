//! Without instructions of any machine: loops that compilers turn into its SIMD.

use super::{PANEL, Quad, Second, Sums, nearest};

/// Four numbers of a row.
pub type Word = [i16; 4];

/// Sixteen numbers of a row times `by` plus `zero`, as [`integers`] wants them: the lowest seven bits of the nearest
/// integers, and where these have more their second digits.
#[inline(always)]
pub fn quantise(x: &[f32; 16], by: f32, zero: f32) -> ([Word; 4], Option<[[Word; 4]; 2]>) {
    let numbers = x.map(|x| nearest(x, by, zero));
    let words = |digit: fn(i32) -> i32| {
        let mut words = [Word::default(); 4];
        words.as_flattened_mut().iter_mut().zip(numbers).for_each(|(word, number)| *word = digit(number) as i16);
        words
    };
    let more = numbers.iter().any(|number| number >> 7 != 0);
    let sides = || [words(|number| (-(number >> 7)).max(0)), words(|number| (number >> 7).max(0))];
    (words(|number| number & 127), more.then(sides))
}

/// Adds to each of `sums` what its second digits come to, which count `by`.
pub fn seconds(digits: &[Second], by: i32, right: &[Quad], sums: &mut [[i32; PANEL]]) {
    for Second { quad, sums: at, word } in digits {
        add(std::array::from_mut(&mut sums[*at as usize]), &[*word], &right[*quad as usize], 128 * by);
    }
}

/// The sums of a tile: `left` has four numbers of each row after another. Each `group` rows of `right` have
/// their `scales`, and the sums that they begin with.
pub fn integers<const R: usize>(
    left: &[[Word; R]],
    right: &[Quad],
    scales: &[[f32; PANEL]],
    begin: &[Sums<R>],
    group: usize,
) -> [[f32; PANEL]; R] {
    let mut all = [[0.0; PANEL]; R];
    for (((left, right), scales), begin) in left.chunks(group).zip(right.chunks(group)).zip(scales).zip(begin) {
        let mut sums = *begin;
        left.iter().zip(right).for_each(|(left, quads)| add(&mut sums, left, quads, 1));
        for (all, sums) in all.iter_mut().zip(sums) {
            for ((all, sum), scale) in all.iter_mut().zip(sums).zip(scales) {
                *all += sum as f32 * scale;
            }
        }
    }
    all
}

/// Four numbers of each row, times `by`, by those of each column.
#[inline(always)]
fn add<const R: usize>(sums: &mut [[i32; PANEL]; R], left: &[Word], quads: &Quad, by: i32) {
    for at in 0..4 {
        let weights = quads.map(|quad| quad << (24 - 8 * at) >> 24);
        for (sums, left) in sums.iter_mut().zip(left) {
            let left = by * i32::from(left[at]);
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += left * weight);
        }
    }
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
