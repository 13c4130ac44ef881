//! Reductions along axes, and Det.

use burn::tensor::DType;

use super::{Accepts, Inputs, NodeSpec, Op, Prepared, SAME, axes_of, on_gpu, one, wrong};
use crate::error::Result;
use crate::graph::host::{self, HostTensor, is_float};
use crate::kernels::exp::exp;

pub static OPS: &[Op] = &[
    Op::new("Det", Accepts::Floats, SAME, |_| Ok(Box::new(determinant))),
    op("ReduceL1", |node| reduce(node, L1)),
    op("ReduceL2", |node| reduce(node, L2)),
    op("ReduceLogSum", |node| reduce(node, LOG_SUM)),
    op("ReduceLogSumExp", |node| reduce(node, LOG_SUM_EXP)),
    Op::new("ReduceMax", Accepts::Any, SAME, |node| reduce(node, MAX))
        .gpu(on_gpu!(|node| reduce::reduce(node, Reduction::Max))),
    op("ReduceMean", |node| reduce(node, MEAN)).gpu(on_gpu!(|node| reduce::reduce(node, Reduction::Mean))),
    Op::new("ReduceMin", Accepts::Any, SAME, |node| reduce(node, MIN))
        .gpu(on_gpu!(|node| reduce::reduce(node, Reduction::Min))),
    op("ReduceProd", |node| reduce(node, PROD)),
    op("ReduceSum", |node| reduce(node, SUM)).gpu(on_gpu!(|node| reduce::reduce(node, Reduction::Sum))),
    op("ReduceSumSquare", |node| reduce(node, SUM_SQUARE)),
];

const fn op(name: &'static str, prepare: fn(&NodeSpec<'_>) -> Prepared) -> Op {
    Op::new(name, Accepts::Numbers, SAME, prepare)
}

/// A reduction.
#[derive(Clone, Copy)]
struct Reduction {
    /// For 32-bit floats.
    singles: fn(&Rows<'_>) -> Vec<f32>,
    /// The result for no elements.
    start: f64,
    step: fn(f64, f64) -> f64,
    /// Applied last, to the accumulator and the number of elements.
    finish: fn(f64, usize) -> f64,
    /// For integers, where they are not reduced as floats.
    integers: Option<Integers>,
    /// The bits that are flipped in unsigned 64-bit integers before and after: where the order matters the first one, so
    /// that they have the order of signed integers.
    flipped: i64,
}

/// The accumulator for a first integer, and its step.
type Integers = (fn(i64) -> i64, fn(i64, i64) -> i64);

const SUM: Reduction = Reduction {
    singles: |rows| rows.fold(0.0, |sum, x| sum + x, |a, b| a + b),
    start: 0.0,
    step: |sum, x| sum + x,
    finish: |sum, _| sum,
    integers: Some((|x| x, i64::wrapping_add)),
    flipped: 0,
};
const MEAN: Reduction = Reduction {
    singles: |rows| {
        let count = rows.reduced as f32;
        map(rows.fold(0.0, |sum, x| sum + x, |a, b| a + b), |sum| sum / count)
    },
    finish: |sum, count| sum / count as f64,
    integers: None,
    ..SUM
};
const SUM_SQUARE: Reduction = Reduction {
    singles: |rows| rows.fold(0.0, |sum, x| sum + x * x, |a, b| a + b),
    step: |sum, x| sum + x * x,
    integers: Some((|x| x.wrapping_mul(x), |sum, x| sum.wrapping_add(x.wrapping_mul(x)))),
    ..SUM
};
const L1: Reduction = Reduction {
    singles: |rows| rows.fold(0.0, |sum, x| sum + x.abs(), |a, b| a + b),
    step: |sum, x| sum + x.abs(),
    integers: Some((i64::wrapping_abs, |sum, x| sum.wrapping_add(x.wrapping_abs()))),
    ..SUM
};
const L2: Reduction = Reduction {
    singles: |rows| map((SUM_SQUARE.singles)(rows), f32::sqrt),
    finish: |sum, _| sum.sqrt(),
    integers: None,
    ..SUM_SQUARE
};
const LOG_SUM: Reduction =
    Reduction { singles: |rows| map((SUM.singles)(rows), f32::ln), finish: |sum, _| sum.ln(), integers: None, ..SUM };
const LOG_SUM_EXP: Reduction = Reduction {
    singles: log_sum_exp,
    start: f64::NEG_INFINITY,
    // The larger one is factored out, so that no power overflows.
    step: |a, b| if a == b { a + 2f64.ln() } else { a.max(b) + (-(a - b).abs()).exp().ln_1p() },
    finish: |sum, _| sum,
    integers: None,
    flipped: 0,
};
const PROD: Reduction = Reduction {
    singles: |rows| rows.fold(1.0, |product, x| product * x, |a, b| a * b),
    start: 1.0,
    step: |product, x| product * x,
    finish: |product, _| product,
    integers: Some((|x| x, i64::wrapping_mul)),
    flipped: 0,
};
const MAX: Reduction = Reduction {
    singles: |rows| rows.fold(f32::NEG_INFINITY, max, max),
    start: f64::NEG_INFINITY,
    step: |a, b| if b > a || b.is_nan() { b } else { a },
    finish: |max, _| max,
    integers: Some((|x| x, i64::max)),
    flipped: i64::MIN,
};
const MIN: Reduction = Reduction {
    singles: |rows| rows.fold(f32::INFINITY, min, min),
    start: f64::INFINITY,
    step: |a, b| if b < a || b.is_nan() { b } else { a },
    finish: |min, _| min,
    integers: Some((|x| x, i64::min)),
    flipped: i64::MIN,
};

fn max(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

fn min(a: f32, b: f32) -> f32 {
    if b < a || b.is_nan() { b } else { a }
}

fn map(mut numbers: Vec<f32>, f: impl Fn(f32) -> f32) -> Vec<f32> {
    numbers.iter_mut().for_each(|x| *x = f(*x));
    numbers
}

/// `[outer, reduced, inner]` elements, to be reduced along the middle dimension.
struct Rows<'a> {
    numbers: &'a [f32],
    outer: usize,
    reduced: usize,
    inner: usize,
}

impl Rows<'_> {
    /// Folds in several lanes, which are joined at the end.
    fn fold(&self, start: f32, step: impl Fn(f32, f32) -> f32, join: impl Fn(f32, f32) -> f32) -> Vec<f32> {
        const LANES: usize = 16;
        let mut out = vec![start; self.outer * self.inner];
        if self.numbers.is_empty() {
            return out;
        }
        let blocks = self.numbers.chunks_exact(self.reduced * self.inner);
        if self.inner == 1 {
            for (row, out) in blocks.zip(&mut out) {
                let mut lanes = [start; LANES];
                let mut chunks = row.chunks_exact(LANES);
                for chunk in &mut chunks {
                    lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane = step(*lane, *x));
                }
                let rest = chunks.remainder().iter().fold(start, |sum, x| step(sum, *x));
                *out = lanes.into_iter().fold(rest, &join);
            }
            return out;
        }
        for (block, out) in blocks.zip(out.chunks_exact_mut(self.inner)) {
            for row in block.chunks_exact(self.inner) {
                out.iter_mut().zip(row).for_each(|(out, x)| *out = step(*out, *x));
            }
        }
        out
    }
}

/// With the greatest number factored out, so that no power overflows.
fn log_sum_exp(rows: &Rows<'_>) -> Vec<f32> {
    let mut out = (MAX.singles)(rows);
    let mut sums = vec![0.0; rows.inner];
    let blocks = rows.numbers.chunks_exact((rows.reduced * rows.inner).max(1));
    for (block, out) in blocks.zip(out.chunks_exact_mut(rows.inner.max(1))) {
        out.iter_mut().filter(|max| max.is_infinite()).for_each(|max| *max = 0.0);
        sums.fill(0.0);
        for row in block.chunks_exact(rows.inner) {
            sums.iter_mut().zip(row.iter().zip(&*out)).for_each(|(sum, (x, max))| *sum += exp(x - max));
        }
        out.iter_mut().zip(&sums).for_each(|(out, sum)| *out += sum.ln());
    }
    out
}

fn reduce(node: &NodeSpec<'_>, reduction: Reduction) -> Prepared {
    let fixed = node.attributes.ints("axes")?;
    let keep = node.attributes.flag("keepdims", true)?;
    let noop = node.attributes.flag("noop_with_empty_axes", false)?;
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let shape = host::shape(&x).to_vec();
        let given = inputs.optional_ints(1).or_else(|| fixed.clone()).unwrap_or_default();
        let axes = match given.is_empty() && !noop {
            true => (0..shape.len()).collect(),
            false => axes_of(&given, shape.len())?,
        };
        let is_reduced = |axis: &usize| axes.contains(axis);
        let out_shape: Vec<usize> = (0..shape.len())
            .filter(|axis| keep || !is_reduced(axis))
            .map(|axis| if is_reduced(&axis) { 1 } else { shape[axis] })
            .collect();
        inputs.count(&out_shape)?;
        let (x, outer, reduced, inner) = in_rows(x, &shape, &axes);
        one(run(&x, outer, reduced, inner, &out_shape, &reduction))
    }))
}

/// `x`, contiguous, and its sizes before, along and after the axes. Axes that are not adjacent are permuted to the end.
fn in_rows(x: HostTensor, shape: &[usize], axes: &[usize]) -> (HostTensor, usize, usize, usize) {
    let product = |axes: &mut dyn Iterator<Item = usize>| axes.map(|axis| shape[axis]).product::<usize>();
    let real: Vec<usize> = axes.iter().copied().filter(|axis| shape[*axis] != 1).collect();
    let (Some(&first), Some(&last)) = (real.first(), real.last()) else {
        let count = product(&mut (0..shape.len()));
        return (host::contiguous(x), count, 1, 1);
    };
    let reduced = product(&mut real.iter().copied());
    if (first..=last).all(|axis| real.contains(&axis) || shape[axis] == 1) {
        let (outer, inner) = (product(&mut (0..first)), product(&mut (last + 1..shape.len())));
        return (host::contiguous(x), outer, reduced, inner);
    }
    let kept: Vec<usize> = (0..shape.len()).filter(|axis| !real.contains(axis)).collect();
    let outer = product(&mut kept.iter().copied());
    (host::contiguous(x.permute(&[kept, real].concat())), outer, reduced, 1)
}

fn run(
    x: &HostTensor,
    outer: usize,
    reduced: usize,
    inner: usize,
    shape: &[usize],
    reduction: &Reduction,
) -> HostTensor {
    let dtype = x.dtype();
    if dtype == DType::F32 {
        let rows = Rows { numbers: host::slice(x), outer, reduced, inner };
        return host::tensor(shape, (reduction.singles)(&rows));
    }
    if let (false, Some((first, step)), 1..) = (is_float(dtype), reduction.integers, reduced) {
        let flipped = if dtype == DType::U64 { reduction.flipped } else { 0 };
        let numbers = host::to_i64s(x);
        let one = |at: usize| {
            let mut column = numbers[at..].iter().step_by(inner).take(reduced).map(|x| x ^ flipped);
            let start = first(column.next().unwrap_or(0));
            column.fold(start, step) ^ flipped
        };
        let out: Vec<i64> = columns(outer, reduced, inner).map(one).collect();
        return host::from_i64s(dtype, shape, &out);
    }
    let numbers = host::to_f64s(x);
    let one = |at: usize| {
        let column = numbers[at.min(numbers.len())..].iter().step_by(inner).take(reduced);
        (reduction.finish)(column.fold(reduction.start, |sum, x| (reduction.step)(sum, *x)), reduced)
    };
    let out: Vec<f64> = columns(outer, reduced, inner).map(one).collect();
    host::from_f64s(dtype, shape, &out)
}

/// The offset of the first element of each reduced column.
fn columns(outer: usize, reduced: usize, inner: usize) -> impl Iterator<Item = usize> {
    (0..outer).flat_map(move |block| (0..inner).map(move |at| block * reduced * inner + at))
}

/// Det, by Gaussian elimination with partial pivoting.
fn determinant(inputs: &mut Inputs<'_>) -> Result<Vec<HostTensor>> {
    let x = inputs.take(0)?;
    let shape = host::shape(&x);
    let [outer @ .., n, columns] = shape else {
        return wrong(format!("the input has the shape {shape:?}, expected matrices"));
    };
    if n != columns {
        return wrong(format!("the input has the shape {shape:?}, expected square matrices"));
    }
    let (n, mut numbers) = (*n, host::to_f64s(&x));
    let mut out = vec![1.0; inputs.count(outer)?];
    for (matrix, out) in numbers.chunks_exact_mut((n * n).max(1)).zip(&mut out) {
        for column in 0..n {
            let size = |row: usize| matrix[row * n + column].abs();
            let pivot = (column..n).max_by(|a, b| size(*a).total_cmp(&size(*b))).unwrap_or(column);
            if pivot != column {
                (0..n).for_each(|at| matrix.swap(pivot * n + at, column * n + at));
                *out = -*out;
            }
            let head = matrix[column * n + column];
            *out *= head;
            if head == 0.0 {
                break;
            }
            for row in column + 1..n {
                let factor = matrix[row * n + column] / head;
                (column..n).for_each(|at| matrix[row * n + at] -= factor * matrix[column * n + at]);
            }
        }
    }
    one(host::from_f64s(x.dtype(), outer, &out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_lanes_are_the_slow_ones() {
        let shape = [3, 37, 4];
        let numbers: Vec<f64> = (0..444).map(|at| f64::from(at * 29 % 101 - 50) / 64.0 + 1.0).collect();
        let names = ["sum", "mean", "squares", "l1", "l2", "log sum exp", "product", "max", "min"];
        let reductions = [SUM, MEAN, SUM_SQUARE, L1, L2, LOG_SUM_EXP, PROD, MAX, MIN];
        for axes in [&[2][..], &[1], &[0], &[1, 2], &[0, 1], &[0, 2], &[0, 1, 2], &[]] {
            for (name, reduction) in names.iter().zip(&reductions) {
                let run = |dtype: DType| {
                    let (x, outer, reduced, inner) = in_rows(host::from_f64s(dtype, &shape, &numbers), &shape, axes);
                    host::to_f64s(&run(&x, outer, reduced, inner, &[outer * inner], reduction))
                };
                for (fast, slow) in run(DType::F32).into_iter().zip(run(DType::F64)) {
                    assert!((fast - slow).abs() <= 1e-4 * slow.abs() + 1e-30, "{name} {axes:?}: {fast}, {slow}");
                }
            }
        }
    }
}
