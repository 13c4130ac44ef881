//! MatMulInt8: products with constant matrices of 8-bit integers, or of 4- and 8-bit integers in blocks.

use burn::tensor::DType;

use super::super::{NodeSpec, Prepared, one, precision, wrong};
use crate::graph::attributes::{Attribute, Attributes};
use crate::graph::host::{self, HostTensor};
use crate::kernels::block_quant::Bits;
use crate::kernels::qlinear::{BlockLayout, BlockLinear, GROUP_SIZE, QuantizedWeights, Shapes};

/// The constants of `weights`; adds their sizes to `attributes`.
pub fn constants(weights: QuantizedWeights, attributes: &mut Attributes) -> [HostTensor; 3] {
    for (name, size) in [("inputs", weights.shape.0), ("outputs", weights.shape.1)] {
        attributes.push(name, Attribute::Int(size as i64));
    }
    let Shapes { quads, scales, sums } = Shapes::new(weights.shape);
    [host::tensor(&quads, weights.quads), host::tensor(&scales, weights.scales), host::tensor(&sums, weights.sums)]
}

/// The constants of `weights`, the last of them only where blocks have offsets; adds their sizes to `attributes`.
pub fn block_constants(weights: BlockLinear, attributes: &mut Attributes) -> ([HostTensor; 3], Option<HostTensor>) {
    let BlockLayout { shape: (inputs, outputs), block, bits } = weights.layout();
    let parts = weights.into_parts();
    let bits = if bits == Bits::Four { 4 } else { 8 };
    for (name, size) in [("inputs", inputs), ("outputs", outputs), ("block", block), ("bits", bits)] {
        attributes.push(name, Attribute::Int(size as i64));
    }
    let flat = |numbers: Vec<f32>| host::tensor(&[numbers.len()], numbers);
    let constants = [host::tensor(&[parts.quads.len()], parts.quads), flat(parts.scales), flat(parts.sums)];
    (constants, (!parts.offsets.is_empty()).then(|| flat(parts.offsets)))
}

/// The attribute `precise` says the precision of activations.
/// The inputs are `x`, the three constants, an optional bias, and the optional offsets of blocks; an activation may follow.
pub fn matmul(node: &NodeSpec<'_>) -> Prepared {
    let activation = node.attributes.activation()?;
    let size = |name: &str| {
        usize::try_from(node.attributes.int(name, 0)?).map_err(|_| format!("the attribute {name} is negative"))
    };
    let sizes = (size("inputs")?, size("outputs")?);
    let bits = match node.attributes.int("bits", 8)? {
        4 => Bits::Four,
        8 => Bits::Eight,
        bits => return Err(format!("weights of {bits} bits are not supported, expected 4 or 8")),
    };
    let block = node.attributes.optional_int("block")?.map_or(Ok(GROUP_SIZE), usize::try_from);
    let block = block.map_err(|_| "the attribute block is negative".to_string())?;
    let layout = BlockLayout { shape: sizes, block, bits };
    let precision = precision(node)?;
    for (index, dtype) in [(1, DType::I32), (2, DType::F32), (3, DType::F32)] {
        if node.constant(index).is_none_or(|tensor| tensor.dtype() != dtype) {
            return Err(format!("the input {index} must be a constant of the type {dtype:?}"));
        }
    }
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let (dtype, mut shape) = (x.dtype(), host::shape(&x).to_vec());
        let [quads, scales, sums] = [1, 2, 3].map(|index| inputs.contiguous(index));
        let (quads, scales, sums) = (quads?, scales?, sums?);
        let offsets = inputs.optional(5).map(host::contiguous);
        let offsets = offsets.as_ref().map_or(&[][..], host::slice::<f32>);
        let weights = layout.linear(host::slice(&quads), host::slice(&scales), host::slice(&sums), offsets);
        let (Some(weights), Some(last)) = (weights, shape.last_mut()) else {
            return wrong("the sizes of the weights do not fit");
        };
        if *last != sizes.0 {
            return wrong(format!("the input has rows of the length {last}, expected {}", sizes.0));
        }
        *last = sizes.1;
        let mut out = vec![0.0; inputs.count(&shape)?];
        let bias = inputs.optional(4).map(host::to_f32s).unwrap_or_default();
        if !bias.is_empty() && bias.len() != sizes.1 {
            return wrong(format!("the bias has the wrong length, expected {}", sizes.1));
        }
        let x = host::contiguous(host::cast(x, DType::F32));
        let apply = |numbers: &mut [f32]| activation.iter().for_each(|activation| activation.apply(numbers));
        weights.with(precision).write(host::slice(&x), &bias, activation.is_some().then_some(&apply), &mut out);
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}
