//! The protobuf wire format: the fields of a message, without copies.
//!
//! # Source
//! Protocol Buffers, "Encoding": the wire format.

use prost::encoding::{WireType, decode_key, decode_varint};

use crate::error::{Error, Result};

/// A field's number and value.
pub type Field<'a> = (u32, Wire<'a>);

/// An encoded value.
#[derive(Clone, Copy, Debug)]
pub enum Wire<'a> {
    /// An integer, a bool or an enum.
    Varint(u64),
    /// Eight bytes: a double.
    Fixed64([u8; 8]),
    /// Four bytes: a float.
    Fixed32([u8; 4]),
    /// A string, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
}

/// The fields of `message` in order; ends after the first malformed one.
pub fn fields(mut message: &[u8]) -> impl Iterator<Item = Result<Field<'_>>> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let field = next(&mut message);
        if field.is_err() {
            message = &[];
        }
        Some(field)
    })
}

fn next<'a>(rest: &mut &'a [u8]) -> Result<Field<'a>> {
    let (number, wire_type) = decode_key(rest).map_err(broken)?;
    let value = match wire_type {
        WireType::Varint => Wire::Varint(decode_varint(rest).map_err(broken)?),
        WireType::SixtyFourBit => Wire::Fixed64(take(rest)?),
        WireType::ThirtyTwoBit => Wire::Fixed32(take(rest)?),
        WireType::LengthDelimited => {
            let length = decode_varint(rest).map_err(broken)?;
            let length = usize::try_from(length).ok().filter(|length| *length <= rest.len()).ok_or_else(cut)?;
            let (value, tail) = rest.split_at(length);
            *rest = tail;
            Wire::Bytes(value)
        }
        WireType::StartGroup | WireType::EndGroup => {
            return Err(Error::invalid_artefact("the file has a protobuf group"));
        }
    };
    Ok((number, value))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (value, tail) = rest.split_first_chunk().ok_or_else(cut)?;
    *rest = tail;
    Ok(*value)
}

impl<'a> Wire<'a> {
    /// The bytes of a string, a message or packed numbers.
    ///
    /// # Errors
    /// Invalid artefact: it has another wire type.
    pub fn bytes(self) -> Result<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(wrong_type()),
        }
    }

    /// A string.
    ///
    /// # Errors
    /// Invalid artefact: it has another wire type, or is not UTF-8.
    pub fn str(self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Error::invalid_artefact("a name in the file is not UTF-8"))
    }

    /// A 64-bit integer; negative ones are written as their two's complement.
    ///
    /// # Errors
    /// Invalid artefact: it has another wire type.
    pub fn int(self) -> Result<i64> {
        match self {
            Self::Varint(value) => Ok(value as i64),
            _ => Err(wrong_type()),
        }
    }

    /// A float.
    ///
    /// # Errors
    /// Invalid artefact: it has another wire type.
    pub fn float(self) -> Result<f32> {
        match self {
            Self::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => Err(wrong_type()),
        }
    }

    /// Adds one integer, or packed ones, to `into`.
    ///
    /// # Errors
    /// Invalid artefact: it has another wire type, or is truncated.
    pub fn ints(self, into: &mut Vec<i64>) -> Result<()> {
        match self {
            Self::Varint(value) => into.push(value as i64),
            Self::Bytes(mut packed) => {
                while !packed.is_empty() {
                    into.push(decode_varint(&mut packed).map_err(broken)? as i64);
                }
            }
            _ => return Err(wrong_type()),
        }
        Ok(())
    }

    /// Adds one float, or packed ones, to `into`.
    ///
    /// # Errors
    /// Invalid artefact: it has another wire type, or is truncated.
    pub fn floats(self, into: &mut Vec<f32>) -> Result<()> {
        match self {
            Self::Fixed32(bytes) => into.push(f32::from_le_bytes(bytes)),
            Self::Bytes(packed) => {
                let (numbers, rest) = packed.as_chunks();
                if !rest.is_empty() {
                    return Err(cut());
                }
                into.extend(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
            _ => return Err(wrong_type()),
        }
        Ok(())
    }

    /// Adds one double, or packed ones, to `into`.
    ///
    /// # Errors
    /// Invalid artefact: it has another wire type, or is truncated.
    pub fn doubles(self, into: &mut Vec<f64>) -> Result<()> {
        match self {
            Self::Fixed64(bytes) => into.push(f64::from_le_bytes(bytes)),
            Self::Bytes(packed) => {
                let (numbers, rest) = packed.as_chunks();
                if !rest.is_empty() {
                    return Err(cut());
                }
                into.extend(numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)));
            }
            _ => return Err(wrong_type()),
        }
        Ok(())
    }
}

fn broken(error: prost::DecodeError) -> Error {
    Error::invalid_artefact(format!("the file is not a protobuf message: {error}"))
}

fn cut() -> Error {
    Error::invalid_artefact("the file is truncated")
}

fn wrong_type() -> Error {
    Error::invalid_artefact("a field of the file has another wire type than in the ONNX specification")
}
