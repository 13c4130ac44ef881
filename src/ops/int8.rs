//! Linear layers in integers of 8 bits, quantised here: weights when they are loaded, activations on the way in.
//!
//! What makes 8 bits inaccurate is outliers: an encoder has a few channels that are ten times as large as the others, in
//! a few tokens. A scale that covers them leaves nothing of the rest, and any error of a weight that they meet is ten
//! times as large. Hence two measures, neither of which needs data to be calibrated on:
//!
//! - Activations have a scale for each token that covers [`SPAN`] root mean squares in 7 bits, which is what the fast
//!   instruction multiplies. The few numbers outside have a second digit, which is multiplied one by one: it costs a
//!   tenth of the time, and nothing is cut off. The zero point is where the numbers begin, so that GELU's, of which few
//!   are below zero, are resolved twice as finely.
//! - Weights have a scale for each group of 128 inputs of an output: 3 % more memory for half the error.
//!
//! Smoothing activations into weights, which needs to know how large each channel is, was of no use where that was
//! taken from the layer norm before it: a channel is large because of a few tokens, and not of its factor.
//!
//! Integers are added up exactly, and floats in one order, so a result is the same to the last bit however its rows and
//! columns are shared out.

use std::ops::Range;

use super::gemm::{Finish, Matrix};
use super::rows;
use super::simd::{self, GROUP, PANEL, Quad, Word};

/// Root mean squares that the steps of an activation cover.
const SPAN: f32 = 5.0;
/// Steps of an activation.
const STEPS: f32 = 127.0;
/// Largest weight.
const LARGEST: f32 = 127.0;
/// Rows of a tile, whose sums stay in registers.
const TILE: usize = 4;
/// Inputs that share a scale.
const GROUP_SIZE: usize = 4 * GROUP;
/// Numbers that are quantised at once.
const BLOCK: usize = 16;
/// Panels that are multiplied at once: the weights of so many outputs stay in the second cache.
const PANELS: usize = 32;

/// Weights of a linear layer, quantised.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// Inputs and outputs.
    pub shape: (usize, usize),
    /// Panels of outputs, and in them four inputs each.
    pub quads: Vec<Quad>,
    /// Panels of outputs, and in them groups of inputs.
    pub scales: Vec<[f32; PANEL]>,
    /// The sum of each output's weights: what a zero point takes away.
    pub sums: Vec<[f32; PANEL]>,
}

/// Weights of a linear layer, wherever they lie.
#[derive(Clone, Copy)]
pub struct Linear<'a> {
    inputs: usize,
    outputs: usize,
    quads: &'a [Quad],
    scales: &'a [[f32; PANEL]],
    sums: &'a [[f32; PANEL]],
}

impl Packed {
    /// Quantises `weights`, a matrix with a row for each of so many inputs and a column for each of so many outputs.
    pub fn quantise((inputs, outputs): (usize, usize), weights: Matrix<'_>) -> Self {
        let (depth, groups, panels) = (inputs.div_ceil(4), inputs.div_ceil(GROUP_SIZE), outputs.div_ceil(PANEL));
        let mut quads = Vec::with_capacity(panels * depth);
        let (mut scales, mut sums) = (Vec::with_capacity(panels * groups), Vec::with_capacity(panels));
        for panel in 0..panels {
            let columns = panel * PANEL..outputs.min((panel + 1) * PANEL);
            // Rows and columns that are not there are nought.
            let weight = |row: usize, at: usize| {
                let there = row < inputs && panel * PANEL + at < columns.end;
                if there { weights.get(row, panel * PANEL + at) } else { 0.0 }
            };
            let mut sum = [0.0; PANEL];
            for group in 0..groups {
                let rows = group * GROUP_SIZE..inputs.min((group + 1) * GROUP_SIZE);
                let mut largest = [0f32; PANEL];
                for row in rows.clone() {
                    (0..PANEL).for_each(|at| largest[at] = largest[at].max(weight(row, at).abs()));
                }
                let scale = largest.map(|largest| largest / LARGEST);
                for row in rows.step_by(4) {
                    let mut bytes = [[0; 4]; PANEL];
                    for at in 0..PANEL {
                        for (place, byte) in bytes[at].iter_mut().enumerate() {
                            let number = (weight(row + place, at) / scale[at]).round_ties_even();
                            // Where all are nought this is no number, which becomes nought.
                            *byte = number as i8 as u8;
                            sum[at] += f32::from(*byte as i8) * scale[at];
                        }
                    }
                    quads.push(bytes.map(i32::from_le_bytes));
                }
                scales.push(scale);
            }
            sums.push(sum);
        }
        Self { shape: (inputs, outputs), quads, scales, sums }
    }

    /// Layers with the same inputs as one, whose outputs lie side by side.
    pub fn beside(parts: Vec<Self>) -> Self {
        let parts = match <[Self; 1]>::try_from(parts) {
            Ok([one]) => return one,
            Err(parts) => parts,
        };
        let inputs = parts.first().map_or(0, |part| part.shape.0);
        let outputs = parts.iter().map(|part| part.shape.1).sum::<usize>();
        let (depth, groups, panels) = (inputs.div_ceil(4), inputs.div_ceil(GROUP_SIZE), outputs.div_ceil(PANEL));
        let mut all = Self {
            shape: (inputs, outputs),
            quads: vec![[0; PANEL]; panels * depth],
            scales: vec![[0.0; PANEL]; panels * groups],
            sums: vec![[0.0; PANEL]; panels],
        };
        let mut to = 0;
        for part in &parts {
            for from in 0..part.shape.1 {
                let (old, new) = (from / PANEL, to / PANEL);
                let (lane, place) = (from % PANEL, to % PANEL);
                (0..depth).for_each(|at| all.quads[new * depth + at][place] = part.quads[old * depth + at][lane]);
                (0..groups).for_each(|at| all.scales[new * groups + at][place] = part.scales[old * groups + at][lane]);
                all.sums[new][place] = part.sums[old][lane];
                to += 1;
            }
        }
        all
    }
}

impl<'a> Linear<'a> {
    /// The parts of a [`Packed`] of this shape. None where the sizes do not fit, or are nought.
    pub fn new(
        (inputs, outputs): (usize, usize),
        quads: &'a [Quad],
        scales: &'a [[f32; PANEL]],
        sums: &'a [[f32; PANEL]],
    ) -> Option<Self> {
        let panels = outputs.div_ceil(PANEL);
        let fits = inputs > 0
            && outputs > 0
            && Some(quads.len()) == panels.checked_mul(inputs.div_ceil(4))
            && Some(scales.len()) == panels.checked_mul(inputs.div_ceil(GROUP_SIZE))
            && sums.len() == panels;
        fits.then_some(Self { inputs, outputs, quads, scales, sums })
    }

    /// What becomes of the rows `x`, into the rows `out`. `bias` is added to each, unless it is empty, and `finish` is
    /// done to each piece of a row in the end.
    pub fn write(&self, x: &[f32], bias: &[f32], finish: Option<&Finish<'_>>, out: &mut [f32]) {
        let left = Left::new(x, self.inputs);
        let none = vec![0.0; if bias.is_empty() { self.outputs } else { 0 }];
        let bias = if bias.is_empty() { &none } else { bias };
        let (depth, groups) = (self.inputs.div_ceil(4), self.inputs.div_ceil(GROUP_SIZE));
        let mut tile = Vec::with_capacity(PANELS);
        for block in (0..self.outputs).step_by(PANELS * PANEL) {
            let columns = block..self.outputs.min(block + PANELS * PANEL);
            let panels = block / PANEL..columns.end.div_ceil(PANEL);
            let quads = self.quads[panels.start * depth..panels.end * depth].chunks_exact(depth);
            let scales = self.scales[panels.start * groups..panels.end * groups].chunks_exact(groups);
            for rows in tiles(left.rows.len()) {
                tile.clear();
                let weights = quads.clone().zip(scales.clone());
                tile.extend(weights.map(|(quads, scales)| left.multiply(rows.clone(), quads, scales)));
                for (place, row) in rows.enumerate() {
                    let out = &mut out[row * self.outputs..][columns.clone()];
                    let sums = tile.iter().map(|tile| &tile[place]).zip(&self.sums[panels.clone()]);
                    left.rows[row].finish(sums, &bias[columns.clone()], out);
                    finish.iter().for_each(|finish| finish(out));
                }
            }
        }
    }
}

/// Rows of activations, quantised.
struct Left {
    depth: usize,
    /// Four numbers of a row each; the rows of a tile side by side.
    words: Vec<Word>,
    rows: Vec<Row>,
    seconds: Vec<Second>,
}

/// What the integers of a row stand for: `(number - zero) * step`.
struct Row {
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
    fn finish<'s>(
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
    fn new(x: &[f32], inputs: usize) -> Self {
        let (depth, count) = (inputs.div_ceil(4), x.len() / inputs);
        let words = vec![Word::default(); count * depth];
        let mut left = Self { depth, words, rows: Vec::with_capacity(count), seconds: Vec::new() };
        for rows in tiles(count) {
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
    fn multiply(&self, rows: Range<usize>, quads: &[Quad], scales: &[[f32; PANEL]]) -> [[f32; PANEL]; TILE] {
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

/// The rows of each tile.
fn tiles(count: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(TILE).map(move |first| first..count.min(first + TILE))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers as activations are: most are small, a few are not.
    fn activations(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| (next() + next() + next()) * if next() > 0.97 { 9.0 } else { 1.0 }).collect()
    }

    /// The layer of `weights`, whose rows are so many outputs.
    fn run(packed: &Packed, x: &[f32], bias: &[f32], finish: Option<&Finish<'_>>) -> Vec<f32> {
        let linear = Linear::new(packed.shape, &packed.quads, &packed.scales, &packed.sums).unwrap();
        let mut out = vec![9.0; x.len() / packed.shape.0 * packed.shape.1];
        linear.write(x, bias, finish, &mut out);
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn products_are_near_those_of_three_loops(
            (rows, inputs, outputs) in (1usize..11, 1usize..300, 1usize..300),
            seed in any::<u32>(),
        ) {
            let (x, weights) = (activations(rows * inputs, seed), activations(inputs * outputs, !seed));
            let bias = activations(outputs, seed ^ 1);
            let packed = Packed::quantise((inputs, outputs), Matrix::new(&weights, outputs));
            let negative = |row: &mut [f32]| row.iter_mut().for_each(|x| *x = -*x);
            let out = run(&packed, &x, &bias, Some(&negative));
            for row in 0..rows {
                let x = &x[row * inputs..][..inputs];
                // Half a step of an activation, and of a weight.
                let half = f64::from(SPAN / STEPS) / 2.0 * (x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / inputs as f64).sqrt();
                for (column, is) in out[row * outputs..][..outputs].iter().enumerate() {
                    let (mut wanted, mut bound) = (f64::from(bias[column]), 1e-4);
                    for (at, x) in x.iter().map(|x| f64::from(*x)).enumerate() {
                        let group = at / GROUP_SIZE * GROUP_SIZE..inputs.min((at / GROUP_SIZE + 1) * GROUP_SIZE);
                        let largest = group.map(|at| weights[at * outputs + column].abs()).fold(0.0, f32::max);
                        let weight = f64::from(weights[at * outputs + column]);
                        wanted += x * weight;
                        bound += half * weight.abs() + (x.abs() + half) * f64::from(largest) / 254.0;
                    }
                    prop_assert!((wanted + f64::from(*is)).abs() < bound, "{row}, {column}: {is}, {wanted}, {bound}");
                }
            }
            // However the rows are shared out, the result is the same.
            for (x, out) in x.chunks_exact(inputs).zip(out.chunks_exact(outputs)) {
                prop_assert_eq!(run(&packed, x, &bias, Some(&negative)), out);
            }
            // So it is however the outputs are put together.
            let part = |columns: Range<usize>| {
                Packed::quantise((inputs, columns.len()), Matrix { data: &weights[columns.start..], ..Matrix::new(&[], outputs) })
            };
            let middle = outputs / 3;
            prop_assert_eq!(Packed::beside(vec![part(0..middle), part(middle..outputs)]), packed);
        }
    }

    #[test]
    fn what_is_large_is_not_cut_off() {
        let mut x = vec![0.5; 384];
        (x[7], x[100]) = (-300.0, 200.0);
        let weights: Vec<f32> = (0..384).map(|at| (at % 7) as f32 - 3.0).collect();
        let out = run(&Packed::quantise((384, 1), Matrix::new(&weights, 1)), &x, &[], None);
        let wanted: f32 = x.iter().zip(&weights).map(|(x, weight)| x * weight).sum();
        assert!((out[0] / wanted - 1.0).abs() < 0.01, "{} {wanted}", out[0]);
    }

    #[test]
    fn rows_of_noughts_give_the_bias_and_what_is_no_number_stays_none() {
        let packed = Packed::quantise((5, 3), Matrix::new(&[0.5; 15], 3));
        let x = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, f32::NAN, 1.0, 1.0, 1.0];
        let out = run(&packed, &x, &[1.0, 2.0, 3.0], None);
        assert_eq!(out[..3], [1.0, 2.0, 3.0]);
        assert!(out[3..].iter().all(|x| x.is_nan()));
        let nought = Packed::quantise((5, 3), Matrix::new(&[0.0; 15], 3));
        assert_eq!(run(&nought, &x[..5], &[], None), [0.0; 3]);
    }

    #[test]
    fn what_is_infinite_breaks_its_row_alone() {
        let packed = Packed::quantise((5, 3), Matrix::new(&[0.5; 15], 3));
        let out = run(&packed, &[1.0, 1.0, f32::INFINITY, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0], &[], None);
        assert!(out[..3].iter().all(|x| !x.is_finite()) && out[3..].iter().all(|x| (x - 5.0).abs() < 1e-3));
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let (quads, panels) = ([[0; PANEL]; 2], [[0.0; PANEL]; 1]);
        assert!(Linear::new((8, 8), &quads, &panels, &panels).is_some());
        assert!(Linear::new((9, 8), &quads, &panels, &panels).is_none());
        assert!(Linear::new((8, 9), &quads, &panels, &panels).is_none());
        assert!(Linear::new((0, 8), &[], &[], &panels).is_none());
        assert!(Linear::new((usize::MAX, usize::MAX), &quads, &panels, &panels).is_none());
    }
}
