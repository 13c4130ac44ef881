//! Products with weights of 4 bits by [`Precision::Blocks`](super::Precision::Blocks): activations are signed bytes, with a
//! scale for each block of inputs that shares one of the weights, as llama.cpp has them (`Q8_0`).
//!
//! One product does, where [`Precision::High`](super::Precision::High) takes two. The instruction
//! multiplies signed bytes by bytes below 128. Those of the weights are, so activations have all 8 bits.

use std::ops::Range;

use super::activations::{TILE, tiles, width};
use super::{CACHED, LEAST_SHARED, QuantizedLinear};
use crate::kernels::gemm::Epilogue;
use crate::kernels::parallel::{self, Tile, split, whole};
use crate::kernels::simd::{self, BlockColumns, BlockRows, HALF_ZERO, PANEL, Quad, Word};

/// The largest integer of an activation.
const LARGEST: f32 = 127.0;
/// Numbers that are quantised at once.
const AT_ONCE: usize = 16;
/// Fewer numbers are quantised before another thread has started.
const LEAST_QUANTISED: usize = 1 << 13;

/// Rows of activations. The vectors have the layout of [`BlockRows`], one tile after another. A tile has [`width`] rows.
struct BlockLhs {
    depth: usize,
    groups: usize,
    words: Vec<Word>,
    scales: Vec<f32>,
    init: Vec<i32>,
    sums: Vec<f32>,
}

impl BlockLhs {
    /// Quantises the rows `x`, of `inputs` numbers each, of which `block` share a scale.
    fn new(x: &[f32], inputs: usize, block: usize) -> Self {
        let (depth, groups, count) = (inputs.div_ceil(4), inputs.div_ceil(block), x.len() / inputs);
        let stored: usize = tiles(0..count).map(|rows| width(rows.len())).sum();
        let (mut words, mut scales) = (vec![Word::default(); stored * depth], vec![0.0; stored * groups]);
        let (mut init, mut sums) = (vec![0; stored * groups], vec![0.0; stored * groups]);
        // Threads take whole tiles.
        let each = parallel::split(count, TILE, LEAST_QUANTISED / inputs)[0].len().max(1).next_multiple_of(TILE);
        let parts = x.chunks(each * inputs).zip(words.chunks_mut(each * depth)).zip(scales.chunks_mut(each * groups));
        let parts = parts.zip(init.chunks_mut(each * groups)).zip(sums.chunks_mut(each * groups)).collect();
        parallel::for_each(parts, |_, ((((x, words), scales), init), sums)| {
            let tiles = x.chunks(TILE * inputs).zip(words.chunks_mut(TILE * depth));
            let tiles = tiles.zip(scales.chunks_mut(TILE * groups)).zip(init.chunks_mut(TILE * groups));
            for ((((x, words), scales), init), sums) in tiles.zip(sums.chunks_mut(TILE * groups)) {
                let height = width(x.len() / inputs);
                for (row, x) in x.chunks_exact(inputs).enumerate() {
                    for (group, x) in x.chunks(block).enumerate() {
                        let words = words[group * block / 4 * height..].iter_mut().skip(row).step_by(height);
                        let (scale, sum) = quantise(x, words);
                        let at = group * height + row;
                        (scales[at], init[at], sums[at]) = (scale, -HALF_ZERO * sum, scale * sum as f32);
                    }
                }
            }
        });
        Self { depth, groups, words, scales, init, sums }
    }

    /// The rows of a tile; `R` is 1 or [`TILE`].
    fn tile<const R: usize>(&self, rows: &Range<usize>) -> BlockRows<'_, R> {
        let numbers = rows.start * self.groups..(rows.start + R) * self.groups;
        BlockRows {
            words: self.words[rows.start * self.depth..(rows.start + R) * self.depth].as_chunks().0,
            scales: self.scales[numbers.clone()].as_chunks().0,
            init: self.init[numbers.clone()].as_chunks().0,
            sums: self.sums[numbers].as_chunks().0,
        }
    }
}

/// Quantises the numbers of a block. Returns their scale and the sum of the integers.
fn quantise<'a>(x: &[f32], mut words: impl Iterator<Item = &'a mut Word>) -> (f32, i32) {
    let most = x.iter().map(|x| x.abs()).fold(0.0, |most: f32, x| if x > most || x.is_nan() { x } else { most });
    let by = LARGEST / most;
    // A block of zeros, or of what is too small, has zeros. What is infinite or no number makes the scale so.
    let (by, scale) = if by.is_finite() { (by, most / LARGEST) } else { (0.0, if most < 1.0 { 0.0 } else { most }) };
    let mut sum = 0;
    for x in x.chunks(AT_ONCE) {
        let mut numbers = [0.0; AT_ONCE];
        numbers[..x.len()].copy_from_slice(x);
        sum += numbers.iter().map(|x| simd::nearest(*x, by, 0.0)).sum::<i32>();
        for (word, to) in simd::quantise_signed(&numbers, by).into_iter().take(x.len().div_ceil(4)).zip(&mut words) {
            *to = word;
        }
    }
    (scale, sum)
}

impl QuantizedLinear<'_> {
    /// [`write`](Self::write) with such activations, for weights of 4 bits.
    pub(super) fn write_in_blocks(&self, x: &[f32], bias: &[f32], epilogue: Option<&Epilogue<'_>>, out: &mut [f32]) {
        let lhs = BlockLhs::new(x, self.inputs, 4 * self.group);
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
        let width = (CACHED / (self.numbers.stride(lhs.depth) * size_of::<Quad>())).max(1) * PANEL;
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
        let (groups, rows) = (lhs.groups, lhs.tile::<R>(few));
        for (index, panel) in (columns.start / PANEL..columns.end.div_ceil(PANEL)).enumerate() {
            let own = index * PANEL..columns.len().min((index + 1) * PANEL);
            let sums = simd::blocks::<R>(
                rows,
                BlockColumns {
                    quads: self.numbers.panels(panel..panel + 1, lhs.depth),
                    scales: &self.scales[panel * groups..][..groups],
                    offsets: self.offsets.map_or(&[], |offsets| offsets.panel(panel)),
                    group: self.group,
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
