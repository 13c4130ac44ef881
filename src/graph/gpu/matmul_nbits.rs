//! MatMulNBits: products with 4-bit weights, which stay packed and are unpacked on the GPU on the way into the product.

use std::sync::OnceLock;

use super::Run;
use crate::gpu::{Gpu, Nibbles, Product};
use crate::graph::host::{self, HostTensor};
use crate::graph::ops::NodeSpec;

/// # Source
/// onnxruntime, "Contrib Operators": com.microsoft.MatMulNBits.
pub fn matmul(node: &NodeSpec<'_>) -> Option<Run> {
    if node.attributes.int("bits", 4).ok()? != 4 {
        return None;
    }
    let size = |name| usize::try_from(node.attributes.int(name, 0).ok()?).ok().filter(|size| *size > 0);
    let (inner, columns, block) = (size("K")?, size("N")?, size("block_size")?);
    // A word holds 8 weights of one block.
    if node.has(4) || inner % block != 0 || block % 8 != 0 {
        return None;
    }
    let blocks = inner / block;
    let words = words(node.constant(1)?, columns * inner / 8)?;
    let scales = node.constant(2).filter(|scales| scales.layout().num_elements() == columns * blocks)?.clone();
    let zeros = match node.has(3) {
        false => vec![8.0; columns * blocks],
        true => zeros(node.constant(3)?, columns, blocks)?,
    };
    let packed = Packed {
        words,
        scales: host::to_f64s(&scales).into_iter().map(|scale| scale as f32).collect(),
        zeros,
        columns,
        blocks,
        block,
    };
    let uploaded = OnceLock::new();
    Some(Box::new(move |call| {
        let x = call.floats(0)?;
        let &[ref batch @ .., own_inner] = x.shape() else { return None };
        if own_inner != inner || !call.fits(&[batch, &[columns]].concat()) {
            return None;
        }
        let weights = uploaded.get_or_init(|| packed.upload(call.gpu)).as_ref()?;
        let bias = call.optional_vector(5, columns)?;
        call.gpu.matmul_nibbles(&x, weights, &Product { bias: bias.as_ref(), ..Product::default() })
    }))
}

struct Packed {
    words: Vec<u32>,
    scales: Vec<f32>,
    zeros: Vec<f32>,
    columns: usize,
    blocks: usize,
    block: usize,
}

impl Packed {
    fn upload(&self, gpu: &Gpu) -> Option<Nibbles> {
        let per_block = [self.columns, self.blocks];
        Some(Nibbles {
            words: gpu.store_words(&[self.columns, self.words.len() / self.columns], &self.words)?,
            scales: gpu.store(&per_block, &self.scales)?,
            zeros: gpu.store(&per_block, &self.zeros)?,
            block: self.block,
        })
    }
}

/// The packed bytes as words, whose lowest nibble is the first weight.
fn words(packed: &HostTensor, count: usize) -> Option<Vec<u32>> {
    let packed = host::contiguous(packed.clone());
    if host::size_of(packed.dtype()) != 1 || packed.layout().num_elements() != 4 * count {
        return None;
    }
    Some(host::slice::<u8>(&packed).as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
}

/// The zero points, two in a byte; each column begins at a whole byte.
fn zeros(packed: &HostTensor, columns: usize, blocks: usize) -> Option<Vec<f32>> {
    let packed = host::contiguous(packed.clone());
    let row = blocks.div_ceil(2);
    if packed.dtype() != burn::tensor::DType::U8 || packed.layout().num_elements() != columns * row {
        return None;
    }
    let bytes = host::slice::<u8>(&packed);
    let zero = |column: usize, block: usize| f32::from(bytes[column * row + block / 2] >> (4 * (block % 2)) & 15);
    Some((0..columns).flat_map(|column| (0..blocks).map(move |block| zero(column, block))).collect())
}
