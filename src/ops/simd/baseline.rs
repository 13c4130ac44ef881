//! With the SIMD that every browser has: loops that compilers turn into it.

use super::PANEL;

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
