//! The safetensors format: a streaming reader, and a writer.
//!
//! # Source
//! <https://github.com/huggingface/safetensors#format>: eight bytes with the length of the header, the
//! header in JSON, then the tensors without gaps.

use half::{bf16, f16};
use safetensors::tensor::{Metadata, TensorView};
use safetensors::{Dtype, SafeTensorError};

use crate::error::{Error, Result};
use crate::sort::sort_by;

/// More than the header of any model that a page could load; the format itself allows 100 MB.
const MAX_HEADER_BYTES: u64 = 16 << 20;
const LENGTH_BYTES: usize = 8;

/// A dense array in memory, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Array<T = f32> {
    /// Its dimensions, the slowest-varying first.
    pub shape: Vec<usize>,
    /// Its elements; as many as the product of `shape`.
    pub data: Vec<T>,
}

/// A tensor of one of the element types that are read.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    /// Floats, converted to 32 bits.
    Floats(Array),
    /// Integers of 8 bits.
    Bytes(Array<i8>),
    /// Integers of 32 bits.
    Words(Array<i32>),
}

/// A reader of one file, whose bytes are handed in piece by piece, so that a file is never in memory twice.
#[derive(Default)]
pub struct Reader {
    /// The length and the header, until the header is complete.
    head: Vec<u8>,
    plan: Option<Plan>,
}

/// What the header announces, and how much of it has been received.
struct Plan {
    /// The tensors still to be received, the next one last.
    coming: Vec<Announced>,
    /// The size of all tensors, in bytes.
    data_bytes: usize,
    float_type: Option<&'static str>,
    received: usize,
    current: Option<Partial>,
}

struct Announced {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: usize,
}

/// Elements of a type that is read.
enum Elements {
    Floats(Vec<f32>),
    Bytes(Vec<i8>),
    Words(Vec<i32>),
}

/// A tensor that has been received in part.
struct Partial {
    announced: Announced,
    taken: usize,
    /// Its elements so far; `None` for a type that is not read.
    elements: Option<Elements>,
    /// The first bytes of an element that was cut by the end of a piece.
    rest: Vec<u8>,
}

impl Reader {
    /// Takes the next bytes of the file, and passes every tensor that they complete to `emit`. Tensors of other types
    /// than F32, F16, BF16, I8 and I32 (counters, position ids) are checked and skipped.
    ///
    /// # Errors
    /// Invalid artefact: the header is too long, is not JSON, or announces tensors that overlap, leave gaps or do not
    /// have the size of their shape; or there are more bytes than were announced. Invalid input: there is not enough
    /// memory.
    pub fn feed(&mut self, mut bytes: &[u8], emit: &mut dyn FnMut(String, Tensor)) -> Result<()> {
        if self.plan.is_none() {
            bytes = self.feed_header(bytes)?;
        }
        match &mut self.plan {
            Some(plan) => plan.feed(bytes, emit),
            None => Ok(()),
        }
    }

    /// The type of floats that most bytes of the file are, as transformers.js names it: `fp32`, `fp16` or `bf16`. `None` where there
    /// are no floats of these types, or the header is not complete.
    pub fn float_type(&self) -> Option<&'static str> {
        self.plan.as_ref()?.float_type
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Invalid artefact: bytes that the header announces are missing.
    pub fn finish(&self) -> Result<()> {
        match &self.plan {
            None => Err(Error::invalid_artefact(format!(
                "the file ends after {} bytes, inside its header",
                self.head.len()
            ))),
            Some(plan) if plan.received < plan.data_bytes => Err(Error::invalid_artefact(format!(
                "the file is truncated: expected {} bytes of tensors, as its header announces, got {}",
                plan.data_bytes, plan.received
            ))),
            Some(_) => Ok(()),
        }
    }

    /// Collects the header, and returns the bytes after it.
    fn feed_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let (_, bytes) = take(&mut self.head, LENGTH_BYTES, bytes);
        let Some(length) = self.head.first_chunk::<LENGTH_BYTES>() else {
            return Ok(bytes);
        };
        let length = u64::from_le_bytes(*length);
        if length > MAX_HEADER_BYTES {
            return Err(Error::invalid_artefact(format!(
                "the header has {length} bytes, as the file says; {MAX_HEADER_BYTES} is the limit. Is this a safetensors file?"
            )));
        }
        let (whole, bytes) = take(&mut self.head, LENGTH_BYTES + length as usize, bytes);
        if whole {
            self.plan = Some(Plan::parse(&self.head[LENGTH_BYTES..])?);
            self.head = Vec::new();
        }
        Ok(bytes)
    }
}

/// Fills `to` up to `length` bytes. Returns whether it is full, and the remaining bytes.
fn take<'a>(to: &mut Vec<u8>, length: usize, bytes: &'a [u8]) -> (bool, &'a [u8]) {
    let (now, later) = bytes.split_at(bytes.len().min(length.saturating_sub(to.len())));
    to.extend_from_slice(now);
    (to.len() >= length, later)
}

impl Plan {
    fn parse(header: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(header).map_err(|_| Error::invalid_artefact("the header is not UTF-8"))?;
        let metadata: Metadata = serde_json::from_str(text)
            .map_err(|error| Error::invalid_artefact(format!("the header is invalid: {error}")))?;
        let mut tensors: Vec<_> = metadata.tensors().into_iter().collect();
        sort_by(&mut tensors, |(_, a), (_, b)| a.data_offsets.cmp(&b.data_offsets));
        let mut data_bytes = 0;
        let mut coming = Vec::with_capacity(tensors.len());
        let mut floats = [(Dtype::BF16, "bf16", 0), (Dtype::F16, "fp16", 0), (Dtype::F32, "fp32", 0)];
        for (name, info) in tensors {
            // Deserialisation has checked the same. Allocations depend on it, so it is checked again.
            let (start, end) = info.data_offsets;
            let bytes = expected_bytes(&info.shape, info.dtype);
            if start != data_bytes || end.checked_sub(start) != bytes {
                let error = SafeTensorError::InvalidOffset(name);
                return Err(Error::invalid_artefact(format!("the header is invalid: {error}")));
            }
            data_bytes = end;
            floats.iter_mut().filter(|(dtype, ..)| *dtype == info.dtype).for_each(|(.., sum)| *sum += end - start);
            coming.push(Announced { name, dtype: info.dtype, shape: info.shape.clone(), bytes: end - start });
        }
        coming.reverse();
        let most = floats.into_iter().max_by_key(|(.., sum)| *sum).filter(|(.., sum)| *sum > 0);
        let float_type = most.map(|(_, name, _)| name);
        Ok(Self { coming, data_bytes, float_type, received: 0, current: None })
    }

    fn feed(&mut self, mut bytes: &[u8], emit: &mut dyn FnMut(String, Tensor)) -> Result<()> {
        if bytes.len() > self.data_bytes - self.received {
            return Err(Error::invalid_artefact(format!(
                "the file goes on after the {} bytes of tensors that its header announces",
                self.data_bytes
            )));
        }
        self.received += bytes.len();
        loop {
            let mut partial = match self.current.take().or_else(|| self.coming.pop().map(Partial::new)) {
                // A tensor without elements needs no bytes.
                Some(partial) if !bytes.is_empty() || partial.announced.bytes == 0 => partial,
                untouched => {
                    self.current = untouched;
                    return Ok(());
                }
            };
            let (now, later) = bytes.split_at(bytes.len().min(partial.announced.bytes - partial.taken));
            partial.push(now)?;
            bytes = later;
            if partial.taken < partial.announced.bytes {
                self.current = Some(partial);
            } else if let Some(elements) = partial.elements {
                emit(partial.announced.name, elements.tensor(partial.announced.shape));
            }
        }
    }
}

impl Partial {
    fn new(announced: Announced) -> Self {
        Self { elements: Elements::new(announced.dtype), announced, taken: 0, rest: Vec::new() }
    }

    fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.taken += bytes.len();
        let Some(elements) = &mut self.elements else { return Ok(()) };
        let Announced { name, dtype, bytes: all, .. } = &self.announced;
        let width = dtype.bitsize() / 8;
        // Once, so that no tensor is copied while it grows. The header may be wrong, so the allocation may fail.
        elements
            .reserve(all / width)
            .map_err(|_| Error::no_memory(format!("the tensor {name}, which has {all} bytes as the header says")))?;
        if !self.rest.is_empty() {
            let (whole, later) = take(&mut self.rest, width, bytes);
            bytes = later;
            if whole {
                elements.extend(*dtype, &self.rest);
                self.rest.clear();
            }
        }
        let whole = bytes.len() - bytes.len() % width;
        elements.extend(*dtype, &bytes[..whole]);
        self.rest.extend_from_slice(&bytes[whole..]);
        Ok(())
    }
}

impl Elements {
    /// `None` for a type that is skipped.
    fn new(dtype: Dtype) -> Option<Self> {
        match dtype {
            Dtype::F32 | Dtype::F16 | Dtype::BF16 => Some(Self::Floats(Vec::new())),
            Dtype::I8 => Some(Self::Bytes(Vec::new())),
            Dtype::I32 => Some(Self::Words(Vec::new())),
            _ => None,
        }
    }

    /// Reserves capacity for `count` elements in all.
    fn reserve(&mut self, count: usize) -> std::result::Result<(), std::collections::TryReserveError> {
        match self {
            Self::Floats(data) => data.try_reserve_exact(count - data.len()),
            Self::Bytes(data) => data.try_reserve_exact(count - data.len()),
            Self::Words(data) => data.try_reserve_exact(count - data.len()),
        }
    }

    /// Appends `bytes`, whole little-endian elements of the type `dtype`.
    fn extend(&mut self, dtype: Dtype, bytes: &[u8]) {
        match (self, dtype) {
            (Self::Floats(data), Dtype::F16) => {
                data.extend(bytes.as_chunks().0.iter().map(|number| f16::from_le_bytes(*number).to_f32()));
            }
            (Self::Floats(data), Dtype::BF16) => {
                data.extend(bytes.as_chunks().0.iter().map(|number| bf16::from_le_bytes(*number).to_f32()));
            }
            (Self::Floats(data), _) => {
                data.extend(bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)))
            }
            (Self::Bytes(data), _) => data.extend(bytes.iter().map(|byte| byte.cast_signed())),
            (Self::Words(data), _) => data.extend(bytes.as_chunks().0.iter().map(|number| i32::from_le_bytes(*number))),
        }
    }

    fn tensor(self, shape: Vec<usize>) -> Tensor {
        match self {
            Self::Floats(data) => Tensor::Floats(Array { shape, data }),
            Self::Bytes(data) => Tensor::Bytes(Array { shape, data }),
            Self::Words(data) => Tensor::Words(Array { shape, data }),
        }
    }
}

fn expected_bytes(shape: &[usize], dtype: Dtype) -> Option<usize> {
    let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))?;
    Some(elements.checked_mul(dtype.bitsize())?.div_ceil(8))
}

impl Tensor {
    /// Its type, its shape, and its elements in the encoding of the format.
    fn parts(&self) -> (Dtype, &[usize], Vec<u8>) {
        match self {
            Self::Floats(Array { shape, data }) => {
                (Dtype::F32, shape, data.iter().flat_map(|x| x.to_le_bytes()).collect())
            }
            Self::Bytes(Array { shape, data }) => (Dtype::I8, shape, data.iter().map(|x| x.cast_unsigned()).collect()),
            Self::Words(Array { shape, data }) => {
                (Dtype::I32, shape, data.iter().flat_map(|x| x.to_le_bytes()).collect())
            }
        }
    }
}

/// Writes `tensors` to one file, sorted by type and name.
///
/// # Errors
/// Internal: a tensor's shape does not fit its data.
pub fn write<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>) -> Result<Vec<u8>> {
    let parts: Vec<_> = tensors.into_iter().map(|(name, tensor)| (name, tensor.parts())).collect();
    let internal = |error: SafeTensorError| Error::internal(format!("safetensors: {error}"));
    let views = parts
        .iter()
        .map(|(name, (dtype, shape, bytes))| Ok((*name, TensorView::new(*dtype, shape.to_vec(), bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(internal)?;
    safetensors::serialize(views, None).map_err(internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// The tensors of `file`, handed in `step` bytes at a time.
    fn read(file: &[u8], step: usize) -> Result<Vec<(String, Tensor)>> {
        let mut reader = Reader::default();
        let mut tensors = Vec::new();
        for piece in file.chunks(step) {
            reader.feed(piece, &mut |name, tensor| tensors.push((name, tensor)))?;
        }
        reader.finish()?;
        Ok(tensors)
    }

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn refusal(header: &str, data: &[u8]) -> String {
        let error = read(&file(header, data), 1 << 20).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArtefact);
        error.to_string()
    }

    #[test]
    fn any_chunking_gives_the_same_tensors() {
        let header = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
            "n":{"dtype":"I64","shape":[1],"data_offsets":[8,16]},
            "b":{"dtype":"F16","shape":[1,1],"data_offsets":[16,18]},
            "e":{"dtype":"F32","shape":[0],"data_offsets":[18,18]},
            "c":{"dtype":"BF16","shape":[],"data_offsets":[18,20]},
            "d":{"dtype":"I8","shape":[3],"data_offsets":[20,23]},
            "w":{"dtype":"I32","shape":[1,2],"data_offsets":[23,31]}}"#;
        let mut data = [1.5f32.to_le_bytes(), (-2f32).to_le_bytes()].concat();
        data.extend([0; 8]);
        data.extend(f16::from_f32(0.25).to_le_bytes());
        data.extend(bf16::from_f32(3.0).to_le_bytes());
        data.extend([1, 255, 128]);
        data.extend([7i32.to_le_bytes(), (-70_000i32).to_le_bytes()].concat());
        let file = file(header, &data);
        for step in 1..file.len() {
            let tensors = read(&file, step).unwrap();
            let floats =
                |shape: &[usize], data: &[f32]| Tensor::Floats(Array { shape: shape.to_vec(), data: data.to_vec() });
            let wanted = [
                ("a", floats(&[2], &[1.5, -2.0])),
                ("b", floats(&[1, 1], &[0.25])),
                ("e", floats(&[0], &[])),
                ("c", floats(&[], &[3.0])),
                ("d", Tensor::Bytes(Array { shape: vec![3], data: vec![1, -1, -128] })),
                ("w", Tensor::Words(Array { shape: vec![1, 2], data: vec![7, -70_000] })),
            ];
            assert_eq!(tensors, wanted.map(|(name, tensor)| (name.to_string(), tensor)), "step {step}");
        }
    }

    #[test]
    fn a_trailing_empty_tensor_is_emitted() {
        let header = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"e":{"dtype":"F32","shape":[3,0],"data_offsets":[4,4]}}"#;
        assert_eq!(read(&file(header, &[0; 4]), 5).unwrap().len(), 2);
    }

    #[test]
    fn written_files_are_read_back() {
        let tensors = [
            ("w", Tensor::Floats(Array { shape: vec![2, 1], data: vec![0.1, -0.2] })),
            ("a", Tensor::Words(Array { shape: vec![1], data: vec![-3] })),
            ("b", Tensor::Bytes(Array { shape: vec![3], data: vec![1, -2, 3] })),
        ];
        let bytes = write(tensors.iter().map(|(name, tensor)| (*name, tensor))).unwrap();
        assert_eq!(read(&bytes, 3).unwrap(), tensors.map(|(name, tensor)| (name.to_string(), tensor)));
    }

    #[test]
    fn wrong_offsets_and_shapes_are_refused() {
        let one = |shape: &str, from: u64, to: u64| {
            format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}}}"#)
        };
        refusal(&one("[2]", 0, 4), &[0; 4]);
        refusal(&one("[1]", 4, 8), &[0; 8]);
        refusal(&one("[1]", 8, 4), &[0; 8]);
        refusal(&one("[4611686018427387904,4]", 0, 4), &[0; 4]);
        refusal(&one("[18446744073709551615,18446744073709551615]", 0, 4), &[0; 4]);
        refusal(
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
            &[0; 8],
        );
        refusal(r#"{"a":{"dtype":"Q7","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4]);
        refusal("{", &[]);
        refusal("\u{0}", &[]);
        assert!(refusal(&one("[1]", 0, 4), &[0; 5]).contains("goes on"));
        assert!(refusal(&one("[2]", 0, 8), &[0; 5]).contains("truncated"));
    }

    #[test]
    fn a_giant_header_is_refused_before_it_is_collected() {
        let error = read(&u64::MAX.to_le_bytes(), 8).unwrap_err();
        assert!(error.to_string().contains("is the limit"), "{error}");
        assert!(read(b"<!doctype html><html>", 4).is_err());
        assert!(read(&[], 1).unwrap_err().to_string().contains("inside its header"));
    }
}
