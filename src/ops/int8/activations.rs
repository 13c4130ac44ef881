//! Activations, quantised row by row.

use std::ops::Range;

use crate::ops::rows;
use crate::ops::simd::{self, GROUP, PANEL, Quad, Second, Word};

/// Root mean squares that the steps of an activation cover.
pub const SPAN: f32 = 5.5;
/// Steps of an activation.
pub const STEPS: f32 = 127.0;
/// Numbers that are quantised at once.
const BLOCK: usize = 16;
/// Rows of a tile, whose sums stay in registers.
pub const TILE: usize = simd::ROWS;

/// Rows of activations, quantised.
pub struct Left {
    depth: usize,
    /// Four numbers of a row each; the rows of a tile side by side.
    words: Vec<Word>,
    pub rows: Vec<Row>,
    /// The second digits of all tiles, group by group: those below nought, and those above.
    seconds: Vec<Second>,
    /// Where these end, for each group of each tile.
    ends: Vec<[usize; 2]>,
}

/// What the integers of a row stand for: `(number - zero) * step`.
pub struct Row {
    step: f32,
    zero: f32,
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
        let mut left = Self { depth, words, rows: Vec::with_capacity(count), seconds: Vec::new(), ends: Vec::new() };
        let mut digits = [vec![[Word::default(); TILE]; depth], vec![[Word::default(); TILE]; depth]];
        for rows in tiles(0..count) {
            let x = &x[rows.start * inputs..rows.end * inputs];
            let words = &mut left.words[rows.start * depth..rows.end * depth];
            let any = match rows.len() {
                1 => quantise::<1>(x, words.as_chunks_mut().0, &mut digits, &mut left.rows),
                2 => quantise::<2>(x, words.as_chunks_mut().0, &mut digits, &mut left.rows),
                3 => quantise::<3>(x, words.as_chunks_mut().0, &mut digits, &mut left.rows),
                _ => quantise::<TILE>(x, words.as_chunks_mut().0, &mut digits, &mut left.rows),
            };
            for group in (0..depth).step_by(GROUP) {
                let end = depth.min(group + GROUP);
                left.ends.push([0, 1].map(|side| {
                    if any {
                        for (quad, words) in digits[side][group..end].iter_mut().enumerate() {
                            if *words != [Word::default(); TILE] {
                                left.seconds.push(Second { quad, words: std::mem::take(words) });
                            }
                        }
                    }
                    left.seconds.len()
                }));
            }
        }
        left
    }

    /// The sums of a tile's rows with a panel.
    #[inline(always)]
    pub fn multiply(&self, rows: Range<usize>, quads: &[Quad], scales: &[[f32; PANEL]]) -> [[f32; PANEL]; TILE] {
        let words = &self.words[rows.start * self.depth..][..rows.len() * self.depth];
        let groups = self.depth.div_ceil(GROUP);
        let ends = &self.ends[rows.start / TILE * groups..][..groups];
        let mut start = self.ends[..rows.start / TILE * groups].last().map_or(0, |ends| ends[1]);
        let seconds = ends.iter().map(|[middle, end]| {
            let from = std::mem::replace(&mut start, *end);
            simd::Seconds { below: &self.seconds[from..*middle], above: &self.seconds[*middle..*end] }
        });
        match rows.len() {
            1 => widened(simd::integers::<1>(words.as_chunks().0, quads, scales, seconds)),
            2 => widened(simd::integers::<2>(words.as_chunks().0, quads, scales, seconds)),
            3 => widened(simd::integers::<3>(words.as_chunks().0, quads, scales, seconds)),
            _ => simd::integers::<TILE>(words.as_chunks().0, quads, scales, seconds),
        }
    }
}

/// Quantises the rows of a tile into `words`, and into `digits` what does not fit; whether anything did not.
fn quantise<const R: usize>(
    x: &[f32],
    words: &mut [[Word; R]],
    digits: &mut [Vec<[Word; TILE]>; 2],
    rows: &mut Vec<Row>,
) -> bool {
    let x: [&[f32]; R] = std::array::from_fn(|row| &x[x.len() / R * row..][..x.len() / R]);
    let own = x.map(Row::new);
    let mut any = false;
    for (block, words) in words.chunks_mut(BLOCK / 4).enumerate() {
        let mut all = [[Word::default(); 4]; R];
        for (row, (x, (own, by))) in x.iter().zip(&own).enumerate() {
            let x = &x[block * BLOCK..];
            let numbers = match x.first_chunk::<BLOCK>() {
                Some(x) => *x,
                None => std::array::from_fn(|at| x.get(at).copied().unwrap_or(0.0)),
            };
            let (low, high) = simd::quantise(&numbers, *by, own.zero);
            all[row] = low;
            if let Some(high) = high {
                any = true;
                for (digits, high) in digits.iter_mut().zip(high) {
                    digits[block * BLOCK / 4..].iter_mut().zip(high).for_each(|(to, word)| to[row] = word);
                }
            }
        }
        for (at, words) in words.iter_mut().enumerate() {
            *words = std::array::from_fn(|row| all[row][at]);
        }
    }
    rows.extend(own.map(|(row, _)| row));
    any
}

/// The rows of each tile of `rows`.
pub fn tiles(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    rows.clone().step_by(TILE).map(move |first| first..rows.end.min(first + TILE))
}

fn widened<const R: usize>(sums: [[f32; PANEL]; R]) -> [[f32; PANEL]; TILE] {
    std::array::from_fn(|row| sums.get(row).copied().unwrap_or_default())
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
        (Self { step, zero: (-low * by).round_ties_even() }, by)
    }
}
