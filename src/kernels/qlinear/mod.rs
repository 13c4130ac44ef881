//! Linear layers in integers of 8 bits: activations are quantised on the way in, weights when they are loaded, unless the
//! file has them in blocks of integers ([`Blocks`]).
//!
//! What makes 8 bits inaccurate is outliers: an encoder has a few channels that are ten times as large as the others, in
//! a few tokens. A scale that covers them leaves nothing of the rest, and any error of a weight that they meet is ten
//! times as large. Hence two measures, neither of which needs data to be calibrated on:
//!
//! - Activations have a scale for each token that covers [`SPAN`](activations::SPAN) root mean squares in 7 bits, which
//!   is what the fast instruction multiplies. The few numbers outside, one in a hundred, have a second digit, which is
//!   multiplied by itself: nothing is cut off. The zero point is where the numbers begin, so that GELU's, of which few
//!   are below zero, are resolved twice as finely.
//! - Weights that are quantised here have a scale for each group of 128 inputs of an output: 3 % more memory for half the
//!   error.
//!
//! Smoothing activations into weights, which needs to know how large each channel is, was of no use where that was
//! taken from the layer norm before it: a channel is large because of a few tokens, and not of its factor.
//!
//! Integers are added up exactly, and floats in one order, so a result is the same to the last bit however its rows and
//! columns are shared out.

use std::ops::Range;

use super::gemm::{Finish, LEAST_SHARED, Matrix, Product, Start};
use super::parallel::{Tile, split, whole};
use super::prepack::Panels;
use super::simd::{PANEL, Quad};
use activations::{Left, TILE, tiles};
pub use blocks::Blocks;
use prepack::GROUP_SIZE;
pub use prepack::{Packed, Shapes};

mod activations;
mod blocks;
mod prepack;
#[cfg(test)]
mod tests;

/// Bytes of weights that are multiplied at once: half of the innermost cache.
const CACHED: usize = 24 << 10;

/// Weights of a linear layer, wherever they lie.
#[derive(Clone, Copy)]
pub struct Linear<'a> {
    inputs: usize,
    outputs: usize,
    /// Quads that have a scale of their own.
    group: usize,
    numbers: Numbers<'a>,
    scales: &'a [[f32; PANEL]],
    sums: &'a [[f32; PANEL]],
    /// What is added to the weights of a group, for each group and output.
    offsets: Option<Panels<'a>>,
}

/// Weights as they are multiplied, or smaller.
#[derive(Clone, Copy)]
enum Numbers<'a> {
    /// Of 8 bits.
    Bytes(&'a [Quad]),
    /// Of 4 bits: of two quads the first in the lower halves of the bytes.
    Halves(&'a [Quad]),
}

/// Columns that are computed at once, their weights, and what is added to them.
struct Strip<'a> {
    columns: Range<usize>,
    quads: &'a [Quad],
    bias: &'a [f32],
}

impl Numbers<'_> {
    /// The quads of `panels`, `depth` in each, in `room` if they are not there anyway.
    fn panels<'s>(&'s self, panels: Range<usize>, depth: usize, room: &'s mut Vec<Quad>) -> &'s [Quad] {
        match self {
            Self::Bytes(quads) => &quads[panels.start * depth..panels.end * depth],
            Self::Halves(pairs) => {
                let stride = depth.div_ceil(2);
                room.clear();
                for panel in panels {
                    let (whole, rest) = pairs[panel * stride..][..stride].split_at(depth / 2);
                    whole.iter().for_each(|pair| room.extend(blocks::unpack(pair)));
                    rest.iter().for_each(|pair| room.push(blocks::unpack(pair)[0]));
                }
                room
            }
        }
    }
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
        let (group, numbers) = (GROUP_SIZE / 4, Numbers::Bytes(quads));
        fits.then_some(Self { inputs, outputs, group, numbers, scales, sums, offsets: None })
    }

    /// What becomes of the rows `x`, into the rows `out`. `bias` is added to each, unless it is empty, and `finish` is
    /// done to each piece of a row in the end.
    pub fn write(&self, x: &[f32], bias: &[f32], finish: Option<&Finish<'_>>, out: &mut [f32]) {
        let left = Left::new(x, self.inputs, self.group);
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
        let last = finish.filter(|_| self.offsets.is_none());
        Tile::new(out, self.outputs, count, self.outputs).for_each_part(&rows, &columns, |rows, columns, mut out| {
            self.write_part(&left, rows, columns, bias, last, &mut out);
        });
        if let Some(offsets) = &self.offsets {
            let (groups, sums) = (self.groups(), left.sums(x, self.inputs, self.group));
            let mut product = Product::new((count, self.outputs, groups), Matrix::new(&sums, groups), offsets);
            (product.start, product.finish) = (Start::Result, finish);
            product.write(out, self.outputs);
        }
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
        let depth = self.inputs.div_ceil(4);
        let width = (CACHED / (depth * size_of::<Quad>())).max(1) * PANEL;
        let (mut unpacked, mut room) = (Vec::new(), vec![[0; PANEL]; self.groups() * TILE]);
        for block in columns.clone().step_by(width) {
            let some = block..columns.end.min(block + width);
            let quads = self.numbers.panels(block / PANEL..some.end.div_ceil(PANEL), depth, &mut unpacked);
            let strip = Strip { columns: some.clone(), quads, bias: &bias[some.clone()] };
            for few in tiles(rows.clone()) {
                let places = (
                    few.start - rows.start..few.end - rows.start,
                    some.start - columns.start..some.end - columns.start,
                );
                let mut out = out.part(places.0, places.1);
                match few.len() {
                    1 => self.write_tile::<1>(left, &few, &strip, &mut room, &mut out),
                    _ => self.write_tile::<TILE>(left, &few, &strip, &mut room, &mut out),
                }
                if let Some(finish) = finish {
                    (0..few.len()).for_each(|row| finish(out.row(row, 0..some.len())));
                }
            }
        }
    }

    /// How many scales an output has.
    fn groups(&self) -> usize {
        self.inputs.div_ceil(4 * self.group)
    }

    /// Computes the rows `few` of a tile, of which there is one or room for `R`, and the columns of `strip`. `room` is for
    /// what [`Few::multiply`](activations::Few::multiply) wants.
    #[inline(always)]
    fn write_tile<const R: usize>(
        &self,
        left: &Left,
        few: &Range<usize>,
        strip: &Strip<'_>,
        room: &mut [[i32; PANEL]],
        out: &mut Tile<'_, f32>,
    ) {
        let groups = self.groups();
        let tile = left.tile::<R>(few);
        let quads = strip.quads.chunks_exact(self.inputs.div_ceil(4));
        for (place, (quads, bias)) in quads.zip(strip.bias.chunks(PANEL)).enumerate() {
            let panel = strip.columns.start / PANEL + place;
            let own = place * PANEL..place * PANEL + bias.len();
            let scales = &self.scales[panel * groups..][..groups];
            let sums = tile.multiply(quads, scales, self.group, room);
            for ((row, sums), place) in left.rows[few.clone()].iter().zip(&sums).zip(0..) {
                row.finish(sums, &self.sums[panel], bias, out.row(place, own.clone()));
            }
        }
    }
}
