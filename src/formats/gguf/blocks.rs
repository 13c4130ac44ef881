//! The encodings of tensors, and how their elements are read.
//!
//! # Source
//! ggml's `ggml-common.h` for the blocks (`block_q4_0` and so on), and `dequantize_row_*` of its `ggml-quants.c`.

use std::fmt;

use half::{bf16, f16};

use crate::error::{Error, Result};

use super::Tensor;

/// The encoding of a tensor's elements.
///
/// The quantised ones store blocks, each of one or more sub-blocks whose elements share a scale and an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(non_camel_case_types, reason = "these are the names of the format")]
pub enum Encoding {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 32-bit floats without the lower half of their bits.
    BF16,
    /// 32 elements: a scale and integers of 4 bits.
    Q4_0,
    /// As [`Q4_0`](Self::Q4_0), with a minimum.
    Q4_1,
    /// 32 elements: a scale and integers of 5 bits, the highest bits apart.
    Q5_0,
    /// As [`Q5_0`](Self::Q5_0), with a minimum.
    Q5_1,
    /// 32 elements: a scale and integers of 8 bits.
    Q8_0,
    /// 256 elements in 8 sub-blocks: integers of 4 bits, and a scale and a minimum of 6 bits each.
    Q4_K,
    /// As [`Q4_K`](Self::Q4_K), with integers of 5 bits.
    Q5_K,
    /// 256 elements in 16 sub-blocks: integers of 6 bits, and a scale of 8 bits each.
    Q6_K,
    /// One that is not read here, by ggml's number. Its size is not known, so a tensor of it has no bytes.
    Other(u32),
}

/// The largest sub-block.
const MOST: usize = 32;
/// Added to a product, it changes nothing: not a negative zero either.
const NO_MINIMUM: f32 = -0.0;

impl Encoding {
    /// The encoding with ggml's number.
    pub(super) fn from_number(number: u32) -> Self {
        match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4_K,
            13 => Self::Q5_K,
            14 => Self::Q6_K,
            30 => Self::BF16,
            other => Self::Other(other),
        }
    }

    /// The elements of a block, and its bytes.
    pub fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::BF16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q4_K => (256, 144),
            Self::Q5_K => (256, 176),
            Self::Q6_K => (256, 210),
            Self::Other(_) => (1, 0),
        }
    }

    /// The elements of a sub-block; `None` for floats and what is not read here.
    pub fn sub_block(self) -> Option<usize> {
        match self {
            Self::F32 | Self::F16 | Self::BF16 | Self::Other(_) => None,
            Self::Q6_K => Some(16),
            _ => Some(32),
        }
    }

    /// The bits, 4 or 8, that hold any integer of a sub-block; `None` for floats and what is not read here.
    pub fn bits(self) -> Option<u32> {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q4_K => Some(4),
            _ => self.sub_block().map(|_| 8),
        }
    }

    /// Whether a sub-block has a minimum, which is added to its integers times their scale.
    pub fn has_minimum(self) -> bool {
        self.zero_point() != 0
    }

    /// What is subtracted from the integers of the file, which are not negative, where their block has a minimum. Half their
    /// range, so that they are signed integers of as many bits.
    fn zero_point(self) -> i8 {
        match self {
            Self::Q4_1 | Self::Q4_K => 8,
            Self::Q5_1 | Self::Q5_K => 16,
            _ => 0,
        }
    }
}

/// ggml's name.
impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Other(number) = self else { return write!(f, "{self:?}") };
        let name = match number {
            9 => "Q8_1",
            10 => "Q2_K",
            11 => "Q3_K",
            15 => "Q8_K",
            16 => "IQ2_XXS",
            17 => "IQ2_XS",
            18 => "IQ3_XXS",
            19 => "IQ1_S",
            20 => "IQ4_NL",
            21 => "IQ3_S",
            22 => "IQ2_S",
            23 => "IQ4_XS",
            24 => "I8",
            25 => "I16",
            26 => "I32",
            27 => "I64",
            28 => "F64",
            29 => "IQ1_M",
            34 => "TQ1_0",
            35 => "TQ2_0",
            39 => "MXFP4",
            40 => "NVFP4",
            41 => "Q1_0",
            _ => return write!(f, "ggml's type {number}"),
        };
        f.write_str(name)
    }
}

impl Tensor<'_> {
    /// Reads the sub-block `index` of a quantised tensor, counted from the first element on: writes its integers to the
    /// first [`Encoding::sub_block`] of `numbers`, and gives the scale and the offset. Each element is
    /// `integer * scale + offset`. Integers of 4 bits are from -8 to 7, of 5 bits from -16 to 15, of 6 bits from -32 to 31.
    ///
    /// `None` where the tensor has fewer sub-blocks, or is not quantised, or `numbers` is too short.
    pub fn sub_block(&self, index: usize, numbers: &mut [i8]) -> Option<(f32, f32)> {
        let count = self.encoding.sub_block()?;
        let (block, size) = self.encoding.block();
        let each = block / count;
        let bytes = self.bytes.get((index / each).checked_mul(size)?..)?.get(..size)?;
        let (scale, minimum) = unpack(self.encoding, bytes, index % each, numbers.get_mut(..count)?);
        Some((scale, minimum + f32::from(self.encoding.zero_point()) * scale))
    }

    /// All elements as floats, row by row. They are ggml's to the last bit.
    ///
    /// # Errors
    /// Unsupported: the tensor has an encoding that is not read here; the message names both. Invalid input: there is not enough
    /// memory.
    pub fn floats(&self) -> Result<Vec<f32>> {
        self.readable()?;
        let (block, size) = self.encoding.block();
        let count = (self.bytes.len() / size).saturating_mul(block);
        let mut floats = Vec::new();
        if floats.try_reserve_exact(count).is_err() {
            return Err(Error::no_memory(format!("the {count} elements of {}", self.name)));
        }
        floats.resize(count, 0.0);
        write_floats(self.encoding, self.bytes, &mut floats);
        Ok(floats)
    }

    /// Writes the elements of a row, along the last dimension, to `floats`.
    ///
    /// # Errors
    /// As for [`Self::floats`]. Invalid input: there is no such row, or it does not have the length of `floats`.
    pub fn row_floats(&self, row: usize, floats: &mut [f32]) -> Result<()> {
        self.readable()?;
        let (block, size) = self.encoding.block();
        let length = self.shape.last().copied().unwrap_or(1);
        let found = (length / block).checked_mul(size).and_then(|bytes| {
            let start = row.checked_mul(bytes)?;
            self.bytes.get(start..)?.get(..bytes)
        });
        match found.filter(|_| floats.len() == length) {
            Some(bytes) => write_floats(self.encoding, bytes, floats),
            None => {
                return Err(Error::invalid_input(format!(
                    "the tensor {} with the shape {:?} has no row {row} of {} elements",
                    self.name,
                    self.shape,
                    floats.len()
                )));
            }
        }
        Ok(())
    }

    fn readable(&self) -> Result<()> {
        match self.encoding {
            Encoding::Other(_) => Err(Error::unsupported(format!(
                "the tensor {} is in {}, which is not supported",
                self.name, self.encoding
            ))),
            _ => Ok(()),
        }
    }
}

/// Writes the elements of whole blocks.
fn write_floats(encoding: Encoding, bytes: &[u8], floats: &mut [f32]) {
    let (block, size) = encoding.block();
    match encoding {
        Encoding::F32 => {
            floats.iter_mut().zip(bytes.as_chunks().0).for_each(|(to, from)| *to = f32::from_le_bytes(*from));
        }
        Encoding::F16 => {
            floats.iter_mut().zip(bytes.as_chunks().0).for_each(|(to, from)| *to = f16::from_le_bytes(*from).to_f32())
        }
        Encoding::BF16 => {
            floats.iter_mut().zip(bytes.as_chunks().0).for_each(|(to, from)| *to = bf16::from_le_bytes(*from).to_f32())
        }
        _ => {
            let Some(count) = encoding.sub_block() else { return };
            let zero = i32::from(encoding.zero_point());
            let mut numbers = [0; MOST];
            let numbers = &mut numbers[..count];
            for (floats, bytes) in floats.chunks_exact_mut(block).zip(bytes.chunks_exact(size)) {
                for (at, floats) in floats.chunks_exact_mut(count).enumerate() {
                    let (scale, minimum) = unpack(encoding, bytes, at, numbers);
                    for (to, number) in floats.iter_mut().zip(&*numbers) {
                        // Not the offset: ggml adds the minimum to a product with the integer of the file.
                        *to = (i32::from(*number) + zero) as f32 * scale + minimum;
                    }
                }
            }
        }
    }
}

/// Writes the integers of the sub-block `at` of the block `bytes`, less the zero point; gives the scale and the minimum.
fn unpack(encoding: Encoding, bytes: &[u8], at: usize, numbers: &mut [i8]) -> (f32, f32) {
    let float = |at: usize| f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32();
    match encoding {
        Encoding::F32 | Encoding::F16 | Encoding::BF16 | Encoding::Other(_) => (0.0, 0.0),
        Encoding::Q4_0 => {
            halves(&bytes[2..], numbers, |number, _| number - 8);
            (float(0), NO_MINIMUM)
        }
        Encoding::Q4_1 => {
            halves(&bytes[4..], numbers, |number, _| number - 8);
            (float(0), float(2))
        }
        Encoding::Q5_0 => {
            let high = u32::from_le_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
            halves(&bytes[6..], numbers, |number, at| (number | fifth(high >> at)) - 16);
            (float(0), NO_MINIMUM)
        }
        Encoding::Q5_1 => {
            let high = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
            halves(&bytes[8..], numbers, |number, at| (number | fifth(high >> at)) - 16);
            (float(0), float(2))
        }
        Encoding::Q8_0 => {
            numbers.iter_mut().zip(&bytes[2..]).for_each(|(number, byte)| *number = *byte as i8);
            (float(0), NO_MINIMUM)
        }
        Encoding::Q4_K => {
            half(&bytes[16..][at / 2 * 32..], at % 2, numbers).for_each(|(_, number)| *number -= 8);
            k_scales(&bytes[4..16], at, float(0), float(2))
        }
        Encoding::Q5_K => {
            let high = &bytes[16..48];
            half(&bytes[48..][at / 2 * 32..], at % 2, numbers)
                .for_each(|(lane, number)| *number = (*number | fifth(u32::from(high[lane]) >> at)) - 16);
            k_scales(&bytes[4..16], at, float(0), float(2))
        }
        Encoding::Q6_K => {
            // Each half of the block has four groups of 32 elements, of two sub-blocks.
            let (of, group, first) = (at / 8, at % 8 / 2, at % 2 * 16);
            let low = &bytes[of * 64 + group % 2 * 32 + first..];
            let high = &bytes[128 + of * 32 + first..];
            half(low, group / 2, numbers).for_each(|(lane, number)| {
                *number = (*number | ((high[lane] >> (2 * group) & 3) as i8) << 4) - 32;
            });
            (float(208) * f32::from(bytes[192 + at] as i8), NO_MINIMUM)
        }
    }
}

/// The fifth bit of an integer, from the lowest of `bits`.
fn fifth(bits: u32) -> i8 {
    (bits as i8 & 1) << 4
}

/// Writes 32 integers of 4 bits, the first 16 of which are in the lower halves of the bytes. `finish` is given each with its
/// index.
fn halves(bytes: &[u8], numbers: &mut [i8], finish: impl Fn(i8, usize) -> i8) {
    let (first, second) = numbers.split_at_mut(16);
    for (at, ((first, second), byte)) in first.iter_mut().zip(second).zip(bytes).enumerate() {
        (*first, *second) = (finish((byte & 15) as i8, at), finish((byte >> 4) as i8, at + 16));
    }
}

/// Writes the integers of 4 bits of the lower or the upper halves of bytes, and gives them with their indices.
fn half<'a>(bytes: &[u8], upper: usize, numbers: &'a mut [i8]) -> impl Iterator<Item = (usize, &'a mut i8)> {
    numbers.iter_mut().zip(bytes).for_each(|(number, byte)| *number = (byte >> (4 * upper) & 15) as i8);
    numbers.iter_mut().enumerate()
}

/// The scale and the minimum of a sub-block: 6 bits each, of which the last four sub-blocks have the upper two with those of
/// the first four.
fn k_scales(packed: &[u8], at: usize, scale: f32, minimum: f32) -> (f32, f32) {
    let (low, high) = match at {
        0..4 => (packed[at] & 63, packed[at + 4] & 63),
        _ => (packed[at + 4] & 15 | packed[at - 4] >> 6 << 4, packed[at + 4] >> 4 | packed[at] >> 6 << 4),
    };
    (scale * f32::from(low), -(minimum * f32::from(high)))
}
