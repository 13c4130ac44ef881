//! Tensors of a file in memory.

use std::collections::HashMap;

use burn::tensor::{DType, bf16, f16};

use crate::error::{Error, Result};
use crate::formats::onnx::{self, Element, Storage};
use crate::graph::encoding::Encoding;
use crate::graph::host::{self, HostTensor};
use crate::graph::options::Limits;
use crate::graph::texts::Texts;

/// The external data files of an ONNX file, by name.
pub type ExternalFiles = HashMap<String, Vec<u8>>;

/// The type of the tensors that have elements of the type with this number in ONNX.
///
/// # Errors
/// Unsupported: another number.
pub fn dtype(number: i64) -> Result<DType> {
    if let Some(encoding) = Encoding::of_number(number) {
        return Ok(encoding.storage());
    }
    Ok(match Element::from_number(number)? {
        Element::F32 => DType::F32,
        Element::U8 => DType::U8,
        Element::I8 => DType::I8,
        Element::U16 => DType::U16,
        Element::I16 => DType::I16,
        Element::I32 => DType::I32,
        Element::I64 => DType::I64,
        Element::Bool => host::BOOL,
        Element::F16 => DType::F16,
        Element::F64 => DType::F64,
        Element::U32 => DType::U32,
        Element::U64 => DType::U64,
        Element::BF16 => DType::BF16,
    })
}

/// A tensor of a file in memory. Its strings are added to `texts`.
///
/// # Errors
/// Invalid artefact: its size does not fit its dimensions or exceeds the limits, or its external data were not handed in.
/// Unsupported: its type.
pub fn tensor(
    from: &onnx::Tensor<'_>,
    external: &ExternalFiles,
    limits: &Limits,
    texts: &mut Texts,
) -> Result<HostTensor> {
    let wrong = |what: String| Error::invalid_artefact(format!("the tensor '{}' {what}", from.name));
    let dtype = dtype(from.element)
        .map_err(|error| Error::new(error.kind(), format!("the tensor '{}': {error}", from.name)))?;
    let shape = from
        .dims
        .iter()
        .map(|dim| usize::try_from(*dim).map_err(|_| wrong(format!("has the dimension {dim}"))))
        .collect::<Result<Vec<_>>>()?;
    let count = host::count(&shape, limits.max_elements).map_err(|error| wrong(format!("is too large: {error}")))?;
    let held = |found: usize| {
        if found == count {
            Ok(())
        } else {
            Err(wrong(format!("has {found} elements, expected {count} for its shape {shape:?}")))
        }
    };
    let encoding = Encoding::of_number(from.element);
    let small;
    let bytes = match &from.storage {
        Storage::Raw(bytes) => *bytes,
        Storage::External(data) => external_bytes(data, external).ok_or_else(|| {
            wrong(format!("has external data in the file '{}', which was not handed in or is too short", data.location))
        })?,
        Storage::Floats(numbers) => {
            held(numbers.len())?;
            let numbers: Vec<f64> = numbers.iter().map(|number| f64::from(*number)).collect();
            return Ok(host::from_f64s(dtype, &shape, &numbers));
        }
        Storage::Doubles(numbers) => {
            held(numbers.len())?;
            return Ok(host::from_f64s(dtype, &shape, numbers));
        }
        Storage::Ints(numbers) if encoding.is_some_and(|encoding| encoding != Encoding::Text) => {
            // Each is a byte of what raw data would be.
            small = numbers.iter().map(|number| *number as u8).collect::<Vec<_>>();
            &small
        }
        Storage::Ints(numbers) => {
            held(numbers.len())?;
            return Ok(match dtype {
                // 16-bit floats are written as integers with their bits.
                DType::F16 => host::tensor(&shape, numbers.iter().map(|bits| f16::from_bits(*bits as u16)).collect()),
                DType::BF16 => host::tensor(&shape, numbers.iter().map(|bits| bf16::from_bits(*bits as u16)).collect()),
                _ => host::from_i64s(dtype, &shape, numbers),
            });
        }
        Storage::Strings(strings) => {
            held(strings.len())?;
            if encoding != Some(Encoding::Text) {
                return Err(wrong("has strings, but is of another type".to_string()));
            }
            let indices = strings.iter().map(|text| texts.index(&String::from_utf8_lossy(text)));
            return Ok(host::tensor(&shape, indices.collect::<Vec<u32>>()));
        }
        Storage::Empty => &[],
    };
    if let Some(encoding) = encoding.filter(|encoding| *encoding != Encoding::Text) {
        let packed = (count * encoding.bits() as usize).div_ceil(8);
        if bytes.len() != packed {
            return Err(wrong(format!("has {} bytes, expected {packed}", bytes.len())));
        }
        return Ok(host::of_type(dtype, &shape, encoding.unpack(bytes, count)));
    }
    if bytes.len() != count * host::size_of(dtype) {
        return Err(wrong(format!("has {} bytes, expected {}", bytes.len(), count * host::size_of(dtype))));
    }
    if dtype == host::BOOL {
        return Ok(host::bools(&shape, bytes.iter().map(|byte| u8::from(*byte != 0)).collect()));
    }
    host::with_type!(dtype, T => Ok(host::of_type::<T>(dtype, &shape, bytemuck::pod_collect_to_vec(bytes))))
}

fn external_bytes<'a>(data: &onnx::External<'_>, external: &'a ExternalFiles) -> Option<&'a [u8]> {
    // Never opened as a path: the files are those that were handed in, by name.
    let rest = external.get(data.location)?.get(usize::try_from(data.offset).ok()?..)?;
    match data.length {
        None => Some(rest),
        Some(length) => rest.get(..usize::try_from(length).ok()?),
    }
}
