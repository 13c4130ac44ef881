//! Normalisation: layer, RMS, instance, group, Lp, LRN and mean-variance.

use burn::tensor::DType;

use super::{Accepts, Gives, Inputs, NodeSpec, Op, Prepared, SAME, axes_of, axis_of, on_gpu, one, wrong};
use crate::error::Result;
use crate::graph::host::{self, HostTensor};
use crate::kernels::{norm, parallel, reduce};

mod batch;

/// The result and its statistics.
const WITH_STATISTICS: &[Gives] = &[Gives::As(0), Gives::Is(DType::F32)];

pub static OPS: &[Op] = &[
    Op::new("LayerNormalization", Accepts::Singles, WITH_STATISTICS, layer).gpu(on_gpu!(norm::layer_norm)),
    Op::own("AddLayerNormalization", Accepts::Singles, SAME, add_layer).gpu(on_gpu!(norm::add_layer_norm)),
    // onnxruntime's name from before ONNX had it.
    Op::new("SimplifiedLayerNormalization", Accepts::Singles, WITH_STATISTICS, root_mean_square),
    Op::new("RMSNormalization", Accepts::Singles, SAME, root_mean_square).gpu(on_gpu!(norm::rms_norm)),
    Op::new("InstanceNormalization", Accepts::Singles, SAME, instance),
    Op::new("GroupNormalization", Accepts::Singles, SAME, group),
    Op::new("BatchNormalization", Accepts::Singles, SAME, batch::batch).gpu(on_gpu!(norm::batch_norm)),
    Op::new("LpNormalization", Accepts::Floats, SAME, length),
    Op::new("LRN", Accepts::Singles, SAME, local_response),
    Op::new("MeanVarianceNormalization", Accepts::Singles, SAME, mean_variance),
];

/// The mean and the inverse standard deviation of each row.
type Statistics = Vec<(f32, f32)>;

/// Fewer elements are normalised before another thread has started.
const LEAST_SHARED: usize = 1 << 13;

/// The input at `index` as 32-bit floats, with its type and shape.
fn numbers(inputs: &mut Inputs<'_>, index: usize) -> Result<(DType, Vec<usize>, Vec<f32>)> {
    let x = inputs.take(index)?;
    Ok((x.dtype(), host::shape(&x).to_vec(), host::to_f32s(x)))
}

/// The result of this type and shape.
fn result(dtype: DType, shape: &[usize], numbers: Vec<f32>) -> HostTensor {
    host::cast(host::tensor(shape, numbers), dtype)
}

/// A scale or a bias: one number for each element of a row, or of the whole tensor.
fn spread(tensor: HostTensor, shape: &[usize], axis: usize) -> Result<Vec<f32>> {
    let own = host::shape(&tensor);
    let row: usize = shape[axis..].iter().product();
    let same = own.len() <= shape.len() && shape.ends_with(own) && tensor.layout().num_elements() == row;
    if same { Ok(host::to_f32s(tensor)) } else { Ok(host::to_f32s(host::expand(tensor, shape)?)) }
}

fn layer(node: &NodeSpec<'_>) -> Prepared {
    let (axis, epsilon) = axis_and_epsilon(node)?;
    Ok(Box::new(move |inputs| {
        let (dtype, shape, x) = numbers(inputs, 0)?;
        let axis = axis_of(axis, shape.len())?;
        let (x, statistics) = layer_of(x, &[], &shape, axis, epsilon, [1, 2].map(|index| inputs.optional(index)))?;
        let (mut means, mut scales): (Vec<f32>, Vec<f32>) = statistics.into_iter().unzip();
        let mut reduced = shape.clone();
        reduced[axis..].fill(1);
        let count = reduced.iter().product();
        // Empty rows have no statistics, but outputs for them.
        means.resize(count, 0.0);
        scales.resize(count, 0.0);
        Ok(vec![result(dtype, &shape, x), host::tensor(&reduced, means), host::tensor(&reduced, scales)])
    }))
}

/// The layer normalisation of the sum of a layer's output and its residual.
fn add_layer(node: &NodeSpec<'_>) -> Prepared {
    let (axis, epsilon) = axis_and_epsilon(node)?;
    Ok(Box::new(move |inputs| {
        let (x, residual) = (inputs.take(0)?, inputs.take(1)?);
        let (dtype, shape) = (x.dtype(), host::broadcast_shape(host::shape(&x), host::shape(&residual))?);
        inputs.count(&shape)?;
        let x = host::to_f32s(host::expand(x, &shape)?);
        let residual = host::contiguous(host::cast(host::expand(residual, &shape)?, DType::F32));
        let axis = axis_of(axis, shape.len())?;
        let scale_and_bias = [2, 3].map(|index| inputs.optional(index));
        let (x, _) = layer_of(x, host::slice(&residual), &shape, axis, epsilon, scale_and_bias)?;
        one(result(dtype, &shape, x))
    }))
}

fn axis_and_epsilon(node: &NodeSpec<'_>) -> std::result::Result<(i64, f32), String> {
    // The precision of the statistics, which is always 32 bits here.
    node.attributes.get("stash_type");
    Ok((node.attributes.int("axis", -1)?, node.attributes.float("epsilon", 1e-5)?))
}

/// Adds the residual to `x`, unless it is empty, and normalises the sum; also returns the statistics.
fn layer_of(
    mut x: Vec<f32>,
    residual: &[f32],
    shape: &[usize],
    axis: usize,
    epsilon: f32,
    [scale, bias]: [Option<HostTensor>; 2],
) -> Result<(Vec<f32>, Statistics)> {
    let Some(scale) = scale else { return wrong("the input scale is missing") };
    let scale = spread(scale, shape, axis)?;
    let bias = bias.map(|bias| spread(bias, shape, axis)).transpose()?;
    let row = shape[axis..].iter().product::<usize>().max(1);
    let count = x.len() / row;
    let mut statistics: Statistics = vec![(0.0, 0.0); count];
    let each = parallel::split(count, 1, LEAST_SHARED / row)[0].len().max(1);
    let parts = x.chunks_mut(each * row).zip(statistics.chunks_mut(each)).collect();
    parallel::for_each(parts, |at, (x, statistics): (&mut [f32], &mut [(f32, f32)])| {
        for ((at, x), statistics) in (at * each..).zip(x.chunks_exact_mut(row)).zip(statistics) {
            if !residual.is_empty() {
                x.iter_mut().zip(&residual[at * row..]).for_each(|(x, residual)| *x += residual);
            }
            *statistics = norm::normalise(x, epsilon);
            norm::affine(x, part(&scale, at, row), bias.as_ref().map(|bias| part(bias, at, row)));
        }
    });
    Ok((x, statistics))
}

/// The part of `all` for the row `at`.
fn part(all: &[f32], at: usize, row: usize) -> &[f32] {
    if all.len() == row { all } else { &all[at * row..][..row] }
}

pub fn root_mean_square(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.int("axis", -1)?;
    let epsilon = node.attributes.float("epsilon", 1e-5)?;
    node.attributes.get("stash_type");
    Ok(Box::new(move |inputs| {
        let (dtype, shape, mut x) = numbers(inputs, 0)?;
        let axis = axis_of(axis, shape.len())?;
        let scale = spread(inputs.take(1)?, &shape, axis)?;
        let row = shape[axis..].iter().product::<usize>().max(1);
        for (at, x) in x.chunks_exact_mut(row).enumerate() {
            let by = 1.0 / (reduce::squares(x, 0.0) / row as f32 + epsilon).sqrt();
            x.iter_mut().for_each(|x| *x *= by);
            norm::affine(x, part(&scale, at, row), None);
        }
        one(result(dtype, &shape, x))
    }))
}

/// The number of channels of an image, and of elements in each.
fn channels(shape: &[usize]) -> Result<(usize, usize)> {
    match shape {
        [_, channels, rest @ ..] => Ok((*channels, rest.iter().product())),
        _ => wrong(format!("a tensor of the shape {shape:?} has no channel dimension")),
    }
}

/// The input at `index`, which has `count` numbers.
fn each(inputs: &mut Inputs<'_>, index: usize, count: usize) -> Result<Vec<f32>> {
    let numbers = host::to_f32s(inputs.take(index)?);
    if numbers.len() != count {
        return wrong(format!("the input {index} has {} elements, expected {count}", numbers.len()));
    }
    Ok(numbers)
}

fn instance(node: &NodeSpec<'_>) -> Prepared {
    let epsilon = node.attributes.float("epsilon", 1e-5)?;
    Ok(Box::new(move |inputs| {
        let (dtype, shape, mut x) = numbers(inputs, 0)?;
        let (count, plane) = channels(&shape)?;
        let (scale, bias) = (each(inputs, 1, count)?, each(inputs, 2, count)?);
        for (at, x) in x.chunks_exact_mut(plane.max(1)).enumerate() {
            norm::normalise(x, epsilon);
            let (scale, bias) = (scale[at % count], bias[at % count]);
            x.iter_mut().for_each(|x| *x = *x * scale + bias);
        }
        one(result(dtype, &shape, x))
    }))
}

fn group(node: &NodeSpec<'_>) -> Prepared {
    let epsilon = node.attributes.float("epsilon", 1e-5)?;
    let groups = node.attributes.int("num_groups", 0)?;
    let groups = usize::try_from(groups)
        .ok()
        .filter(|groups| *groups > 0)
        .ok_or("the attribute num_groups is missing or not positive")?;
    // Before opset 21 there was one scale for each group.
    let per_group = node.opset < 21;
    node.attributes.get("stash_type");
    Ok(Box::new(move |inputs| {
        let (dtype, shape, mut x) = numbers(inputs, 0)?;
        let (count, plane) = channels(&shape)?;
        if count % groups != 0 {
            return wrong(format!("{count} channels cannot be divided into {groups} groups"));
        }
        let scales = if per_group { groups } else { count };
        let (scale, bias) = (each(inputs, 1, scales)?, each(inputs, 2, scales)?);
        x.chunks_exact_mut((count / groups * plane).max(1)).for_each(|x| {
            norm::normalise(x, epsilon);
        });
        for (at, x) in x.chunks_exact_mut(plane.max(1)).enumerate() {
            let index = at % count * scales / count;
            let (scale, bias) = (scale[index], bias[index]);
            x.iter_mut().for_each(|x| *x = *x * scale + bias);
        }
        one(result(dtype, &shape, x))
    }))
}

/// LpNormalization: divides by the L1 or L2 norm along the axis.
fn length(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.int("axis", -1)?;
    let squares = match node.attributes.int("p", 2)? {
        1 => false,
        2 => true,
        p => return Err(format!("the attribute p is {p}, which is not supported")),
    };
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let (dtype, shape, mut numbers) = (x.dtype(), host::shape(&x).to_vec(), host::to_f64s(&x));
        let axis = axis_of(axis, shape.len())?;
        let inner: usize = shape[axis + 1..].iter().product();
        for block in numbers.chunks_exact_mut((shape[axis] * inner).max(1)) {
            for column in 0..inner {
                let along = || block.iter().skip(column).step_by(inner);
                let length =
                    if squares { along().map(|x| x * x).sum::<f64>().sqrt() } else { along().map(|x| x.abs()).sum() };
                if length > 0.0 {
                    block.iter_mut().skip(column).step_by(inner).for_each(|x| *x /= length);
                }
            }
        }
        one(host::from_f64s(dtype, &shape, &numbers))
    }))
}

fn local_response(node: &NodeSpec<'_>) -> Prepared {
    let float = |name: &str, default| node.attributes.float(name, default);
    let (alpha, beta, bias) = (float("alpha", 1e-4)?, float("beta", 0.75)?, float("bias", 1.0)?);
    let size = node.attributes.int("size", 0)?;
    let size =
        usize::try_from(size).ok().filter(|size| *size > 0).ok_or("the attribute size is missing or not positive")?;
    Ok(Box::new(move |inputs| {
        let (dtype, shape, x) = numbers(inputs, 0)?;
        let (count, plane) = channels(&shape)?;
        let mut out = Vec::with_capacity(x.len());
        for image in x.chunks_exact((count * plane).max(1)) {
            for channel in 0..count {
                let near = channel.saturating_sub((size - 1) / 2)..count.min(channel.saturating_add(size / 2 + 1));
                for pixel in 0..plane {
                    let at = |channel: usize| image[channel * plane + pixel];
                    let sum: f32 = near.clone().map(|channel| at(channel) * at(channel)).sum();
                    out.push(at(channel) / (bias + alpha / size as f32 * sum).powf(beta));
                }
            }
        }
        one(result(dtype, &shape, out))
    }))
}

fn mean_variance(node: &NodeSpec<'_>) -> Prepared {
    let axes = node.attributes.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]);
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let dtype = x.dtype();
        let rank = host::shape(&x).len();
        let axes = axes_of(&axes, rank)?;
        let mut order: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
        order.extend(&axes);
        let x = x.permute(&order);
        let shape = host::shape(&x).to_vec();
        let mut numbers = host::to_f32s(x);
        let row = shape[rank - axes.len()..].iter().product::<usize>().max(1);
        for x in numbers.chunks_exact_mut(row) {
            let mean = reduce::sum(x) / row as f32;
            let deviation = (reduce::squares(x, mean) / row as f32).sqrt() + 1e-9;
            x.iter_mut().for_each(|x| *x = (*x - mean) / deviation);
        }
        let mut back = vec![0; rank];
        order.iter().enumerate().for_each(|(at, axis)| back[*axis] = at);
        one(result(dtype, &shape, numbers).permute(&back))
    }))
}
