//! QuantizedLinear layers with the blockwise quantised weights of a file: 4 or 8 bits, in blocks of a few inputs of an output.

use super::{QuantizedLinear, Weights};
use crate::kernels::block_quant::Bits;
use crate::kernels::gemm::Matrix;
use crate::kernels::prepack::{self, Panels};
use crate::kernels::simd::{PANEL, Quad};

/// The inputs of a block are a multiple of this: pairs of quads.
const UNIT: usize = 8;
/// The most inputs of a block, whose products are summed in 32 bits.
const MOST: usize = 1 << 16;

/// The weights of a linear layer. Each is `integer * scale + offset`, with a signed integer of 4 or 8 bits, and a scale and
/// an offset that its block shares. The integers stay as small as in the file.
pub struct BlockLinear {
    /// Inputs and outputs.
    shape: (usize, usize),
    /// Inputs of a block.
    block: usize,
    bits: Bits,
    /// `[panels, quads]`: four inputs of an output each; of 4-bit weights eight, the first four in the lower halves.
    quads: Vec<Quad>,
    /// `[panels, blocks]`
    scales: Vec<[f32; PANEL]>,
    /// The sum of each output's integers times their scales, which a zero point multiplies.
    sums: Vec<[f32; PANEL]>,
    /// The prepacked `[blocks, outputs]` matrix of offsets; empty where all are zero.
    offsets: Vec<f32>,
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
        let (inputs, outputs) = shape;
        if block == 0 || block > MOST || !block.is_multiple_of(UNIT) || inputs == 0 || outputs == 0 {
            return None;
        }
        let (blocks, panels) = (inputs.div_ceil(block), outputs.div_ceil(PANEL));
        let depth = inputs.div_ceil(4);
        let stride = if bits == Bits::Four { depth.div_ceil(2) } else { depth };
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
                for (quad, numbers) in (at * block / 4..depth).zip(numbers.as_chunks().0) {
                    match bits {
                        Bits::Eight => quads[quad][lane] = word(*numbers),
                        Bits::Four => {
                            quads[quad / 2][lane] |= (word(*numbers) & LOWER_HALVES) << (quad % 2 * 4);
                        }
                    }
                }
            }
        }
        let offsets = match offsets.iter().all(|offset| *offset == 0.0) {
            true => Vec::new(),
            false => prepack::pack((blocks, outputs), Matrix::new(&offsets, outputs)),
        };
        Some(Self { shape, block, bits, quads, scales, sums, offsets })
    }

    /// Inputs and outputs.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// The layer.
    pub fn linear(&self) -> QuantizedLinear<'_> {
        let (inputs, outputs) = self.shape;
        QuantizedLinear {
            inputs,
            outputs,
            group: self.block / 4,
            numbers: match self.bits {
                Bits::Eight => Weights::Bytes(&self.quads),
                Bits::Four => Weights::Halves(&self.quads),
            },
            scales: &self.scales,
            sums: &self.sums,
            offsets: Panels::new((inputs.div_ceil(self.block), outputs), &self.offsets),
        }
    }
}

/// The lower half of each byte.
const LOWER_HALVES: i32 = 0x0f0f_0f0f;

/// Four integers, the first in the lowest byte.
fn word(numbers: [i8; 4]) -> i32 {
    i32::from_le_bytes(numbers.map(|number| number as u8))
}

/// The two quads of signed 4-bit integers.
#[inline(always)]
pub(super) fn unpack(pair: &Quad) -> [Quad; 2] {
    // Sign extension of each half byte.
    let signed = |halves: i32| {
        let halves = (halves & LOWER_HALVES).to_le_bytes();
        i32::from_le_bytes(halves.map(|half| (half ^ 8).wrapping_sub(8)))
    };
    [pair.map(signed), pair.map(|pair| signed(pair >> 4))]
}
