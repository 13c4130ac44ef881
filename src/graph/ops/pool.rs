//! Pooling: MaxPool, AveragePool, LpPool, their global forms, and MaxUnpool.

use burn::tensor::DType;

use super::{Accepts, Gives, Inputs, NodeSpec, Op, Prepared, SAME, on_gpu, one, size, wrong};
use crate::error::{Error, Result};
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor, with_unit};
use crate::graph::ops::support::pooling_window::{Axis, Windows};

const WITH_INDICES: &[Gives] = &[Gives::As(0), Gives::Is(DType::I64)];

pub static OPS: &[Op] = &[
    Op::new("MaxPool", Accepts::Numbers, WITH_INDICES, max_pool).gpu(on_gpu!(pool::max_pool)),
    Op::new("AveragePool", Accepts::Singles, SAME, average_pool).gpu(on_gpu!(pool::average_pool)),
    Op::new("LpPool", Accepts::Singles, SAME, lp_pool),
    Op::new("GlobalMaxPool", Accepts::Singles, SAME, |_| global(|plane| fold(plane, f32::NEG_INFINITY, larger))),
    Op::new("GlobalAveragePool", Accepts::Singles, SAME, |_| {
        global(|plane| fold(plane, 0.0, sum) / plane.len() as f32)
    })
    .gpu(on_gpu!(|_| Some(Box::new(pool::global_average_pool)))),
    Op::new("GlobalLpPool", Accepts::Singles, SAME, |node| {
        let p = power(node)?;
        global(move |plane| root(plane.iter().map(|x| raise(*x, p)).sum(), p))
    }),
    Op::new("MaxUnpool", Accepts::Any, SAME, max_unpool),
];

fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

fn sum(a: f32, b: f32) -> f32 {
    a + b
}

/// `numbers` folded in several lanes, which compilers vectorise.
fn fold(numbers: &[f32], empty: f32, f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [empty; 8];
    let chunks = numbers.chunks_exact(8);
    let rest = chunks.remainder().iter().fold(empty, |a, b| f(a, *b));
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, number)| *lane = f(*lane, *number));
    }
    lanes.into_iter().fold(rest, f)
}

/// The input as 32-bit floats, and its own type.
///
/// # Errors
/// Unsupported: 32-bit floats do not represent its numbers exactly.
fn single(inputs: &mut Inputs<'_>) -> Result<(HostTensor, DType)> {
    let tensor = inputs.take(0)?;
    let dtype = tensor.dtype();
    if host::size_of(dtype) > 2 && dtype != DType::F32 {
        return Err(Error::unsupported(format!("the element type {dtype:?} is not supported")));
    }
    Ok((host::contiguous(host::cast(tensor, DType::F32)), dtype))
}

/// `f` of each channel: one number each.
fn global(f: impl Fn(&[f32]) -> f32 + Send + Sync + 'static) -> Prepared {
    Ok(Box::new(move |inputs| {
        let (tensor, dtype) = single(inputs)?;
        let shape = host::shape(&tensor);
        let [n, c, spatial @ ..] = shape else {
            return wrong("the input must have a batch, channels and spatial dimensions");
        };
        let plane: usize = spatial.iter().product();
        let numbers = host::slice::<f32>(&tensor);
        let out = (0..n * c).map(|at| f(&numbers[at * plane..][..plane])).collect::<Vec<_>>();
        let shape = [&[*n, *c], vec![1; spatial.len()].as_slice()].concat();
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}

fn max_pool(node: &NodeSpec<'_>) -> Prepared {
    let windows = Windows::new(node)?;
    let columns_first = node.attributes.flag("storage_order", false)?;
    let with_indices = node.outputs > 1;
    if node.dtype(0).is_some_and(|dtype| host::size_of(dtype) > 2 && dtype != DType::F32) {
        return Err(format!("the element type {:?} is not supported", node.dtype(0)));
    }
    Ok(Box::new(move |inputs| {
        let (tensor, dtype) = single(inputs)?;
        let (axes, shape) = windows.axes(inputs, host::shape(&tensor))?;
        let numbers = host::slice::<f32>(&tensor);
        if with_indices {
            let (out, indices) = largest(numbers, &axes, columns_first, shape.iter().product());
            return Ok(vec![host::cast(host::tensor(&shape, out), dtype), host::tensor(&shape, indices)]);
        }
        let out = pool(numbers, &axes, shape.iter().product(), f32::NEG_INFINITY, larger);
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}

fn average_pool(node: &NodeSpec<'_>) -> Prepared {
    let windows = Windows::new(node)?;
    let with_pads = node.attributes.flag("count_include_pad", false)?;
    Ok(Box::new(move |inputs| {
        let (tensor, dtype) = single(inputs)?;
        let (axes, shape) = windows.axes(inputs, host::shape(&tensor))?;
        let mut out = pool(host::slice::<f32>(&tensor), &axes, shape.iter().product(), 0.0, sum);
        let [counts_z, counts_y, counts_x] = &axes.map(|axis| axis.counts(with_pads));
        let rows = counts_z.iter().flat_map(|z| counts_y.iter().map(move |y| z * y)).cycle();
        for (row, rows) in out.chunks_exact_mut(counts_x.len().max(1)).zip(rows) {
            row.iter_mut().zip(counts_x).for_each(|(sum, columns)| *sum /= rows * columns);
        }
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}

fn power(node: &NodeSpec<'_>) -> Result<i32, Refusal> {
    let p = node.attributes.int("p", 2)?;
    i32::try_from(p).ok().filter(|p| *p > 0).ok_or_else(|| format!("the attribute p is {p}, which is not supported"))
}

fn raise(x: f32, p: i32) -> f32 {
    x.abs().powi(p)
}

fn root(x: f32, p: i32) -> f32 {
    match p {
        1 => x,
        2 => x.sqrt(),
        _ => x.powf(1.0 / p as f32),
    }
}

fn lp_pool(node: &NodeSpec<'_>) -> Prepared {
    let (windows, p) = (Windows::new(node)?, power(node)?);
    Ok(Box::new(move |inputs| {
        let (tensor, dtype) = single(inputs)?;
        let (axes, shape) = windows.axes(inputs, host::shape(&tensor))?;
        let raised: Vec<f32> = host::slice::<f32>(&tensor).iter().map(|x| raise(*x, p)).collect();
        let mut out = pool(&raised, &axes, shape.iter().product(), 0.0, sum);
        out.iter_mut().for_each(|x| *x = root(*x, p));
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}

/// `f` folded over each window, from `empty` on: separably, over the rows and then over the columns.
fn pool(numbers: &[f32], axes: &[Axis; 3], count: usize, empty: f32, f: impl Fn(f32, f32) -> f32 + Copy) -> Vec<f32> {
    let [depth, height, width] = axes;
    let mut out = vec![empty; count];
    let mut column = vec![empty; width.input];
    let planes = numbers.chunks_exact((depth.input * height.input * width.input).max(1));
    let outs = out.chunks_exact_mut((depth.len() * height.len() * width.len()).max(1));
    for (plane, out) in planes.zip(outs) {
        let mut rows = out.chunks_exact_mut(width.len());
        for z in &depth.windows {
            for y in &height.windows {
                let Some(out) = rows.next() else { continue };
                column.fill(empty);
                for row in z.indices().flat_map(|z| y.indices().map(move |y| z * height.input + y)) {
                    let row = &plane[row * width.input..][..width.input];
                    column.iter_mut().zip(row).for_each(|(a, b)| *a = f(*a, *b));
                }
                along(&column, width, out, f);
            }
        }
    }
    out
}

/// `f` over the windows of one row.
fn along(row: &[f32], axis: &Axis, out: &mut [f32], f: impl Fn(f32, f32) -> f32 + Copy) {
    let whole = axis.whole.clone();
    for at in (0..whole.start).chain(whole.end..out.len()) {
        let window = &axis.windows[at];
        out[at] = window.indices().fold(out[at], |a, index| f(a, row[index]));
    }
    let Some(first) = axis.windows.get(whole.start).filter(|_| !whole.is_empty()) else { return };
    let out = &mut out[whole];
    for index in first.indices() {
        let row = &row[index..];
        match axis.stride {
            1 => out.iter_mut().zip(row).for_each(|(a, b)| *a = f(*a, *b)),
            2 => {
                let (pairs, rest) = row.as_chunks::<2>();
                out.iter_mut().zip(pairs).for_each(|(a, [b, _])| *a = f(*a, *b));
                // The last window may end at an element without a neighbour.
                out.iter_mut().skip(pairs.len()).zip(rest).for_each(|(a, b)| *a = f(*a, *b));
            }
            stride => out.iter_mut().zip(row.iter().step_by(stride)).for_each(|(a, b)| *a = f(*a, *b)),
        }
    }
}

/// The largest element of each window, and its index in the whole tensor.
fn largest(numbers: &[f32], axes: &[Axis; 3], columns_first: bool, count: usize) -> (Vec<f32>, Vec<i64>) {
    let [depth, height, width] = axes;
    let (mut out, mut indices) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let size = depth.input * height.input * width.input;
    for (channel, plane) in numbers.chunks_exact(size.max(1)).enumerate() {
        for (z, y, x) in depth
            .windows
            .iter()
            .flat_map(|z| height.windows.iter().flat_map(move |y| width.windows.iter().map(move |x| (z, y, x))))
        {
            let mut best: Option<(f32, usize)> = None;
            for (z, y) in z.indices().flat_map(|z| y.indices().map(move |y| (z, y))) {
                for x in x.indices() {
                    let number = plane[(z * height.input + y) * width.input + x];
                    if best.is_none_or(|(best, _)| number > best) {
                        let index = if columns_first {
                            (x * height.input + y) * depth.input + z
                        } else {
                            (z * height.input + y) * width.input + x
                        };
                        best = Some((number, channel * size + index));
                    }
                }
            }
            let (number, index) = best.unwrap_or((f32::NEG_INFINITY, channel * size));
            out.push(number);
            indices.push(index as i64);
        }
    }
    // An empty tensor has no planes.
    out.resize(count, f32::NEG_INFINITY);
    indices.resize(count, 0);
    (out, indices)
}

fn max_unpool(node: &NodeSpec<'_>) -> Prepared {
    let windows = Windows::new(node)?;
    Ok(Box::new(move |inputs| {
        let (tensor, indices) = (inputs.contiguous(0)?, inputs.ints(1)?);
        let dtype = tensor.dtype();
        let inner = windows.unpooled(host::shape(&tensor))?;
        let shape = match inputs.optional_ints(2) {
            Some(shape) => shape.into_iter().map(size).collect::<Result<Vec<_>>>()?,
            None => inner.clone(),
        };
        let (count, inner_count) = (inputs.count(&shape)?, inputs.count(&inner)?);
        let fits = shape.len() == inner.len() && inner.iter().zip(&shape).all(|(inner, outer)| inner <= outer);
        if !fits || indices.len() != tensor.layout().num_elements() {
            return wrong(format!(
                "a tensor unpooled to {inner:?} does not fit the shape {shape:?}, or its indices do not"
            ));
        }
        let (own, strides) = (host::strides(&inner), host::strides(&shape));
        let outer_offset = |index: usize| -> usize {
            (0..inner.len()).map(|axis| index / own[axis] % inner[axis] * strides[axis]).sum()
        };
        Ok(vec![with_unit!(dtype, U => {
            let mut out = vec![U::default(); count];
            for (number, index) in host::slice::<U>(&tensor).iter().zip(indices) {
                out[outer_offset(super::gather::index_of(index, inner_count)?)] = *number;
            }
            host::of_type(dtype, &shape, out)
        })])
    }))
}
