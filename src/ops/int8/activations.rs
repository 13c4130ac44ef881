//! Activations, quantised row by row.

use std::ops::Range;

use crate::ops::simd::{self, GROUP, PANEL, Quad, Second, Seconds, Word};
use crate::ops::{parallel, rows};

/// Root mean squares that the steps of an activation cover.
pub const SPAN: f32 = 5.0;
/// Steps of an activation.
pub const STEPS: f32 = 127.0;
/// Numbers that are quantised at once.
const BLOCK: usize = 16;
/// Fewer numbers are quantised before another thread has begun.
const LEAST_SHARED: usize = 1 << 13;
/// Rows of a tile, whose sums stay in registers.
pub const TILE: usize = simd::ROWS;

/// Rows of activations, quantised.
pub struct Left {
    depth: usize,
    /// Four numbers of a row each; the rows of a tile side by side, as many as its [`width`].
    words: Vec<Word>,
    pub rows: Vec<Row>,
    digits: Digits,
}

/// Second digits.
#[derive(Default)]
struct Digits {
    /// Those of all tiles, group by group: those below nought, and those above.
    seconds: Vec<Second>,
    /// Where these end, for each group of each tile.
    ends: Vec<[usize; 2]>,
}

/// What the integers of a row stand for: `(number - zero) * step`.
#[derive(Clone, Copy, Default)]
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
        let mut words = vec![Word::default(); tiles(0..count).map(|rows| width(rows.len()) * depth).sum()];
        let mut rows = vec![Row::default(); count];
        // Threads take whole tiles, and what each finds beyond the first digits is put together afterwards.
        let each = parallel::split(count, TILE, LEAST_SHARED / inputs)[0].len().max(1).next_multiple_of(TILE);
        let mut found: Vec<Digits> = x.chunks(each * inputs).map(|_| Digits::default()).collect();
        let parts = x.chunks(each * inputs).zip(words.chunks_mut(each * depth)).zip(rows.chunks_mut(each));
        parallel::for_each(parts.zip(&mut found).collect(), |_, (((x, words), rows), found)| {
            found.quantise(x, inputs, words, rows);
        });
        let mut digits = Digits::default();
        for part in found {
            let before = digits.seconds.len();
            digits.ends.extend(part.ends.iter().map(|ends| ends.map(|end| before + end)));
            digits.seconds.extend(part.seconds);
        }
        Self { depth, words, rows, digits }
    }

    /// The sums of a tile's rows with a panel.
    #[inline(always)]
    pub fn multiply(&self, rows: Range<usize>, quads: &[Quad], scales: &[[f32; PANEL]]) -> [[f32; PANEL]; TILE] {
        let words = &self.words[rows.start * self.depth..][..width(rows.len()) * self.depth];
        let groups = self.depth.div_ceil(GROUP);
        let Digits { seconds, ends } = &self.digits;
        let (before, ends) = ends.split_at(rows.start / TILE * groups);
        let mut start = before.last().map_or(0, |ends| ends[1]);
        let seconds = ends[..groups].iter().map(|[middle, end]| {
            let from = std::mem::replace(&mut start, *end);
            Seconds { below: &seconds[from..*middle], above: &seconds[*middle..*end] }
        });
        if let [] | [_] = &self.rows[rows] {
            let [sums] = simd::integers::<1>(words.as_chunks().0, quads, scales, seconds);
            return [sums, [0.0; PANEL], [0.0; PANEL], [0.0; PANEL]];
        }
        simd::integers::<TILE>(words.as_chunks().0, quads, scales, seconds)
    }
}

impl Digits {
    /// Quantises the rows `x` into `words` and `rows`; what does not fit is added to itself.
    fn quantise(&mut self, x: &[f32], inputs: usize, words: &mut [Word], rows: &mut [Row]) {
        let depth = inputs.div_ceil(4);
        let mut digits = [0, 1].map(|_| vec![[Word::default(); TILE]; depth]);
        let tiles = x.chunks(TILE * inputs).zip(words.chunks_mut(TILE * depth)).zip(rows.chunks_mut(TILE));
        for ((x, words), rows) in tiles {
            let any = match width(rows.len()) {
                1 => quantise::<1>(x, inputs, words.as_chunks_mut().0, &mut digits, rows),
                _ => quantise::<TILE>(x, inputs, words.as_chunks_mut().0, &mut digits, rows),
            };
            for group in (0..depth).step_by(GROUP) {
                let quads = group..depth.min(group + GROUP);
                let ends = digits.each_mut().map(|digits| {
                    if any {
                        self.take(&mut digits[quads.clone()]);
                    }
                    self.seconds.len()
                });
                self.ends.push(ends);
            }
        }
    }

    /// Takes the digits of a group out that there are.
    fn take(&mut self, group: &mut [[Word; TILE]]) {
        for (quad, words) in group.iter_mut().enumerate().filter(|(_, words)| **words != [Word::default(); TILE]) {
            self.seconds.push(Second { quad, words: std::mem::take(words) });
        }
    }
}

/// Quantises the rows of a tile into `words`, and into `digits` what does not fit; whether anything did not.
fn quantise<const R: usize>(
    x: &[f32],
    inputs: usize,
    words: &mut [[Word; R]],
    digits: &mut [Vec<[Word; TILE]>; 2],
    rows: &mut [Row],
) -> bool {
    let mut by = [0.0; R];
    for ((row, by), x) in rows.iter_mut().zip(&mut by).zip(x.chunks_exact(inputs)) {
        (*row, *by) = Row::new(x);
    }
    let mut any = false;
    for (block, words) in words.chunks_mut(BLOCK / 4).enumerate() {
        let mut all = [[Word::default(); 4]; R];
        for (row, ((x, own), by)) in x.chunks_exact(inputs).zip(rows.iter()).zip(&by).enumerate() {
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
    any
}

/// The rows of each tile of `rows`.
pub fn tiles(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    rows.clone().step_by(TILE).map(move |first| first..rows.end.min(first + TILE))
}

/// Rows that a tile of so many has room for: where there is more than one, those that are not there are nought.
fn width(rows: usize) -> usize {
    if rows == 1 { 1 } else { TILE }
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
