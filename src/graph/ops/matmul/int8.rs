//! MatMulInt8: products with constant matrices that the prepack pass has quantised to 8 bits.

use burn::tensor::DType;

use super::super::{NodeSpec, Prepared, one, wrong};
use crate::graph::attributes::{Attribute, Attributes};
use crate::graph::host::{self, HostTensor};
use crate::kernels::qlinear::{QuantizedLinear, QuantizedWeights, Shapes};

/// The constants of `weights`; adds their sizes to `attributes`.
pub fn constants(weights: QuantizedWeights, attributes: &mut Attributes) -> [HostTensor; 3] {
    for (name, size) in [("inputs", weights.shape.0), ("outputs", weights.shape.1)] {
        attributes.push(name, Attribute::Int(size as i64));
    }
    let Shapes { quads, scales, sums } = Shapes::new(weights.shape);
    [host::tensor(&quads, weights.quads), host::tensor(&scales, weights.scales), host::tensor(&sums, weights.sums)]
}

/// The inputs are `x`, the three constants, and an optional bias; an activation may follow.
pub fn matmul(node: &NodeSpec<'_>) -> Prepared {
    let activation = node.attributes.activation()?;
    let size = |name: &str| {
        usize::try_from(node.attributes.int(name, 0)?).map_err(|_| format!("the attribute {name} is negative"))
    };
    let sizes = (size("inputs")?, size("outputs")?);
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
        let weights = QuantizedLinear::new(sizes, host::slice(&quads), host::slice(&scales), host::slice(&sums));
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
        weights.write(host::slice(&x), &bias, activation.is_some().then_some(&apply), &mut out);
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}
