//! The safetensors format, read as its bytes arrive.
//!
//! # Source
//! <https://github.com/huggingface/safetensors#format>: eight bytes with the length of the header, the
//! header in JSON, then the tensors without gaps.

use half::{bf16, f16};
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensorError};

use crate::error::{Error, Result};

/// More than the header of any model that a page could load; the format itself allows 100 MB.
const MAX_HEADER_BYTES: u64 = 16 << 20;
const LENGTH_BYTES: usize = 8;

/// A tensor in memory, row-major, its numbers widened to 32 bits.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Its dimensions, the slowest first.
    pub shape: Vec<usize>,
    /// Its numbers; as many as the product of `shape`.
    pub data: Vec<f32>,
}

/// Reads one file whose bytes are handed in piece by piece, so that a file is never in memory twice.
#[derive(Default)]
pub struct Reader {
    /// The length and the header, until the header is whole.
    head: Vec<u8>,
    plan: Option<Plan>,
}

/// What the header announces, and how far the bytes have come.
struct Plan {
    /// The tensors still to come, the next one last.
    coming: Vec<Announced>,
    /// The bytes of all tensors.
    data_bytes: usize,
    received: usize,
    current: Option<Partial>,
}

struct Announced {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: usize,
}

/// A tensor of which some bytes have come.
struct Partial {
    announced: Announced,
    taken: usize,
    data: Vec<f32>,
    /// The first bytes of a number that was cut by the end of a piece.
    rest: Vec<u8>,
}

impl Reader {
    /// Takes the next bytes of the file, and gives every tensor that they complete to `emit`. Tensors of
    /// other types than F32, F16 and BF16 (counters, position ids) are checked and passed over.
    ///
    /// # Errors
    /// Invalid artefact: the header is too long, is no JSON, or announces tensors that overlap, leave
    /// gaps or do not have the bytes of their shape; or more bytes come than were announced.
    pub fn feed(&mut self, mut bytes: &[u8], emit: &mut dyn FnMut(String, HostTensor)) -> Result<()> {
        if self.plan.is_none() {
            bytes = self.feed_header(bytes)?;
        }
        match &mut self.plan {
            Some(plan) => plan.feed(bytes, emit),
            None => Ok(()),
        }
    }

    /// Says that there are no more bytes.
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
                "the file is truncated: its header announces {} bytes of tensors, and {} are there",
                plan.data_bytes, plan.received
            ))),
            Some(_) => Ok(()),
        }
    }

    /// Collects the header; gives back the bytes that lie behind it.
    fn feed_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let (_, bytes) = take(&mut self.head, LENGTH_BYTES, bytes);
        let Some(length) = self.head.first_chunk::<LENGTH_BYTES>() else {
            return Ok(bytes);
        };
        let length = u64::from_le_bytes(*length);
        if length > MAX_HEADER_BYTES {
            return Err(Error::invalid_artefact(format!(
                "the header is said to have {length} bytes; {MAX_HEADER_BYTES} is the limit. Is this a safetensors file?"
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

/// Fills `to` up to `length` bytes; whether it is full, and the bytes that are left.
fn take<'a>(to: &mut Vec<u8>, length: usize, bytes: &'a [u8]) -> (bool, &'a [u8]) {
    let (now, later) = bytes.split_at(bytes.len().min(length.saturating_sub(to.len())));
    to.extend_from_slice(now);
    (to.len() >= length, later)
}

impl Plan {
    fn parse(header: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(header).map_err(|_| Error::invalid_artefact("the header is not UTF-8"))?;
        let metadata: Metadata = serde_json::from_str(text)
            .map_err(|error| Error::invalid_artefact(format!("the header is not right: {error}")))?;
        let mut tensors: Vec<_> = metadata.tensors().into_iter().collect();
        tensors.sort_by_key(|(_, info)| info.data_offsets);
        let mut data_bytes = 0;
        let mut coming = Vec::with_capacity(tensors.len());
        for (name, info) in tensors {
            // Deserialising has checked the same; what memory depends on is checked here once more.
            let (start, end) = info.data_offsets;
            let bytes = expected_bytes(&info.shape, info.dtype);
            if start != data_bytes || end.checked_sub(start) != bytes {
                let error = SafeTensorError::InvalidOffset(name);
                return Err(Error::invalid_artefact(format!("the header is not right: {error}")));
            }
            data_bytes = end;
            coming.push(Announced { name, dtype: info.dtype, shape: info.shape.clone(), bytes: end - start });
        }
        coming.reverse();
        Ok(Self { coming, data_bytes, received: 0, current: None })
    }

    fn feed(&mut self, mut bytes: &[u8], emit: &mut dyn FnMut(String, HostTensor)) -> Result<()> {
        if bytes.len() > self.data_bytes - self.received {
            return Err(Error::invalid_artefact(format!(
                "the file goes on after the {} bytes that its header announces",
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
            } else if width(partial.announced.dtype).is_some() {
                emit(partial.announced.name, HostTensor { shape: partial.announced.shape, data: partial.data });
            }
        }
    }
}

impl Partial {
    fn new(announced: Announced) -> Self {
        Self { announced, taken: 0, data: Vec::new(), rest: Vec::new() }
    }

    fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.taken += bytes.len();
        let Some(width) = width(self.announced.dtype) else { return Ok(()) };
        // Once, so that no tensor is copied while it grows; the header may lie, so it may be refused.
        if self.data.try_reserve_exact(self.announced.bytes / width - self.data.len()).is_err() {
            let Announced { name, bytes, .. } = &self.announced;
            return Err(Error::invalid_artefact(format!(
                "the tensor {name} is said to have {bytes} bytes, more than there is memory for"
            )));
        }
        if !self.rest.is_empty() {
            let (whole, later) = take(&mut self.rest, width, bytes);
            bytes = later;
            if whole {
                widen(self.announced.dtype, &self.rest, &mut self.data);
                self.rest.clear();
            }
        }
        let whole = bytes.len() - bytes.len() % width;
        widen(self.announced.dtype, &bytes[..whole], &mut self.data);
        self.rest.extend_from_slice(&bytes[whole..]);
        Ok(())
    }
}

/// The bytes of a number of a type that is read; none for those that are passed over.
fn width(dtype: Dtype) -> Option<usize> {
    match dtype {
        Dtype::F32 => Some(4),
        Dtype::F16 | Dtype::BF16 => Some(2),
        _ => None,
    }
}

fn expected_bytes(shape: &[usize], dtype: Dtype) -> Option<usize> {
    let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))?;
    Some(elements.checked_mul(dtype.bitsize())?.div_ceil(8))
}

/// Appends `bytes`, whole numbers of `dtype` in little endian, to `data`.
fn widen(dtype: Dtype, bytes: &[u8], data: &mut Vec<f32>) {
    match dtype {
        Dtype::F32 => data.extend(bytes.as_chunks::<4>().0.iter().map(|&number| f32::from_le_bytes(number))),
        Dtype::F16 => data.extend(bytes.as_chunks::<2>().0.iter().map(|&number| f16::from_le_bytes(number).to_f32())),
        Dtype::BF16 => data.extend(bytes.as_chunks::<2>().0.iter().map(|&number| bf16::from_le_bytes(number).to_f32())),
        _ => {}
    }
}

/// Writes `tensors` as F32 into one file, in the order of their names.
///
/// # Errors
/// Internal: a tensor's shape is not that of its data.
pub fn write<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a HostTensor)>) -> Result<Vec<u8>> {
    let bytes: Vec<(&str, &HostTensor, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, tensor)| (name, tensor, tensor.data.iter().flat_map(|number| number.to_le_bytes()).collect()))
        .collect();
    let internal = |error: SafeTensorError| Error::internal(format!("safetensors: {error}"));
    let views = bytes
        .iter()
        .map(|(name, tensor, bytes)| {
            Ok((*name, safetensors::tensor::TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(internal)?;
    safetensors::serialize(views, None).map_err(internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// The tensors of `file`, handed in `step` bytes at a time.
    fn read(file: &[u8], step: usize) -> Result<Vec<(String, HostTensor)>> {
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
            "c":{"dtype":"BF16","shape":[],"data_offsets":[18,20]}}"#;
        let mut data = [1.5f32.to_le_bytes(), (-2f32).to_le_bytes()].concat();
        data.extend([0; 8]);
        data.extend(f16::from_f32(0.25).to_le_bytes());
        data.extend(bf16::from_f32(3.0).to_le_bytes());
        let file = file(header, &data);
        for step in 1..file.len() {
            let tensors = read(&file, step).unwrap();
            let flat: Vec<_> = tensors
                .iter()
                .map(|(name, tensor)| (name.as_str(), tensor.shape.as_slice(), tensor.data.as_slice()))
                .collect();
            assert_eq!(
                flat,
                [("a", &[2][..], &[1.5, -2.0][..]), ("b", &[1, 1], &[0.25]), ("e", &[0], &[]), ("c", &[], &[3.0])],
                "step {step}"
            );
        }
    }

    #[test]
    fn a_trailing_empty_tensor_is_emitted() {
        let header = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"e":{"dtype":"F32","shape":[3,0],"data_offsets":[4,4]}}"#;
        assert_eq!(read(&file(header, &[0; 4]), 5).unwrap().len(), 2);
    }

    #[test]
    fn written_files_are_read_back() {
        let tensor = HostTensor { shape: vec![2, 1], data: vec![0.1, -0.2] };
        let bytes = write([("w", &tensor)]).unwrap();
        assert_eq!(read(&bytes, 3).unwrap(), [("w".to_string(), tensor)]);
    }

    #[test]
    fn lies_are_refused() {
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
