//! What both instruction sets of WebAssembly share.

use std::arch::wasm32::{
    f32x4, f32x4_add, f32x4_convert_i32x4, f32x4_extract_lane as lane, f32x4_mul, f32x4_splat, f32x4_sub, v128,
};

use super::{BlockColumns, BlockRows, HALF_ZERO, PANEL};

/// Adds the products of the block number `index`, of which `sums` are the integers, to the results.
#[inline(always)]
pub fn add_block<const R: usize>(
    all: &mut [[v128; 2]; R],
    sums: [[v128; 2]; R],
    index: usize,
    rows: &BlockRows<'_, R>,
    columns: &BlockColumns<'_>,
) {
    let scales = vectors(columns.scales[index]);
    let offsets = vectors(columns.offsets.get(index).copied().unwrap_or_default());
    let zero = f32x4_splat(HALF_ZERO as f32);
    // Not fused, here and below, so that the result is equal on every machine.
    let smallest = [0, 1].map(|half| f32x4_sub(offsets[half], f32x4_mul(zero, scales[half])));
    for (row, (all, sums)) in all.iter_mut().zip(sums).enumerate() {
        let [scale, sum] = [rows.scales, rows.sums].map(|numbers| f32x4_splat(numbers[index][row]));
        for half in 0..2 {
            let own = f32x4_mul(f32x4_convert_i32x4(sums[half]), scale);
            all[half] = f32x4_add(all[half], f32x4_mul(own, scales[half]));
            all[half] = f32x4_add(all[half], f32x4_mul(smallest[half], sum));
        }
    }
}

/// A panel's numbers in two registers.
#[inline(always)]
pub fn vectors([a, b, c, d, e, f, g, h]: [f32; PANEL]) -> [v128; 2] {
    [f32x4(a, b, c, d), f32x4(e, f, g, h)]
}

/// The inverse of [`vectors`].
#[inline(always)]
pub fn numbers([a, b]: [v128; 2]) -> [f32; PANEL] {
    [lane::<0>(a), lane::<1>(a), lane::<2>(a), lane::<3>(a), lane::<0>(b), lane::<1>(b), lane::<2>(b), lane::<3>(b)]
}
