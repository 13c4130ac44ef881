//! The GGUF format: metadata, and named tensors whose matrices are quantised in blocks.
//!
//! # Source
//! <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little-endian.

mod blocks;
mod cursor;
mod file_type;
mod metadata;
mod reader;
mod split;

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use crate::error::{Error, Result};

pub use blocks::Encoding;
use cursor::Cursor;
pub use metadata::Metadata;
pub use reader::Reader;
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

/// The header of a file.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    /// Its keys and values.
    pub metadata: Metadata<'a>,
    /// Its tensors, in its order.
    pub tensors: Vec<Entry<'a>>,
}

/// A tensor as a header declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its dimensions, as those of a [`Tensor`].
    pub shape: Vec<usize>,
    /// The encoding of its bytes.
    pub encoding: Encoding,
    /// The place of its bytes in the file.
    place: Range<u64>,
}

/// Reads a file. Nothing is copied but names' addresses and shapes.
///
/// # Errors
/// Invalid artefact: it is not a GGUF file, is truncated, or is inconsistent. Unsupported: another version.
pub fn read(bytes: &[u8]) -> Result<File<'_>> {
    let Header { metadata, tensors } = header(bytes)?;
    let found = tensors.into_iter().map(|Entry { name, shape, encoding, place }| {
        let start = usize::try_from(place.start).ok();
        let end = usize::try_from(place.end).ok();
        match start.zip(end).and_then(|(start, end)| bytes.get(start..end)) {
            Some(bytes) => Ok(Tensor { name, shape, encoding, bytes }),
            None => not_within(name, &shape),
        }
    });
    Ok(File { metadata, tensors: found.collect::<Result<_>>()? })
}

/// Reads the header that `bytes` begin with.
///
/// # Errors
/// As [`read`].
pub fn header(bytes: &[u8]) -> Result<Header<'_>> {
    read_header(&mut Cursor::new(bytes))
}

fn read_header<'a>(cursor: &mut Cursor<'a>) -> Result<Header<'a>> {
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
    let metadata = Metadata::read(cursor, pairs)?;
    let alignment = u64::from(metadata.get_u32(ALIGNMENT_KEY)?.unwrap_or(ALIGNMENT));
    if !alignment.is_power_of_two() {
        return invalid(format!("{ALIGNMENT_KEY}: expected a power of two, got {alignment}"));
    }
    let mut tensors = Vec::new();
    let mut names = HashSet::new();
    for _ in 0..count {
        let tensor = Entry::read(cursor, alignment)?;
        if !names.insert(tensor.name) {
            return invalid(format!("the tensor {} is declared twice", tensor.name));
        }
        tensors.push(tensor);
    }
    let start = (cursor.at as u64).next_multiple_of(alignment);
    for Entry { name, shape, place, .. } in &mut tensors {
        *place = match (place.start.checked_add(start), place.end.checked_add(start)) {
            (Some(start), Some(end)) => start..end,
            _ => return not_within(name, shape),
        };
    }
    // Otherwise a small file could announce more weights than it has bytes.
    let mut places: Vec<_> = tensors.iter().map(|tensor| (tensor.place.start, tensor.place.end, tensor.name)).collect();
    crate::sort::sort(&mut places);
    match places.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        Some(pair) => invalid(format!("the tensors {} and {} overlap", pair[0].2, pair[1].2)),
        None => Ok(Header { metadata, tensors }),
    }
}

impl<'a> Entry<'a> {
    /// Reads a declaration. Its place is behind the header for now.
    fn read(cursor: &mut Cursor<'a>, alignment: u64) -> Result<Self> {
        let name = cursor.string()?;
        let dims = cursor.u32()?;
        if dims > MAX_DIMS {
            return invalid(format!("the tensor {name} has {dims} dimensions, expected at most {MAX_DIMS}"));
        }
        let mut sizes = (0..dims).map(|_| cursor.u64()).collect::<Result<Vec<_>>>()?;
        sizes.reverse();
        let (encoding, offset) = (Encoding::from_number(cursor.u32()?), cursor.u64()?);
        if !offset.is_multiple_of(alignment) {
            return invalid(format!("the tensor {name} has the offset {offset}, which is not aligned to {alignment}"));
        }
        let (block, size) = encoding.block();
        if !sizes.last().unwrap_or(&1).is_multiple_of(block as u64) {
            return invalid(format!(
                "the tensor {name} has rows that are not a multiple of its block of {block}: {sizes:?}"
            ));
        }
        let place = || {
            let count = sizes.iter().try_fold(1u64, |all, size| all.checked_mul(*size))?;
            let length = (count / block as u64).checked_mul(size as u64)?;
            let shape = sizes.iter().map(|size| usize::try_from(*size).ok()).collect::<Option<_>>()?;
            Some((shape, offset..offset.checked_add(length)?))
        };
        match place() {
            Some((shape, place)) => Ok(Self { name, shape, encoding, place }),
            None => not_within(name, &sizes),
        }
    }
}

fn not_within<T>(name: &str, shape: &[impl fmt::Debug]) -> Result<T> {
    invalid(format!("the tensor {name} with the shape {shape:?} is not within the file"))
}

fn invalid<T>(message: impl fmt::Display) -> Result<T> {
    Err(Error::invalid_artefact(format!("GGUF: {message}")))
}

#[cfg(test)]
mod tests;
