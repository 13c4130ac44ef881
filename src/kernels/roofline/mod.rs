//! The most that the innermost loops of products could do on this machine, to compare with what they do: with all
//! numbers in registers, and with the numbers of a tile in the innermost cache.

use std::hint::black_box;

use super::simd::{self, PANEL};

#[cfg_attr(all(target_family = "wasm", feature = "relaxed-simd"), path = "relaxed.rs")]
#[cfg_attr(all(target_family = "wasm", not(feature = "relaxed-simd")), path = "baseline.rs")]
#[cfg_attr(not(target_family = "wasm"), path = "portable.rs")]
mod registers;

/// Sums that are kept side by side: more than the latency of an instruction takes, and fewer than there are registers.
const SUMS: usize = 12;
/// Rows of a tile.
const ROWS: usize = 4;
/// Rows of a panel that share a scale.
const GROUP: usize = 32;
/// How deep a tile is: its panel is half of what the innermost cache holds.
const DEPTH: usize = 384;

/// Multiplies and adds floats in registers, so many `turns`; how many operations these were.
pub fn floats_in_registers(turns: usize) -> f64 {
    black_box(registers::floats(turns));
    operations(turns, SUMS * registers::FLOATS)
}

/// Multiplies integers of 8 bits, and adds them up, in registers.
pub fn integers_in_registers(turns: usize) -> f64 {
    black_box(registers::integers(turns));
    operations(turns, SUMS * registers::INTEGERS)
}

/// Multiplies tiles of floats that are in the cache.
pub fn floats_in_cache(turns: usize) -> f64 {
    let left = vec![[0.5; ROWS]; DEPTH];
    let right = vec![[0.25; PANEL]; DEPTH];
    let mut sums = [[0.0; PANEL]; ROWS];
    for _ in 0..turns {
        simd::floats(black_box(&left), black_box(&right), &mut sums);
    }
    black_box(sums);
    operations(turns, ROWS * PANEL * DEPTH)
}

/// Multiplies tiles of integers of 8 bits that are in the cache.
pub fn integers_in_cache(turns: usize) -> f64 {
    let ([word, ..], _) = simd::quantise(&[3.0; 16], 1.0, 0.0);
    let left = vec![[word; ROWS]; DEPTH];
    let right = vec![[0x0102_0304; PANEL]; DEPTH];
    let groups = DEPTH.div_ceil(GROUP);
    let (scales, begin) = (vec![[1.0; PANEL]; groups], vec![[[0; PANEL]; ROWS]; groups]);
    for _ in 0..turns {
        black_box(simd::integers(black_box(&left), black_box(&right), &scales, &begin, GROUP));
    }
    operations(turns, ROWS * PANEL * DEPTH * 4)
}

/// A multiplication and an addition are two. There are more of them than 32 bits can count.
fn operations(turns: usize, multiplications: usize) -> f64 {
    2.0 * turns as f64 * multiplications as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted() {
        assert_eq!(floats_in_registers(3), (3 * SUMS * registers::FLOATS * 2) as f64);
        assert_eq!(integers_in_registers(3), (3 * SUMS * registers::INTEGERS * 2) as f64);
        assert_eq!(operations(1 << 31, 1 << 31), 2f64.powi(63));
        assert_eq!(floats_in_cache(2), (2 * 4 * 8 * DEPTH * 2) as f64);
        assert_eq!(integers_in_cache(2), (2 * 4 * 8 * DEPTH * 4 * 2) as f64);
    }
}
