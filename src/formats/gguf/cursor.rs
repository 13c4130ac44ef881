//! A position in the header of a file, whose numbers are little-endian.

use crate::error::Result;

use super::invalid;

/// A position in bytes.
pub struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
    /// Whether more bytes were wanted than there are.
    pub short: bool,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, short: false }
    }

    pub fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = usize::try_from(count).ok().and_then(|count| rest.get(..count));
        let Some(taken) = taken else {
            self.short = true;
            return invalid("the header is truncated");
        };
        self.at += taken.len();
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N as u64)?;
        taken.first_chunk().copied().map_or_else(|| invalid("the header is truncated"), Ok)
    }

    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// The bytes of a string, behind their number.
    pub fn string_bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.u64()?;
        self.take(length)
    }

    pub fn string(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.string_bytes()?).map_or_else(|_| invalid("a string in the header is not UTF-8"), Ok)
    }
}
