//! AVX2 and FMA, and AVX-512's VNNI for blocks, where the processor has them: found when a tile is multiplied.
//!
//! A quad is one register. Its bytes are multiplied with activations below 128, so that two products fit 16 bits and nothing
//! saturates.

#[path = "portable.rs"]
mod portable;

use std::arch::x86_64::{
    __m256, __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castsi256_ps,
    _mm256_cvtepi32_ps, _mm256_dpbusd_epi32, _mm256_fmadd_ps, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_mul_ps,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi32, _mm256_srai_epi32, _mm256_srli_epi32,
};

pub use portable::{Word, quantise, quantise_signed};

use super::{
    BLOCK_WORDS, Block, BlockRows, HALF_FLOAT, HALF_FLOAT_FACTOR, HighDigits, LOWER_HALVES, PANEL, Quad, Sums, nearest,
    quad_at, rounded, scale_and_smallest,
};

/// Whether the processor has the instructions of this module.
#[inline(always)]
fn is_available() -> bool {
    // The standard library remembers what it finds.
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// The sums of a tile. `lhs` has four integers of each row in turn. Each `group` quads of `rhs` have their `scales`, and
/// their initial sums `init`. `high` has the high digits (× 128) of `lhs`, or none. With `HALVES` the weights are of 4 bits,
/// see [`halves`](super::halves).
#[allow(unsafe_code, reason = "the functions below need instructions that were found")]
pub fn integers<const R: usize, const HALVES: bool>(
    lhs: &[[Word; R]],
    high: &[[Word; R]],
    rhs: &[Quad],
    scales: &[[f32; PANEL]],
    init: &[Sums<R>],
    group: usize,
) -> [[f32; PANEL]; R] {
    if is_available() {
        // Safety: the processor has AVX2 and FMA.
        unsafe { integers_avx2::<R, HALVES>(lhs, high, rhs, scales, init, group) }
    } else {
        portable::integers::<R, HALVES>(lhs, high, rhs, scales, init, group)
    }
}

/// Adds the products of high digits, times `by`, to their sums.
#[allow(unsafe_code, reason = "the functions below need instructions that were found")]
pub fn add_high_digits<const HALVES: bool>(digits: &[HighDigits], by: i32, rhs: &[Quad], sums: &mut [[i32; PANEL]]) {
    if is_available() {
        // Safety: the processor has AVX2 and FMA.
        unsafe { add_high_digits_avx2::<HALVES>(digits, by, rhs, sums) }
    } else {
        portable::add_high_digits::<HALVES>(digits, by, rhs, sums);
    }
}

/// The products of signed bytes with weights of 4 bits.
#[allow(unsafe_code, reason = "the functions below need instructions that were found")]
pub fn blocks<const R: usize>(rows: BlockRows<'_, R>, columns: &[Block]) -> [[f32; PANEL]; R] {
    if is_available() && is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("avx512vnni") {
        // Safety: the processor has AVX2, FMA, and AVX-512's VL and VNNI.
        unsafe { blocks_vnni::<R>(rows, columns) }
    } else if is_available() {
        // Safety: the processor has AVX2 and FMA.
        unsafe { blocks_avx2::<R>(rows, columns) }
    } else {
        portable::blocks::<R>(rows, columns)
    }
}

/// `sums += lhs · rhs` of a tile. `lhs` has an element of each row in turn.
#[allow(unsafe_code, reason = "the functions below need instructions that were found")]
pub fn floats<const R: usize>(lhs: &[[f32; R]], rhs: &[[f32; PANEL]], sums: &mut [[f32; PANEL]; R]) {
    if is_available() {
        // Safety: the processor has AVX2 and FMA.
        unsafe { floats_fma(lhs, rhs, sums) }
    } else {
        portable::floats(lhs, rhs, sums);
    }
}

#[target_feature(enable = "avx2,fma")]
fn add_high_digits_avx2<const HALVES: bool>(digits: &[HighDigits], by: i32, rhs: &[Quad], sums: &mut [[i32; PANEL]]) {
    let by = _mm256_set1_epi16(128 * by as i16);
    for HighDigits { quad, sums: at, word } in digits {
        let quad: __m256i = bytemuck::cast(quad_at::<HALVES>(rhs, *quad as usize));
        let pairs = _mm256_maddubs_epi16(_mm256_set1_epi32(*word), quad);
        let sums = &mut sums[*at as usize];
        *sums = bytemuck::cast(_mm256_add_epi32(bytemuck::cast(*sums), _mm256_madd_epi16(pairs, by)));
    }
}

// Arrays are converted by loops below: a closure has the instructions of this module, and `map` has not, so that the one
// could not be inlined into the other.

#[target_feature(enable = "avx2,fma")]
fn integers_avx2<const R: usize, const HALVES: bool>(
    lhs: &[[Word; R]],
    high: &[[Word; R]],
    rhs: &[Quad],
    scales: &[[f32; PANEL]],
    init: &[Sums<R>],
    group: usize,
) -> [[f32; PANEL]; R] {
    let ones = _mm256_set1_epi16(1);
    let mut all = [_mm256_set1_ps(0.0); R];
    let stored = if HALVES { group / 2 } else { group };
    let groups = lhs.chunks(group).zip(rhs.chunks(stored)).zip(scales).zip(init);
    for (index, (((lhs, rhs), scales), init)) in groups.enumerate() {
        let mut sums = [_mm256_set1_epi32(0); R];
        if !high.is_empty() {
            products::<R, HALVES>(&high[index * group..][..lhs.len()], rhs, ones, &mut sums);
        }
        for row in 0..R {
            sums[row] = _mm256_add_epi32(_mm256_slli_epi32::<7>(sums[row]), bytemuck::cast(init[row]));
        }
        products::<R, HALVES>(lhs, rhs, ones, &mut sums);
        let scales: __m256 = bytemuck::cast(*scales);
        for (all, sum) in all.iter_mut().zip(sums) {
            // Not fused, as in every other instruction set, so that the result is equal in all of them.
            *all = _mm256_add_ps(*all, _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scales));
        }
    }
    floats_of(all)
}

/// `$name` multiplies blocks, whose sums of products `$sums` gives. A macro, since a function with instructions of its own cannot
/// be made to be inlined.
macro_rules! blocks_by {
    ($name:ident, $instructions:literal, $sums:ident) => {
        #[target_feature(enable = $instructions)]
        fn $name<const R: usize>(rows: BlockRows<'_, R>, columns: &[Block]) -> [[f32; PANEL]; R] {
            let mut all = [_mm256_set1_ps(0.0); R];
            let (bits, factor) = (_mm256_set1_epi32(HALF_FLOAT), _mm256_set1_ps(HALF_FLOAT_FACTOR));
            let blocks = rows.words.iter().zip(columns).zip(rows.scales).zip(rows.sums);
            for (((lhs, block), row_scales), row_sums) in blocks {
                let sums = $sums::<R>(lhs, &block.pairs);
                let floats: __m256i = bytemuck::cast(block.floats);
                let scales = _mm256_and_si256(_mm256_srai_epi32::<3>(_mm256_slli_epi32::<16>(floats)), bits);
                let scales = _mm256_mul_ps(_mm256_castsi256_ps(scales), factor);
                let smallest = _mm256_and_si256(_mm256_srai_epi32::<3>(floats), bits);
                let smallest = _mm256_mul_ps(_mm256_castsi256_ps(smallest), factor);
                // Not fused, as in every other instruction set, so that the result is equal in all of them.
                for row in 0..R {
                    let own = _mm256_mul_ps(_mm256_cvtepi32_ps(sums[row]), _mm256_set1_ps(row_scales[row]));
                    all[row] = _mm256_add_ps(all[row], _mm256_mul_ps(own, scales));
                    all[row] = _mm256_add_ps(all[row], _mm256_mul_ps(smallest, _mm256_set1_ps(row_sums[row])));
                }
            }
            floats_of(all)
        }
    };
}

blocks_by!(blocks_avx2, "avx2,fma", sums_avx2);
blocks_by!(blocks_vnni, "avx2,fma,avx512vl,avx512vnni", sums_vnni);

/// The sums of the products of a block.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sums_avx2<const R: usize>(lhs: &[[Word; R]; BLOCK_WORDS], rhs: &[Quad; BLOCK_WORDS / 2]) -> [__m256i; R] {
    let (ones, lowest) = (_mm256_set1_epi16(1), _mm256_set1_epi32(LOWER_HALVES));
    let mut sums = [_mm256_set1_epi32(0); R];
    for ([first, second], pair) in lhs.as_chunks::<2>().0.iter().zip(rhs) {
        let pair: __m256i = bytemuck::cast(*pair);
        add_pairs(&mut sums, first, _mm256_and_si256(pair, lowest));
        add_pairs(&mut sums, second, _mm256_and_si256(_mm256_srli_epi32::<4>(pair), lowest));
    }
    for sums in &mut sums {
        *sums = _mm256_madd_epi16(*sums, ones);
    }
    sums
}

/// The same, where one instruction multiplies bytes and adds four products.
#[inline]
#[target_feature(enable = "avx2,fma,avx512vl,avx512vnni")]
fn sums_vnni<const R: usize>(lhs: &[[Word; R]; BLOCK_WORDS], rhs: &[Quad; BLOCK_WORDS / 2]) -> [__m256i; R] {
    let lowest = _mm256_set1_epi32(LOWER_HALVES);
    // Two sums of each row, since an addition waits for the one before.
    let mut sums = [[_mm256_set1_epi32(0); R]; 2];
    for ([first, second], pair) in lhs.as_chunks::<2>().0.iter().zip(rhs) {
        let pair: __m256i = bytemuck::cast(*pair);
        let quads = [_mm256_and_si256(pair, lowest), _mm256_and_si256(_mm256_srli_epi32::<4>(pair), lowest)];
        for row in 0..R {
            sums[0][row] = _mm256_dpbusd_epi32(sums[0][row], quads[0], _mm256_set1_epi32(first[row]));
            sums[1][row] = _mm256_dpbusd_epi32(sums[1][row], quads[1], _mm256_set1_epi32(second[row]));
        }
    }
    let [mut sums, others] = sums;
    for row in 0..R {
        sums[row] = _mm256_add_epi32(sums[row], others[row]);
    }
    sums
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn floats_of<const R: usize>(all: [__m256; R]) -> [[f32; PANEL]; R] {
    let mut out = [[0.0; PANEL]; R];
    for row in 0..R {
        out[row] = bytemuck::cast(all[row]);
    }
    out
}

/// Adds the products of four signed bytes of each row by those of a quad, in pairs of 16 bits.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_pairs<const R: usize>(pairs: &mut [__m256i; R], lhs: &[Word; R], quad: __m256i) {
    for (pairs, lhs) in pairs.iter_mut().zip(lhs) {
        *pairs = _mm256_add_epi16(*pairs, _mm256_maddubs_epi16(quad, _mm256_set1_epi32(*lhs)));
    }
}

/// Adds the products of a group.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn products<const R: usize, const HALVES: bool>(
    lhs: &[[Word; R]],
    rhs: &[Quad],
    ones: __m256i,
    sums: &mut [__m256i; R],
) {
    if HALVES {
        let lowest = _mm256_set1_epi32(LOWER_HALVES);
        let (both, last) = lhs.as_chunks::<2>();
        for ([first, second], pair) in both.iter().zip(rhs) {
            let pair: __m256i = bytemuck::cast(*pair);
            add(sums, first, _mm256_and_si256(pair, lowest), ones);
            add(sums, second, _mm256_and_si256(_mm256_srli_epi32::<4>(pair), lowest), ones);
        }
        for lhs in last {
            add(sums, lhs, bytemuck::cast(quad_at::<true>(rhs, 2 * both.len())), ones);
        }
    } else {
        lhs.iter().zip(rhs).for_each(|(lhs, quad)| add(sums, lhs, bytemuck::cast(*quad), ones));
    }
}

/// Adds the products of four integers of each row by those of a quad.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add<const R: usize>(sums: &mut [__m256i; R], lhs: &[Word; R], quad: __m256i, ones: __m256i) {
    for (sum, lhs) in sums.iter_mut().zip(lhs) {
        let pairs = _mm256_maddubs_epi16(_mm256_set1_epi32(*lhs), quad);
        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
    }
}

#[target_feature(enable = "avx2,fma")]
fn floats_fma<const R: usize>(lhs: &[[f32; R]], rhs: &[[f32; PANEL]], sums: &mut [[f32; PANEL]; R]) {
    let mut all: [__m256; R] = [bytemuck::cast(sums[0]); R];
    for row in 1..R {
        all[row] = bytemuck::cast(sums[row]);
    }
    for (lhs, rhs) in lhs.iter().zip(rhs) {
        let rhs: __m256 = bytemuck::cast(*rhs);
        for (sum, lhs) in all.iter_mut().zip(lhs) {
            *sum = _mm256_fmadd_ps(_mm256_set1_ps(*lhs), rhs, *sum);
        }
    }
    for row in 0..R {
        sums[row] = bytemuck::cast(all[row]);
    }
}
