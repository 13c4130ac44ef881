//! The metadata of a file: keys with typed values.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use crate::error::{Error, Result};

use super::cursor::Cursor;
use super::invalid;

/// The most levels of nested arrays.
const MAX_DEPTH: usize = 4;

/// The metadata of a file. Its texts and arrays are not copied until they are asked for.
///
/// The functions `get_*` give `None` where the key is absent ([`missing`](Self::missing) makes an error of that), and the
/// error "invalid artefact", which names the key, what was expected and what was found, where its value has another type.
#[derive(Clone, Debug, Default)]
pub struct Metadata<'a>(HashMap<&'a str, Value<'a>>);

/// A value, with its bytes.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Number(Type, &'a [u8]),
    String(&'a [u8]),
    /// The type of its elements, their number, and all of them.
    Array(Type, u64, &'a [u8]),
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Type {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

/// The types, by the format's numbers.
const TYPES: [Type; 13] = [
    Type::U8,
    Type::I8,
    Type::U16,
    Type::I16,
    Type::U32,
    Type::I32,
    Type::F32,
    Type::Bool,
    Type::String,
    Type::Array,
    Type::U64,
    Type::I64,
    Type::F64,
];

impl<'a> Metadata<'a> {
    /// Reads `pairs` keys with their values. Each takes bytes of the file, so a wrong number ends with it.
    pub(super) fn read(cursor: &mut Cursor<'a>, pairs: u64) -> Result<Self> {
        let mut values = HashMap::new();
        for _ in 0..pairs {
            let key = cursor.string()?;
            let value = Value::read(cursor).map_err(|error| error.context(key))?;
            match values.entry(key) {
                Entry::Vacant(entry) => entry.insert(value),
                Entry::Occupied(_) => return invalid(format!("the key {key} is there twice")),
            };
        }
        Ok(Self(values))
    }

    /// An integer of any type.
    ///
    /// # Errors
    /// Invalid artefact: another type, or a number that is negative or too large.
    pub fn get_u32(&self, key: &str) -> Result<Option<u32>> {
        let number = |value| match value {
            Value::Number(of, bytes) => integer(of, bytes),
            _ => None,
        };
        let Some(number) = self.find(key, "an integer", number)? else { return Ok(None) };
        match u32::try_from(number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => invalid(format!("{key}: expected an integer from 0 to {}, got {number}", u32::MAX)),
        }
    }

    /// A float; one of 64 bits is rounded.
    ///
    /// # Errors
    /// Invalid artefact: another type.
    pub fn get_f32(&self, key: &str) -> Result<Option<f32>> {
        self.find(key, "a float", |value| match value {
            Value::Number(of, bytes) => float(of, bytes),
            _ => None,
        })
    }

    /// A truth value.
    ///
    /// # Errors
    /// Invalid artefact: another type.
    pub fn get_bool(&self, key: &str) -> Result<Option<bool>> {
        self.find(key, "a bool", |value| match value {
            Value::Number(Type::Bool, bytes) => Some(bytes != [0]),
            _ => None,
        })
    }

    /// A text.
    ///
    /// # Errors
    /// Invalid artefact: another type, or not UTF-8.
    pub fn get_str(&self, key: &str) -> Result<Option<&'a str>> {
        self.find(key, "a string in UTF-8", |value| match value {
            Value::String(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        })
    }

    /// An array of texts, which stay in the file's bytes.
    ///
    /// # Errors
    /// Invalid artefact: another type, or a text that is not UTF-8.
    pub fn get_strings(&self, key: &str) -> Result<Option<Vec<&'a str>>> {
        self.find(key, "an array of strings in UTF-8", |value| match value {
            Value::Array(Type::String, length, bytes) => {
                let mut cursor = Cursor::new(bytes);
                (0..length).map(|_| cursor.string().ok()).collect()
            }
            _ => None,
        })
    }

    /// An array of floats; those of 64 bits are rounded.
    ///
    /// # Errors
    /// Invalid artefact: another type.
    pub fn get_floats(&self, key: &str) -> Result<Option<Vec<f32>>> {
        self.find(key, "an array of floats", |value| numbers(value, float))
    }

    /// An array of integers of any type.
    ///
    /// # Errors
    /// Invalid artefact: another type, or a number from 2⁶³ on.
    pub fn get_integers(&self, key: &str) -> Result<Option<Vec<i64>>> {
        self.find(key, "an array of integers", |value| {
            numbers(value, |of, bytes| integer(of, bytes).and_then(|number| number.try_into().ok()))
        })
    }

    /// The error that `key` is absent.
    pub fn missing(key: &str) -> Error {
        Error::invalid_artefact(format!("GGUF: the metadata have no {key}"))
    }

    /// What `read` makes of a key's value.
    fn find<T>(&self, key: &str, expected: &str, read: impl Fn(Value<'a>) -> Option<T>) -> Result<Option<T>> {
        let Some(&value) = self.0.get(key) else { return Ok(None) };
        match read(value) {
            Some(found) => Ok(Some(found)),
            None => invalid(format!("{key}: expected {expected}, got {value}")),
        }
    }
}

impl<'a> Value<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self> {
        match Type::read(cursor)? {
            Type::String => cursor.string_bytes().map(Self::String),
            Type::Array => {
                let (of, length) = (Type::read(cursor)?, cursor.u64()?);
                let start = cursor.at;
                skip(cursor, of, length, 1)?;
                Ok(Self::Array(of, length, &cursor.bytes[start..cursor.at]))
            }
            number => cursor.take(number.size() as u64).map(|bytes| Self::Number(number, bytes)),
        }
    }
}

/// Skips the elements of an array, which lies in so many others.
fn skip(cursor: &mut Cursor<'_>, of: Type, length: u64, depth: usize) -> Result<()> {
    match of {
        // Each element takes a few bytes, so a wrong length ends with the file.
        Type::String => (0..length).try_for_each(|_| cursor.string_bytes().map(drop)),
        Type::Array if depth < MAX_DEPTH => (0..length).try_for_each(|_| {
            let (of, length) = (Type::read(cursor)?, cursor.u64()?);
            skip(cursor, of, length, depth + 1)
        }),
        Type::Array => invalid(format!("expected arrays in at most {MAX_DEPTH} levels, got more")),
        number => cursor.take(length.saturating_mul(number.size() as u64)).map(drop),
    }
}

impl Type {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let number = cursor.u32()?;
        let known = TYPES.get(number as usize).copied();
        known.map_or_else(|| invalid(format!("expected a type from 0 to 12, got {number}")), Ok)
    }

    /// The bytes of a number of this type.
    fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
            Self::String | Self::Array => 0,
        }
    }
}

/// The elements of an array of numbers that `read` accepts.
fn numbers<T>(value: Value<'_>, read: impl Fn(Type, &[u8]) -> Option<T>) -> Option<Vec<T>> {
    match value {
        Value::Array(of, ..) if of.size() == 0 => None,
        Value::Array(of, _, bytes) => bytes.chunks_exact(of.size()).map(|bytes| read(of, bytes)).collect(),
        _ => None,
    }
}

fn integer(of: Type, bytes: &[u8]) -> Option<i128> {
    Some(match of {
        Type::U8 => u8::from_le_bytes(bytes.try_into().ok()?).into(),
        Type::I8 => i8::from_le_bytes(bytes.try_into().ok()?).into(),
        Type::U16 => u16::from_le_bytes(bytes.try_into().ok()?).into(),
        Type::I16 => i16::from_le_bytes(bytes.try_into().ok()?).into(),
        Type::U32 => u32::from_le_bytes(bytes.try_into().ok()?).into(),
        Type::I32 => i32::from_le_bytes(bytes.try_into().ok()?).into(),
        Type::U64 => u64::from_le_bytes(bytes.try_into().ok()?).into(),
        Type::I64 => i64::from_le_bytes(bytes.try_into().ok()?).into(),
        Type::F32 | Type::F64 | Type::Bool | Type::String | Type::Array => return None,
    })
}

fn float(of: Type, bytes: &[u8]) -> Option<f32> {
    match of {
        Type::F32 => Some(f32::from_le_bytes(bytes.try_into().ok()?)),
        Type::F64 => Some(f64::from_le_bytes(bytes.try_into().ok()?) as f32),
        _ => None,
    }
}

/// The type, as an error names it.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(of, _) => write!(f, "a value of the type {of:?}"),
            Self::String(bytes) if std::str::from_utf8(bytes).is_err() => f.write_str("a string in another encoding"),
            Self::String(_) => f.write_str("a string"),
            Self::Array(of, length, _) => write!(f, "an array of {length} elements of the type {of:?}"),
        }
    }
}
