//! LabelEncoder: a table from keys to values.

use std::collections::HashMap;

use burn::tensor::DType;

use crate::graph::attributes::{Attribute, Refusal};
use crate::graph::encoding::Encoding;
use crate::graph::host;
use crate::graph::ops::{Given, NodeSpec, Prepared, one};

/// The keys or the values.
enum Column {
    Strings(Vec<String>),
    Ints(DType, Vec<i64>),
    Floats(DType, Vec<f64>),
}

/// A key, which has the same bits as an equal one.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Text(Box<str>),
    Int(i64),
    Float(u64),
}

impl Key {
    fn of_float(value: f64) -> Self {
        // All NaN are one key, and so are both zeros.
        Self::Float(if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() })
    }
}

impl Column {
    /// The attribute `keys_…` or `values_…` or, of version 1, the classes and their indices.
    fn of(node: &NodeSpec<'_>, prefix: &str) -> Result<Self, Refusal> {
        let strings = node.attributes.strings(&format!("{prefix}_strings"))?;
        if !strings.is_empty() {
            return Ok(Self::Strings(strings));
        }
        if let Some(ints) = node.attributes.ints(&format!("{prefix}_int64s"))? {
            return Ok(Self::Ints(DType::I64, ints));
        }
        if let Some(floats) = node.attributes.floats(&format!("{prefix}_floats"))? {
            return Ok(Self::Floats(DType::F32, floats.into_iter().map(f64::from).collect()));
        }
        match node.attributes.get(&format!("{prefix}_tensor")) {
            Some(Attribute::Strings(strings)) => Ok(Self::Strings(strings.clone())),
            Some(Attribute::Tensor(tensor)) if host::is_float(tensor.dtype()) => {
                Ok(Self::Floats(tensor.dtype(), host::to_f64s(tensor)))
            }
            Some(Attribute::Tensor(tensor)) => Ok(Self::Ints(tensor.dtype(), host::to_i64s(tensor))),
            _ => Err(format!(
                "the attribute {prefix}_strings, {prefix}_int64s, {prefix}_floats or {prefix}_tensor is missing"
            )),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Strings(values) => values.len(),
            Self::Ints(_, values) => values.len(),
            Self::Floats(_, values) => values.len(),
        }
    }

    fn keys(self) -> Vec<Key> {
        match self {
            Self::Strings(texts) => texts.into_iter().map(|text| Key::Text(text.into())).collect(),
            Self::Ints(_, numbers) => numbers.into_iter().map(Key::Int).collect(),
            Self::Floats(_, numbers) => numbers.into_iter().map(Key::of_float).collect(),
        }
    }

    /// Adds the value of the keys that are not there.
    fn push_default(&mut self, node: &NodeSpec<'_>) -> Result<(), Refusal> {
        let given = node.attributes.get("default_tensor");
        match self {
            Self::Strings(values) => values.push(match given {
                Some(Attribute::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
                _ => node.attributes.string("default_string", "_Unused")?.to_string(),
            }),
            Self::Ints(_, values) => values.push(match given {
                Some(Attribute::Tensor(tensor)) => host::to_i64s(tensor).first().copied().unwrap_or(-1),
                _ => node.attributes.int("default_int64", -1)?,
            }),
            Self::Floats(_, values) => values.push(match given {
                Some(Attribute::Tensor(tensor)) => host::to_f64s(tensor).first().copied().unwrap_or(-0.0),
                _ => node.attributes.float("default_float", -0.0)?.into(),
            }),
        }
        // Defaults of the other types mean nothing.
        for name in ["default_string", "default_int64", "default_float"] {
            node.attributes.get(name);
        }
        Ok(())
    }
}

/// The two columns. Those of version 1 are the classes and their indices.
fn columns(node: &NodeSpec<'_>) -> Result<(Column, Column), Refusal> {
    let classes = node.attributes.strings("classes_strings")?;
    if classes.is_empty() {
        return Ok((Column::of(node, "keys")?, Column::of(node, "values")?));
    }
    let indices = Column::Ints(DType::I64, (0..classes.len() as i64).collect());
    let classes = Column::Strings(classes);
    Ok(if node.is_text(0) { (classes, indices) } else { (indices, classes) })
}

/// The type of the values.
pub fn gives(node: &NodeSpec<'_>) -> Given {
    match columns(node) {
        Ok((_, Column::Strings(_))) => (Some(Encoding::Text.storage()), Some(Encoding::Text)),
        Ok((_, Column::Ints(dtype, _) | Column::Floats(dtype, _))) => (Some(dtype), None),
        Err(_) => (None, None),
    }
}

pub fn label_encoder(node: &NodeSpec<'_>) -> Prepared {
    let (keys, mut values) = columns(node)?;
    values.push_default(node)?;
    if node.is_text(0) != matches!(keys, Column::Strings(_)) {
        return Err("the keys are not of the type of the input".to_string());
    }
    let floats = matches!(keys, Column::Floats(..));
    let keys = keys.keys();
    // The default is behind the values.
    let unknown = values.len() - 1;
    if keys.len() != unknown {
        return Err(format!("there are {} keys and {unknown} values", keys.len()));
    }
    let texts = node.is_text(0);
    let indices: HashMap<Key, usize> = keys.into_iter().enumerate().map(|(index, key)| (key, index)).collect();
    Ok(Box::new(move |inputs| {
        let find = |key: Key| indices.get(&key).copied().unwrap_or(unknown);
        let (shape, found): (_, Vec<usize>) = if texts {
            let (shape, texts) = inputs.texts(0)?;
            (shape, texts.iter().map(|text| find(Key::Text((**text).into()))).collect())
        } else {
            let x = inputs.take(0)?;
            let found = if floats {
                host::to_f64s(&x).into_iter().map(|x| find(Key::of_float(x))).collect()
            } else {
                host::to_i64s(&x).into_iter().map(|x| find(Key::Int(x))).collect()
            };
            (host::shape(&x).to_vec(), found)
        };
        one(match &values {
            Column::Strings(values) => inputs.text_tensor(&shape, found.iter().map(|at| values[*at].as_str())),
            Column::Ints(dtype, values) => {
                host::from_i64s(*dtype, &shape, &found.iter().map(|at| values[*at]).collect::<Vec<_>>())
            }
            Column::Floats(dtype, values) => {
                host::from_f64s(*dtype, &shape, &found.iter().map(|at| values[*at]).collect::<Vec<_>>())
            }
        })
    }))
}
