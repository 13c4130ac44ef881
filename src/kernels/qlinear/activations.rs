//! Activations, quantised row by row: the LHS of a quantised layer.

use std::ops::Range;

use crate::kernels::simd::{self, HighDigits, PANEL, Quad, Word};
use crate::kernels::{parallel, reduce};

/// The range of a row's 7-bit integers, in root mean squares of the row.
pub const SPAN: f32 = 5.5;
/// Steps of that range.
pub const STEPS: f32 = 127.0;
/// Steps of the range of a row with high precision.
const FINE_STEPS: f32 = 8190.0;
/// Numbers that are quantised at once.
const BLOCK: usize = 16;
/// Fewer numbers are quantised before another thread has started.
const LEAST_SHARED: usize = 1 << 13;
/// Rows of a tile, whose accumulators stay in registers.
pub const TILE: usize = 4;

/// How finely activations are quantised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// In 7 bits, with high digits for outliers: for encoders.
    #[default]
    Normal,
    /// In 13 bits, all with high digits: for decoders, whose errors add up from token to token. Twice the products.
    High,
}

/// Quantised rows of activations.
pub struct QuantizedLhs {
    depth: usize,
    /// `[tiles, inputs / 4, rows of a tile]`: four integers of a row each. A tile has [`width`] rows.
    words: Vec<Word>,
    /// Their high digits, of the same layout; none with [`Precision::Normal`].
    high: Vec<Word>,
    /// The scale and zero point of each row.
    pub rows: Vec<Row>,
    digits: SparseDigits,
}

/// The high digits of all tiles, sparse.
#[derive(Default)]
struct SparseDigits {
    /// For each tile those of integers below zero, then those of integers above 127.
    all: Vec<HighDigits>,
    /// The end offsets of both, for each tile.
    ends: Vec<[usize; 2]>,
}

/// Quantisation parameters of a row: an integer stands for `(integer - zero) * step`.
#[derive(Clone, Copy, Default)]
pub struct Row {
    step: f32,
    /// `1 / step`, or zero.
    by: f32,
    zero: f32,
}

impl Row {
    /// Dequantises sums with a panel, whose weights have the sums `weights`, and adds `bias`.
    #[inline(always)]
    pub fn dequantise(&self, sums: &[f32; PANEL], weights: &[f32; PANEL], bias: &[f32], out: &mut [f32]) {
        let mut numbers = [0.0; PANEL];
        for at in 0..PANEL {
            numbers[at] = (sums[at] - self.zero * weights[at]) * self.step;
        }
        // Whole panels have a loop of constant length.
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

impl QuantizedLhs {
    /// Quantises the rows `x`, of `inputs` numbers each, for weights of which `group` quads share a scale.
    pub fn new(x: &[f32], inputs: usize, group: usize, precision: Precision) -> Self {
        let (depth, count) = (inputs.div_ceil(4), x.len() / inputs);
        let mut words = vec![Word::default(); tiles(0..count).map(|rows| width(rows.len()) * depth).sum()];
        let mut high = vec![Word::default(); if precision == Precision::Normal { 0 } else { words.len() }];
        let mut rows = vec![Row::default(); count];
        // Threads take whole tiles. The high digits that each finds are joined afterwards.
        let each = parallel::split(count, TILE, LEAST_SHARED / inputs)[0].len().max(1).next_multiple_of(TILE);
        let mut found: Vec<SparseDigits> = x.chunks(each * inputs).map(|_| SparseDigits::default()).collect();
        let mut of_high = high.chunks_mut(each * depth);
        let high_parts = found.iter().map(|_| of_high.next().unwrap_or_default()).collect::<Vec<_>>();
        let parts = x.chunks(each * inputs).zip(words.chunks_mut(each * depth)).zip(rows.chunks_mut(each));
        let parts = parts.zip(high_parts).zip(&mut found).collect();
        parallel::for_each(parts, |_, ((((x, words), rows), high), found)| {
            found.quantise(x, (inputs, group), words, high, rows);
        });
        let mut digits = SparseDigits::default();
        for part in found {
            let before = digits.all.len();
            digits.ends.extend(part.ends.iter().map(|ends| ends.map(|end| before + end)));
            digits.all.extend(part.all);
        }
        Self { depth, words, high, rows, digits }
    }

    /// The sum of the integers of each group, for each of the rows `x` that these were made of.
    pub fn integer_sums(&self, x: &[f32], inputs: usize, group: usize) -> Vec<i32> {
        let mut sums = Vec::with_capacity(self.rows.len() * inputs.div_ceil(4 * group));
        for (row, x) in self.rows.iter().zip(x.chunks_exact(inputs)) {
            let sum = |x: &[f32]| x.iter().map(|x| simd::nearest(*x, row.by, row.zero)).sum::<i32>();
            sums.extend(x.chunks(4 * group).map(sum));
        }
        sums
    }

    /// The sum of the dequantised activations of each group; `sums` are the [`integer_sums`](Self::integer_sums).
    pub fn sums(&self, sums: &[i32], inputs: usize, group: usize) -> Vec<f32> {
        let groups = inputs.div_ceil(4 * group);
        let of_row = |(row, sums): (&Row, &[i32])| {
            let (zero, step) = (row.zero as i32, row.step);
            let of_group = move |(at, sum): (usize, &i32)| {
                let count = (4 * group).min(inputs - at * 4 * group) as i32;
                (sum - zero * count) as f32 * step
            };
            sums.iter().enumerate().map(of_group).collect::<Vec<_>>()
        };
        self.rows.iter().zip(sums.chunks_exact(groups)).flat_map(of_row).collect()
    }

    /// The rows of a tile; `R` is 1 or [`TILE`].
    pub fn tile<const R: usize>(&self, rows: &Range<usize>) -> TileRows<'_, R> {
        let SparseDigits { all, ends } = &self.digits;
        let tile = rows.start / TILE;
        let (start, [middle, end]) = (tile.checked_sub(1).map_or(0, |before| ends[before][1]), ends[tile]);
        let part = rows.start * self.depth..rows.start * self.depth + R * self.depth;
        TileRows {
            words: self.words[part.clone()].as_chunks().0,
            high: self.high.get(part).unwrap_or_default().as_chunks().0,
            below: &all[start..middle],
            above: &all[middle..end],
        }
    }
}

/// The rows of a tile.
pub struct TileRows<'a, const R: usize> {
    words: &'a [[Word; R]],
    high: &'a [[Word; R]],
    below: &'a [HighDigits],
    above: &'a [HighDigits],
}

impl<const R: usize> TileRows<'_, R> {
    /// The sums with a panel. `scratch` has the initial sums, for each row of each group, which are those of `init` before
    /// and after the call; zero where that is empty.
    #[inline(always)]
    pub fn multiply<const HALVES: bool>(
        &self,
        quads: &[Quad],
        scales: &[[f32; PANEL]],
        group: usize,
        init: &[i32],
        scratch: &mut [[i32; PANEL]],
    ) -> [[f32; PANEL]; R] {
        for (digits, by) in [(self.below, -1), (self.above, 1)] {
            if !digits.is_empty() {
                simd::add_high_digits::<HALVES>(digits, by, quads, scratch);
            }
        }
        let sums = simd::integers::<R, HALVES>(self.words, self.high, quads, scales, scratch.as_chunks().0, group);
        // One by one: clearing all groups would be a call that takes half as long as the tile.
        for digits in [self.below, self.above] {
            for high in digits {
                let at = high.sums as usize;
                scratch[at] = [init.get(at).copied().unwrap_or(0); PANEL];
            }
        }
        sums
    }
}

impl SparseDigits {
    /// Quantises the rows `x` into `words` and `rows`. High digits go to `high`, or to `self` where that is empty.
    fn quantise(
        &mut self,
        x: &[f32],
        sizes @ (inputs, _): (usize, usize),
        words: &mut [Word],
        high: &mut [Word],
        rows: &mut [Row],
    ) {
        let depth = inputs.div_ceil(4);
        let mut high = high.chunks_mut(TILE * depth);
        let tiles = x.chunks(TILE * inputs).zip(words.chunks_mut(TILE * depth)).zip(rows.chunks_mut(TILE));
        let mut above = Vec::new();
        for ((x, words), rows) in tiles {
            let digits = [&mut self.all, &mut above];
            let high = high.next().unwrap_or_default();
            match width(rows.len()) {
                1 => quantise::<1>(x, sizes, words.as_chunks_mut().0, high.as_chunks_mut().0, digits, rows),
                _ => quantise::<TILE>(x, sizes, words.as_chunks_mut().0, high.as_chunks_mut().0, digits, rows),
            }
            let middle = self.all.len();
            self.all.append(&mut above);
            self.ends.push([middle, self.all.len()]);
        }
    }
}

/// Quantises the rows of a tile into `words`, and their high digits into `high`, or into `digits` where that is empty.
fn quantise<const R: usize>(
    x: &[f32],
    (inputs, group): (usize, usize),
    words: &mut [[Word; R]],
    high_words: &mut [[Word; R]],
    mut digits: [&mut Vec<HighDigits>; 2],
    rows: &mut [Row],
) {
    let precision = if high_words.is_empty() { Precision::Normal } else { Precision::High };
    rows.iter_mut().zip(x.chunks_exact(inputs)).for_each(|(row, x)| *row = Row::new(x, precision));
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
            if let Some(words) = high_words.get_mut(block * BLOCK / 4..) {
                // None of the integers is negative.
                let above = high.map(|[_, above]| above).unwrap_or_default();
                words.iter_mut().zip(above).for_each(|(words, above)| words[row] = above);
                if !words.is_empty() {
                    continue;
                }
            }
            for (digits, high) in digits.iter_mut().zip(high.into_iter().flatten()) {
                for (at, word) in high.into_iter().enumerate().filter(|(_, word)| *word != Word::default()) {
                    let quad = block * BLOCK / 4 + at;
                    digits.push(HighDigits { quad: quad as u32, sums: (quad / group * R + row) as u32, word });
                }
            }
        }
        for (at, words) in words.iter_mut().enumerate() {
            *words = std::array::from_fn(|row| all[row][at]);
        }
    }
}

/// The ranges of the tiles of `rows`.
pub fn tiles(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    rows.clone().step_by(TILE).map(move |first| first..rows.end.min(first + TILE))
}

/// The stored rows of a tile that has `rows`: a tile of more than one is padded with zeros.
pub fn width(rows: usize) -> usize {
    if rows == 1 { 1 } else { TILE }
}

impl Row {
    /// The parameters for the row `x`.
    fn new(x: &[f32], precision: Precision) -> Self {
        let (least, most, squares) = reduce::extent(x);
        if precision != Precision::Normal {
            let (least, most) = (least.min(0.0), most.max(0.0));
            // `min` and `max` skip NaN, and the sum of squares does not.
            let step = if squares.is_nan() { f32::NAN } else { (most - least) / FINE_STEPS };
            let by = if step > 0.0 { 1.0 / step } else { 0.0 };
            return Self { step, by, zero: (-least * by).round_ties_even() };
        }
        let span = SPAN * (squares / x.len() as f32).sqrt();
        let (least, most) = (least.min(0.0), most.max(0.0));
        let low = least.max(-0.5 * span);
        let high = most.min(low + span);
        let low = least.max(high - span);
        // `min` and `max` skip NaN; a row with NaN becomes NaN.
        let step = if span.is_nan() { f32::NAN } else { (high - low) / STEPS };
        let by = if step > 0.0 { 1.0 / step } else { 0.0 };
        Self { step, by, zero: (-low * by).round_ties_even() }
    }
}
