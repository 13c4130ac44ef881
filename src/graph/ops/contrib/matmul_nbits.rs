//! MatMulNBits: products with blockwise quantised weights.

use burn::tensor::DType;

use super::super::matmul::shape_of;
use super::super::{NodeSpec, Prepared, one, precision, wrong};
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor};
use crate::kernels::block_quant::{Bits, BlockQuantized, fit};
use crate::kernels::gemm::{Gemm, Init, Matrix};
use crate::kernels::qlinear::{BlockLinear, Precision};

/// The attribute with the least accuracy that is required.
pub const ACCURACY_LEVEL: &str = "accuracy_level";
/// The level at which the LHS may be quantised to 8 bits.
pub const INT8: i64 = 4;

/// Packed weights.
enum Weights {
    /// Dequantised to floats while a product packs its RHS.
    Floats(BlockQuantized),
    /// Multiplied as integers.
    Integers(BlockLinear, Precision),
}

/// # Source
/// onnxruntime's ContribOperators.md, "com.microsoft.MatMulNBits".
pub fn matmul(node: &NodeSpec<'_>) -> Prepared {
    let weights = weights(node)?;
    // Whether the weights have a layout for one machine.
    if node.attributes.int("weight_prepacked", 0)? != 0 {
        return Err("prepacked weights are not supported".to_string());
    }
    if node.has(4) {
        return Err("the input g_idx is not supported".to_string());
    }
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let (dtype, mut shape) = (x.dtype(), host::shape(&x).to_vec());
        let (k, n) = weights.shape();
        shape = shape_of(&shape, &[k, n])?;
        let count = inputs.count(&shape)?;
        let bias = inputs.optional(5).map(host::to_f32s);
        if bias.as_ref().is_some_and(|bias| bias.len() != n) {
            return wrong(format!("the bias has the wrong length, expected {n}"));
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
            Self::Integers(blocks, _) => blocks.shape(),
        }
    }

    /// The product of the rows `x` with the weights, plus `bias`, into `out`.
    fn multiply(&self, x: &[f32], bias: Option<&[f32]>, out: &mut [f32]) {
        match self {
            Self::Floats(packed) => {
                let (k, n) = packed.shape();
                let mut product = Gemm::new((out.len() / n.max(1), n, k), Matrix::new(x, k), packed);
                product.init = bias.map_or(Init::Zero, Init::Columns);
                product.write(out, n);
            }
            Self::Integers(blocks, precision) => {
                blocks.linear().with(*precision).write(x, bias.unwrap_or_default(), None, out)
            }
        }
    }
}

fn weights(node: &NodeSpec<'_>) -> Result<Weights, Refusal> {
    let size = |name: &str| -> Result<usize, Refusal> {
        let value = node.attributes.int(name, 0)?;
        usize::try_from(value)
            .ok()
            .filter(|size| *size > 0)
            .ok_or(format!("the attribute {name} is {value}, which is out of range"))
    };
    let (k, n, block) = (size("K")?, size("N")?, size("block_size")?);
    let (bits, middle): (_, i16) = match node.attributes.int("bits", 4)? {
        4 => (Bits::Four, 8),
        8 => (Bits::Eight, 128),
        bits => return Err(format!("weights of {bits} bits are not supported, expected 4 or 8")),
    };
    let [Some(weights), Some(scales)] = [1, 2].map(|index| node.constant(index)) else {
        return Err("weights and scales must be constants".to_string());
    };
    if weights.dtype() != DType::U8 {
        return Err(format!("weights of the type {:?} are not supported, expected U8", weights.dtype()));
    }
    let scales = host::to_f32s(scales.clone());
    let zeros = match node.constant(3) {
        None if node.has(3) => return Err("zero points must be constants".to_string()),
        None => vec![f32::from(middle); scales.len()],
        Some(zeros) if zeros.dtype() == DType::U8 => unpack(bits, zeros, k.div_ceil(block), n)?,
        Some(zeros) => host::to_f32s(zeros.clone()),
    };
    let weights = host::contiguous(weights.clone());
    let bytes = host::slice(&weights);
    let precision = precision(node)?;
    let allowed = node.attributes.int(ACCURACY_LEVEL, 0)? == INT8;
    if allowed && fit(bits, (k, n), block, bytes, [&scales, &zeros]) {
        let (blocks, size) = (k.div_ceil(block), bits.bytes(block));
        let read = |column: usize, at: usize, numbers: &mut [i8]| {
            let index = column * blocks + at;
            let bytes = &bytes[index * size..][..size];
            for (at, number) in numbers.iter_mut().enumerate() {
                *number = (i16::from(bits.get(bytes, at)) - middle) as i8;
            }
            (scales[index], (f32::from(middle) - zeros[index]) * scales[index])
        };
        if let Some(blocks) = BlockLinear::new((k, n), block, bits, read) {
            return Ok(Weights::Integers(blocks, precision));
        }
    }
    let packed = BlockQuantized::new(bits, (k, n), block, bytes, &scales, &zeros);
    packed.map(Weights::Floats).ok_or_else(|| format!("the weights do not fit a {k} × {n} matrix in blocks of {block}"))
}

/// Unpacks zero points, which begin at a whole byte for each column.
fn unpack(bits: Bits, zeros: &HostTensor, blocks: usize, n: usize) -> Result<Vec<f32>, Refusal> {
    let stride = bits.bytes(blocks);
    let zeros = host::contiguous(zeros.clone());
    let bytes = host::slice::<u8>(&zeros);
    if Some(bytes.len()) != stride.checked_mul(n) {
        return Err("the number of zero points does not fit the number of blocks".to_string());
    }
    let column = |bytes: &[u8]| (0..blocks).map(|at| f32::from(bits.get(bytes, at))).collect::<Vec<_>>();
    Ok(bytes.chunks_exact(stride.max(1)).flat_map(column).collect())
}
