//! Activations, quantised row by row.

use std::ops::Range;

use crate::ops::rows;
use crate::ops::simd::{self, GROUP, PANEL, Quad, Word};

/// Root mean squares that the steps of an activation cover.
pub const SPAN: f32 = 5.0;
/// Steps of an activation.
pub const STEPS: f32 = 127.0;
/// Numbers that are quantised at once.
const BLOCK: usize = 16;
/// Rows of a tile, whose sums stay in registers.
pub const TILE: usize = 4;

/// Rows of activations, quantised.
pub struct Left {
    depth: usize,
    /// Four numbers of a row each; the rows of a tile side by side.
    words: Vec<Word>,
    pub rows: Vec<Row>,
    seconds: Vec<Second>,
}

/// What the integers of a row stand for: `(number - zero) * step`.
pub struct Row {
    step: f32,
    zero: f32,
    /// Where its second digits end.
    end: usize,
}

/// The second digit of a number.
struct Second {
    quad: usize,
    /// By how many bits its weight is to be moved to the left so that it ends where a quad ends.
    shift: u32,
    /// The number less its first digit.
    number: f32,
}

impl Row {
    /// What the integers stand for whose sums, and those of the weights that they were multiplied by, are given in
    /// panels; plus `bias`.
    #[inline(always)]
    pub fn finish<'s>(
        &self,
        sums: impl Iterator<Item = (&'s [f32; PANEL], &'s [f32; PANEL])>,
        bias: &[f32],
        out: &mut [f32],
    ) {
        let number = |sum: f32, weights: f32| (sum - self.zero * weights) * self.step;
        for (((sums, weights), bias), out) in sums.zip(bias.chunks(PANEL)).zip(out.chunks_mut(PANEL)) {
            // Whole panels without a loop.
            if let (Some(bias), Some(out)) = (bias.first_chunk::<PANEL>(), out.first_chunk_mut::<PANEL>()) {
                *out = std::array::from_fn(|at| number(sums[at], weights[at]) + bias[at]);
            } else {
                for (at, (out, bias)) in out.iter_mut().zip(bias).enumerate() {
                    *out = number(sums[at], weights[at]) + bias;
                }
            }
        }
    }
}

impl Left {
    /// Quantises the rows `x`, of so many numbers each.
    pub fn new(x: &[f32], inputs: usize) -> Self {
        let (depth, count) = (inputs.div_ceil(4), x.len() / inputs);
        let words = vec![Word::default(); count * depth];
        let mut left = Self { depth, words, rows: Vec::with_capacity(count), seconds: Vec::new() };
        for rows in tiles(0..count) {
            for (place, row) in rows.clone().enumerate() {
                left.push(&x[row * inputs..][..inputs], rows.start * depth + place, rows.len());
            }
        }
        left
    }

    /// Quantises a row. Its words begin at `place` and are `stride` apart.
    fn push(&mut self, x: &[f32], place: usize, stride: usize) {
        let (mut row, by) = Row::new(x);
        let (whole, rest) = x.as_chunks::<BLOCK>();
        let mut last = [0.0; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        let blocks = whole.iter().chain((!rest.is_empty()).then_some(&last));
        let mut words = self.words[place..].iter_mut().step_by(stride);
        for (block, numbers) in blocks.enumerate() {
            let numbers = numbers.map(|x| nearest(x * by, row.zero));
            let (block_words, rest) = simd::words(&numbers);
            let block_words = block_words.into_iter().take(self.depth - 4 * block);
            block_words.zip(&mut words).for_each(|(word, to)| *to = word);
            if rest {
                let numbers = numbers.iter().take(x.len() - BLOCK * block).enumerate();
                for (at, number) in numbers.filter(|(_, number)| *number >> 7 != 0) {
                    let (quad, shift) = ((block * BLOCK + at) / 4, 24 - 8 * (at as u32 % 4));
                    self.seconds.push(Second { quad, shift, number: (number & !127) as f32 });
                }
            }
        }
        row.end = self.seconds.len();
        self.rows.push(row);
    }

    /// The sums of a tile's rows with a panel.
    #[inline(always)]
    pub fn multiply(&self, rows: Range<usize>, quads: &[Quad], scales: &[[f32; PANEL]]) -> [[f32; PANEL]; TILE] {
        let words = &self.words[rows.start * self.depth..][..rows.len() * self.depth];
        let mut tile = match rows.len() {
            1 => widened(simd::integers::<1>(words.as_chunks().0, quads, scales)),
            2 => widened(simd::integers::<2>(words.as_chunks().0, quads, scales)),
            3 => widened(simd::integers::<3>(words.as_chunks().0, quads, scales)),
            _ => simd::integers::<TILE>(words.as_chunks().0, quads, scales),
        };
        for (row, sums) in rows.zip(&mut tile) {
            let start = row.checked_sub(1).map_or(0, |before| self.rows[before].end);
            let mut all = *sums;
            for Second { quad, shift, number } in &self.seconds[start..self.rows[row].end] {
                let (weights, scales) = (&quads[*quad], &scales[quad / GROUP]);
                for at in 0..PANEL {
                    all[at] += (weights[at] << shift >> 24) as f32 * (scales[at] * number);
                }
            }
            *sums = all;
        }
        tile
    }
}

/// The rows of each tile of `rows`.
pub fn tiles(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    rows.clone().step_by(TILE).map(move |first| first..rows.end.min(first + TILE))
}

fn widened<const R: usize>(sums: [[f32; PANEL]; R]) -> [[f32; PANEL]; TILE] {
    std::array::from_fn(|row| sums.get(row).copied().unwrap_or_default())
}

/// The integer next to `x`, plus `zero`.
#[inline(always)]
fn nearest(x: f32, zero: f32) -> i32 {
    // Added to a small float it leaves the nearest integer in the last bits.
    const ROUND: f32 = 12_582_912.0;
    (x + (ROUND + zero)).to_bits().wrapping_sub(ROUND.to_bits()) as i32
}

impl Row {
    /// Of `x`, and what it is multiplied by.
    fn new(x: &[f32]) -> (Self, f32) {
        let (least, most, squares) = rows::extent(x);
        let span = SPAN * (squares / x.len() as f32).sqrt();
        let (least, most) = (least.min(0.0), most.max(0.0));
        let low = least.max(-0.5 * span);
        let high = most.min(low + span);
        let low = least.max(high - span);
        // `min` and `max` pass over what is no number; its row is none.
        let step = if span.is_nan() { f32::NAN } else { (high - low) / STEPS };
        let by = if step > 0.0 { 1.0 / step } else { 0.0 };
        (Self { step, zero: (-low * by).round_ties_even(), end: 0 }, by)
    }
}
