//! QLinear operators of onnxruntime, computed on dequantised numbers.

use burn::tensor::DType;

use super::super::quantize::{Target, dequantise, quantise};
use super::super::{Inputs, NodeSpec, Prepared, axis_of, one, wrong};
use crate::error::Result;
use crate::graph::host::{self, HostTensor};
use crate::graph::ops::support::broadcast::{map_floats, zip_floats};

/// One scale for the whole tensor.
const PLAIN: Target = Target { dtype: DType::U8, axis: 0, block: 0, zero: 0.0 };

/// The dequantised input at `index`, which is followed by its scale and zero point; and its own type.
fn read(inputs: &mut Inputs<'_>, index: usize) -> Result<(HostTensor, DType)> {
    let (x, scale, zero) = (inputs.take(index)?, inputs.take(index + 1)?, inputs.optional(index + 2));
    let dtype = x.dtype();
    Ok((dequantise(x, &scale, zero, PLAIN)?, dtype))
}

/// The output, quantised to `dtype` by the scale at `index` and the zero point after it.
fn write(inputs: &mut Inputs<'_>, index: usize, x: HostTensor, dtype: DType) -> Result<Vec<HostTensor>> {
    let (scale, zero) = (inputs.take(index)?, inputs.optional(index + 1));
    one(quantise(x, &scale, zero, Target { dtype, ..PLAIN })?)
}

/// `f` of each element.
pub fn map(f: impl Fn(f32) -> f32 + Send + Sync + 'static) -> Prepared {
    Ok(Box::new(move |inputs| {
        let (x, dtype) = read(inputs, 0)?;
        write(inputs, 3, map_floats(x, &f), dtype)
    }))
}

/// `f` of each pair of elements.
pub fn pair(f: fn(f32, f32) -> f32) -> Prepared {
    Ok(Box::new(move |inputs| {
        let ((a, dtype), (b, _)) = (read(inputs, 0)?, read(inputs, 3)?);
        inputs.count(&host::broadcast_shape(host::shape(&a), host::shape(&b))?)?;
        write(inputs, 6, zip_floats(a, b, f)?, dtype)
    }))
}

pub fn global_average_pool(node: &NodeSpec<'_>) -> Prepared {
    if node.attributes.flag("channels_last", false)? {
        return Err("channels in the last dimension are not supported".to_string());
    }
    Ok(Box::new(|inputs| {
        let (x, dtype) = read(inputs, 0)?;
        let mut shape = host::shape(&x).to_vec();
        if shape.len() < 2 {
            return wrong(format!("a tensor of the shape {shape:?} has no spatial dimensions"));
        }
        let plane: usize = shape[2..].iter().product();
        shape[2..].fill(1);
        let count = shape.iter().product();
        let planes = host::slice::<f32>(&x).chunks_exact(plane.max(1));
        let mut means: Vec<f32> = planes.map(|plane| crate::kernels::reduce::sum(plane) / plane.len() as f32).collect();
        means.resize(count, 0.0);
        write(inputs, 3, host::tensor(&shape, means), dtype)
    }))
}

/// The first two inputs are the scale and the zero point of the result.
pub fn concat(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.optional_int("axis")?.ok_or("the attribute axis is missing")?;
    Ok(Box::new(move |inputs| {
        let mut parts = Vec::new();
        let mut dtype = DType::U8;
        for index in (2..inputs.len()).step_by(3) {
            let (part, own) = read(inputs, index)?;
            parts.push(part);
            dtype = own;
        }
        let rank = parts.first().map_or(0, |part| host::shape(part).len());
        let whole = super::super::concat(parts, axis_of(axis, rank)?)?;
        write(inputs, 0, whole, dtype)
    }))
}
