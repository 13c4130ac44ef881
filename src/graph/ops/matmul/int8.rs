//! Products with constant matrices that were quantised to 8 bits when they were loaded.

use burn::tensor::DType;

use super::super::{NodeSpec, Prepared, one, wrong};
use super::activation;
use crate::graph::attributes::{Attribute, Attributes};
use crate::graph::host::{self, HostTensor};
use crate::kernels::qlinear::{Linear, Packed, Shapes};

/// The constants of `weights`; to `attributes` what tells their sizes is added.
pub fn constants(weights: Packed, attributes: &mut Attributes) -> [HostTensor; 3] {
    for (name, size) in [("inputs", weights.shape.0), ("outputs", weights.shape.1)] {
        attributes.push(name, Attribute::Int(size as i64));
    }
    let Shapes { quads, scales, sums } = Shapes::new(weights.shape);
    [host::tensor(&quads, weights.quads), host::tensor(&scales, weights.scales), host::tensor(&sums, weights.sums)]
}

/// `x`, the three constants, a bias or none, and what is done to the sum.
pub fn matmul(node: &NodeSpec<'_>) -> Prepared {
    let activation = activation(node)?;
    let size =
        |name: &str| usize::try_from(node.attributes.int(name, 0)?).map_err(|_| format!("its {name} is negative"));
    let sizes = (size("inputs")?, size("outputs")?);
    for (place, dtype) in [(1, DType::I32), (2, DType::F32), (3, DType::F32)] {
        if node.constant(place).is_none_or(|tensor| tensor.dtype() != dtype) {
            return Err(format!("its input {place} is no constant of the type {dtype:?}"));
        }
    }
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let (dtype, mut shape) = (x.dtype(), host::shape(&x).to_vec());
        let [quads, scales, sums] = [1, 2, 3].map(|place| inputs.contiguous(place));
        let (quads, scales, sums) = (quads?, scales?, sums?);
        let weights = Linear::new(sizes, host::slice(&quads), host::slice(&scales), host::slice(&sums));
        let (Some(weights), Some(last)) = (weights, shape.last_mut()) else { return wrong("its weights do not fit") };
        if *last != sizes.0 {
            return wrong(format!("it takes rows of {} numbers, not of {last}", sizes.0));
        }
        *last = sizes.1;
        let mut out = vec![0.0; inputs.count(&shape)?];
        let bias = inputs.optional(4).map(host::to_f32s).unwrap_or_default();
        if !bias.is_empty() && bias.len() != sizes.1 {
            return wrong(format!("the bias does not have {} numbers", sizes.1));
        }
        let x = host::contiguous(host::cast(x, DType::F32));
        let apply = |numbers: &mut [f32]| activation.iter().for_each(|activation| activation.apply(numbers));
        weights.write(host::slice(&x), &bias, activation.is_some().then_some(&apply), &mut out);
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}
