//! Relaxed SIMD of WebAssembly: fused multiply-add, and the dot product of bytes.
//!
//! The results of relaxed instructions depend on the machine in some cases. The dot product gets signed bytes on the lhs
//! and bytes below 128 on the rhs: for these all machines agree, and two products fit 16 bits. Which of the two are weights
//! depends on the precision: activations of 7 bits, or weights of 4. Whether a float is
//! rounded between multiplication and addition is the machine's choice, so sums of floats differ in the last bit.
//!
//! Not every machine has an instruction that multiplies bytes and adds four products to a sum. Without one the browser
//! emits five instructions, two of which only make a constant. With that constant in a register there are three, for the
//! same sums. The kind of machine shows where two products do not fit 16 bits: see [`in_pairs`] and [`ones`].

use std::arch::wasm32::{
    f32x4, f32x4_add, f32x4_convert_i32x4, f32x4_mul, f32x4_relaxed_madd, f32x4_splat, i8x16_shuffle, i8x16_splat,
    i16x8_add, i16x8_relaxed_dot_i8x16_i7x16, i16x8_splat, i32x4, i32x4_add, i32x4_dot_i16x8,
    i32x4_extract_lane as word, i32x4_max, i32x4_min, i32x4_relaxed_dot_i8x16_i7x16_add, i32x4_shl, i32x4_shr,
    i32x4_splat, i32x4_sub, i64x2_shuffle, u32x4_shr, v128, v128_and, v128_andnot, v128_any_true, v128_or,
};

use std::hint::black_box;
use std::sync::atomic::{AtomicU8, Ordering};

use super::wasm::{add_block, numbers, vectors};
use super::{Block, BlockRows, HighDigits, LEAST, LOWER_HALVES, MOST, PANEL, Quad, ROUND, Sums, quad_at};

/// Four integers below 128 of a row.
pub type Word = i32;

/// Quantises sixteen numbers of a row to the integers nearest to `x · by + zero`: their lowest seven bits, and, where they
/// have more, their high digits, those of negative integers first.
#[inline(always)]
pub fn quantise(x: &[f32; 16], by: f32, zero: f32) -> ([Word; 4], Option<[[Word; 4]; 2]>) {
    let nearest = |at: usize| {
        let x = f32x4_mul(f32x4(x[at], x[at + 1], x[at + 2], x[at + 3]), f32x4_splat(by));
        // Not fused, here and below, so that the result is equal on every machine.
        i32x4_sub(f32x4_add(x, f32x4_splat(ROUND + zero)), i32x4_splat(ROUND.to_bits() as i32))
    };
    let numbers = [nearest(0), nearest(4), nearest(8), nearest(12)];
    let low = bytes(numbers.map(|x| v128_and(x, i32x4_splat(127))));
    let [a, b, c, d] = numbers;
    let all = v128_or(v128_or(a, b), v128_or(c, d));
    let more = v128_any_true(v128_andnot(all, i32x4_splat(127)));
    (
        low,
        more.then(|| {
            let limited = |x| i32x4_min(i32x4_max(x, i32x4_splat(LEAST)), i32x4_splat(MOST));
            let digits = numbers.map(|x| i32x4_shr(limited(x), 7));
            let zero = i32x4_splat(0);
            [bytes(digits.map(|x| i32x4_max(i32x4_sub(zero, x), zero))), bytes(digits.map(|x| i32x4_max(x, zero)))]
        }),
    )
}

/// Quantises sixteen numbers of a row to the signed bytes nearest to `x · by`, which are from -127 to 127.
#[inline(always)]
pub fn quantise_signed(x: &[f32; 16], by: f32) -> [Word; 4] {
    let nearest = |at: usize| {
        let x = f32x4_mul(f32x4(x[at], x[at + 1], x[at + 2], x[at + 3]), f32x4_splat(by));
        i32x4_sub(f32x4_add(x, f32x4_splat(ROUND)), i32x4_splat(ROUND.to_bits() as i32))
    };
    bytes([nearest(0), nearest(4), nearest(8), nearest(12)])
}

/// The lowest bytes of integers. For the narrowing instruction the compiler would emit sixteen.
#[inline(always)]
fn bytes([a, b, c, d]: [v128; 4]) -> [Word; 4] {
    let lowest = |a, b| i8x16_shuffle::<0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28>(a, b);
    let bytes = i64x2_shuffle::<0, 2>(lowest(a, b), lowest(c, d));
    [word::<0>(bytes), word::<1>(bytes), word::<2>(bytes), word::<3>(bytes)]
}

/// Adds the products of high digits, times `by`, to their sums.
#[target_feature(enable = "relaxed-simd")]
pub fn add_high_digits<const HALVES: bool>(digits: &[HighDigits], by: i32, rhs: &[Quad], sums: &mut [[i32; PANEL]]) {
    // The factor of the pairs of products, so that one instruction multiplies and adds.
    let by = i16x8_splat(black_box(128 * by as i16));
    for HighDigits { quad, sums: at, word } in digits {
        let sums = &mut sums[*at as usize];
        let mut own = [integer_vectors(*sums)];
        let quad = integer_vectors(quad_at::<HALVES>(rhs, *quad as usize));
        multiply::<1, true>(&[*word], quad, by, &mut own);
        *sums = integers_of(own[0]);
    }
}

/// The sums of a tile. `lhs` has four integers of each row in turn. Each `group` quads of `rhs` have their `scales`, and
/// their initial sums `init`. `high` has the high digits (× 128) of `lhs`, or none. With `HALVES` the weights are of 4 bits,
/// see [`halves`](super::halves).
#[target_feature(enable = "relaxed-simd")]
pub fn integers<const R: usize, const HALVES: bool>(
    lhs: &[[Word; R]],
    high: &[[Word; R]],
    rhs: &[Quad],
    scales: &[[f32; PANEL]],
    init: &[Sums<R>],
    group: usize,
) -> [[f32; PANEL]; R] {
    match in_pairs() {
        true => tile::<R, true, HALVES>(lhs, high, rhs, scales, init, group),
        false => tile::<R, false, HALVES>(lhs, high, rhs, scales, init, group),
    }
}

/// Whether this machine multiplies bytes and adds two products at a time, which saturates where they do not fit 16 bits.
/// Others add four products exactly.
pub fn in_pairs() -> bool {
    const UNKNOWN: u8 = 2;
    // Not a lock: the main thread of a page must not wait. Two threads that come at once find the same.
    static IN_PAIRS: AtomicU8 = AtomicU8::new(UNKNOWN);
    match IN_PAIRS.load(Ordering::Relaxed) {
        UNKNOWN => {
            let sums = whole_dot(i8x16_splat(black_box(127)), i8x16_splat(black_box(-1)), i32x4_splat(0));
            let found = word::<0>(sums) == 2 * i32::from(i16::MAX);
            IN_PAIRS.store(u8::from(found), Ordering::Relaxed);
            found
        }
        known => known == 1,
    }
}

/// The factor by which `dot` adds pairs. A browser rebuilds a constant wherever it is used, by three instructions; what it
/// has read from memory it keeps in a register.
#[inline(always)]
pub fn ones() -> v128 {
    i16x8_splat(black_box(1))
}

#[inline(always)]
fn tile<const R: usize, const IN_PAIRS: bool, const HALVES: bool>(
    lhs: &[[Word; R]],
    high: &[[Word; R]],
    rhs: &[Quad],
    scales: &[[f32; PANEL]],
    init: &[Sums<R>],
    group: usize,
) -> [[f32; PANEL]; R] {
    let ones = ones();
    let mut all = [[f32x4_splat(0.0); 2]; R];
    let stored = if HALVES { group / 2 } else { group };
    // Read from memory, as `ones` is.
    let lowest = i32x4_splat(black_box(LOWER_HALVES));
    let groups = lhs.chunks(group).zip(rhs.chunks(stored)).zip(scales).zip(init);
    for (index, (((lhs, rhs), scales), init)) in groups.enumerate() {
        let mut sums = init.map(integer_vectors);
        if !high.is_empty() {
            let mut of_high = [[i32x4_splat(0); 2]; R];
            let high = &high[index * group..][..lhs.len()];
            products::<R, IN_PAIRS, HALVES>(high, rhs, (ones, lowest), &mut of_high);
            for (sums, high) in sums.iter_mut().zip(of_high) {
                *sums = [0, 1].map(|half| i32x4_add(sums[half], i32x4_shl(high[half], 7)));
            }
        }
        products::<R, IN_PAIRS, HALVES>(lhs, rhs, (ones, lowest), &mut sums);
        let scales = vectors(*scales);
        for (all, sums) in all.iter_mut().zip(sums) {
            for half in 0..2 {
                all[half] = f32x4_add(all[half], f32x4_mul(f32x4_convert_i32x4(sums[half]), scales[half]));
            }
        }
    }
    all.map(numbers)
}

/// The products of signed bytes with weights of 4 bits.
#[target_feature(enable = "relaxed-simd")]
pub fn blocks<const R: usize>(rows: BlockRows<'_, R>, columns: &[Block]) -> [[f32; PANEL]; R] {
    match in_pairs() {
        true => block_tile::<R, true>(rows, columns),
        false => block_tile::<R, false>(rows, columns),
    }
}

#[inline(always)]
fn block_tile<const R: usize, const IN_PAIRS: bool>(rows: BlockRows<'_, R>, columns: &[Block]) -> [[f32; PANEL]; R] {
    let (ones, lowest) = (ones(), i32x4_splat(black_box(LOWER_HALVES)));
    let mut all = [[f32x4_splat(0.0); 2]; R];
    for (index, (lhs, block)) in rows.words.iter().zip(columns).enumerate() {
        // Pairs of products in 16 bits, or all sums.
        let mut sums = [[i32x4_splat(0); 2]; R];
        for ([first, second], pair) in lhs.as_chunks::<2>().0.iter().zip(&block.pairs) {
            let [a, b] = integer_vectors(*pair);
            accumulate::<R, IN_PAIRS>(first, [v128_and(a, lowest), v128_and(b, lowest)], &mut sums);
            let upper = |pair| v128_and(u32x4_shr(pair, 4), lowest);
            accumulate::<R, IN_PAIRS>(second, [upper(a), upper(b)], &mut sums);
        }
        if IN_PAIRS {
            for sums in &mut sums {
                *sums = sums.map(|pairs| i32x4_dot_i16x8(pairs, ones));
            }
        }
        add_block(&mut all, sums, index, &rows, block);
    }
    all.map(numbers)
}

/// Adds the products of four signed bytes of each row by those of a panel: to pairs of 16 bits, or to sums.
#[inline(always)]
fn accumulate<const R: usize, const IN_PAIRS: bool>(lhs: &[Word; R], rhs: [v128; 2], sums: &mut [[v128; 2]; R]) {
    for (sums, lhs) in sums.iter_mut().zip(lhs) {
        let lhs = i32x4_splat(*lhs);
        for half in 0..2 {
            sums[half] = match IN_PAIRS {
                true => i16x8_add(sums[half], i16x8_relaxed_dot_i8x16_i7x16(lhs, rhs[half])),
                false => whole_dot(lhs, rhs[half], sums[half]),
            };
        }
    }
}

/// Adds the products of a group to the sums of a tile.
#[inline(always)]
fn products<const R: usize, const IN_PAIRS: bool, const HALVES: bool>(
    lhs: &[[Word; R]],
    rhs: &[Quad],
    (ones, lowest): (v128, v128),
    sums: &mut [[v128; 2]; R],
) {
    if HALVES {
        let (both, last) = lhs.as_chunks::<2>();
        for ([first, second], pair) in both.iter().zip(rhs) {
            let [a, b] = integer_vectors(*pair);
            multiply::<R, IN_PAIRS>(first, [v128_and(a, lowest), v128_and(b, lowest)], ones, sums);
            let upper = |pair| v128_and(u32x4_shr(pair, 4), lowest);
            multiply::<R, IN_PAIRS>(second, [upper(a), upper(b)], ones, sums);
        }
        for lhs in last {
            let quad = integer_vectors(quad_at::<true>(rhs, 2 * both.len()));
            multiply::<R, IN_PAIRS>(lhs, quad, ones, sums);
        }
    } else {
        for (lhs, quad) in lhs.iter().zip(rhs) {
            multiply::<R, IN_PAIRS>(lhs, integer_vectors(*quad), ones, sums);
        }
    }
}

/// Adds the products of four integers of each row by those of a panel to the sums of a tile.
#[inline(always)]
fn multiply<const R: usize, const IN_PAIRS: bool>(
    lhs: &[Word],
    [low, high]: [v128; 2],
    ones: v128,
    sums: &mut [[v128; 2]; R],
) {
    for (sums, lhs) in sums.iter_mut().zip(lhs) {
        let lhs = i32x4_splat(*lhs);
        *sums = [dot::<IN_PAIRS>(low, lhs, ones, sums[0]), dot::<IN_PAIRS>(high, lhs, ones, sums[1])];
    }
}

/// Adds four products of bytes to each of `sums`; the bytes of `rhs` are below 128. `ones` is [`ones`].
#[inline(always)]
pub fn dot<const IN_PAIRS: bool>(lhs: v128, rhs: v128, ones: v128, sums: v128) -> v128 {
    if IN_PAIRS {
        i32x4_add(sums, i32x4_dot_i16x8(i16x8_relaxed_dot_i8x16_i7x16(lhs, rhs), ones))
    } else {
        whole_dot(lhs, rhs, sums)
    }
}

#[inline(always)]
fn whole_dot(lhs: v128, rhs: v128, sums: v128) -> v128 {
    i32x4_relaxed_dot_i8x16_i7x16_add(lhs, rhs, sums)
}

/// `sums += lhs · rhs` of a tile. `lhs` has an element of each row in turn.
#[target_feature(enable = "relaxed-simd")]
pub fn floats<const R: usize>(lhs: &[[f32; R]], rhs: &[[f32; PANEL]], sums: &mut [[f32; PANEL]; R]) {
    let mut all = sums.map(vectors);
    for (lhs, rhs) in lhs.iter().zip(rhs) {
        let rhs = vectors(*rhs);
        for (sums, lhs) in all.iter_mut().zip(lhs) {
            let lhs = f32x4_splat(*lhs);
            sums[0] = f32x4_relaxed_madd(lhs, rhs[0], sums[0]);
            sums[1] = f32x4_relaxed_madd(lhs, rhs[1], sums[1]);
        }
    }
    *sums = all.map(numbers);
}

#[inline(always)]
fn integer_vectors([a, b, c, d, e, f, g, h]: [i32; PANEL]) -> [v128; 2] {
    [i32x4(a, b, c, d), i32x4(e, f, g, h)]
}

#[inline(always)]
fn integers_of([a, b]: [v128; 2]) -> [i32; PANEL] {
    [word::<0>(a), word::<1>(a), word::<2>(a), word::<3>(a), word::<0>(b), word::<1>(b), word::<2>(b), word::<3>(b)]
}
