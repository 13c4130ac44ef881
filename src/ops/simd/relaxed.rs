//! With relaxed SIMD: a fused multiply and add. Whether a float is rounded between the two is the machine's choice, so
//! that sums differ in the last bit.

use std::arch::wasm32::{f32x4, f32x4_extract_lane as lane, f32x4_relaxed_madd, f32x4_splat, v128};

use super::PANEL;

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
