//! Values of ONNX files and their types (`ValueInfoProto`, `TypeProto`, `SequenceProto`, `OptionalProto`).

use super::wire::{Wire, fields};
use super::{Dim, Tensor, tensor, too_many_dimensions};
use crate::error::{Error, Result};

/// More levels than any type has: an optional sequence of maps.
const MAX_NESTING: usize = 4;

/// The name and type of an input or an output.
#[derive(Debug, Default)]
pub struct ValueInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the tensors are in, from the outside to the inside.
    pub nesting: Vec<Nesting>,
    /// The number of the tensors' element type in ONNX; `None` where the file does not say.
    pub element: Option<i64>,
    /// The dimensions of the tensors; `None` where the file does not even give their number.
    pub dims: Option<Vec<Dim<'a>>>,
}

/// What a tensor is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// A sequence.
    Sequence,
    /// A map.
    Map,
    /// An optional value.
    Optional,
    /// A type that is not read, such as a sparse tensor.
    Other,
}

impl<'a> ValueInfo<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut info = Self::default();
        for field in fields(bytes) {
            match field? {
                (1, value) => info.name = value.str()?,
                (2, value) => info.read_type(value.bytes()?)?,
                _ => {}
            }
        }
        Ok(info)
    }

    fn read_type(&mut self, bytes: &'a [u8]) -> Result<()> {
        for field in fields(bytes) {
            let (number, value) = field?;
            let (nesting, inner) = match number {
                1 => {
                    self.tensor_type(value)?;
                    continue;
                }
                // `denotation` is not part of the type.
                6 => continue,
                4 => (Nesting::Sequence, 1),
                5 => (Nesting::Map, 2),
                9 => (Nesting::Optional, 1),
                _ => (Nesting::Other, 0),
            };
            self.nesting.push(nesting);
            if self.nesting.len() > MAX_NESTING {
                return Err(Error::invalid_artefact(format!("the type of '{}' is nested too deeply", self.name)));
            }
            for field in fields(value.bytes()?) {
                let (number, value) = field?;
                if number == inner {
                    self.read_type(value.bytes()?)?;
                }
            }
        }
        Ok(())
    }

    fn tensor_type(&mut self, value: Wire<'a>) -> Result<()> {
        for field in fields(value.bytes()?) {
            match field? {
                (1, value) => self.element = Some(value.int()?),
                (2, value) => {
                    let dims = self.dims.get_or_insert_default();
                    for field in fields(value.bytes()?) {
                        if let (1, value) = field? {
                            if dims.len() == tensor::MAX_RANK {
                                return Err(too_many_dimensions());
                            }
                            dims.push(dim(value)?);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn dim(value: Wire<'_>) -> Result<Dim<'_>> {
    let mut dim = Dim::Param("");
    for field in fields(value.bytes()?) {
        match field? {
            (1, value) => dim = Dim::Value(value.int()?),
            (2, value) => dim = Dim::Param(value.str()?),
            _ => {}
        }
    }
    Ok(dim)
}

/// A value in a file of its own.
#[derive(Debug)]
pub enum Value<'a> {
    /// A tensor.
    Tensor(Tensor<'a>),
    /// A sequence of tensors.
    Sequence(Vec<Tensor<'a>>),
    /// An optional value that is not there.
    Nothing,
}

impl<'a> Value<'a> {
    /// Reads a tensor, a sequence of tensors, or an optional one of these.
    ///
    /// # Errors
    /// Invalid artefact: it is malformed.
    pub fn read(bytes: &'a [u8], sequence: bool, optional: bool) -> Result<Self> {
        if !optional {
            return if sequence { read_sequence(bytes) } else { Ok(Self::Tensor(Tensor::read(bytes)?)) };
        }
        let mut found = Self::Nothing;
        for field in fields(bytes) {
            match field? {
                (3, value) => found = Self::Tensor(Tensor::read(value.bytes()?)?),
                (5, value) => found = read_sequence(value.bytes()?)?,
                _ => {}
            }
        }
        Ok(found)
    }
}

fn read_sequence(bytes: &[u8]) -> Result<Value<'_>> {
    let mut tensors = Vec::new();
    for field in fields(bytes) {
        if let (3, value) = field? {
            tensors.push(Tensor::read(value.bytes()?)?);
        }
    }
    Ok(Value::Sequence(tensors))
}
