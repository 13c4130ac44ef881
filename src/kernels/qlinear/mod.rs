//! Dynamically quantised linear layers: activations are quantised to 8 bits for each call, weights when they are loaded,
//! unless the file has them in blocks of integers ([`BlockLinear`], [`Int4Weights`]).
//!
//! What makes 8 bits inaccurate is outliers: an encoder has a few channels that are ten times as large as the others, in a
//! few tokens. A scale that covers them leaves no resolution for the rest, and any error of a weight that they multiply is
//! ten times as large. Hence two measures, neither of which needs calibration data:
//!
//! - Activations have a scale for each token that covers [`SPAN`](activations::SPAN) root mean squares in 7 bits, which is
//!   what the fast instruction multiplies. Outliers beyond 7 bits, one number in a hundred, carry a high digit (× 128),
//!   whose products are accumulated in a sparse second pass, so nothing saturates. The zero point is at the lower end of
//!   the range, so that the outputs of GELU, few of which are negative, are resolved twice as finely.
//! - Weights that are quantised here have a scale for each group of 128 inputs of an output: 3 % more memory for half the
//!   error.
//!
//! Smoothing activations into weights, which needs the magnitude of each channel, was of no use where that was taken from
//! the layer norm before it: a channel is large because of a few tokens, and not because of its factor.
//!
//! Integers are added exactly, and floats in one order, so a result is equal to the last bit however its rows and columns
//! are split between threads.

use std::ops::Range;

use super::gemm::{Epilogue, Gemm, Init, LEAST_SHARED, Matrix};
use super::parallel::{Tile, split, whole};
use super::prepack::Panels;
use super::simd::{HALF_ZERO, PANEL, Quad};
pub use activations::Precision;
use activations::{QuantizedLhs, TILE, tiles};
pub use blocks::{BlockLayout, BlockLinear, BlockParts};
pub use int4::{Int4Linear, Int4Weights};
pub use prepack::{GROUP_SIZE, QuantizedWeights, Shapes};

mod activations;
mod blocks;
mod int4;
mod prepack;
#[cfg(test)]
mod tests;

/// Bytes of weights that are multiplied at once: half of the L1 cache.
const CACHED: usize = 24 << 10;

/// A linear layer with quantised weights, borrowed from wherever they are stored.
#[derive(Clone, Copy)]
pub struct QuantizedLinear<'a> {
    inputs: usize,
    outputs: usize,
    /// Quads that share a scale.
    group: usize,
    numbers: Weights<'a>,
    scales: &'a [[f32; PANEL]],
    sums: &'a [[f32; PANEL]],
    /// The offsets of the weights, `[groups, outputs]`.
    offsets: Option<Panels<'a>>,
    precision: Precision,
}

/// Weights, as they are multiplied or packed smaller.
#[derive(Clone, Copy)]
enum Weights<'a> {
    /// 8-bit.
    Bytes(&'a [Quad]),
    /// 4-bit: two quads in one, see [`simd::halves`](super::simd::halves).
    Halves(&'a [Quad]),
}

/// Columns that are computed at once, with their weights and biases.
struct ColumnBlock<'a> {
    columns: Range<usize>,
    quads: &'a [Quad],
    bias: &'a [f32],
}

/// The parts of `count` rows and of the outputs of a layer with these inputs and outputs, which threads compute.
fn parts(count: usize, (inputs, outputs): (usize, usize)) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    if count.saturating_mul(inputs).saturating_mul(outputs) < LEAST_SHARED {
        (whole(count), whole(outputs))
    } else if count < outputs {
        (whole(count), split(outputs, PANEL, 8 * PANEL))
    } else {
        (split(count, TILE, 4 * TILE), whole(outputs))
    }
}

impl<'a> Weights<'a> {
    /// What is stored of `panels`, which have `depth` quads each.
    fn panels(self, panels: Range<usize>, depth: usize) -> &'a [Quad] {
        let (Self::Bytes(quads) | Self::Halves(quads)) = self;
        let stride = self.stride(depth);
        &quads[panels.start * stride..panels.end * stride]
    }

    /// The stored quads of a panel that has `depth`.
    fn stride(self, depth: usize) -> usize {
        if let Self::Halves(_) = self { depth.div_ceil(2) } else { depth }
    }
}

impl<'a> QuantizedLinear<'a> {
    /// The layer with activations of this precision.
    #[must_use]
    pub fn with(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The layer's output for the rows `x`, into the rows `out`. `bias` is added to each row, unless it is empty, and
    /// `epilogue` is applied to each part of a row when it is complete.
    pub fn write(&self, x: &[f32], bias: &[f32], epilogue: Option<&Epilogue<'_>>, out: &mut [f32]) {
        let lhs = QuantizedLhs::new(x, self.inputs, self.group, self.precision);
        let has_halves = matches!(self.numbers, Weights::Halves(_));
        let integer_sums = match has_halves || self.offsets.is_some() {
            true => lhs.integer_sums(x, self.inputs, self.group),
            false => Vec::new(),
        };
        let none = vec![0.0; if bias.is_empty() { self.outputs } else { 0 }];
        let bias = if bias.is_empty() { &none } else { bias };
        let count = lhs.rows.len();
        let (rows, columns) = parts(count, (self.inputs, self.outputs));
        let last = epilogue.filter(|_| self.offsets.is_none());
        Tile::new(out, self.outputs, count, self.outputs).for_each_part(&rows, &columns, |rows, columns, mut out| {
            match has_halves {
                true => self.write_part::<true>(&lhs, &integer_sums, rows, columns, bias, last, &mut out),
                false => self.write_part::<false>(&lhs, &[], rows, columns, bias, last, &mut out),
            }
        });
        if let Some(offsets) = &self.offsets {
            let (groups, sums) = (self.groups(), lhs.sums(&integer_sums, self.inputs, self.group));
            let mut product = Gemm::new((count, self.outputs, groups), Matrix::new(&sums, groups), offsets);
            (product.init, product.epilogue) = (Init::Output, epilogue);
            product.write(out, self.outputs);
        }
    }

    /// Computes these rows and columns, which begin at a tile and a panel, into `out`. With `HALVES` the weights are of 4 bits,
    /// and `integer_sums` are needed.
    #[allow(clippy::too_many_arguments, reason = "the parts of one product")]
    fn write_part<const HALVES: bool>(
        &self,
        lhs: &QuantizedLhs,
        integer_sums: &[i32],
        rows: Range<usize>,
        columns: Range<usize>,
        bias: &[f32],
        epilogue: Option<&Epilogue<'_>>,
        out: &mut Tile<'_, f32>,
    ) {
        let depth = self.inputs.div_ceil(4);
        let width = (CACHED / (self.numbers.stride(depth) * size_of::<Quad>())).max(1) * PANEL;
        let groups = self.groups();
        let (mut init, mut scratch) = (Vec::new(), vec![[0; PANEL]; groups * TILE]);
        for block in columns.clone().step_by(width) {
            let some = block..columns.end.min(block + width);
            let quads = self.numbers.panels(block / PANEL..some.end.div_ceil(PANEL), depth);
            let block_columns = ColumnBlock { columns: some.clone(), quads, bias: &bias[some.clone()] };
            for few in tiles(rows.clone()) {
                let ranges = (
                    few.start - rows.start..few.end - rows.start,
                    some.start - columns.start..some.end - columns.start,
                );
                let mut out = out.part(ranges.0, ranges.1);
                if HALVES {
                    // The weights are stored with a zero point, whose products are subtracted first.
                    let height = if few.len() == 1 { 1 } else { TILE };
                    let row = |at: usize| (few.start + at % height).min(few.end - 1);
                    init.clear();
                    init.extend(
                        (0..groups * height).map(|at| -HALF_ZERO * integer_sums[row(at) * groups + at / height]),
                    );
                    scratch.iter_mut().zip(&init).for_each(|(sums, init)| *sums = [*init; PANEL]);
                }
                match few.len() {
                    1 => self.write_tile::<1, HALVES>(lhs, &few, &block_columns, &init, &mut scratch, &mut out),
                    _ => self.write_tile::<TILE, HALVES>(lhs, &few, &block_columns, &init, &mut scratch, &mut out),
                }
                if let Some(epilogue) = epilogue {
                    (0..few.len()).for_each(|row| epilogue(out.row(row, 0..some.len())));
                }
            }
        }
    }

    /// The number of scales of an output.
    fn groups(&self) -> usize {
        self.inputs.div_ceil(4 * self.group)
    }

    /// Computes the rows `few` of a tile and the columns of `block_columns`. `R` is 1 or the height of a tile. `init` and
    /// `scratch` are those of [`TileRows::multiply`](activations::TileRows::multiply).
    #[inline(always)]
    fn write_tile<const R: usize, const HALVES: bool>(
        &self,
        lhs: &QuantizedLhs,
        few: &Range<usize>,
        block_columns: &ColumnBlock<'_>,
        init: &[i32],
        scratch: &mut [[i32; PANEL]],
        out: &mut Tile<'_, f32>,
    ) {
        let groups = self.groups();
        let tile = lhs.tile::<R>(few);
        let quads = block_columns.quads.chunks_exact(self.numbers.stride(self.inputs.div_ceil(4)));
        for (index, (quads, bias)) in quads.zip(block_columns.bias.chunks(PANEL)).enumerate() {
            let panel = block_columns.columns.start / PANEL + index;
            let own = index * PANEL..index * PANEL + bias.len();
            let scales = &self.scales[panel * groups..][..groups];
            let sums = tile.multiply::<HALVES>(quads, scales, self.group, init, scratch);
            for ((row, sums), out_row) in lhs.rows[few.clone()].iter().zip(&sums).zip(0..) {
                row.dequantise(sums, &self.sums[panel], bias, out.row(out_row, own.clone()));
            }
        }
    }
}
