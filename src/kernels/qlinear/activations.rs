//! Activations, quantised row by row.

use std::ops::Range;

use crate::kernels::simd::{self, PANEL, Quad, Second, Word};
use crate::kernels::{parallel, rows};

/// Root mean squares that the steps of an activation cover.
pub const SPAN: f32 = 5.5;
/// Steps of an activation.
pub const STEPS: f32 = 127.0;
/// Numbers that are quantised at once.
const BLOCK: usize = 16;
/// Fewer numbers are quantised before another thread has begun.
const LEAST_SHARED: usize = 1 << 13;
/// Rows of a tile, whose sums stay in registers.
pub const TILE: usize = 4;

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
    /// Those of all tiles: for each those of numbers below nought, then those of numbers above 127.
    seconds: Vec<Second>,
    /// Where these end, for each tile.
    ends: Vec<[usize; 2]>,
}

/// What the integers of a row stand for: `(number - zero) * step`.
#[derive(Clone, Copy, Default)]
pub struct Row {
    step: f32,
    /// What the numbers were multiplied by: one by `step`, or nought.
    by: f32,
    zero: f32,
}

impl Row {
    /// What the integers stand for whose sums with a panel, and those of the panel's weights, are given; plus `bias`.
    #[inline(always)]
    pub fn finish(&self, sums: &[f32; PANEL], weights: &[f32; PANEL], bias: &[f32], out: &mut [f32]) {
        let mut numbers = [0.0; PANEL];
        for at in 0..PANEL {
            numbers[at] = (sums[at] - self.zero * weights[at]) * self.step;
        }
        // Whole panels without a loop.
        if let (Some(bias), Some(out)) = (bias.first_chunk::<PANEL>(), out.first_chunk_mut::<PANEL>()) {
            for at in 0..PANEL {
                out[at] = numbers[at] + bias[at];
            }
        } else {
            for (at, (out, bias)) in out.iter_mut().zip(bias).enumerate() {
                *out = numbers[at] + bias;
            }
        }
    }
}

impl Left {
    /// Quantises the rows `x`, of so many numbers each, to be multiplied by weights of which `group` quads have a scale.
    pub fn new(x: &[f32], inputs: usize, group: usize) -> Self {
        let (depth, count) = (inputs.div_ceil(4), x.len() / inputs);
        let mut words = vec![Word::default(); tiles(0..count).map(|rows| width(rows.len()) * depth).sum()];
        let mut rows = vec![Row::default(); count];
        // Threads take whole tiles, and what each finds beyond the first digits is put together afterwards.
        let each = parallel::split(count, TILE, LEAST_SHARED / inputs)[0].len().max(1).next_multiple_of(TILE);
        let mut found: Vec<Digits> = x.chunks(each * inputs).map(|_| Digits::default()).collect();
        let parts = x.chunks(each * inputs).zip(words.chunks_mut(each * depth)).zip(rows.chunks_mut(each));
        parallel::for_each(parts.zip(&mut found).collect(), |_, (((x, words), rows), found)| {
            found.quantise(x, inputs, group, words, rows);
        });
        let mut digits = Digits::default();
        for part in found {
            let before = digits.seconds.len();
            digits.ends.extend(part.ends.iter().map(|ends| ends.map(|end| before + end)));
            digits.seconds.extend(part.seconds);
        }
        Self { depth, words, rows, digits }
    }

    /// The sums of what the integers of each group stand for, for each of the rows `x` that these were made of.
    pub fn sums(&self, x: &[f32], inputs: usize, group: usize) -> Vec<f32> {
        let mut sums = Vec::with_capacity(self.rows.len() * inputs.div_ceil(4 * group));
        for (row, x) in self.rows.iter().zip(x.chunks_exact(inputs)) {
            for x in x.chunks(4 * group) {
                let number = |x: &f32| simd::nearest(*x, row.by, row.zero) - row.zero as i32;
                sums.push(x.iter().map(number).sum::<i32>() as f32 * row.step);
            }
        }
        sums
    }

    /// The rows of a tile, `R` if there is more than one.
    pub fn tile<const R: usize>(&self, rows: &Range<usize>) -> Few<'_, R> {
        let Digits { seconds, ends } = &self.digits;
        let tile = rows.start / TILE;
        let (start, [middle, end]) = (tile.checked_sub(1).map_or(0, |before| ends[before][1]), ends[tile]);
        Few {
            words: self.words[rows.start * self.depth..][..R * self.depth].as_chunks().0,
            below: &seconds[start..middle],
            above: &seconds[middle..end],
        }
    }
}

/// The rows of a tile.
pub struct Few<'a, const R: usize> {
    words: &'a [[Word; R]],
    below: &'a [Second],
    above: &'a [Second],
}

impl<const R: usize> Few<'_, R> {
    /// The sums with a panel. `room` is for those of second digits: a panel for each row of each group, nought before and
    /// after.
    #[inline(always)]
    pub fn multiply(
        &self,
        quads: &[Quad],
        scales: &[[f32; PANEL]],
        group: usize,
        room: &mut [[i32; PANEL]],
    ) -> [[f32; PANEL]; R] {
        for (digits, by) in [(self.below, -1), (self.above, 1)] {
            if !digits.is_empty() {
                simd::seconds(digits, by, quads, room);
            }
        }
        let sums = simd::integers(self.words, quads, scales, room.as_chunks().0, group);
        // Each by itself: to fill as much memory as there are groups is a call that takes half as long as the tile.
        for digits in [self.below, self.above] {
            digits.iter().for_each(|second| room[second.sums as usize] = [0; PANEL]);
        }
        sums
    }
}

impl Digits {
    /// Quantises the rows `x` into `words` and `rows`; what does not fit is added to itself.
    fn quantise(&mut self, x: &[f32], inputs: usize, group: usize, words: &mut [Word], rows: &mut [Row]) {
        let depth = inputs.div_ceil(4);
        let tiles = x.chunks(TILE * inputs).zip(words.chunks_mut(TILE * depth)).zip(rows.chunks_mut(TILE));
        let mut above = Vec::new();
        for ((x, words), rows) in tiles {
            let digits = [&mut self.seconds, &mut above];
            match width(rows.len()) {
                1 => quantise::<1>(x, (inputs, group), words.as_chunks_mut().0, digits, rows),
                _ => quantise::<TILE>(x, (inputs, group), words.as_chunks_mut().0, digits, rows),
            }
            let middle = self.seconds.len();
            self.seconds.append(&mut above);
            self.ends.push([middle, self.seconds.len()]);
        }
    }
}

/// Quantises the rows of a tile into `words`, and into `digits` what does not fit.
fn quantise<const R: usize>(
    x: &[f32],
    (inputs, group): (usize, usize),
    words: &mut [[Word; R]],
    mut digits: [&mut Vec<Second>; 2],
    rows: &mut [Row],
) {
    rows.iter_mut().zip(x.chunks_exact(inputs)).for_each(|(row, x)| *row = Row::new(x));
    for (block, words) in words.chunks_mut(BLOCK / 4).enumerate() {
        let mut all = [[Word::default(); 4]; R];
        for (row, (x, own)) in x.chunks_exact(inputs).zip(rows.iter()).enumerate() {
            let x = &x[block * BLOCK..];
            let numbers = match x.first_chunk::<BLOCK>() {
                Some(x) => *x,
                None => std::array::from_fn(|at| x.get(at).copied().unwrap_or(0.0)),
            };
            let (low, high) = simd::quantise(&numbers, own.by, own.zero);
            all[row] = low;
            for (digits, high) in digits.iter_mut().zip(high.into_iter().flatten()) {
                for (at, word) in high.into_iter().enumerate().filter(|(_, word)| *word != Word::default()) {
                    let quad = block * BLOCK / 4 + at;
                    digits.push(Second { quad: quad as u32, sums: (quad / group * R + row) as u32, word });
                }
            }
        }
        for (at, words) in words.iter_mut().enumerate() {
            *words = std::array::from_fn(|row| all[row][at]);
        }
    }
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
    /// Of `x`.
    fn new(x: &[f32]) -> Self {
        let (least, most, squares) = rows::extent(x);
        let span = SPAN * (squares / x.len() as f32).sqrt();
        let (least, most) = (least.min(0.0), most.max(0.0));
        let low = least.max(-0.5 * span);
        let high = most.min(low + span);
        let low = least.max(high - span);
        // `min` and `max` pass over what is no number; its row is none.
        let step = if span.is_nan() { f32::NAN } else { (high - low) / STEPS };
        let by = if step > 0.0 { 1.0 / step } else { 0.0 };
        Self { step, by, zero: (-low * by).round_ties_even() }
    }
}
