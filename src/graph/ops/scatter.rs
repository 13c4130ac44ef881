//! Scatter family: ScatterElements, ScatterND and TensorScatter.

use burn::tensor::DType;

use super::gather::{Tuples, element_offsets};
use super::{Accepts, NodeSpec, Op, Prepared, SAME, axis_of, one, size, wrong};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor, with_unit};

pub static OPS: &[Op] = &[
    Op::new("Scatter", Accepts::Any, SAME, scatter_elements),
    Op::new("ScatterElements", Accepts::Any, SAME, scatter_elements),
    Op::new("ScatterND", Accepts::Any, SAME, scatter_nd),
    Op::new("TensorScatter", Accepts::Any, SAME, tensor_scatter),
];

/// The reduction of an element and its update, for floats and for integers.
type Reduction = Option<(fn(f64, f64) -> f64, fn(i64, i64) -> i64)>;

fn reduction(node: &NodeSpec<'_>) -> Result<Reduction, Refusal> {
    Ok(match node.attributes.string("reduction", "none")? {
        "none" => None,
        "add" => Some((|a, b| a + b, i64::wrapping_add)),
        "mul" => Some((|a, b| a * b, i64::wrapping_mul)),
        "max" => Some((larger, i64::max)),
        "min" => Some((|a, b| -larger(-a, -b), i64::min)),
        other => return Err(format!("the attribute reduction is '{other}', which is not supported")),
    })
}

/// NaN stays NaN.
fn larger(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

fn scatter_elements(node: &NodeSpec<'_>) -> Prepared {
    let (axis, reduction) = (node.attributes.int("axis", 0)?, reduction(node)?);
    Ok(Box::new(move |inputs| {
        let (tensor, indices, updates) = (inputs.take(0)?, inputs.take(1)?, inputs.take(2)?);
        let shape = host::shape(&tensor);
        if host::shape(&indices) != host::shape(&updates) {
            return wrong("the shapes of indices and updates differ");
        }
        let offsets = element_offsets(shape, &indices, axis_of(axis, shape.len())?)?;
        one(scatter(tensor, updates, &offsets, 1, reduction)?)
    }))
}

fn scatter_nd(node: &NodeSpec<'_>) -> Prepared {
    let reduction = reduction(node)?;
    Ok(Box::new(move |inputs| {
        let (tensor, indices, updates) = (inputs.take(0)?, inputs.take(1)?, inputs.take(2)?);
        let tuples = Tuples::new(inputs, host::shape(&tensor), &indices, 0)?;
        if host::shape(&updates) != tuples.shape {
            let own = host::shape(&updates);
            return wrong(format!("the updates have the shape {own:?}, expected {:?}", tuples.shape));
        }
        one(scatter(tensor, updates, &tuples.offsets, tuples.run, reduction)?)
    }))
}

/// Writes `run` elements of `updates` to each of the offsets `offsets`, in order.
fn scatter(
    tensor: HostTensor,
    updates: HostTensor,
    offsets: &[usize],
    run: usize,
    reduction: Reduction,
) -> Result<HostTensor> {
    let dtype = tensor.dtype();
    if dtype != updates.dtype() {
        return wrong(format!("a tensor of the type {dtype:?} has updates of the type {:?}", updates.dtype()));
    }
    let shape = host::shape(&tensor).to_vec();
    Ok(match reduction {
        None => with_unit!(dtype, U => {
            let mut numbers = host::into_vec::<U>(tensor);
            let updates = host::contiguous(updates);
            for (offset, update) in offsets.iter().zip(host::slice::<U>(&updates).chunks_exact(run.max(1))) {
                numbers[*offset..][..run].copy_from_slice(update);
            }
            host::of_type(dtype, &shape, numbers)
        }),
        Some((floats, _)) if host::is_float(dtype) => {
            let mut numbers = host::to_f64s(&tensor);
            let rounded: fn(f64) -> f64 = if dtype == DType::F64 { |x| x } else { |x| f64::from(x as f32) };
            reduce(&mut numbers, &host::to_f64s(&updates), offsets, run, |a, b| rounded(floats(a, b)));
            host::from_f64s(dtype, &shape, &numbers)
        }
        Some((_, integers)) => {
            let mut numbers = host::to_i64s(&tensor);
            reduce(&mut numbers, &host::to_i64s(&updates), offsets, run, integers);
            host::from_i64s(dtype, &shape, &numbers)
        }
    })
}

fn reduce<T: Copy>(numbers: &mut [T], updates: &[T], offsets: &[usize], run: usize, f: impl Fn(T, T) -> T) {
    for (offset, update) in offsets.iter().zip(updates.chunks_exact(run.max(1))) {
        numbers[*offset..][..run].iter_mut().zip(update).for_each(|(number, update)| *number = f(*number, *update));
    }
}

/// # Source
/// The ONNX specification, operator TensorScatter, version 24: writes new keys or values to a cache.
fn tensor_scatter(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.int("axis", -2)?;
    let circular = match node.attributes.string("mode", "linear")? {
        "linear" => false,
        "circular" => true,
        mode => return Err(format!("the attribute mode is '{mode}', which is not supported")),
    };
    Ok(Box::new(move |inputs| {
        let (cache, update) = (inputs.take(0)?, inputs.take(1)?);
        let shape = host::shape(&cache).to_vec();
        let axis = axis_of(axis, shape.len())?;
        let own = host::shape(&update);
        let fits = own.len() == shape.len()
            && (0..shape.len()).all(|at| if at == axis { own[at] <= shape[at] } else { own[at] == shape[at] });
        if !fits || axis == 0 {
            return wrong(format!("an update of the shape {own:?} does not fit a cache of the shape {shape:?}"));
        }
        let (length, new, batch) = (shape[axis], own[axis], shape[0]);
        let starts = inputs.optional_ints(2).unwrap_or_else(|| vec![0; batch]);
        let starts = starts.into_iter().map(size).collect::<Result<Vec<_>>>()?;
        if starts.len() != batch || (!circular && starts.iter().any(|start| *start > length - new)) {
            return wrong(format!(
                "an update of the length {new} does not fit a cache of the length {length} at {starts:?}"
            ));
        }
        let (rows, run): (usize, usize) = (shape[1..axis].iter().product(), shape[axis + 1..].iter().product());
        let mut offsets = Vec::with_capacity(if run == 0 { 0 } else { batch * rows * new });
        for (row, start) in starts.iter().flat_map(|start| std::iter::repeat_n(start, rows)).enumerate() {
            // Only the circular mode wraps around. `length` is not 0 where anything is written.
            offsets.extend((0..new).map(|at| (row * length + (start % length + at) % length) * run));
        }
        one(scatter(cache, update, &offsets, run, None)?)
    }))
}
