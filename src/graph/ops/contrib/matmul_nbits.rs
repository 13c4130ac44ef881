//! Products with weights of 4 or 8 bits.

use burn::tensor::DType;

use super::super::matmul::shape_of;
use super::super::{NodeSpec, Prepared, one, wrong};
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor};
use crate::kernels::block_quant::{Bits, Packed, fit};
use crate::kernels::gemm::{Matrix, Product, Start};
use crate::kernels::qlinear::Blocks;

/// How exact a product need be at least: an attribute.
pub const ACCURACY_LEVEL: &str = "accuracy_level";
/// The level at which the left factor may be of 8 bits.
pub const INT8: i64 = 4;

/// Weights, packed for a product.
enum Weights {
    /// Of floats, which they are unpacked to on the way.
    Floats(Packed),
    /// Of integers.
    Integers(Blocks),
}

/// # Source
/// onnxruntime's ContribOperators.md, "com.microsoft.MatMulNBits".
pub fn matmul(node: &NodeSpec<'_>) -> Prepared {
    let weights = weights(node)?;
    // That the weights were laid out for a certain machine in advance.
    if node.attributes.int("weight_prepacked", 0)? != 0 {
        return Err("weights that are laid out for one machine are not known".to_string());
    }
    if node.has(4) {
        return Err("an order of groups is not known".to_string());
    }
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let (dtype, mut shape) = (x.dtype(), host::shape(&x).to_vec());
        let (k, n) = weights.shape();
        shape = shape_of(&shape, &[k, n])?;
        let count = inputs.count(&shape)?;
        let bias = inputs.optional(5).map(host::to_f32s);
        if bias.as_ref().is_some_and(|bias| bias.len() != n) {
            return wrong(format!("the bias does not have {n} numbers"));
        }
        let x = host::contiguous(host::cast(x, DType::F32));
        let mut out = vec![0.0; count];
        weights.multiply(host::slice(&x), bias.as_deref(), &mut out);
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}

impl Weights {
    /// The rows and the columns.
    fn shape(&self) -> (usize, usize) {
        match self {
            Self::Floats(packed) => packed.shape(),
            Self::Integers(blocks) => blocks.shape(),
        }
    }

    /// The product of the rows `x` with these plus `bias`, into `out`.
    fn multiply(&self, x: &[f32], bias: Option<&[f32]>, out: &mut [f32]) {
        match self {
            Self::Floats(packed) => {
                let (k, n) = packed.shape();
                let mut product = Product::new((out.len() / n.max(1), n, k), Matrix::new(x, k), packed);
                product.start = bias.map_or(Start::Zero, Start::Columns);
                product.write(out, n);
            }
            Self::Integers(blocks) => blocks.linear().write(x, bias.unwrap_or_default(), None, out),
        }
    }
}

fn weights(node: &NodeSpec<'_>) -> Result<Weights, Refusal> {
    let size = |name: &str| -> Result<usize, Refusal> {
        let value = node.attributes.int(name, 0)?;
        usize::try_from(value).ok().filter(|size| *size > 0).ok_or(format!("its {name} is {value}"))
    };
    let (k, n, block) = (size("K")?, size("N")?, size("block_size")?);
    let (bits, middle): (_, i16) = match node.attributes.int("bits", 4)? {
        4 => (Bits::Four, 8),
        8 => (Bits::Eight, 128),
        bits => return Err(format!("weights of {bits} bits are not known")),
    };
    let [Some(weights), Some(scales)] = [1, 2].map(|place| node.constant(place)) else {
        return Err("weights and scales that are no constants are not known".to_string());
    };
    if weights.dtype() != DType::U8 {
        return Err(format!("weights in numbers of the type {:?} are not known", weights.dtype()));
    }
    let scales = host::to_f32s(scales.clone());
    let zeros = match node.constant(3) {
        None if node.has(3) => return Err("zero points that are no constants are not known".to_string()),
        None => vec![f32::from(middle); scales.len()],
        Some(zeros) if zeros.dtype() == DType::U8 => unpack(bits, zeros, k.div_ceil(block), n)?,
        Some(zeros) => host::to_f32s(zeros.clone()),
    };
    let weights = host::contiguous(weights.clone());
    let bytes = host::slice(&weights);
    let allowed = node.attributes.int(ACCURACY_LEVEL, 0)? == INT8;
    if allowed && fit(bits, (k, n), block, bytes, [&scales, &zeros]) {
        let (blocks, size) = (k.div_ceil(block), bits.bytes(block));
        let read = |column: usize, at: usize, numbers: &mut [i8]| {
            let place = column * blocks + at;
            let bytes = &bytes[place * size..][..size];
            for (at, number) in numbers.iter_mut().enumerate() {
                *number = (i16::from(bits.get(bytes, at)) - middle) as i8;
            }
            (scales[place], (f32::from(middle) - zeros[place]) * scales[place])
        };
        if let Some(blocks) = Blocks::new((k, n), block, bits, read) {
            return Ok(Weights::Integers(blocks));
        }
    }
    let packed = Packed::new(bits, (k, n), block, bytes, &scales, &zeros);
    packed.map(Weights::Floats).ok_or_else(|| format!("its weights do not fit {k} by {n} in blocks of {block}"))
}

/// Zero points, of which those of a column begin at a whole byte.
fn unpack(bits: Bits, zeros: &HostTensor, blocks: usize, n: usize) -> Result<Vec<f32>, Refusal> {
    let stride = bits.bytes(blocks);
    let zeros = host::contiguous(zeros.clone());
    let bytes = host::slice::<u8>(&zeros);
    if Some(bytes.len()) != stride.checked_mul(n) {
        return Err("its zero points are not as many as its blocks".to_string());
    }
    let column = |bytes: &[u8]| (0..blocks).map(|at| f32::from(bits.get(bytes, at))).collect::<Vec<_>>();
    Ok(bytes.chunks_exact(stride.max(1)).flat_map(column).collect())
}
