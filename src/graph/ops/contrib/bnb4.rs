//! MatMulBnb4: products with weights in the 4-bit types of bitsandbytes.

use burn::tensor::DType;

use super::super::matmul::{Epilogue, floats, shape_of};
use super::super::{NodeSpec, Prepared, one, size};
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor};

/// The quantiles of the normal distribution that NF4 has.
///
/// # Source
/// Dettmers et al. 2023 (2305.14314), appendix E.
const NF4: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// The numbers of FP4, by sign, two bits of exponent and one of fraction, divided by the largest.
///
/// # Source
/// bitsandbytes, `dDequantizeFP4Tree`.
const FP4: [f32; 8] = [0.0, 0.005_208_333_3, 0.666_666_7, 1.0, 0.333_333_33, 0.5, 0.166_666_67, 0.25];

/// # Source
/// onnxruntime's ContribOperators.md, "com.microsoft.MatMulBnb4".
pub fn matmul(node: &NodeSpec<'_>) -> Prepared {
    let weights = weights(node)?;
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let dtype = x.dtype();
        inputs.count(&shape_of(host::shape(&x), host::shape(&weights))?)?;
        one(host::cast(floats(host::cast(x, DType::F32), weights.clone(), &Epilogue::default())?, dtype))
    }))
}

/// The weights as floats, `[K, N]`.
fn weights(node: &NodeSpec<'_>) -> Result<HostTensor, Refusal> {
    let read = |name: &str| {
        let value = node.attributes.int(name, 0)?;
        size(value)
            .ok()
            .filter(|size| (1..1 << 24).contains(size))
            .ok_or(format!("the attribute {name} is {value}, which is out of range"))
    };
    let (k, n, block) = (read("K")?, read("N")?, read("block_size")?);
    let nf4 = match node.attributes.int("quant_type", 1)? {
        0 => false,
        1 => true,
        other => return Err(format!("the attribute quant_type is {other}, expected 0 or 1")),
    };
    let stored_by_column = node.attributes.flag("transB", true)?;
    // How it was trained is of no interest.
    node.attributes.get("training_mode");
    let [Some(packed), Some(largest)] = [1, 2].map(|index| node.constant(index)) else {
        return Err("weights and their largest numbers must be constants".to_string());
    };
    let (packed, largest) = (host::to_i64s(packed), host::to_f32s(largest.clone()));
    let count =
        k.checked_mul(n).filter(|count| packed.len() == count.div_ceil(2) && largest.len() == count.div_ceil(block));
    let count = count
        .ok_or_else(|| format!("{} bytes and {} blocks do not fit {k} × {n} weights", packed.len(), largest.len()))?;
    let decoded = |at: usize| {
        // The first of two is in the higher half.
        let code = (packed[at / 2] >> (4 - at % 2 * 4) & 15) as usize;
        let value = match (nf4, code) {
            (true, code) => NF4[code],
            (false, code @ 0..8) => FP4[code],
            (false, code) => -FP4[code - 8],
        };
        value * largest[at / block]
    };
    let numbers: Vec<f32> = (0..count).map(decoded).collect();
    Ok(if stored_by_column {
        host::contiguous(host::tensor(&[n, k], numbers).permute(&[1, 0]))
    } else {
        host::tensor(&[k, n], numbers)
    })
}
