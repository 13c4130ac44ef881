//! Roofline: the peak rate of the innermost loops on this machine, to compare kernels with, with all operands in registers
//! and with a tile's operands in the L1 cache.

use std::hint::black_box;
use std::sync::OnceLock;

use super::simd::{self, PANEL};

#[cfg_attr(all(target_family = "wasm", feature = "relaxed-simd"), path = "relaxed.rs")]
#[cfg_attr(all(target_family = "wasm", not(feature = "relaxed-simd")), path = "baseline.rs")]
#[cfg_attr(not(target_family = "wasm"), path = "portable.rs")]
mod registers;

/// Independent accumulators: enough to hide the latency of an instruction, and fewer than there are registers.
const SUMS: usize = 12;
/// Rows of a tile.
const ROWS: usize = 4;
/// Quads of a panel that share a scale.
const GROUP: usize = 32;
/// The depth of a tile: its panel takes half of the L1 cache.
const DEPTH: usize = 384;

/// Numbers that are read from memory: more bytes than any cache has.
const NUMBERS: usize = 32 << 20;

/// Reads the same numbers from memory so often; returns the number of bytes.
pub fn read_memory(turns: usize) -> f64 {
    static MEMORY: OnceLock<Vec<i32>> = OnceLock::new();
    let numbers = MEMORY.get_or_init(|| (0..NUMBERS as i32).collect());
    for _ in 0..turns {
        let mut sums = [0i32; 4 * SUMS];
        for numbers in black_box(numbers).as_chunks::<{ 4 * SUMS }>().0 {
            sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum ^= number);
        }
        black_box(sums);
    }
    turns as f64 * (NUMBERS * size_of::<i32>()) as f64
}

/// Multiplies and adds floats in registers; returns the number of operations.
pub fn floats_in_registers(iterations: usize) -> f64 {
    black_box(registers::floats(iterations));
    operations(iterations, SUMS * registers::FLOATS)
}

/// Multiplies and adds 8-bit integers in registers; returns the number of operations.
pub fn integers_in_registers(iterations: usize) -> f64 {
    black_box(registers::integers(iterations));
    operations(iterations, SUMS * registers::INTEGERS)
}

/// Multiplies tiles of floats from the cache; returns the number of operations.
pub fn floats_in_cache(iterations: usize) -> f64 {
    let left = vec![[0.5; ROWS]; DEPTH];
    let right = vec![[0.25; PANEL]; DEPTH];
    let mut sums = [[0.0; PANEL]; ROWS];
    for _ in 0..iterations {
        simd::floats(black_box(&left), black_box(&right), &mut sums);
    }
    black_box(sums);
    operations(iterations, ROWS * PANEL * DEPTH)
}

/// Multiplies tiles of 8-bit integers from the cache; returns the number of operations.
pub fn integers_in_cache(iterations: usize) -> f64 {
    let ([word, ..], _) = simd::quantise(&[3.0; 16], 1.0, 0.0);
    let left = vec![[word; ROWS]; DEPTH];
    let right = vec![[0x0102_0304; PANEL]; DEPTH];
    let groups = DEPTH.div_ceil(GROUP);
    let (scales, begin) = (vec![[1.0; PANEL]; groups], vec![[[0; PANEL]; ROWS]; groups]);
    for _ in 0..iterations {
        black_box(simd::integers::<_, false>(black_box(&left), &[], black_box(&right), &scales, &begin, GROUP));
    }
    operations(iterations, ROWS * PANEL * DEPTH * 4)
}

/// A multiplication with an addition counts as two. 32 bits are too few for the count.
fn operations(iterations: usize, multiplications: usize) -> f64 {
    2.0 * iterations as f64 * multiplications as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted() {
        assert_eq!(floats_in_registers(3), (3 * SUMS * registers::FLOATS * 2) as f64);
        assert_eq!(integers_in_registers(3), (3 * SUMS * registers::INTEGERS * 2) as f64);
        assert_eq!(operations(1 << 31, 1 << 31), 2f64.powi(63));
        assert_eq!(read_memory(2), (2 * 4 * NUMBERS) as f64);
        assert_eq!(floats_in_cache(2), (2 * 4 * 8 * DEPTH * 2) as f64);
        assert_eq!(integers_in_cache(2), (2 * 4 * 8 * DEPTH * 4 * 2) as f64);
    }
}
