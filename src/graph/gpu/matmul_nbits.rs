//! MatMulNBits: products with 4-bit weights, which stay packed and are dequantised on the GPU for each product.

use std::sync::OnceLock;

use burn::backend::Wgpu;
use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::tensor::IntTensor;
use burn::tensor::{FloatDType, Shape};

use super::{Call, Floats, Run, one};
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
        let (x, shape) = call.floats(0)?;
        let &[ref batch @ .., own_inner] = shape else { return None };
        let wanted = [batch, &[columns]].concat();
        if own_inner != inner || !call.fits(&wanted) {
            return None;
        }
        let on_gpu = uploaded.get_or_init(|| packed.upload(call));
        let rows = batch.iter().product();
        let x = Wgpu::float_reshape(x, Shape::from([rows, inner]));
        let product = Wgpu::float_matmul(x, Wgpu::float_transpose(packed.unpack(on_gpu)));
        let bias = match call.value(5) {
            None => return one(product, &wanted),
            Some(_) => call.floats(5).filter(|(_, own)| *own == [columns])?.0,
        };
        one(Wgpu::float_add(product, Wgpu::float_reshape(bias, Shape::from([1, columns]))), &wanted)
    }))
}

struct Packed {
    words: Vec<i32>,
    scales: Vec<f32>,
    zeros: Vec<f32>,
    columns: usize,
    blocks: usize,
    block: usize,
}

struct OnGpu {
    words: IntTensor<Wgpu>,
    shifts: IntTensor<Wgpu>,
    scales: Floats,
    zeros: Floats,
}

impl Packed {
    fn upload(&self, call: &Call<'_>) -> OnGpu {
        let per_block = [self.columns, self.blocks, 1];
        let floats = |numbers: &[f32]| {
            Wgpu::float_from_data(burn::tensor::TensorData::new(numbers.to_vec(), per_block), call.device)
        };
        OnGpu {
            words: call.upload_ints(&[self.columns, self.words.len() / self.columns, 1], self.words.clone()),
            shifts: call.upload_ints(&[1, 1, 8], (0..8).map(|nibble| 4 * nibble).collect()),
            scales: floats(&self.scales),
            zeros: floats(&self.zeros),
        }
    }

    /// The weights as floats: `[columns, inner]`.
    fn unpack(&self, on_gpu: &OnGpu) -> Floats {
        let nibbles = Wgpu::bitwise_right_shift(on_gpu.words.clone(), on_gpu.shifts.clone());
        let nibbles = Wgpu::int_into_float(Wgpu::bitwise_and_scalar(nibbles, 15.into()), FloatDType::F32);
        let nibbles = Wgpu::float_reshape(nibbles, Shape::from([self.columns, self.blocks, self.block]));
        let weights = Wgpu::float_mul(Wgpu::float_sub(nibbles, on_gpu.zeros.clone()), on_gpu.scales.clone());
        Wgpu::float_reshape(weights, Shape::from([self.columns, self.blocks * self.block]))
    }
}

/// The packed bytes as words, whose lowest nibble is the first weight.
fn words(packed: &HostTensor, count: usize) -> Option<Vec<i32>> {
    let packed = host::contiguous(packed.clone());
    if host::size_of(packed.dtype()) != 1 || packed.layout().num_elements() != 4 * count {
        return None;
    }
    Some(host::slice::<u8>(&packed).as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect())
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
