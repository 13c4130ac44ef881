//! The GGUF format: named tensors, of which matrices are in blocks of a few bits.
//!
//! # Source
//! The header: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little-endian. The blocks:
//! `block_q4_0`, `block_q4_1` and `block_q8_0` of ggml's `ggml-common.h`, and what `dequantize_row_*` of its
//! `ggml-quants.c` make of them.

use std::collections::HashSet;

use half::f16;

use crate::error::{Error, Result};

const MAGIC: &[u8] = b"GGUF";
/// What tensors are aligned to where the file does not say.
const ALIGNMENT: u64 = 32;
const ALIGNMENT_KEY: &str = "general.alignment";
/// Dimensions of a tensor.
const MAX_DIMS: u32 = 4;
/// Arrays within arrays.
const MAX_DEPTH: usize = 4;
/// Numbers of a block.
pub const BLOCK: usize = 32;

/// A tensor in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its dimensions, the slowest first: of a layer the outputs, then the inputs.
    pub shape: Vec<usize>,
    /// What its bytes are.
    pub encoding: Encoding,
    /// Its numbers, row by row, those of a row block by block.
    pub bytes: &'a [u8],
}

/// How a tensor's numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "these are the names of the format")]
pub enum Encoding {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// A 16-bit float, the scale, and 32 numbers of 4 bits, that are 8 too much: those of the first half in the lower
    /// halves of the bytes.
    Q4_0,
    /// The same with a second float that is added to each; the numbers have no sign.
    Q4_1,
    /// A 16-bit float, the scale, and 32 numbers of 8 bits.
    Q8_0,
    /// What is not read here, by ggml's number. How many bytes it has is not known: a tensor is given none.
    Other(u32),
}

impl Encoding {
    /// By ggml's number.
    fn of(number: u32) -> Self {
        match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            8 => Self::Q8_0,
            other => Self::Other(other),
        }
    }

    /// Numbers that are written together, and their bytes.
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

/// A block of [`BLOCK`] numbers: each stands for `number * scale + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// From -8 to 7, or of 8 bits.
    pub numbers: [i8; BLOCK],
    /// What they are multiplied by.
    pub scale: f32,
    /// What is added.
    pub offset: f32,
}

impl Tensor<'_> {
    /// The block `at` of all; none where there are not so many, or the tensor is not in blocks that are read here.
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
/// Invalid artefact: it is not such a file, or is cut off, or says what cannot be. Unsupported: another version.
pub fn read(bytes: &[u8]) -> Result<Vec<Tensor<'_>>> {
    let mut cursor = Cursor { bytes, at: 0 };
    if cursor.take(4)? != MAGIC {
        return invalid("it does not begin as a GGUF file");
    }
    let version = cursor.u32()?;
    if !(2..=3).contains(&version) {
        return Err(Error::unsupported(format!("GGUF of version {version} is not known")));
    }
    let (tensors, pairs) = (cursor.u64()?, cursor.u64()?);
    let mut alignment = ALIGNMENT;
    for _ in 0..pairs {
        let key = cursor.string()?;
        let kind = cursor.u32()?;
        match (key, kind) {
            (ALIGNMENT_KEY, UINT32) => alignment = u64::from(cursor.u32()?),
            (ALIGNMENT_KEY, _) => return invalid(format!("its alignment is of the kind {kind}")),
            _ => cursor.skip(kind, 0)?,
        }
    }
    if !alignment.is_power_of_two() {
        return invalid(format!("its alignment is {alignment}"));
    }
    let mut announced = Vec::new();
    let mut names = HashSet::new();
    for _ in 0..tensors {
        let tensor = Announced::read(&mut cursor)?;
        if !names.insert(tensor.name) {
            return invalid(format!("the tensor {} is there twice", tensor.name));
        }
        if !tensor.offset.is_multiple_of(alignment) {
            return invalid(format!("the tensor {} is not aligned to {alignment}", tensor.name));
        }
        announced.push(tensor);
    }
    let start = (cursor.at as u64).next_multiple_of(alignment);
    announced.into_iter().map(|tensor| tensor.find(bytes, start)).collect()
}

/// What the header says of a tensor.
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
            return invalid(format!("the tensor {name} has {dims} dimensions"));
        }
        let mut shape = (0..dims).map(|_| cursor.u64()).collect::<Result<Vec<_>>>()?;
        shape.reverse();
        let encoding = Encoding::of(cursor.u32()?);
        Ok(Self { name, shape, encoding, offset: cursor.u64()? })
    }

    /// The tensor in `bytes`, whose tensors begin at `start`.
    fn find(self, bytes: &'a [u8], start: u64) -> Result<Tensor<'a>> {
        let Self { name, shape, encoding, offset } = self;
        let (block, size) = encoding.block();
        if !shape.last().unwrap_or(&1).is_multiple_of(block as u64) {
            return invalid(format!("the rows of {name} are not of whole blocks: {shape:?}"));
        }
        let found = || {
            let count = shape.iter().try_fold(1u64, |all, size| all.checked_mul(*size))?;
            let length = usize::try_from((count / block as u64).checked_mul(size as u64)?).ok()?;
            let bytes = bytes.get(usize::try_from(start.checked_add(offset)?).ok()?..)?.get(..length)?;
            let shape = shape.iter().map(|size| usize::try_from(*size).ok()).collect::<Option<_>>()?;
            Some(Tensor { name, shape, encoding, bytes })
        };
        found().map_or_else(|| invalid(format!("the tensor {name} of {shape:?} is not within the file")), Ok)
    }
}

fn invalid<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::invalid_artefact(message))
}

const UINT32: u32 = 4;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// Bytes, and how far they have been read.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(count).ok().and_then(|count| rest.get(..count));
        let Some(taken) = taken else { return invalid("its header is cut off") };
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N as u64)?;
        taken.first_chunk().copied().map_or_else(|| invalid("its header is cut off"), Ok)
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
        std::str::from_utf8(bytes).map_or_else(|_| invalid("a name in its header is no text"), Ok)
    }

    /// Passes over a value of this kind.
    fn skip(&mut self, kind: u32, depth: usize) -> Result<()> {
        let size = match kind {
            // Of 8, 16, 32 and 64 bits, a truth value among them.
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
                // Each takes at least a byte, so that a long array of nothing ends where the file does.
                return (0..length).try_for_each(|_| self.skip(kind, depth + 1));
            }
            _ => return invalid(format!("its header has a value of the kind {kind}")),
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
    fn a_file_that_is_cut_off_anywhere_is_refused() {
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
    fn an_encoding_that_is_not_known_is_said_to_be() {
        let file = file(&[2, 256], 14, 0, &[0; 420]);
        let tensors = read(&file).unwrap();
        assert_eq!((tensors[0].encoding, tensors[0].bytes), (Encoding::Other(14), &[][..]));
        assert_eq!(tensors[0].block(0), None);
    }

    #[test]
    fn what_cannot_be_is_refused() {
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
