//! Linear layers with the blockwise quantised weights of a file: 4 or 8 bits, in blocks of a few inputs of an output.

use super::{Precision, QuantizedLinear, Weights};
use crate::kernels::block_quant::Bits;
use crate::kernels::gemm::{Matrix, Rhs};
use crate::kernels::prepack::{self, Panels};
use crate::kernels::simd::{HALF_ZERO, LOWER_HALVES, PANEL, Quad, quad_at};

/// The inputs of a block are a multiple of this: pairs of quads.
const UNIT: usize = 8;
/// The most inputs of a block, whose products are summed in 32 bits.
const MOST: usize = 1 << 16;

/// The weights of a linear layer. Each is `integer * scale + offset`, with a signed integer of 4 or 8 bits, and a scale and
/// an offset that its block shares. The integers stay as small as in the file.
pub struct BlockLinear {
    layout: BlockLayout,
    /// `[panels, quads]`: four inputs of an output each; of 4-bit weights eight, the first four in the lower halves.
    quads: Vec<Quad>,
    /// `[panels, blocks]`
    scales: Vec<[f32; PANEL]>,
    /// The sum of each output's integers times their scales, which a zero point multiplies.
    sums: Vec<[f32; PANEL]>,
    /// The prepacked `[blocks, outputs]` matrix of offsets; empty where all are zero.
    offsets: Vec<f32>,
}

/// The sizes of blockwise quantised weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLayout {
    /// Inputs and outputs.
    pub shape: (usize, usize),
    /// Inputs of a block.
    pub block: usize,
    /// The width of a weight.
    pub bits: Bits,
}

/// The parts of [`BlockLinear`], in the order of its fields.
#[derive(Default)]
pub struct BlockParts {
    /// `[panels, quads, PANEL]`
    pub quads: Vec<i32>,
    /// `[panels, blocks, PANEL]`
    pub scales: Vec<f32>,
    /// `[panels, PANEL]`
    pub sums: Vec<f32>,
    /// Prepacked `[blocks, outputs]`; empty where all are zero.
    pub offsets: Vec<f32>,
}

impl BlockLayout {
    /// Quads of a panel, as they are stored.
    fn stride(&self) -> usize {
        let depth = self.shape.0.div_ceil(4);
        if self.bits == Bits::Four { depth.div_ceil(2) } else { depth }
    }

    /// Blocks of an output.
    fn blocks(&self) -> usize {
        self.shape.0.div_ceil(self.block)
    }

    /// Whether the kernels take blocks of this size.
    fn is_valid(&self) -> bool {
        let (inputs, outputs) = self.shape;
        (1..=MOST).contains(&self.block) && self.block.is_multiple_of(UNIT) && inputs > 0 && outputs > 0
    }

    /// The layer of the parts of a [`BlockLinear`] of this layout; `None` where the sizes do not fit.
    pub fn linear<'a>(
        self,
        quads: &'a [i32],
        scales: &'a [f32],
        sums: &'a [f32],
        offsets: &'a [f32],
    ) -> Option<QuantizedLinear<'a>> {
        if !self.is_valid() {
            return None;
        }
        let (inputs, outputs) = self.shape;
        let panels = outputs.div_ceil(PANEL);
        let (quads, scales, sums) = (exact(quads)?, exact(scales)?, exact(sums)?);
        let fits = panels.checked_mul(self.stride()) == Some(quads.len())
            && panels.checked_mul(self.blocks()) == Some(scales.len())
            && panels == sums.len();
        let packed = Panels::new((self.blocks(), outputs), offsets);
        (fits && (offsets.is_empty() || packed.is_some())).then_some(QuantizedLinear {
            inputs,
            outputs,
            group: self.block / 4,
            numbers: match self.bits {
                Bits::Eight => Weights::Bytes(quads),
                Bits::Four => Weights::Halves(quads),
            },
            scales,
            sums,
            offsets: packed,
            precision: Precision::default(),
        })
    }
}

/// `numbers` in panels; `None` where the last is not whole.
fn exact<T>(numbers: &[T]) -> Option<&[[T; PANEL]]> {
    let (panels, rest) = numbers.as_chunks();
    rest.is_empty().then_some(panels)
}

impl BlockLinear {
    /// `read` is called for each block of each output, in order. It writes the block's integers, those of 4 bits from -8
    /// to 7, and returns their scale and offset. `None` where the inputs of a block are not a multiple of eight or too many,
    /// or there are no inputs or no outputs.
    pub fn new(
        shape: (usize, usize),
        block: usize,
        bits: Bits,
        mut read: impl FnMut(usize, usize, &mut [i8]) -> (f32, f32),
    ) -> Option<Self> {
        let layout = BlockLayout { shape, block, bits };
        if !layout.is_valid() {
            return None;
        }
        let (inputs, outputs) = shape;
        let (blocks, panels) = (layout.blocks(), outputs.div_ceil(PANEL));
        let (depth, stride) = (inputs.div_ceil(4), layout.stride());
        let mut quads = vec![[0i32; PANEL]; panels.checked_mul(stride)?];
        let mut scales = vec![[0.0; PANEL]; panels.checked_mul(blocks)?];
        let mut sums = vec![[0.0; PANEL]; panels];
        let mut offsets = vec![0.0; blocks.checked_mul(outputs)?];
        let mut numbers = vec![0; block];
        for output in 0..outputs {
            let (panel, lane) = (output / PANEL, output % PANEL);
            let quads = &mut quads[panel * stride..][..stride];
            for at in 0..blocks {
                let (scale, offset) = read(output, at, &mut numbers);
                // The padding of a last block may be anything.
                numbers[block.min(inputs - at * block)..].fill(0);
                scales[panel * blocks + at][lane] = scale;
                offsets[at * outputs + output] = offset;
                sums[panel][lane] += scale * numbers.iter().map(|number| i32::from(*number)).sum::<i32>() as f32;
                if bits == Bits::Four {
                    // Stored as 0: activations are padded with their zero points, which no sum includes.
                    numbers[block.min(inputs - at * block)..].fill(-HALF_ZERO as i8);
                }
                for (quad, numbers) in (at * block / 4..depth).zip(numbers.as_chunks().0) {
                    match bits {
                        Bits::Eight => quads[quad][lane] = word(*numbers),
                        Bits::Four => {
                            // Each is increased by 8, so that it needs no sign.
                            let halves = word(numbers.map(|number| number + HALF_ZERO as i8)) & LOWER_HALVES;
                            quads[quad / 2][lane] |= halves << (quad % 2 * 4);
                        }
                    }
                }
            }
        }
        let offsets = match offsets.iter().all(|offset| *offset == 0.0) {
            true => Vec::new(),
            false => prepack::pack((blocks, outputs), Matrix::new(&offsets, outputs)),
        };
        Some(Self { layout, quads, scales, sums, offsets })
    }

    /// Inputs and outputs.
    pub fn shape(&self) -> (usize, usize) {
        self.layout.shape
    }

    /// The sizes.
    pub fn layout(&self) -> BlockLayout {
        self.layout
    }

    /// The layer.
    pub fn linear(&self) -> QuantizedLinear<'_> {
        let Self { layout: BlockLayout { shape: (inputs, outputs), block, bits }, .. } = *self;
        QuantizedLinear {
            inputs,
            outputs,
            group: block / 4,
            numbers: match bits {
                Bits::Eight => Weights::Bytes(&self.quads),
                Bits::Four => Weights::Halves(&self.quads),
            },
            scales: &self.scales,
            sums: &self.sums,
            offsets: Panels::new((self.layout.blocks(), outputs), &self.offsets),
            precision: Precision::default(),
        }
    }

    /// The numbers, for [`BlockLayout::linear`].
    pub fn into_parts(self) -> BlockParts {
        let Self { quads, scales, sums, offsets, .. } = self;
        let (quads, scales, sums) = (quads.into_flattened(), scales.into_flattened(), sums.into_flattened());
        BlockParts { quads, scales, sums, offsets }
    }
}

impl QuantizedLinear<'_> {
    /// The weights of one output, dequantised, into `row`, which has a number for each input: a row of an embedding table
    /// that is also the last layer. `None` where there is no such output, or `row` has another length.
    pub fn read_output(&self, output: usize, row: &mut [f32]) -> Option<()> {
        if output >= self.outputs || row.len() != self.inputs {
            return None;
        }
        let (panel, lane, depth) = (output / PANEL, output % PANEL, self.inputs.div_ceil(4));
        let quads = self.numbers.panels(panel..panel + 1, depth);
        let groups = self.groups();
        for (group, row) in row.chunks_mut(4 * self.group).enumerate() {
            let scale = self.scales[panel * groups + group][lane];
            let offset = match &self.offsets {
                Some(offsets) => offsets.row(group, output..output + 1, &mut [0.0])[0],
                None => 0.0,
            };
            for (at, row) in (group * self.group..).zip(row.chunks_mut(4)) {
                let (word, zero) = match self.numbers {
                    Weights::Bytes(_) => (quads[at][lane], 0),
                    Weights::Halves(_) => (quad_at::<true>(quads, at)[lane], HALF_ZERO as i8),
                };
                let numbers = word.to_le_bytes().map(|byte| f32::from(byte as i8 - zero));
                row.iter_mut().zip(numbers).for_each(|(to, number)| *to = number * scale + offset);
            }
        }
        Some(())
    }
}

/// Four integers, the first in the lowest byte.
fn word(numbers: [i8; 4]) -> i32 {
    i32::from_le_bytes(numbers.map(|number| number as u8))
}
