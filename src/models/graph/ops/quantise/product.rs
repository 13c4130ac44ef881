//! Products of integers of 8 bits, by way of those of 32-bit floats, which are exact up to 2²⁴.

use burn::tensor::DType;

use super::super::conv::{Window, floats as conv};
use super::super::matmul::{Finish, floats, shape_of};
use super::super::{Inputs, NodeSpec, Prepared, one, wrong};
use super::{Target, centred, number, quantise};
use crate::error::Result;
use crate::models::graph::host::{self, HostTensor};

/// As many products of integers of 8 bits, less a zero point, stay below 2²⁴ when they are added up.
const EXACT: usize = 256;

/// The product of integers of 8 bits that are kept as 32-bit floats, exactly.
fn integers(a: HostTensor, b: HostTensor) -> Result<HostTensor> {
    let (shape, last) = (shape_of(host::shape(&a), host::shape(&b))?, host::shape(&a).len() - 1);
    let k = host::shape(&a)[last];
    if k <= EXACT {
        return Ok(host::cast(floats(a, b, &Finish::default())?, DType::I32));
    }
    let other = host::shape(&b).len().saturating_sub(2);
    let mut sums = vec![0i32; shape.iter().product()];
    for first in (0..k).step_by(EXACT) {
        let count = EXACT.min(k - first);
        let part = floats(a.narrow(last, first, count), b.narrow(other, first, count), &Finish::default())?;
        sums.iter_mut().zip(host::slice::<f32>(&part)).for_each(|(sum, x)| *sum = sum.wrapping_add(*x as i32));
    }
    Ok(host::tensor(&shape, sums))
}

/// The factors of a product, less their zero points.
///
/// # Errors
/// Invalid input: they do not fit.
pub fn factors(inputs: &mut Inputs<'_>, places: [usize; 2], zeros: [usize; 2]) -> Result<(HostTensor, HostTensor)> {
    let (a, b) = (inputs.take(places[0])?, inputs.take(places[1])?);
    inputs.count(&shape_of(host::shape(&a), host::shape(&b))?)?;
    let (zero_a, zero_b) = (inputs.optional(zeros[0]), inputs.optional(zeros[1]));
    // A zero point for each row of the left factor, and for each column of the right.
    let row = if host::shape(&a).len() > 1 { -2 } else { -1 };
    Ok((centred(a, zero_a, row)?, centred(b, zero_b, -1)?))
}

pub fn matmul_integer(_: &NodeSpec<'_>) -> Prepared {
    Ok(Box::new(|inputs| {
        let (a, b) = factors(inputs, [0, 1], [2, 3])?;
        one(integers(a, b)?)
    }))
}

pub fn qlinear_matmul(_: &NodeSpec<'_>) -> Prepared {
    Ok(Box::new(|inputs| {
        let (a, b) = factors(inputs, [0, 3], [2, 5])?;
        let (scale_a, scale_b) = (inputs.floats(1)?, inputs.floats(4)?);
        let (scale, zero) = (inputs.floats(6)?, inputs.take(7)?);
        let product = floats(a, b, &Finish::default())?;
        // Of one dimension they are for rows on the left, and for columns on the right.
        let scale_a = match *host::shape(&scale_a) {
            [count] if count > 1 => host::reshape(scale_a, &[count, 1]),
            _ => scale_a,
        };
        let shape = host::shape(&product).to_vec();
        let spread = |scale: HostTensor| Ok::<_, crate::Error>(host::to_f32s(host::expand(scale, &shape)?));
        let (scales_a, scales_b) = (spread(scale_a)?, spread(scale_b)?);
        let mut numbers = host::to_f32s(product);
        let scales = scales_a.iter().zip(&scales_b);
        numbers.iter_mut().zip(scales).for_each(|(x, (a, b))| *x *= a * b);
        one(quantise(host::tensor(&shape, numbers), &scale, Some(zero.clone()), plain(zero.dtype()))?)
    }))
}

/// One scale for all, or one for each along the first dimension.
pub fn plain(dtype: DType) -> Target {
    Target { dtype, axis: 0, block: 0, zero: 0.0 }
}

pub fn qlinear_conv(node: &NodeSpec<'_>) -> Prepared {
    let window = Window::new_with_weights(node, 3)?;
    Ok(Box::new(move |inputs| {
        let (x, scale_x, zero_x) = (inputs.take(0)?, number(inputs, 1)?, inputs.optional(2));
        let (w, scale_w, zero_w) = (inputs.take(3)?, host::to_f32s(inputs.take(4)?), inputs.optional(5));
        let (scale, zero, bias) = (number(inputs, 6)?, inputs.take(7)?, inputs.optional(8));
        let bias = bias.map(|bias| host::contiguous(host::cast(bias, DType::F32)));
        let out = conv(&window, &centred(x, zero_x, 1)?, &centred(w, zero_w, 0)?, bias.as_ref(), None, inputs)?;
        let shape = host::shape(&out).to_vec();
        if ![1, shape[1]].contains(&scale_w.len()) {
            return wrong(format!("the weights have {} scales, not {}", scale_w.len(), shape[1]));
        }
        let mut numbers = host::to_f32s(out);
        let plane = shape[2..].iter().product::<usize>().max(1);
        for (at, numbers) in numbers.chunks_exact_mut(plane).enumerate() {
            let by = scale_x * scale_w[at % shape[1] % scale_w.len()] / scale;
            numbers.iter_mut().for_each(|x| *x *= by);
        }
        let one_scale = host::tensor(&[], vec![1.0f32]);
        one(quantise(host::tensor(&shape, numbers), &one_scale, Some(zero.clone()), plain(zero.dtype()))?)
    }))
}
