//! Tensors of ONNX files (`TensorProto`).

use super::wire::fields;
use crate::error::{Error, Result};

/// More dimensions than any operator uses.
pub const MAX_RANK: usize = 16;

/// A tensor, whose elements may be in the file or in another one.
#[derive(Debug, Default)]
pub struct Tensor<'a> {
    /// Its name; empty in attributes.
    pub name: &'a str,
    /// The number of its element type in ONNX.
    pub element: i64,
    /// Its dimensions.
    pub dims: Vec<i64>,
    /// Its elements.
    pub storage: Storage<'a>,
}

/// Where a tensor's elements are.
#[derive(Debug, Default)]
pub enum Storage<'a> {
    /// Nowhere: the tensor has none.
    #[default]
    Empty,
    /// Raw little-endian data.
    Raw(&'a [u8]),
    /// A repeated field of floats.
    Floats(Vec<f32>),
    /// A repeated field of integers, which also holds the bits of 16-bit floats.
    Ints(Vec<i64>),
    /// A repeated field of doubles.
    Doubles(Vec<f64>),
    /// Strings, in any encoding.
    Strings(Vec<&'a [u8]>),
    /// In another file (external data).
    External(External<'a>),
}

/// A range of another file.
#[derive(Clone, Copy, Debug, Default)]
pub struct External<'a> {
    /// The file's name.
    pub location: &'a str,
    /// The offset of the range.
    pub offset: u64,
    /// The length of the range in bytes; `None` for the rest of the file.
    pub length: Option<u64>,
}

/// The supported element types, by their number in `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Element {
    F32 = 1,
    U8 = 2,
    I8 = 3,
    U16 = 4,
    I16 = 5,
    I32 = 6,
    I64 = 7,
    Bool = 9,
    F16 = 10,
    F64 = 11,
    U32 = 12,
    U64 = 13,
    BF16 = 16,
}

impl Element {
    const ALL: [Self; 13] = [
        Self::F32,
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::Bool,
        Self::F16,
        Self::F64,
        Self::U32,
        Self::U64,
        Self::BF16,
    ];

    const NAMES: [&str; 13] = [
        "FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "BOOL", "FLOAT16", "DOUBLE", "UINT32", "UINT64",
        "BFLOAT16",
    ];

    /// The type with this number.
    ///
    /// # Errors
    /// Unsupported: another number.
    pub fn from_number(number: i64) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|element| *element as i64 == number);
        found.ok_or_else(|| Error::unsupported(format!("the element type {} is not supported", type_name(number))))
    }

    /// The type with this name, as files of the first operator sets have it.
    ///
    /// # Errors
    /// Unsupported: another name.
    pub fn from_name(name: &str) -> Result<Self> {
        let found = Self::NAMES.iter().position(|known| *known == name).map(|at| Self::ALL[at]);
        found.ok_or_else(|| Error::unsupported(format!("the element type '{name}' is not supported")))
    }

    /// The bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::I64 | Self::F64 | Self::U64 => 8,
        }
    }
}

/// ONNX's names of the types that no tensor is read with.
fn type_name(number: i64) -> String {
    let name = match number {
        14 => "complex64",
        15 => "complex128",
        _ => return number.to_string(),
    };
    name.to_string()
}

impl<'a> Tensor<'a> {
    /// Reads a `TensorProto`.
    ///
    /// # Errors
    /// Invalid artefact: it is malformed.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut tensor = Self::default();
        let (mut floats, mut ints, mut doubles) = (Vec::new(), Vec::new(), Vec::new());
        let (mut raw, mut external, mut is_external, mut strings) = (None, External::default(), false, Vec::new());
        for field in fields(bytes) {
            match field? {
                (1, value) => value.ints(&mut tensor.dims)?,
                (2, value) => tensor.element = value.int()?,
                (4, value) => value.floats(&mut floats)?,
                // int32_data, int64_data and uint64_data: the type determines which is used.
                (5 | 7 | 11, value) => value.ints(&mut ints)?,
                (6, value) => strings.push(value.bytes()?),
                (8, value) => tensor.name = value.str()?,
                (9, value) => raw = Some(value.bytes()?),
                (10, value) => value.doubles(&mut doubles)?,
                (13, value) => external_entry(value.bytes()?, &mut external)?,
                (14, value) => is_external = value.int()? == 1,
                _ => {}
            }
            if tensor.dims.len() > MAX_RANK {
                return Err(super::too_many_dimensions());
            }
        }
        tensor.storage = if is_external {
            Storage::External(external)
        } else if let Some(raw) = raw {
            Storage::Raw(raw)
        } else if !floats.is_empty() {
            Storage::Floats(floats)
        } else if !ints.is_empty() {
            Storage::Ints(ints)
        } else if !doubles.is_empty() {
            Storage::Doubles(doubles)
        } else if !strings.is_empty() {
            Storage::Strings(strings)
        } else {
            Storage::Empty
        };
        Ok(tensor)
    }
}

fn external_entry<'a>(bytes: &'a [u8], external: &mut External<'a>) -> Result<()> {
    let (key, value) = super::entry(bytes)?;
    let number = |what: &str| {
        value.parse::<u64>().map_err(|_| {
            Error::invalid_artefact(format!("the {what} of external data is '{value}', expected an integer"))
        })
    };
    match key {
        "location" => external.location = value,
        "offset" => external.offset = number("offset")?,
        "length" => external.length = Some(number("length")?),
        _ => {}
    }
    Ok(())
}
