//! What goes into a graph and comes out of it.

use std::sync::Arc;

use burn::tensor::{DType, TensorData};

use super::options::Limits;
use super::texts::Texts;
use super::value::Value;
use super::{Port, check_dtype, check_shape, host};
use crate::error::{Error, Result};

/// An input or an output.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Numbers or booleans.
    Tensor(TensorData),
    /// Strings.
    Strings(Strings),
    /// Values one after another.
    Sequence(Vec<Data>),
    /// Numbers by key.
    Map(Vec<(MapKey, f32)>),
    /// An optional value that is not there.
    Nothing,
}

/// A tensor of strings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    /// The shape.
    pub shape: Vec<usize>,
    /// As many as the shape has elements, in row-major order.
    pub data: Vec<String>,
}

/// The key of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapKey {
    /// An integer.
    Int(i64),
    /// A string.
    Text(String),
}

/// Which kind of [`Data`] an input or an output is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A tensor.
    #[default]
    Tensor,
    /// A sequence of tensors.
    Sequence,
    /// A tensor, or nothing.
    OptionalTensor,
    /// A sequence of tensors, or nothing.
    OptionalSequence,
    /// A map, or a sequence of maps.
    Maps,
}

impl Kind {
    /// Whether it may be nothing.
    pub fn is_optional(self) -> bool {
        matches!(self, Self::OptionalTensor | Self::OptionalSequence)
    }
}

/// The value of the input `port`. `wide` is the type that its floats are computed in, if it is another one.
pub(super) fn to_value(
    data: Data,
    port: &Port,
    wide: Option<DType>,
    texts: &mut Texts,
    limits: &Limits,
) -> Result<Value> {
    let value = match (port.kind, data) {
        (Kind::OptionalTensor | Kind::OptionalSequence, Data::Nothing) => Value::Nothing,
        (Kind::Tensor | Kind::OptionalTensor, data) => tensor(data, port, wide, texts, limits)?,
        (Kind::Sequence | Kind::OptionalSequence, Data::Sequence(all)) => {
            let all = all.into_iter().map(|data| tensor(data, port, wide, texts, limits));
            Value::Sequence(Arc::new(all.collect::<Result<_>>()?))
        }
        _ => return Err(of_another_kind(port)),
    };
    Ok(value)
}

fn of_another_kind(port: &Port) -> Error {
    let elements = if port.strings { "strings" } else { "numbers" };
    let (name, kind) = (&port.name, port.kind);
    Error::invalid_input(format!("the input '{name}' is of another kind, expected {kind:?} of {elements}"))
}

fn tensor(data: Data, port: &Port, wide: Option<DType>, texts: &mut Texts, limits: &Limits) -> Result<Value> {
    match data {
        Data::Tensor(tensor) if !port.strings => number_tensor(tensor, port, wide, limits),
        Data::Strings(strings) if port.strings => string_tensor(strings, port, texts, limits),
        _ => Err(of_another_kind(port)),
    }
}

fn number_tensor(tensor: TensorData, port: &Port, wide: Option<DType>, limits: &Limits) -> Result<Value> {
    check_dtype(port, tensor.dtype())?;
    check_shape(port, tensor.shape())?;
    host::count(tensor.shape(), limits.max_elements)?;
    let dtype = wide.unwrap_or(tensor.dtype());
    Ok(Value::input(host::cast(host::from_data(tensor), dtype)))
}

fn string_tensor(strings: Strings, port: &Port, texts: &mut Texts, limits: &Limits) -> Result<Value> {
    check_shape(port, &strings.shape)?;
    if host::count(&strings.shape, limits.max_elements)? != strings.data.len() {
        return Err(Error::invalid_input(format!(
            "the input '{}' has {} strings, which do not fit the shape {:?}",
            port.name,
            strings.data.len(),
            strings.shape
        )));
    }
    let indices: Vec<u32> = strings.data.iter().map(|text| texts.index(text)).collect();
    Ok(host::tensor(&strings.shape, indices).into())
}

/// The output `port` from its value. `narrow` is the type of its floats, if they were computed in another one.
pub(super) async fn from_value(value: Value, port: &Port, narrow: Option<DType>, texts: &Texts) -> Result<Data> {
    read(value, port.strings, narrow, texts).await
}

async fn read(value: Value, strings: bool, narrow: Option<DType>, texts: &Texts) -> Result<Data> {
    Ok(match value {
        Value::Nothing => Data::Nothing,
        Value::Map(entries) => Data::Map(entries.to_vec()),
        Value::Sequence(values) => {
            let mut all = Vec::with_capacity(values.len());
            for value in values.iter() {
                // Boxed because a future cannot contain itself.
                all.push(Box::pin(read(value.clone(), strings, narrow, texts)).await?);
            }
            Data::Sequence(all)
        }
        value => {
            let tensor = value.into_host().await?;
            if strings {
                let tensor = host::contiguous(tensor);
                let data =
                    host::to_i64s(&tensor).into_iter().map(|index| texts.get(index as u32).to_string()).collect();
                Data::Strings(Strings { shape: host::shape(&tensor).to_vec(), data })
            } else {
                let dtype = narrow.unwrap_or(tensor.dtype());
                Data::Tensor(host::into_data(host::cast(tensor, dtype)))
            }
        }
    })
}
