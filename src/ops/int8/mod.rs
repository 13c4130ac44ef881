//! Linear layers in integers of 8 bits, quantised here: weights when they are loaded, activations on the way in.
//!
//! What makes 8 bits inaccurate is outliers: an encoder has a few channels that are ten times as large as the others, in
//! a few tokens. A scale that covers them leaves nothing of the rest, and any error of a weight that they meet is ten
//! times as large. Hence two measures, neither of which needs data to be calibrated on:
//!
//! - Activations have a scale for each token that covers [`SPAN`](activations::SPAN) root mean squares in 7 bits, which
//!   is what the fast instruction multiplies. The few numbers outside, one in a hundred, have a second digit, which is
//!   multiplied by itself: nothing is cut off. The zero point is where the numbers begin, so that GELU's, of which few
//!   are below zero, are resolved twice as finely.
//! - Weights have a scale for each group of 128 inputs of an output: 3 % more memory for half the error.
//!
//! Smoothing activations into weights, which needs to know how large each channel is, was of no use where that was
//! taken from the layer norm before it: a channel is large because of a few tokens, and not of its factor.
//!
//! Integers are added up exactly, and floats in one order, so a result is the same to the last bit however its rows and
//! columns are shared out.

use std::ops::Range;

use super::gemm::{Finish, LEAST_SHARED, Matrix};
use super::parallel::{Tile, split, whole};
use super::simd::{GROUP, PANEL, Quad};
use activations::{Left, TILE, tiles};

mod activations;
#[cfg(test)]
mod tests;

/// Largest weight.
const LARGEST: f32 = 127.0;
/// Inputs that share a scale.
const GROUP_SIZE: usize = 4 * GROUP;
/// Bytes of weights that are multiplied at once: half of the innermost cache.
const CACHED: usize = 24 << 10;

/// Weights of a linear layer, quantised.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// Inputs and outputs.
    pub shape: (usize, usize),
    /// [`Quad`]s: panels of outputs, and in them four inputs each.
    pub quads: Vec<i32>,
    /// Panels of outputs, and in them groups of inputs, with a scale for each output.
    pub scales: Vec<f32>,
    /// The sum of each output's weights: what a zero point takes away.
    pub sums: Vec<f32>,
}

/// The shapes of the parts of a layer of so many inputs and outputs: panels and what is in them, as [`Packed`] has it.
pub struct Shapes {
    /// `[panels, inputs / 4, PANEL]`
    pub quads: [usize; 3],
    /// `[panels, groups, PANEL]`
    pub scales: [usize; 3],
    /// `[panels, PANEL]`
    pub sums: [usize; 2],
}

impl Shapes {
    /// Those of a layer of so many inputs and outputs.
    pub fn new((inputs, outputs): (usize, usize)) -> Self {
        let panels = outputs.div_ceil(PANEL);
        Self {
            quads: [panels, inputs.div_ceil(4), PANEL],
            scales: [panels, inputs.div_ceil(GROUP_SIZE), PANEL],
            sums: [panels, PANEL],
        }
    }
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
        let Shapes { quads: [panels, depth, _], scales: [_, groups, _], .. } = Shapes::new((inputs, outputs));
        let mut quads = Vec::with_capacity(panels * depth * PANEL);
        let (mut scales, mut sums) = (Vec::with_capacity(panels * groups * PANEL), Vec::with_capacity(panels * PANEL));
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
                    quads.extend(bytes.map(i32::from_le_bytes));
                }
                scales.extend(scale);
            }
            sums.extend(sum);
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
        let shape = (inputs, parts.iter().map(|part| part.shape.1).sum());
        // Where panels are whole they lie one after another.
        if parts.iter().rev().skip(1).all(|part| part.shape.1.is_multiple_of(PANEL)) {
            let mut all = Self { shape, quads: Vec::new(), scales: Vec::new(), sums: Vec::new() };
            for part in parts {
                all.quads.extend(part.quads);
                all.scales.extend(part.scales);
                all.sums.extend(part.sums);
            }
            return all;
        }
        let Shapes { quads: [panels, depth, _], scales: [_, groups, _], .. } = Shapes::new(shape);
        let mut all = Self {
            shape,
            quads: vec![0; panels * depth * PANEL],
            scales: vec![0.0; panels * groups * PANEL],
            sums: vec![0.0; panels * PANEL],
        };
        let mut to = 0;
        for part in &parts {
            for from in 0..part.shape.1 {
                copy_column(&mut all.quads, to, &part.quads, from, depth);
                copy_column(&mut all.scales, to, &part.scales, from, groups);
                copy_column(&mut all.sums, to, &part.sums, from, 1);
                to += 1;
            }
        }
        all
    }
}

/// Copies a column of panels that have so many rows.
fn copy_column<T: Copy>(to: &mut [T], column: usize, from: &[T], old: usize, rows: usize) {
    let place = |column: usize, row: usize| (column / PANEL * rows + row) * PANEL + column % PANEL;
    (0..rows).for_each(|row| to[place(column, row)] = from[place(old, row)]);
}

impl<'a> Linear<'a> {
    /// The parts of a [`Packed`] of this shape. None where the sizes do not fit, or are nought.
    pub fn new(shape: (usize, usize), quads: &'a [i32], scales: &'a [f32], sums: &'a [f32]) -> Option<Self> {
        let is = |length: usize, sizes: &[usize]| {
            sizes.iter().try_fold(1, |all: usize, size| all.checked_mul(*size)) == Some(length)
        };
        let shapes = Shapes::new(shape);
        let (inputs, outputs) = shape;
        let fits = inputs > 0
            && outputs > 0
            && is(quads.len(), &shapes.quads)
            && is(scales.len(), &shapes.scales)
            && is(sums.len(), &shapes.sums);
        let (quads, scales, sums) = (quads.as_chunks().0, scales.as_chunks().0, sums.as_chunks().0);
        fits.then_some(Self { inputs, outputs, quads, scales, sums })
    }

    /// What becomes of the rows `x`, into the rows `out`. `bias` is added to each, unless it is empty, and `finish` is
    /// done to each piece of a row in the end.
    pub fn write(&self, x: &[f32], bias: &[f32], finish: Option<&Finish<'_>>, out: &mut [f32]) {
        let left = Left::new(x, self.inputs);
        let none = vec![0.0; if bias.is_empty() { self.outputs } else { 0 }];
        let bias = if bias.is_empty() { &none } else { bias };
        let count = left.rows.len();
        let (mut rows, mut columns) = (whole(count), whole(self.outputs));
        if count.saturating_mul(self.inputs).saturating_mul(self.outputs) >= LEAST_SHARED {
            if count < self.outputs {
                columns = split(self.outputs, PANEL, 8 * PANEL);
            } else {
                rows = split(count, TILE, 4 * TILE);
            }
        }
        Tile::new(out, self.outputs, count, self.outputs).for_each_part(&rows, &columns, |rows, columns, mut out| {
            self.write_part(&left, rows, columns, bias, finish, &mut out);
        });
    }

    /// Computes `rows` of `columns`, which begin with a whole tile and a whole panel, into `out`.
    fn write_part(
        &self,
        left: &Left,
        rows: Range<usize>,
        columns: Range<usize>,
        bias: &[f32],
        finish: Option<&Finish<'_>>,
        out: &mut Tile<'_, f32>,
    ) {
        let (depth, groups) = (self.inputs.div_ceil(4), self.inputs.div_ceil(GROUP_SIZE));
        let width = (CACHED / (depth * size_of::<Quad>())).max(1) * PANEL;
        let mut room = vec![[0; PANEL]; groups * TILE];
        for block in columns.clone().step_by(width) {
            let some = block..columns.end.min(block + width);
            for few in tiles(rows.clone()) {
                let places = (
                    few.start - rows.start..few.end - rows.start,
                    some.start - columns.start..some.end - columns.start,
                );
                let mut out = out.part(places.0, places.1);
                match few.len() {
                    1 => self.write_tile::<1>(left, &few, &some, bias, &mut room, &mut out),
                    _ => self.write_tile::<TILE>(left, &few, &some, bias, &mut room, &mut out),
                }
                if let Some(finish) = finish {
                    (0..few.len()).for_each(|row| finish(out.row(row, 0..some.len())));
                }
            }
        }
    }

    /// Computes the rows `few` of a tile, of which there is one or room for `R`. `room` is for what [`Few::multiply`](activations::Few::multiply) wants.
    #[inline(always)]
    fn write_tile<const R: usize>(
        &self,
        left: &Left,
        few: &Range<usize>,
        columns: &Range<usize>,
        bias: &[f32],
        room: &mut [[i32; PANEL]],
        out: &mut Tile<'_, f32>,
    ) {
        let (depth, groups) = (self.inputs.div_ceil(4), self.inputs.div_ceil(GROUP_SIZE));
        let tile = left.tile::<R>(few);
        for first in columns.clone().step_by(PANEL) {
            let (panel, own) = (first / PANEL, first..columns.end.min(first + PANEL));
            let quads = &self.quads[panel * depth..][..depth];
            let scales = &self.scales[panel * groups..][..groups];
            let sums = tile.multiply(quads, scales, room);
            for ((row, sums), place) in left.rows[few.clone()].iter().zip(&sums).zip(0..) {
                let out = out.row(place, own.start - columns.start..own.end - columns.start);
                row.finish(sums, &self.sums[panel], &bias[own.clone()], out);
            }
        }
    }
}
