//! The GGUF format: named tensors, whose matrices are quantised in blocks.
//!
//! # Source
//! The header: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little-endian. The blocks:
//! `block_q4_0`, `block_q4_1` and `block_q8_0` of ggml's `ggml-common.h`, and `dequantize_row_*` of its `ggml-quants.c`.

use std::collections::HashSet;

use half::f16;

use crate::error::{Error, Result};

const MAGIC: &[u8] = b"GGUF";
/// The alignment of tensors where the file does not give one.
const ALIGNMENT: u64 = 32;
const ALIGNMENT_KEY: &str = "general.alignment";
/// The most dimensions of a tensor.
const MAX_DIMS: u32 = 4;
/// The most levels of nested arrays.
const MAX_DEPTH: usize = 4;
/// Elements of a block.
pub const BLOCK: usize = 32;

/// A tensor in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its dimensions, the slowest-varying first: for a layer, outputs then inputs.
    pub shape: Vec<usize>,
    /// The encoding of its bytes.
    pub encoding: Encoding,
    /// Its elements, row by row, and in a row block by block.
    pub bytes: &'a [u8],
}

/// The encoding of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "these are the names of the format")]
pub enum Encoding {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// A scale, a 16-bit float, and 32 unsigned 4-bit integers with the zero point 8. The first 16 are in the lower halves
    /// of the bytes.
    Q4_0,
    /// As [`Q4_0`](Self::Q4_0), with a second float, which is added to each element, in place of the zero point.
    Q4_1,
    /// A scale, a 16-bit float, and 32 signed 8-bit integers.
    Q8_0,
    /// One that is not read here, by ggml's number. Its size is not known, so a tensor of it has no bytes.
    Other(u32),
}

impl Encoding {
    /// The encoding with ggml's number.
    fn from_number(number: u32) -> Self {
        match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            8 => Self::Q8_0,
            other => Self::Other(other),
        }
    }

    /// The elements of a block, and its bytes.
    pub fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 => (1, 2),
            Self::Q4_0 => (BLOCK, 2 + BLOCK / 2),
            Self::Q4_1 => (BLOCK, 4 + BLOCK / 2),
            Self::Q8_0 => (BLOCK, 2 + BLOCK),
            Self::Other(_) => (1, 0),
        }
    }
}

/// A block of [`BLOCK`] integers; each stands for `integer * scale + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// From -8 to 7, or any 8-bit integers.
    pub numbers: [i8; BLOCK],
    /// The scale.
    pub scale: f32,
    /// The offset.
    pub offset: f32,
}

impl Tensor<'_> {
    /// The block with the index `at`; `None` where the tensor has fewer, or its encoding is not read here.
    pub fn block(&self, at: usize) -> Option<Block> {
        let (_, size) = self.encoding.block();
        let bytes = self.bytes.get(at.checked_mul(size)?..)?.get(..size)?;
        let float = |at: usize| Some(f16::from_le_bytes(*bytes.get(at..)?.first_chunk()?).to_f32());
        let mut numbers = [0; BLOCK];
        let mut halves = |bytes: &[u8]| {
            let (first, second) = numbers.split_at_mut(BLOCK / 2);
            for ((first, second), byte) in first.iter_mut().zip(second).zip(bytes) {
                (*first, *second) = ((byte & 15) as i8 - 8, (byte >> 4) as i8 - 8);
            }
        };
        let scale = float(0)?;
        let offset = match self.encoding {
            Encoding::F32 | Encoding::F16 | Encoding::Other(_) => return None,
            Encoding::Q4_0 => {
                halves(&bytes[2..]);
                0.0
            }
            Encoding::Q4_1 => {
                halves(&bytes[4..]);
                float(2)? + 8.0 * scale
            }
            Encoding::Q8_0 => {
                numbers.iter_mut().zip(&bytes[2..]).for_each(|(number, byte)| *number = *byte as i8);
                0.0
            }
        };
        Some(Block { numbers, scale, offset })
    }
}

/// Reads the tensors of a file.
///
/// # Errors
/// Invalid artefact: it is not a GGUF file, is truncated, or is inconsistent. Unsupported: another version.
pub fn read(bytes: &[u8]) -> Result<Vec<Tensor<'_>>> {
    let mut cursor = Cursor { bytes, at: 0 };
    if cursor.take(4)? != MAGIC {
        return invalid("the file does not begin with GGUF's magic number");
    }
    let version = cursor.u32()?;
    if !(2..=3).contains(&version) {
        return Err(Error::unsupported(format!("GGUF version {version} is not supported; expected 2 or 3")));
    }
    let (tensors, pairs) = (cursor.u64()?, cursor.u64()?);
    let mut alignment = ALIGNMENT;
    for _ in 0..pairs {
        let key = cursor.string()?;
        let kind = cursor.u32()?;
        match (key, kind) {
            (ALIGNMENT_KEY, UINT32) => alignment = u64::from(cursor.u32()?),
            (ALIGNMENT_KEY, _) => {
                return invalid(format!("{ALIGNMENT_KEY} has the type {kind}, expected {UINT32} (UINT32)"));
            }
            _ => cursor.skip(kind, 0)?,
        }
    }
    if !alignment.is_power_of_two() {
        return invalid(format!("{ALIGNMENT_KEY} is {alignment}, expected a power of two"));
    }
    let mut announced = Vec::new();
    let mut names = HashSet::new();
    for _ in 0..tensors {
        let tensor = Announced::read(&mut cursor)?;
        if !names.insert(tensor.name) {
            return invalid(format!("the tensor {} is declared twice", tensor.name));
        }
        if !tensor.offset.is_multiple_of(alignment) {
            return invalid(format!(
                "the tensor {} has the offset {}, which is not aligned to {alignment}",
                tensor.name, tensor.offset
            ));
        }
        announced.push(tensor);
    }
    let start = (cursor.at as u64).next_multiple_of(alignment);
    announced.into_iter().map(|tensor| tensor.find(bytes, start)).collect()
}

/// A tensor as the header declares it.
struct Announced<'a> {
    name: &'a str,
    shape: Vec<u64>,
    encoding: Encoding,
    offset: u64,
}

impl<'a> Announced<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self> {
        let name = cursor.string()?;
        let dims = cursor.u32()?;
        if dims > MAX_DIMS {
            return invalid(format!("the tensor {name} has {dims} dimensions, expected at most {MAX_DIMS}"));
        }
        let mut shape = (0..dims).map(|_| cursor.u64()).collect::<Result<Vec<_>>>()?;
        shape.reverse();
        let encoding = Encoding::from_number(cursor.u32()?);
        Ok(Self { name, shape, encoding, offset: cursor.u64()? })
    }

    /// The tensor within `bytes`, whose data begin at the offset `start`.
    fn find(self, bytes: &'a [u8], start: u64) -> Result<Tensor<'a>> {
        let Self { name, shape, encoding, offset } = self;
        let (block, size) = encoding.block();
        if !shape.last().unwrap_or(&1).is_multiple_of(block as u64) {
            return invalid(format!(
                "the tensor {name} has rows that are not a multiple of its block of {block}: {shape:?}"
            ));
        }
        let found = || {
            let count = shape.iter().try_fold(1u64, |all, size| all.checked_mul(*size))?;
            let length = usize::try_from((count / block as u64).checked_mul(size as u64)?).ok()?;
            let bytes = bytes.get(usize::try_from(start.checked_add(offset)?).ok()?..)?.get(..length)?;
            let shape = shape.iter().map(|size| usize::try_from(*size).ok()).collect::<Option<_>>()?;
            Some(Tensor { name, shape, encoding, bytes })
        };
        found()
            .map_or_else(|| invalid(format!("the tensor {name} with the shape {shape:?} is not within the file")), Ok)
    }
}

fn invalid<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::invalid_artefact(message))
}

const UINT32: u32 = 4;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// A position in bytes.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(count).ok().and_then(|count| rest.get(..count));
        let Some(taken) = taken else { return invalid("the header is truncated") };
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N as u64)?;
        taken.first_chunk().copied().map_or_else(|| invalid("the header is truncated"), Ok)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn string(&mut self) -> Result<&'a str> {
        let length = self.u64()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_or_else(|_| invalid("a string in the header is not UTF-8"), Ok)
    }

    /// Skips a value of this type.
    fn skip(&mut self, kind: u32, depth: usize) -> Result<()> {
        let size = match kind {
            // Of 8 (with booleans), 16, 32 and 64 bits.
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            STRING => {
                let length = self.u64()?;
                return self.take(length).map(drop);
            }
            ARRAY if depth < MAX_DEPTH => {
                let (kind, length) = (self.u32()?, self.u64()?);
                // Each element takes a byte at least, so a wrong length ends with the file.
                return (0..length).try_for_each(|_| self.skip(kind, depth + 1));
            }
            _ => {
                return invalid(format!(
                    "the header has a value of the unknown type {kind}, or arrays nested deeper than {MAX_DEPTH}"
                ));
            }
        };
        self.take(size).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn string(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
    }

    /// A file with a few values and one tensor.
    fn file(shape: &[u64], encoding: u32, offset: u64, data: &[u8]) -> Vec<u8> {
        let mut file = [MAGIC, &3u32.to_le_bytes(), &1u64.to_le_bytes(), &3u64.to_le_bytes()].concat();
        file.extend([string("general.name"), STRING.to_le_bytes().to_vec(), string("some")].concat());
        file.extend([string(ALIGNMENT_KEY), UINT32.to_le_bytes().to_vec(), 64u32.to_le_bytes().to_vec()].concat());
        file.extend([string("list"), ARRAY.to_le_bytes().to_vec(), STRING.to_le_bytes().to_vec()].concat());
        file.extend([2u64.to_le_bytes().to_vec(), string("a"), string("")].concat());
        file.extend([string("w"), (shape.len() as u32).to_le_bytes().to_vec()].concat());
        shape.iter().rev().for_each(|size| file.extend(size.to_le_bytes()));
        file.extend(encoding.to_le_bytes());
        file.extend(offset.to_le_bytes());
        file.resize(file.len().next_multiple_of(64) + offset as usize, 0xee);
        file.extend(data);
        file
    }

    #[test]
    fn a_tensor_is_found() {
        let data: Vec<u8> = (0..2 * 34).collect();
        let file = file(&[2, 32], 8, 64, &data);
        let tensors = read(&file).unwrap();
        let [tensor] = &tensors[..] else { panic!("{tensors:?}") };
        assert_eq!((tensor.name, &tensor.shape[..], tensor.encoding), ("w", &[2, 32][..], Encoding::Q8_0));
        assert_eq!(tensor.bytes, data);
        let block = tensor.block(1).unwrap();
        assert_eq!((block.numbers[0], block.numbers[31]), (36, 67));
        assert_eq!((block.scale, block.offset), (f16::from_le_bytes([34, 35]).to_f32(), 0.0));
        assert_eq!(tensor.block(2), None);
    }

    #[test]
    fn a_file_truncated_anywhere_is_refused() {
        let file = file(&[2, 32], 2, 0, &[7; 2 * 18]);
        assert!(read(&file).is_ok());
        for length in 0..file.len() {
            assert_eq!(read(&file[..length]).unwrap_err().kind(), ErrorKind::InvalidArtefact, "{length}");
        }
    }

    #[test]
    fn a_file_with_a_byte_changed_is_read_or_refused() {
        let whole = file(&[2, 32], 3, 0, &[7; 2 * 20]);
        for at in 0..whole.len() - 40 {
            for byte in [0, 1, 9, 0x7f, 0x80, 0xff] {
                let mut file = whole.clone();
                file[at] = byte;
                for tensor in read(&file).unwrap_or_default() {
                    assert_eq!(tensor.block(usize::MAX), None);
                    let _ = tensor.block(0);
                }
            }
        }
    }

    #[test]
    fn an_unknown_encoding_is_reported() {
        let file = file(&[2, 256], 14, 0, &[0; 420]);
        let tensors = read(&file).unwrap();
        assert_eq!((tensors[0].encoding, tensors[0].bytes), (Encoding::Other(14), &[][..]));
        assert_eq!(tensors[0].block(0), None);
    }

    #[test]
    fn inconsistent_files_are_refused() {
        let kind = |file: Vec<u8>| read(&file).unwrap_err().kind();
        assert_eq!(kind(file(&[2, 33], 2, 0, &[0; 99])), ErrorKind::InvalidArtefact);
        assert_eq!(kind(file(&[u64::MAX, 32], 2, 0, &[])), ErrorKind::InvalidArtefact);
        assert_eq!(kind(file(&[1 << 40, 1 << 40], 2, 0, &[])), ErrorKind::InvalidArtefact);
        assert_eq!(kind(file(&[], 2, 0, &[0; 18])), ErrorKind::InvalidArtefact);
        assert_eq!(kind(file(&[2, 32], 2, 32, &[0; 36])), ErrorKind::InvalidArtefact);
        let mut old = file(&[1], 0, 0, &[0; 4]);
        old[4] = 1;
        assert_eq!(kind(old), ErrorKind::Unsupported);
        // An array of arrays of arrays, and so on.
        let mut deep = [MAGIC, &3u32.to_le_bytes(), &0u64.to_le_bytes(), &1u64.to_le_bytes(), &string("k")].concat();
        deep.extend(ARRAY.to_le_bytes());
        (0..100_000).for_each(|_| deep.extend([&ARRAY.to_le_bytes()[..], &1u64.to_le_bytes()].concat()));
        assert_eq!(kind(deep), ErrorKind::InvalidArtefact);
    }
}
