//! Linear layers with weights of 4 bits, in blocks of 32 inputs that share a scale and a smallest weight, as in the types Q4_0,
//! Q4_1 and Q4_K of GGUF files. Activations are signed bytes with a scale for each block, as llama.cpp has them (`Q8_0`).
//!
//! The instruction multiplies signed bytes by bytes below 128. Those of the weights are, so activations have all 8 bits.
//!
//! A token reads each weight once, so that the time of a reply is that of reading them: a block lies together in memory, and
//! its scales are floats of 16 bits, as in the files.

use std::ops::Range;

use half::f16;

use super::activations::{TILE, tiles, width};
use super::{CACHED, parts};
use crate::kernels::gemm::Epilogue;
use crate::kernels::parallel::{self, Tile};
use crate::kernels::simd::{self, BLOCK_WORDS, Block, BlockRows, LOWER_HALVES, PANEL, Word};

/// The largest integer of an activation.
const LARGEST: f32 = 127.0;
/// Magnitudes that are compared side by side.
const LANES: usize = 8;
/// Fewer numbers are quantised before another thread has started.
const LEAST_QUANTISED: usize = 1 << 13;

/// Inputs of a block.
const BLOCK: usize = 4 * BLOCK_WORDS;

/// The weights of a linear layer, each `integer * scale + smallest`, with integers from 0 to 15.
pub struct Int4Weights {
    shape: (usize, usize),
    /// `[panels, blocks]`
    blocks: Vec<Block>,
}

impl Int4Weights {
    /// The weights of `shape.1` outputs of `shape.0` inputs, which are whole blocks. `read` is called for each block of each
    /// output, in order. It writes the block's integers and returns their scale and smallest weight. `None` where there are no
    /// inputs or outputs, or no whole blocks.
    pub fn new(
        shape: (usize, usize),
        mut read: impl FnMut(usize, usize, &mut [u8; BLOCK]) -> (f32, f32),
    ) -> Option<Self> {
        let (inputs, outputs) = shape;
        if inputs == 0 || outputs == 0 || !inputs.is_multiple_of(BLOCK) {
            return None;
        }
        let of_output = inputs / BLOCK;
        let mut blocks: Vec<Block> = vec![Default::default(); outputs.div_ceil(PANEL).checked_mul(of_output)?];
        let mut numbers = [0; BLOCK];
        for output in 0..outputs {
            let (panel, lane) = (output / PANEL, output % PANEL);
            for (at, block) in blocks[panel * of_output..][..of_output].iter_mut().enumerate() {
                let [scale, smallest] = <[f32; 2]>::from(read(output, at, &mut numbers)).map(f16::from_f32);
                for (pair, numbers) in block.pairs.iter_mut().zip(numbers.as_chunks::<4>().0.as_chunks::<2>().0) {
                    let [lower, upper] = numbers.map(|four| i32::from_le_bytes(four) & LOWER_HALVES);
                    pair[lane] = lower | upper << 4;
                }
                block.floats[lane] = i32::from(scale.to_bits()) | i32::from(smallest.to_bits()) << 16;
            }
        }
        Some(Self { shape, blocks })
    }

    /// Inputs and outputs.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// The numbers, for [`Int4Linear::new`].
    pub fn into_words(self) -> Vec<i32> {
        bytemuck::cast_vec(self.blocks)
    }
}

/// A linear layer with [`Int4Weights`], borrowed from wherever they are stored.
#[derive(Clone, Copy)]
pub struct Int4Linear<'a> {
    shape: (usize, usize),
    blocks: &'a [Block],
}

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

impl<'a> Int4Linear<'a> {
    /// The layer of the words of [`Int4Weights::into_words`]; `None` where their number does not fit.
    pub fn new(shape: (usize, usize), words: &'a [i32]) -> Option<Self> {
        let blocks: &[Block] = bytemuck::try_cast_slice(words).ok()?;
        let (inputs, outputs) = shape;
        let fits = inputs > 0
            && inputs.is_multiple_of(BLOCK)
            && outputs > 0
            && outputs.div_ceil(PANEL).checked_mul(inputs / BLOCK) == Some(blocks.len());
        fits.then_some(Self { shape, blocks })
    }

    /// The layer's output for the rows `x`, into the rows `out`. `bias` is added to each row, unless it is empty, and
    /// `epilogue` is applied to each part of a row when it is complete.
    pub fn write(&self, x: &[f32], bias: &[f32], epilogue: Option<&Epilogue<'_>>, out: &mut [f32]) {
        let (inputs, outputs) = self.shape;
        let lhs = BlockLhs::new(x, inputs);
        let count = x.len() / inputs;
        let (rows, columns) = parts(count, self.shape);
        // Panels whose weights stay in the cache while all rows are multiplied.
        let width = (CACHED / (inputs * PANEL / 2)).max(1) * PANEL;
        Tile::new(out, outputs, count, outputs).for_each_part(&rows, &columns, |rows, columns, mut out| {
            for block in columns.clone().step_by(width) {
                let some = block..columns.end.min(block + width);
                for few in tiles(rows.clone()) {
                    let own = few.start - rows.start..few.end - rows.start;
                    let mut out = out.part(own, some.start - columns.start..some.end - columns.start);
                    match few.len() {
                        1 => self.write_tile::<1>(&lhs, &few, &some, bias, &mut out),
                        _ => self.write_tile::<TILE>(&lhs, &few, &some, bias, &mut out),
                    }
                    if let Some(epilogue) = epilogue {
                        (0..few.len()).for_each(|row| epilogue(out.row(row, 0..some.len())));
                    }
                }
            }
        });
    }

    /// Computes the rows `few` of a tile and `columns`, which begin at a panel. `R` is 1 or the height of a tile.
    fn write_tile<const R: usize>(
        &self,
        lhs: &BlockLhs,
        few: &Range<usize>,
        columns: &Range<usize>,
        bias: &[f32],
        out: &mut Tile<'_, f32>,
    ) {
        let rows = lhs.tile::<R>(few);
        for (index, panel) in (columns.start / PANEL..columns.end.div_ceil(PANEL)).enumerate() {
            let own = index * PANEL..columns.len().min((index + 1) * PANEL);
            let sums = simd::blocks::<R>(rows, &self.blocks[panel * lhs.blocks..][..lhs.blocks]);
            let bias = bias.get(panel * PANEL..).unwrap_or_default();
            for (row, sums) in sums.iter().take(few.len()).enumerate() {
                for (at, (out, sum)) in out.row(row, own.clone()).iter_mut().zip(sums).enumerate() {
                    *out = sum + bias.get(at).copied().unwrap_or(0.0);
                }
            }
        }
    }

    /// The weights of one output into `row`, which has a number for each input: a row of an embedding table that is also the
    /// last layer. `None` where there is no such output, or `row` has another length.
    pub fn read_output(&self, output: usize, row: &mut [f32]) -> Option<()> {
        let (inputs, outputs) = self.shape;
        if output >= outputs || row.len() != inputs {
            return None;
        }
        let (panel, lane, count) = (output / PANEL, output % PANEL, inputs / BLOCK);
        for (block, row) in self.blocks[panel * count..][..count].iter().zip(row.chunks_exact_mut(BLOCK)) {
            let (scale, smallest) = simd::scale_and_smallest(block.floats[lane]);
            for (at, row) in row.chunks_exact_mut(4).enumerate() {
                let numbers = simd::quad_at::<true>(&block.pairs, at)[lane].to_le_bytes();
                row.iter_mut().zip(numbers).for_each(|(to, number)| *to = f32::from(number) * scale + smallest);
            }
        }
        Some(())
    }
}
