//! Products with weights of 4 bits by [`Precision::Blocks`](super::Precision::Blocks): activations are signed bytes, with a
//! scale for each block of 32 inputs that shares one of the weights, as llama.cpp has them (`Q8_0`).
//!
//! One product does, where [`Precision::High`](super::Precision::High) takes two. The instruction
//! multiplies signed bytes by bytes below 128. Those of the weights are, so activations have all 8 bits.

use std::ops::Range;

use super::activations::{TILE, tiles, width};
use super::{CACHED, LEAST_SHARED, QuantizedLinear, Weights};
use crate::kernels::gemm::Epilogue;
use crate::kernels::parallel::{self, Tile, split, whole};
use crate::kernels::simd::{self, BLOCK_WORDS, BlockColumns, BlockRows, PANEL, Word};

/// The largest integer of an activation.
const LARGEST: f32 = 127.0;
/// Magnitudes that are compared side by side.
const LANES: usize = 8;
/// Fewer numbers are quantised before another thread has started.
const LEAST_QUANTISED: usize = 1 << 13;

/// Inputs of a block.
const BLOCK: usize = 4 * BLOCK_WORDS;

/// Rows of activations. The vectors have the layout of [`BlockRows`], one tile after another. A tile has [`width`] rows.
struct BlockLhs {
    blocks: usize,
    words: Vec<Word>,
    scales: Vec<f32>,
    sums: Vec<f32>,
}

impl BlockLhs {
    /// Quantises the rows `x`, of `inputs` numbers each: whole blocks.
    fn new(x: &[f32], inputs: usize) -> Self {
        let (blocks, count) = (inputs / BLOCK, x.len() / inputs);
        let stored: usize = tiles(0..count).map(|rows| width(rows.len())).sum::<usize>() * blocks;
        let (mut words, mut scales) = (vec![Word::default(); stored * BLOCK_WORDS], vec![0.0; stored]);
        let mut sums = scales.clone();
        // Threads take whole tiles.
        let each = parallel::split(count, TILE, LEAST_QUANTISED / inputs)[0].len().max(1).next_multiple_of(TILE);
        let parts = x.chunks(each * inputs).zip(words.chunks_mut(each * blocks * BLOCK_WORDS));
        let parts = parts.zip(scales.chunks_mut(each * blocks)).zip(sums.chunks_mut(each * blocks)).collect();
        parallel::for_each(parts, |_, (((x, words), scales), sums)| {
            let tiles = x.chunks(TILE * inputs).zip(words.chunks_mut(TILE * blocks * BLOCK_WORDS));
            let tiles = tiles.zip(scales.chunks_mut(TILE * blocks)).zip(sums.chunks_mut(TILE * blocks));
            for (((x, words), scales), sums) in tiles {
                let height = width(x.len() / inputs);
                for (row, x) in x.chunks_exact(inputs).enumerate() {
                    for (block, x) in x.as_chunks().0.iter().enumerate() {
                        let at = block * height + row;
                        let words = words[block * BLOCK_WORDS * height + row..].iter_mut().step_by(height);
                        let (scale, sum) = quantise(x, words);
                        (scales[at], sums[at]) = (scale, scale * sum as f32);
                    }
                }
            }
        });
        Self { blocks, words, scales, sums }
    }

    /// The rows of a tile; `R` is 1 or [`TILE`].
    fn tile<const R: usize>(&self, rows: &Range<usize>) -> BlockRows<'_, R> {
        let numbers = rows.start * self.blocks..(rows.start + R) * self.blocks;
        let words = &self.words[numbers.start * BLOCK_WORDS..numbers.end * BLOCK_WORDS];
        BlockRows {
            words: words.as_chunks().0.as_chunks().0,
            scales: self.scales[numbers.clone()].as_chunks().0,
            sums: self.sums[numbers].as_chunks().0,
        }
    }
}

/// Quantises the numbers of a block into `words`. Returns their scale and the sum of the integers.
#[inline(always)]
fn quantise<'a>(x: &[f32; BLOCK], mut words: impl Iterator<Item = &'a mut Word>) -> (f32, i32) {
    let most = largest(x);
    let by = LARGEST / most;
    // A block of zeros, or of what is too small, has zeros. What is infinite or no number makes the scale so.
    let (by, scale) = if by.is_finite() { (by, most / LARGEST) } else { (0.0, if most < 1.0 { 0.0 } else { most }) };
    for x in x.as_chunks().0 {
        for (four, to) in simd::quantise_signed(x, by).into_iter().zip(&mut words) {
            *to = four;
        }
    }
    // Of what is not finite any integers: the scale is not finite either.
    (scale, x.iter().fold(0, |sum, x| sum.wrapping_add(simd::rounded(*x, by))))
}

/// The largest magnitude; NaN if a number is NaN.
#[inline(always)]
fn largest(x: &[f32; BLOCK]) -> f32 {
    let mut lanes = [0; LANES];
    for x in x.as_chunks::<LANES>().0 {
        // As integers magnitudes have the same order, and NaN is the largest.
        lanes.iter_mut().zip(x).for_each(|(lane, x)| *lane = x.abs().to_bits().max(*lane));
    }
    f32::from_bits(lanes.into_iter().fold(0, u32::max))
}

impl QuantizedLinear<'_> {
    /// Whether [`write_in_blocks`](Self::write_in_blocks) can be used: with weights of 4 bits in whole blocks of 32.
    pub(super) fn has_whole_blocks(&self) -> bool {
        matches!(self.numbers, Weights::Halves(_)) && self.group == BLOCK_WORDS && self.inputs.is_multiple_of(BLOCK)
    }

    /// [`write`](Self::write) with such activations.
    pub(super) fn write_in_blocks(&self, x: &[f32], bias: &[f32], epilogue: Option<&Epilogue<'_>>, out: &mut [f32]) {
        let lhs = BlockLhs::new(x, self.inputs);
        let count = x.len() / self.inputs;
        let (mut rows, mut columns) = (whole(count), whole(self.outputs));
        if count.saturating_mul(self.inputs).saturating_mul(self.outputs) >= LEAST_SHARED {
            if count < self.outputs {
                columns = split(self.outputs, PANEL, 8 * PANEL);
            } else {
                rows = split(count, TILE, 4 * TILE);
            }
        }
        // Panels whose weights stay in the cache while all rows are multiplied.
        let width = (CACHED / (self.inputs * PANEL / 2)).max(1) * PANEL;
        Tile::new(out, self.outputs, count, self.outputs).for_each_part(&rows, &columns, |rows, columns, mut out| {
            for block in columns.clone().step_by(width) {
                let some = block..columns.end.min(block + width);
                for few in tiles(rows.clone()) {
                    let own = few.start - rows.start..few.end - rows.start;
                    let mut out = out.part(own, some.start - columns.start..some.end - columns.start);
                    match few.len() {
                        1 => self.write_block_tile::<1>(&lhs, &few, &some, bias, &mut out),
                        _ => self.write_block_tile::<TILE>(&lhs, &few, &some, bias, &mut out),
                    }
                    if let Some(epilogue) = epilogue {
                        (0..few.len()).for_each(|row| epilogue(out.row(row, 0..some.len())));
                    }
                }
            }
        });
    }

    /// Computes the rows `few` of a tile and `columns`, which begin at a panel. `R` is 1 or the height of a tile.
    fn write_block_tile<const R: usize>(
        &self,
        lhs: &BlockLhs,
        few: &Range<usize>,
        columns: &Range<usize>,
        bias: &[f32],
        out: &mut Tile<'_, f32>,
    ) {
        let (blocks, rows) = (lhs.blocks, lhs.tile::<R>(few));
        for (index, panel) in (columns.start / PANEL..columns.end.div_ceil(PANEL)).enumerate() {
            let own = index * PANEL..columns.len().min((index + 1) * PANEL);
            let sums = simd::blocks::<R>(
                rows,
                BlockColumns {
                    quads: self.numbers.panels(panel..panel + 1, self.inputs / 4).as_chunks().0,
                    scales: &self.scales[panel * blocks..][..blocks],
                    offsets: self.offsets.map_or(&[], |offsets| offsets.panel(panel)),
                },
            );
            let bias = bias.get(panel * PANEL..).unwrap_or_default();
            for (row, sums) in sums.iter().take(few.len()).enumerate() {
                for (at, (out, sum)) in out.row(row, own.clone()).iter_mut().zip(sums).enumerate() {
                    *out = sum + bias.get(at).copied().unwrap_or(0.0);
                }
            }
        }
    }
}
