//! CumSum and CumProd.

use super::support::sort_keys::split;
use super::{Accepts, NodeSpec, Op, Prepared, SAME, axis_of, one, wrong};
use crate::graph::host::{self, is_float};

pub static OPS: &[Op] = &[
    Op::new("CumProd", Accepts::Numbers, SAME, |node| cumulative(node, 1.0, |a, b| a * b, 1, i64::wrapping_mul)),
    Op::new("CumSum", Accepts::Numbers, SAME, |node| cumulative(node, 0.0, |a, b| a + b, 0, i64::wrapping_add)),
];

/// The cumulative result along an axis, by `floats` from `start` or by `integers` from `first`.
fn cumulative(
    node: &NodeSpec<'_>,
    start: f64,
    floats: fn(f64, f64) -> f64,
    first: i64,
    integers: fn(i64, i64) -> i64,
) -> Prepared {
    let exclusive = node.attributes.flag("exclusive", false)?;
    let reverse = node.attributes.flag("reverse", false)?;
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let [axis] = inputs.ints(1)?[..] else { return wrong("the input axis must be a scalar") };
        let shape = host::shape(&x);
        let loops = split(shape, axis_of(axis, shape.len())?);
        if is_float(x.dtype()) {
            let mut numbers = host::to_f64s(&x);
            accumulate(&mut numbers, loops, start, floats, exclusive, reverse);
            return one(host::from_f64s(x.dtype(), shape, &numbers));
        }
        let mut numbers = host::to_i64s(&x);
        accumulate(&mut numbers, loops, first, integers, exclusive, reverse);
        one(host::from_i64s(x.dtype(), shape, &numbers))
    }))
}

fn accumulate<T: Copy>(
    numbers: &mut [T],
    (outer, n, inner): (usize, usize, usize),
    start: T,
    join: fn(T, T) -> T,
    exclusive: bool,
    reverse: bool,
) {
    for column in 0..outer * inner {
        let mut sum = start;
        for step in 0..n {
            let index = if reverse { n - 1 - step } else { step };
            let number = &mut numbers[(column / inner * n + index) * inner + column % inner];
            let joined = join(sum, *number);
            *number = if exclusive { sum } else { joined };
            sum = joined;
        }
    }
}
