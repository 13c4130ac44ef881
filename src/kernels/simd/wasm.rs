//! What both instruction sets of WebAssembly share.

use std::arch::wasm32::{
    f32x4, f32x4_add, f32x4_convert_i32x4, f32x4_extract_lane as lane, f32x4_mul, f32x4_splat, i32x4, i32x4_shl,
    i32x4_shr, i32x4_splat, v128, v128_and,
};

use super::{Block, BlockRows, HALF_FLOAT, HALF_FLOAT_FACTOR, PANEL};

/// Adds the products of the block number `index`, of which `sums` are the integers, to the results.
#[inline(always)]
pub fn add_block<const R: usize>(
    all: &mut [[v128; 2]; R],
    sums: [[v128; 2]; R],
    index: usize,
    rows: &BlockRows<'_, R>,
    block: &Block,
) {
    let (bits, factor) = (i32x4_splat(HALF_FLOAT), f32x4_splat(HALF_FLOAT_FACTOR));
    let [a, b, c, d, e, f, g, h] = block.floats;
    let upper = |floats| f32x4_mul(v128_and(i32x4_shr(floats, 3), bits), factor);
    let floats = [i32x4(a, b, c, d), i32x4(e, f, g, h)];
    let (scales, smallest) = (floats.map(|floats| upper(i32x4_shl(floats, 16))), floats.map(upper));
    for (row, (all, sums)) in all.iter_mut().zip(sums).enumerate() {
        let [scale, sum] = [rows.scales, rows.sums].map(|numbers| f32x4_splat(numbers[index][row]));
        for half in 0..2 {
            // Not fused, so that the result is equal on every machine.
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
