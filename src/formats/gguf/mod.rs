//! The GGUF format: metadata, and named tensors whose matrices are quantised in blocks.
//!
//! # Source
//! <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little-endian.

mod blocks;
mod cursor;
mod metadata;
mod split;

use std::collections::HashSet;
use std::fmt;

use crate::error::{Error, Result};

pub use blocks::Encoding;
use cursor::Cursor;
pub use metadata::Metadata;
pub use split::{join, part_count, part_names};

const MAGIC: &[u8] = b"GGUF";
/// The alignment of tensors where the file does not give one.
const ALIGNMENT: u32 = 32;
const ALIGNMENT_KEY: &str = "general.alignment";
/// The most dimensions of a tensor.
const MAX_DIMS: u32 = 4;

/// What is in a file.
#[derive(Clone, Debug)]
pub struct File<'a> {
    /// Its keys and values.
    pub metadata: Metadata<'a>,
    /// Its tensors, in its order.
    pub tensors: Vec<Tensor<'a>>,
}

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

/// Reads a file. Nothing is copied but names' addresses and shapes.
///
/// # Errors
/// Invalid artefact: it is not a GGUF file, is truncated, or is inconsistent. Unsupported: another version.
pub fn read(bytes: &[u8]) -> Result<File<'_>> {
    let mut cursor = Cursor { bytes, at: 0 };
    if cursor.take(4)? != MAGIC {
        return invalid("the file does not begin with GGUF's magic number");
    }
    let version = cursor.u32()?;
    if !(2..=3).contains(&version) {
        let order = if (2..=3).contains(&version.swap_bytes()) { " in big-endian order" } else { "" };
        let version = if order.is_empty() { version } else { version.swap_bytes() };
        return Err(Error::unsupported(format!("GGUF version {version}{order} is not supported; expected 2 or 3")));
    }
    let (count, pairs) = (cursor.u64()?, cursor.u64()?);
    let metadata = Metadata::read(&mut cursor, pairs)?;
    let alignment = u64::from(metadata.get_u32(ALIGNMENT_KEY)?.unwrap_or(ALIGNMENT));
    if !alignment.is_power_of_two() {
        return invalid(format!("{ALIGNMENT_KEY}: expected a power of two, got {alignment}"));
    }
    let mut announced = Vec::new();
    let mut names = HashSet::new();
    for _ in 0..count {
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
    let found = announced.into_iter().map(|tensor| tensor.find(bytes, start));
    let tensors = found.collect::<Result<Vec<_>>>()?;
    // Otherwise a small file could announce more weights than it has bytes.
    let total = tensors.iter().fold(0, |total: usize, tensor| total.saturating_add(tensor.bytes.len()));
    if total > bytes.len() {
        return invalid(format!("the tensors overlap: they have {total} bytes, of a file of {}", bytes.len()));
    }
    Ok(File { metadata, tensors })
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

fn invalid<T>(message: impl fmt::Display) -> Result<T> {
    Err(Error::invalid_artefact(format!("GGUF: {message}")))
}

#[cfg(test)]
mod tests;
