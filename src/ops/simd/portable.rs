//! Without instructions of any machine: loops that compilers turn into its SIMD.

use super::{GROUP, PANEL, Quad};

/// Four numbers of a row.
pub type Word = [i16; 4];

/// Numbers of a row as [`integers`] wants them: whole, of 16 bits, so that none has more.
#[inline(always)]
pub fn words(numbers: &[i32; 16]) -> ([Word; 4], bool) {
    (std::array::from_fn(|at| std::array::from_fn(|place| numbers[4 * at + place] as i16)), false)
}

/// The sums of a tile: `left` has four numbers of each row after another. Each group of `right` has its `scales`.
pub fn integers<const R: usize>(left: &[[Word; R]], right: &[Quad], scales: &[[f32; PANEL]]) -> [[f32; PANEL]; R] {
    let mut all = [[0.0; PANEL]; R];
    for ((left, right), scales) in left.chunks(GROUP).zip(right.chunks(GROUP)).zip(scales) {
        let mut sums = [[0; PANEL]; R];
        for (left, quads) in left.iter().zip(right) {
            for at in 0..4 {
                let weights = quads.map(|quad| quad << (24 - 8 * at) >> 24);
                for (sums, left) in sums.iter_mut().zip(left) {
                    let left = i32::from(left[at]);
                    sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += left * weight);
                }
            }
        }
        for (all, sums) in all.iter_mut().zip(sums) {
            for ((all, sum), scale) in all.iter_mut().zip(sums).zip(scales) {
                *all += sum as f32 * scale;
            }
        }
    }
    all
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
