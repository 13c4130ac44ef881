//! MatMulInt8 and MatMulInt4: products with constant matrices of 8-bit integers, and of 4-bit integers in blocks. MatMulOnGpu:
//! with either, where the weights are on a GPU alone.

use burn::tensor::DType;

use super::super::gated::halves;
use super::super::{Inputs, NodeSpec, Prepared, Refusal, one, precision, wrong};
use crate::error::{Error, Result};
use crate::graph::attributes::{Attribute, Attributes};
use crate::graph::host::{self, HostTensor};
use crate::kernels::activation::Activation;
use crate::kernels::block_quant::Bits;
use crate::kernels::gemm;
use crate::kernels::qlinear::{BlockLayout, BlockParts, GROUP_SIZE, Int4Linear, QuantizedWeights, Shapes};

const MISFIT: &str = "the sizes of the weights do not fit";

/// The constants of `weights`; adds their sizes to `attributes`.
pub fn constants(weights: QuantizedWeights, attributes: &mut Attributes) -> [HostTensor; 3] {
    for (name, size) in [("inputs", weights.shape.0), ("outputs", weights.shape.1)] {
        attributes.push(name, Attribute::Int(size as i64));
    }
    let Shapes { quads, scales, sums } = Shapes::new(weights.shape);
    [host::tensor(&quads, weights.quads), host::tensor(&scales, weights.scales), host::tensor(&sums, weights.sums)]
}

/// The constants of weights of 8 bits, the last of them only where blocks have offsets; adds their sizes to `attributes`.
pub fn block_constants(
    layout: BlockLayout,
    parts: BlockParts,
    attributes: &mut Attributes,
) -> ([HostTensor; 3], Option<HostTensor>) {
    let BlockLayout { shape: (inputs, outputs), block, .. } = layout;
    for (name, size) in [("inputs", inputs), ("outputs", outputs), ("block", block)] {
        attributes.push(name, Attribute::Int(size as i64));
    }
    let flat = |numbers: Vec<f32>| host::tensor(&[numbers.len()], numbers);
    let constants = [host::tensor(&[parts.quads.len()], parts.quads), flat(parts.scales), flat(parts.sums)];
    (constants, (!parts.offsets.is_empty()).then(|| flat(parts.offsets)))
}

/// The attribute of products whose output is the activation of the first half of their columns, times the second.
pub const GATED: &str = "gated";

/// The attribute `precise` says the precision of activations. The inputs are `x`, the three constants, and optionally a bias,
/// the offsets of blocks, and what is added to the product; an activation may follow the bias.
pub fn matmul(node: &NodeSpec<'_>) -> Prepared {
    let (epilogue, sizes) = (Epilogue::new(node)?, sizes(node)?);
    let block = node.attributes.optional_int("block")?.map_or(Ok(GROUP_SIZE), usize::try_from);
    let block = block.map_err(|_| "the attribute block is negative".to_string())?;
    let layout = BlockLayout { shape: sizes, block, bits: Bits::Eight };
    let precision = precision(node)?;
    for (index, dtype) in [(1, DType::I32), (2, DType::F32), (3, DType::F32)] {
        if node.constant(index).is_none_or(|tensor| tensor.dtype() != dtype) {
            return Err(format!("the input {index} must be a constant of the type {dtype:?}"));
        }
    }
    Ok(Box::new(move |inputs| {
        let [quads, scales, sums] = [1, 2, 3].map(|index| inputs.contiguous(index));
        let (quads, scales, sums) = (quads?, scales?, sums?);
        let offsets = inputs.optional(5).map(host::contiguous);
        let offsets = offsets.as_ref().map_or(&[][..], host::slice::<f32>);
        let weights = layout.linear(host::slice(&quads), host::slice(&scales), host::slice(&sums), offsets);
        let Some(weights) = weights else { return wrong(MISFIT) };
        let bias = inputs.optional(4);
        let residual = inputs.optional(6);
        product(inputs, sizes, [bias, residual], epilogue, |x, bias, epilogue, out| {
            weights.with(precision).write(x, bias, epilogue, out);
        })
    }))
}

/// The inputs are `x`, the words of [`Int4Weights`](crate::kernels::qlinear::Int4Weights), and optionally a bias and what is
/// added to the product; an activation may follow the bias.
pub fn matmul_int4(node: &NodeSpec<'_>) -> Prepared {
    let (epilogue, sizes) = (Epilogue::new(node)?, sizes(node)?);
    if node.constant(1).is_none_or(|tensor| tensor.dtype() != DType::I32) {
        return Err("the input 1 must be a constant of the type I32".to_string());
    }
    Ok(Box::new(move |inputs| {
        let words = inputs.contiguous(1)?;
        let Some(weights) = Int4Linear::new(sizes, host::slice(&words)) else { return wrong(MISFIT) };
        let parts = [inputs.optional(2), inputs.optional(3)];
        product(inputs, sizes, parts, epilogue, |x, bias, epilogue, out| weights.write(x, bias, epilogue, out))
    }))
}

/// A product with weights that are on a GPU alone. The inputs are `x`, and optionally a bias and what is added to the product; an
/// activation may follow the bias.
pub fn matmul_on_gpu(node: &NodeSpec<'_>) -> Prepared {
    Epilogue::new(node)?;
    if node.attributes.gpu_weights()?.is_none() {
        return Err("there are no weights".to_string());
    }
    Ok(Box::new(|_| {
        Err(Error::unsupported("the GPU cannot compute this product, and its weights are on the GPU alone"))
    }))
}

/// What follows a product.
#[derive(Clone, Copy)]
struct Epilogue {
    activation: Option<Activation>,
    gated: bool,
}

impl Epilogue {
    fn new(node: &NodeSpec<'_>) -> std::result::Result<Self, Refusal> {
        Ok(Self { activation: node.attributes.activation()?, gated: node.attributes.flag(GATED, false)? })
    }
}

/// The numbers of inputs and outputs.
pub fn sizes(node: &NodeSpec<'_>) -> std::result::Result<(usize, usize), Refusal> {
    let size = |name: &str| {
        usize::try_from(node.attributes.int(name, 0)?).map_err(|_| format!("the attribute {name} is negative"))
    };
    Ok((size("inputs")?, size("outputs")?))
}

/// The input 0 times weights with these inputs and outputs, which `write` multiplies rows by, with a bias and a residual.
fn product(
    inputs: &mut Inputs<'_>,
    sizes: (usize, usize),
    [bias, residual]: [Option<HostTensor>; 2],
    Epilogue { activation, gated }: Epilogue,
    write: impl FnOnce(&[f32], &[f32], Option<&gemm::Epilogue<'_>>, &mut [f32]),
) -> Result<Vec<HostTensor>> {
    let x = inputs.take(0)?;
    let (dtype, mut shape) = (x.dtype(), host::shape(&x).to_vec());
    let Some(last) = shape.last_mut() else { return wrong("the input is a single number, expected rows") };
    if *last != sizes.0 {
        return wrong(format!("the input has rows of the length {last}, expected {}", sizes.0));
    }
    *last = sizes.1;
    let mut out = vec![0.0; inputs.count(&shape)?];
    let bias = bias.map(host::to_f32s).unwrap_or_default();
    if !bias.is_empty() && bias.len() != sizes.1 {
        return wrong(format!("the bias has the wrong length, expected {}", sizes.1));
    }
    let x = host::contiguous(host::cast(x, DType::F32));
    let apply = |numbers: &mut [f32]| activation.iter().for_each(|activation| activation.apply(numbers));
    let epilogue = activation.is_some() && !gated;
    write(host::slice(&x), &bias, epilogue.then_some(&apply), &mut out);
    if let Some(residual) = residual.map(host::to_f32s) {
        if gated {
            return wrong("nothing can be added to a gated product");
        }
        if residual.len() != out.len() {
            return wrong(format!("what is added has {} numbers, and the product {}", residual.len(), out.len()));
        }
        out.iter_mut().zip(residual).for_each(|(x, term)| *x += term);
    }
    if gated {
        out = halves(&out, sizes.1, activation);
        if let Some(last) = shape.last_mut() {
            *last = sizes.1 / 2;
        }
    }
    one(host::cast(host::tensor(&shape, out), dtype))
}
