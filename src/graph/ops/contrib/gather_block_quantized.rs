//! GatherBlockQuantized: rows of a table with blockwise quantised numbers.

use burn::tensor::DType;

use super::super::quantize::{Target, dequantise};
use super::super::{NodeSpec, Prepared, axis_of, one, wrong};
use crate::error::Result;
use crate::graph::encoding::Encoding;
use crate::graph::host::{self, HostTensor};

/// # Source
/// onnxruntime's ContribOperators.md, "com.microsoft.GatherBlockQuantized".
pub fn gather(node: &NodeSpec<'_>) -> Prepared {
    let (gather_axis, quantize_axis) =
        (node.attributes.int("gather_axis", 0)?, node.attributes.int("quantize_axis", 1)?);
    let block = node.attributes.int("block_size", 128)?;
    let block = usize::try_from(block).ok().filter(|block| *block > 0);
    let block = block.ok_or("the attribute block_size is not a positive number")?;
    // The bits of an integer where the table has bytes.
    let bits = node.attributes.int("bits", 4)?;
    let packed = match (node.encoding(0), bits) {
        (Some(_), _) | (None, 8) => None,
        (None, 4) => Some(Encoding::Int { bits: 4, signed: false }),
        (None, 2) => Some(Encoding::Int { bits: 2, signed: false }),
        _ => return Err(format!("the attribute bits is {bits}, expected 2, 4 or 8")),
    };
    // Bytes have their middle as zero point.
    let zero = if node.encoding(0).is_some() { 0.0 } else { (1u32 << (bits - 1)) as f32 };
    Ok(Box::new(move |inputs| {
        let unpack = |tensor: HostTensor| match packed {
            Some(encoding) if tensor.dtype() == DType::U8 => unpacked(tensor, encoding),
            _ => tensor,
        };
        let (table, indices, scales) = (unpack(inputs.take(0)?), inputs.take(1)?, inputs.take(2)?);
        let zeros = inputs.optional(3).map(unpack);
        let rank = host::shape(&table).len();
        let (from, along) = (axis_of(gather_axis, rank)?, axis_of(quantize_axis, rank)?);
        if from == along {
            return wrong("gather_axis and quantize_axis are the same");
        }
        let (shape, numbers) = (host::shape(&indices).to_vec(), host::to_i64s(&indices));
        let rows = |tensor: HostTensor| taken(tensor, from, &numbers);
        let (table, scales) = (rows(table)?, rows(scales)?);
        // The zero points of packed bytes may have one more than there are blocks.
        let blocks = host::shape(&scales).get(along).copied().unwrap_or(0);
        let zeros = zeros.map(rows).transpose()?.map(|zeros| match host::shape(&zeros).get(along) {
            Some(count) if *count > blocks => host::contiguous(zeros.narrow(along, 0, blocks)),
            _ => zeros,
        });
        let mut out_shape = host::shape(&table).to_vec();
        inputs.count(&out_shape)?;
        let dtype = scales.dtype();
        let target = Target { dtype, axis: along as i64, block, zero };
        let out = dequantise(table, &scales, zeros, target)?;
        out_shape.splice(from..=from, shape);
        one(host::cast(host::reshape(out, &out_shape), dtype))
    }))
}

/// The integers of bytes that hold several along the last dimension.
fn unpacked(tensor: HostTensor, encoding: Encoding) -> HostTensor {
    let tensor = host::contiguous(tensor);
    let mut shape = host::shape(&tensor).to_vec();
    let each = 8 / encoding.bits() as usize;
    if let Some(last) = shape.last_mut() {
        *last *= each;
    }
    let bytes = host::slice::<u8>(&tensor);
    let count = if shape.is_empty() { 1 } else { bytes.len() * each };
    host::tensor(&shape, encoding.unpack(bytes, count))
}

/// The slices of `tensor` at `indices` along `axis`.
fn taken(tensor: HostTensor, axis: usize, indices: &[i64]) -> Result<HostTensor> {
    let shape = host::shape(&tensor).to_vec();
    let Some(&rows) = shape.get(axis) else { return wrong("scales or zero points have too few dimensions") };
    let mut parts = Vec::with_capacity(indices.len());
    for index in indices {
        parts.push(tensor.narrow(axis, axis_of(*index, rows)?, 1));
    }
    if parts.is_empty() {
        return Ok(tensor.narrow(axis, 0, 0));
    }
    super::super::concat(parts, axis)
}
