//! With relaxed SIMD: a fused multiply and add, and a dot product of bytes.
//!
//! What relaxed instructions give differs by machine in places. The dot product is given bytes with a sign on the left
//! and bytes below 128 on the right, where all machines agree, and where two products fit 16 bits. Whether a float is
//! rounded between multiplying and adding is the machine's choice, so sums of floats differ in the last bit.
//!
//! Not every machine has an instruction that multiplies bytes and adds four products to a sum. Where there is none the
//! browser makes five of it, two of which come down to a constant; with the constant kept at hand there are three, for the
//! same sums. Which kind of machine it is shows where two products do not fit: see [`in_pairs`] and [`ones`].

use std::arch::wasm32::{
    f32x4, f32x4_add, f32x4_convert_i32x4, f32x4_extract_lane as lane, f32x4_mul, f32x4_relaxed_madd, f32x4_splat,
    i8x16_shuffle, i8x16_splat, i16x8_relaxed_dot_i8x16_i7x16, i16x8_splat, i32x4, i32x4_add, i32x4_dot_i16x8,
    i32x4_extract_lane as word, i32x4_max, i32x4_min, i32x4_relaxed_dot_i8x16_i7x16_add, i32x4_shr, i32x4_splat,
    i32x4_sub, i64x2_shuffle, v128, v128_and, v128_andnot, v128_any_true, v128_or,
};

use std::hint::black_box;
use std::sync::atomic::{AtomicU8, Ordering};

use super::{LEAST, MOST, PANEL, Quad, ROUND, Second, Sums};

/// Four numbers below 128 of a row.
pub type Word = i32;

/// Sixteen numbers of a row times `by` plus `zero`, as [`integers`] wants them: the lowest seven bits of the nearest
/// integers, and where these have more their second digits.
#[inline(always)]
pub fn quantise(x: &[f32; 16], by: f32, zero: f32) -> ([Word; 4], Option<[[Word; 4]; 2]>) {
    let nearest = |at: usize| {
        let x = f32x4_mul(f32x4(x[at], x[at + 1], x[at + 2], x[at + 3]), f32x4_splat(by));
        // Not fused, here as below: so that the result is that of every other machine.
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

/// Numbers below 128, each in a byte. Narrowing them, which is one instruction, the compiler makes sixteen of.
#[inline(always)]
fn bytes([a, b, c, d]: [v128; 4]) -> [Word; 4] {
    let lowest = |a, b| i8x16_shuffle::<0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28>(a, b);
    let bytes = i64x2_shuffle::<0, 2>(lowest(a, b), lowest(c, d));
    [word::<0>(bytes), word::<1>(bytes), word::<2>(bytes), word::<3>(bytes)]
}

/// Adds to each of `sums` what its second digits come to, which count `by`.
#[target_feature(enable = "relaxed-simd")]
pub fn seconds(digits: &[Second], by: i32, right: &[Quad], sums: &mut [[i32; PANEL]]) {
    // Pairs of products count as much, so that they are added up in the one instruction.
    let by = i16x8_splat(black_box(128 * by as i16));
    for Second { quad, sums: at, word } in digits {
        let sums = &mut sums[*at as usize];
        let mut own = [integer_vectors(*sums)];
        multiply::<1, true>(&[*word], &right[*quad as usize], by, &mut own);
        *sums = integers_of(own[0]);
    }
}

/// The sums of a tile: `left` has four numbers of each row after another. Each `group` rows of `right` have
/// their `scales`, and the sums that they begin with.
#[target_feature(enable = "relaxed-simd")]
pub fn integers<const R: usize>(
    left: &[[Word; R]],
    right: &[Quad],
    scales: &[[f32; PANEL]],
    begin: &[Sums<R>],
    group: usize,
) -> [[f32; PANEL]; R] {
    match in_pairs() {
        true => tile::<R, true>(left, right, scales, begin, group),
        false => tile::<R, false>(left, right, scales, begin, group),
    }
}

/// Whether this machine multiplies bytes and adds two products at a time: where these do not fit 16 bits, it gives the
/// largest number that does. Others add four of them exactly.
pub fn in_pairs() -> bool {
    const UNKNOWN: u8 = 2;
    // No lock, which one of two threads that come at once would wait for: a page's own thread must not. Both find the same.
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

/// What `dot` adds pairs up by. A browser makes a constant anew wherever it is used, of three instructions; what it has
/// read from memory it keeps.
#[inline(always)]
pub fn ones() -> v128 {
    i16x8_splat(black_box(1))
}

#[inline]
#[target_feature(enable = "relaxed-simd")]
fn tile<const R: usize, const IN_PAIRS: bool>(
    left: &[[Word; R]],
    right: &[Quad],
    scales: &[[f32; PANEL]],
    begin: &[Sums<R>],
    group: usize,
) -> [[f32; PANEL]; R] {
    let ones = ones();
    let mut all = [[f32x4_splat(0.0); 2]; R];
    for (((left, right), scales), begin) in left.chunks(group).zip(right.chunks(group)).zip(scales).zip(begin) {
        let mut sums = begin.map(integer_vectors);
        for (left, right) in left.iter().zip(right) {
            multiply::<R, IN_PAIRS>(left, right, ones, &mut sums);
        }
        let scales = vectors(*scales);
        for (all, sums) in all.iter_mut().zip(sums) {
            for half in 0..2 {
                all[half] = f32x4_add(all[half], f32x4_mul(f32x4_convert_i32x4(sums[half]), scales[half]));
            }
        }
    }
    all.map(numbers)
}

/// Adds to the sums of a tile's rows the products of four numbers of each by those of a panel.
#[inline]
#[target_feature(enable = "relaxed-simd")]
fn multiply<const R: usize, const IN_PAIRS: bool>(left: &[Word], right: &Quad, ones: v128, sums: &mut [[v128; 2]; R]) {
    let [low, high] = integer_vectors(*right);
    for (sums, left) in sums.iter_mut().zip(left) {
        let left = i32x4_splat(*left);
        *sums = [dot::<IN_PAIRS>(low, left, ones, sums[0]), dot::<IN_PAIRS>(high, left, ones, sums[1])];
    }
}

/// Adds to each of `sums` four products of bytes, those of `right` below 128. `ones` are [`ones`].
#[inline]
#[target_feature(enable = "relaxed-simd")]
pub fn dot<const IN_PAIRS: bool>(left: v128, right: v128, ones: v128, sums: v128) -> v128 {
    if IN_PAIRS {
        i32x4_add(sums, i32x4_dot_i16x8(i16x8_relaxed_dot_i8x16_i7x16(left, right), ones))
    } else {
        whole_dot(left, right, sums)
    }
}

#[inline]
#[target_feature(enable = "relaxed-simd")]
fn whole_dot(left: v128, right: v128, sums: v128) -> v128 {
    i32x4_relaxed_dot_i8x16_i7x16_add(left, right, sums)
}

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
fn integer_vectors([a, b, c, d, e, f, g, h]: [i32; PANEL]) -> [v128; 2] {
    [i32x4(a, b, c, d), i32x4(e, f, g, h)]
}

#[inline(always)]
fn integers_of([a, b]: [v128; 2]) -> [i32; PANEL] {
    [word::<0>(a), word::<1>(a), word::<2>(a), word::<3>(a), word::<0>(b), word::<1>(b), word::<2>(b), word::<3>(b)]
}

#[inline(always)]
fn vectors([a, b, c, d, e, f, g, h]: [f32; PANEL]) -> [v128; 2] {
    [f32x4(a, b, c, d), f32x4(e, f, g, h)]
}

#[inline(always)]
fn numbers([a, b]: [v128; 2]) -> [f32; PANEL] {
    [lane::<0>(a), lane::<1>(a), lane::<2>(a), lane::<3>(a), lane::<0>(b), lane::<1>(b), lane::<2>(b), lane::<3>(b)]
}
