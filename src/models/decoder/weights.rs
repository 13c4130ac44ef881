//! The weights of a decoder, from a checkpoint or from a GGUF file.

use std::collections::HashMap;
use std::ops::Range;

use super::Embeddings;
use crate::device::{Device, DeviceKind};
use crate::error::{Error, ErrorKind, Result};
use crate::formats::gguf::{Encoding, Tensor};
use crate::graph::{Blocks, GpuWeights};
use crate::kernels::block_quant::Bits;
use crate::kernels::qlinear::{BlockLinear, BlockParts, Int4Weights, QuantizedWeights};
use crate::kernels::simd::PANEL;
use crate::models::Weights;
use crate::models::embedding::Table;

/// The names of a tensor: in a checkpoint of transformers, and in a GGUF file.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// In a checkpoint.
    pub checkpoint: &'static str,
    /// In a GGUF file.
    pub gguf: &'static str,
}

/// Where the tensors of a decoder come from.
pub enum DecoderWeights<'a> {
    /// A checkpoint's tensors.
    Checkpoint(&'a mut Weights),
    /// A GGUF file's tensors.
    Gguf(PackedTensors),
}

/// The tensors of a GGUF file, each in the form in which a decoder has it. They are converted one by one, so that the file
/// need not lie in memory as a whole.
#[derive(Default)]
pub struct PackedTensors {
    tensors: HashMap<String, Packed>,
    /// The GPU that matrices go to as they arrive.
    gpu: Option<Device>,
}

struct Packed {
    shape: Vec<usize>,
    encoding: Encoding,
    content: Content,
}

enum Content {
    Floats(Vec<f32>),
    Blocks(Box<Blocks>),
    /// As in the file: embeddings, of which a row is read at a time, and what is not read here.
    Bytes(Vec<u8>),
}

/// The tensor of embeddings in a GGUF file.
const EMBEDDINGS: &str = "token_embd.weight";
/// Weights that are converted at once on their way to a GPU.
const AT_ONCE: usize = 1 << 21;

impl PackedTensors {
    /// Sends the quantised matrices that are added from now on to the GPU `device`, where they have no copy in the CPU's memory.
    /// The CPU cannot run what is built of them. It changes nothing where `device` is the CPU.
    pub fn send_to(&mut self, device: &Device) {
        self.gpu = (device.kind() == DeviceKind::Webgpu).then(|| device.clone());
    }

    /// Adds a tensor.
    ///
    /// # Errors
    /// Invalid artefact: there is one of this name, or it is a matrix that is not of whole blocks. Device lost: so is the GPU
    /// that it is for, which may have no memory left.
    pub fn insert(&mut self, tensor: &Tensor<'_>) -> Result<()> {
        let Tensor { name, shape, encoding, bytes } = tensor;
        let content = match (encoding, encoding.sub_block(), &shape[..]) {
            (Encoding::Other(_), ..) => Content::Bytes(Vec::new()),
            _ if *name == EMBEDDINGS => Content::Bytes(bytes.to_vec()),
            (_, Some(block), [outputs, inputs]) => {
                Content::Blocks(Box::new(self.blocks(tensor, block, [*inputs, *outputs])?))
            }
            _ => Content::Floats(tensor.floats()?),
        };
        let packed = Packed { shape: shape.clone(), encoding: *encoding, content };
        match self.tensors.insert(name.to_string(), packed) {
            None => Ok(()),
            Some(_) => Err(Error::invalid_artefact(format!("the tensor {name} is there twice"))),
        }
    }

    /// The matrix of a quantised tensor.
    fn blocks(&self, tensor: &Tensor<'_>, block: usize, sizes: [usize; 2]) -> Result<Blocks> {
        let Some(gpu) = &self.gpu else { return blocks(tensor, block, sizes) };
        if let Some(fault) = gpu.fault() {
            return Err(Error::new(
                ErrorKind::DeviceLost,
                format!("the GPU failed before it had all weights: {fault}"),
            ));
        }
        match blocks_on_gpu(tensor, block, sizes, gpu)? {
            Some(weights) => Ok(weights),
            None => blocks(tensor, block, sizes),
        }
    }

    /// Takes the tensor `name`, of this shape.
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Packed> {
        let Some(packed) = self.tensors.remove(name) else {
            return Err(Error::invalid_artefact(format!("the file has no tensor {name}")));
        };
        if packed.shape != shape {
            return Err(Error::invalid_artefact(format!(
                "the tensor {name} has the shape {:?}, and the metadata expect {shape:?}",
                packed.shape
            )));
        }
        match packed.encoding {
            Encoding::Other(_) => Err(unsupported(name, packed.encoding)),
            _ => Ok(packed),
        }
    }
}

/// The matrix of a linear layer, `[outputs, inputs]`.
pub(in crate::models) enum Matrix {
    /// Integers in blocks.
    Blocks(Box<Blocks>),
    /// 8-bit integers that were quantised here.
    Int8(QuantizedWeights),
    /// Floats.
    Floats(Vec<f32>),
}

impl Matrix {
    /// Matrices of layers with the same inputs as that of one, whose outputs lie side by side. Gives them back where they are not
    /// packed alike.
    pub(in crate::models) fn concat(parts: Vec<Self>) -> std::result::Result<Self, Vec<Self>> {
        let (mut blocks, mut int8, mut floats) = (Vec::new(), Vec::new(), Vec::new());
        if parts.windows(2).any(|pair| std::mem::discriminant(&pair[0]) != std::mem::discriminant(&pair[1])) {
            return Err(parts);
        }
        for part in parts {
            match part {
                Self::Blocks(part) => blocks.push(*part),
                Self::Int8(part) => int8.push(part),
                Self::Floats(part) => floats.push(part),
            }
        }
        if !int8.is_empty() {
            return Ok(Self::Int8(QuantizedWeights::concat(int8)));
        }
        if !floats.is_empty() {
            return Ok(Self::Floats(floats.concat()));
        }
        match Blocks::concat(blocks) {
            Ok(blocks) => Ok(Self::Blocks(Box::new(blocks))),
            Err(parts) => Err(parts.into_iter().map(|part| Self::Blocks(Box::new(part))).collect()),
        }
    }
}

/// Rows of a tensor of a GGUF file, as they are there.
pub struct PackedRows {
    bytes: Vec<u8>,
    encoding: Encoding,
    shape: Vec<usize>,
}

impl PackedRows {
    /// Dequantises a row; `None` where it does not exist.
    pub fn read(&self, at: usize, row: &mut [f32]) -> Option<()> {
        let Self { bytes, encoding, shape } = self;
        Tensor { name: "", shape: shape.clone(), encoding: *encoding, bytes }.row_floats(at, row).ok()
    }
}

impl DecoderWeights<'_> {
    /// Whether this is a GGUF file.
    pub fn is_gguf(&self) -> bool {
        matches!(self, Self::Gguf(_))
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Checkpoint(weights) => weights.contains(name),
            Self::Gguf(tensors) => tensors.tensors.contains_key(name),
        }
    }

    /// The rows of a tensor of a GGUF file.
    pub fn rows(&self, name: &str) -> Option<usize> {
        match self {
            Self::Checkpoint(_) => None,
            Self::Gguf(tensors) => tensors.tensors.get(name)?.shape.first().copied(),
        }
    }

    /// Takes a vector of `length` numbers.
    ///
    /// # Errors
    /// Invalid artefact: it is missing or has another length. Unsupported: its encoding.
    pub fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>> {
        match self {
            Self::Checkpoint(weights) => weights.take(name, &[length]),
            Self::Gguf(tensors) => match tensors.take(name, &[length])?.content {
                Content::Floats(floats) => Ok(floats),
                Content::Blocks(_) | Content::Bytes(_) => {
                    Err(Error::internal(format!("the tensor {name} is no vector")))
                }
            },
        }
    }

    /// The matrix of a linear layer.
    ///
    /// # Errors
    /// As [`Self::vector`].
    pub(in crate::models) fn matrix(&mut self, name: &str, [inputs, outputs]: [usize; 2]) -> Result<Matrix> {
        match self {
            Self::Checkpoint(weights) => match weights.take_packed(name, inputs, outputs)? {
                Some(packed) => Ok(Matrix::Int8(packed)),
                None => Ok(Matrix::Floats(weights.take(name, &[outputs, inputs])?)),
            },
            Self::Gguf(tensors) => match tensors.take(name, &[outputs, inputs])?.content {
                Content::Floats(floats) => Ok(Matrix::Floats(floats)),
                Content::Blocks(blocks) => Ok(Matrix::Blocks(blocks)),
                Content::Bytes(_) => Err(Error::internal(format!("the tensor {name} is not a layer's"))),
            },
        }
    }

    /// The embeddings, `[vocabulary, hidden]`, and where they are the weights of the last layer as well, its matrix.
    ///
    /// # Errors
    /// As [`Self::vector`].
    pub(in crate::models) fn embeddings(
        &mut self,
        name: &str,
        [vocabulary, hidden]: [usize; 2],
        tied: bool,
    ) -> Result<(Embeddings, Option<Matrix>)> {
        match self {
            Self::Checkpoint(weights) => {
                let table = weights.take_table(name, vocabulary, hidden)?;
                let matrix = tied.then(|| match &table {
                    Table::Floats(numbers) => Matrix::Floats(numbers.clone()),
                    Table::Bytes { .. } => {
                        let mut numbers = vec![0.0; vocabulary * hidden];
                        for (at, row) in numbers.chunks_exact_mut(hidden).enumerate() {
                            let _ = table.read(at, row);
                        }
                        let rows = crate::kernels::gemm::Matrix::transposed(&numbers, hidden);
                        Matrix::Int8(QuantizedWeights::quantise((hidden, vocabulary), rows))
                    }
                });
                Ok((Embeddings::Table(table), matrix))
            }
            Self::Gguf(tensors) => {
                let Packed { shape, encoding, content } = tensors.take(name, &[vocabulary, hidden])?;
                let Content::Bytes(bytes) = content else {
                    return Err(Error::internal(format!("the tensor {name} is not as in the file")));
                };
                let tensor = Tensor { name, shape: shape.clone(), encoding, bytes: &bytes };
                let matrix = match encoding.sub_block() {
                    _ if !tied => None,
                    None => Some(Matrix::Floats(tensor.floats()?)),
                    Some(block) => {
                        let blocks = Box::new(tensors.blocks(&tensor, block, [hidden, vocabulary])?);
                        if !blocks.is_on_gpu() {
                            return Ok((Embeddings::Tied(blocks.clone()), Some(Matrix::Blocks(blocks))));
                        }
                        Some(Matrix::Blocks(blocks))
                    }
                };
                let rows = PackedRows { bytes, encoding, shape };
                // An encoding that is not read here is refused now, and not at the first token.
                rows.read(0, &mut vec![0.0; hidden]).ok_or_else(|| unsupported(name, encoding))?;
                Ok((Embeddings::Packed(rows), matrix))
            }
        }
    }
}

fn unsupported(name: &str, encoding: Encoding) -> Error {
    Error::unsupported(format!("the tensor {name} is in {encoding}, which is not supported"))
}

/// The matrix of a quantised tensor.
fn blocks(tensor: &Tensor<'_>, block: usize, [inputs, outputs]: [usize; 2]) -> Result<Blocks> {
    Ok(match convert(tensor, block, inputs, 0..outputs)? {
        Converted::Nibbles(weights) => Blocks::int4(weights),
        Converted::Bytes(weights) => Blocks::int8(weights),
    })
}

/// The same on a GPU, to which it goes in pieces; `None` where it does not fit.
fn blocks_on_gpu(
    tensor: &Tensor<'_>,
    block: usize,
    [inputs, outputs]: [usize; 2],
    device: &Device,
) -> Result<Option<Blocks>> {
    let of_bytes = tensor.encoding.bits() != Some(4);
    let (own, offsets) = (of_bytes.then_some(block), of_bytes && tensor.encoding.has_minimum());
    let Some(weights) = GpuWeights::reserve(device, (inputs, outputs), own, offsets) else { return Ok(None) };
    let each = (AT_ONCE / inputs.max(1)).max(1).next_multiple_of(PANEL);
    for first in (0..outputs).step_by(each) {
        let at = first / PANEL;
        let written = match convert(tensor, block, inputs, first..outputs.min(first + each))? {
            Converted::Nibbles(part) => weights.write(at, &part.into_words(), &[], &[]),
            Converted::Bytes(part) => {
                let BlockParts { quads, scales, offsets, .. } = part.into_parts();
                weights.write(at, &quads, &scales, &offsets)
            }
        };
        if written.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(Blocks::on_gpu(weights)))
}

/// Weights as the kernels have them.
enum Converted {
    Nibbles(Int4Weights),
    Bytes(BlockLinear),
}

/// Converts the weights of some outputs of a quantised matrix.
fn convert(tensor: &Tensor<'_>, block: usize, inputs: usize, outputs: Range<usize>) -> Result<Converted> {
    let (shape, each) = ((inputs, outputs.len()), inputs / block);
    let sub_block = |output: usize, at: usize, numbers: &mut [i8]| {
        tensor.sub_block((outputs.start + output) * each + at, numbers).unwrap_or_default()
    };
    let converted = match tensor.encoding.bits() {
        Some(4) => Int4Weights::new(shape, |output, at, numbers: &mut [u8; 32]| {
            let mut signed = [0; 32];
            let (scale, offset) = sub_block(output, at, &mut signed);
            numbers.iter_mut().zip(signed).for_each(|(to, number)| *to = (number + 8) as u8);
            (scale, offset - 8.0 * scale)
        })
        .map(Converted::Nibbles),
        _ => BlockLinear::new(shape, block, Bits::Eight, sub_block).map(Converted::Bytes),
    };
    match converted {
        Some(converted) if inputs.is_multiple_of(block) => Ok(converted),
        _ => Err(Error::invalid_artefact(format!(
            "the tensor {} must be a matrix of whole blocks, got the shape {:?}",
            tensor.name, tensor.shape
        ))),
    }
}
