//! Weights as files have them that are in 4 or 8 bits already: in blocks of a few inputs of an output.

use super::{Linear, Numbers};
use crate::kernels::block_quant::Bits;
use crate::kernels::gemm::Matrix;
use crate::kernels::prepack::{self, Panels};
use crate::kernels::simd::{PANEL, Quad};

/// Blocks are of whole pairs of quads.
const UNIT: usize = 8;
/// The most inputs of a block, whose products are added up in 32 bits.
const MOST: usize = 1 << 16;

/// Weights of a linear layer. Each is `number * scale + offset`, with a number of 4 or 8 bits that has a sign, and a
/// scale and an offset that its block shares. The numbers stay as small as in the file.
pub struct Blocks {
    /// Inputs and outputs.
    shape: (usize, usize),
    /// Inputs of a block.
    block: usize,
    bits: Bits,
    /// Panels of outputs, and in them four inputs each; of 4 bits eight, of which the first four are in the lower halves.
    quads: Vec<Quad>,
    /// Panels of outputs, and in them blocks.
    scales: Vec<[f32; PANEL]>,
    /// The sum of each output's numbers times their scales: what a zero point takes away.
    sums: Vec<[f32; PANEL]>,
    /// A matrix with a row for each block and a column for each output, in panels. Empty where all are nought.
    offsets: Vec<f32>,
}

impl Blocks {
    /// `read` is called for each block of each output, in order: it writes its numbers, and gives their scale and their
    /// offset. Those of 4 bits are from -8 to 7. None where a block is not of eights of inputs or of too many, or there are
    /// no inputs or no outputs.
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
                // A last block may be filled up with anything.
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
    pub fn linear(&self) -> Linear<'_> {
        let (inputs, outputs) = self.shape;
        Linear {
            inputs,
            outputs,
            group: self.block / 4,
            numbers: match self.bits {
                Bits::Eight => Numbers::Bytes(&self.quads),
                Bits::Four => Numbers::Halves(&self.quads),
            },
            scales: &self.scales,
            sums: &self.sums,
            offsets: Panels::new((inputs.div_ceil(self.block), outputs), &self.offsets),
        }
    }
}

/// The lower half of each byte.
const LOWER_HALVES: i32 = 0x0f0f_0f0f;

/// Four numbers, the first in the lowest byte.
fn word(numbers: [i8; 4]) -> i32 {
    i32::from_le_bytes(numbers.map(|number| number as u8))
}

/// The two quads of numbers of 4 bits, which have a sign.
#[inline(always)]
pub(super) fn unpack(pair: &Quad) -> [Quad; 2] {
    // A bit of their own sign is set in the bytes whose numbers are below nought: taken away from, these have their sign.
    let signed = |halves: i32| {
        let halves = (halves & LOWER_HALVES).to_le_bytes();
        i32::from_le_bytes(halves.map(|half| (half ^ 8).wrapping_sub(8)))
    };
    [pair.map(signed), pair.map(|pair| signed(pair >> 4))]
}
