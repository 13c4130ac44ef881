//! ArgMax, ArgMin and Hardmax.

use super::support::sort_keys::{keys, split};
use super::{Accepts, INDICES, NodeSpec, Op, Prepared, SAME, axis_of, one, wrong};
use crate::graph::host;

pub static OPS: &[Op] = &[
    Op::new("ArgMax", Accepts::Numbers, INDICES, |node| extreme(node, 0)),
    Op::new("ArgMin", Accepts::Numbers, INDICES, |node| extreme(node, -1)),
    Op::new("Hardmax", Accepts::Floats, SAME, hardmax),
];

/// The index of the greatest of `numbers` in each column: the first one, or the last.
fn greatest(numbers: &[i64], (outer, n, inner): (usize, usize, usize), last: bool) -> Vec<i64> {
    let column = |at: usize| {
        let mut best = (0, i64::MIN);
        for (index, &key) in numbers[at..].iter().step_by(inner).take(n).enumerate() {
            if key > best.1 || last && key == best.1 {
                best = (index as i64, key);
            }
        }
        best.0
    };
    (0..outer).flat_map(|block| (0..inner).map(move |at| block * n * inner + at)).map(column).collect()
}

/// The index of the greatest element along an axis, where `flip` is 0, or of the least, where it is −1.
fn extreme(node: &NodeSpec<'_>, flip: i64) -> Prepared {
    let axis = node.attributes.int("axis", 0)?;
    let keep = node.attributes.flag("keepdims", true)?;
    let last = node.attributes.flag("select_last_index", false)?;
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let mut shape = host::shape(&x).to_vec();
        let axis = axis_of(axis, shape.len())?;
        let loops = split(&shape, axis);
        if loops.1 == 0 {
            return wrong("the axis has no elements");
        }
        let keys: Vec<i64> = keys(&x).into_iter().map(|key| key ^ flip).collect();
        shape[axis] = 1;
        if !keep {
            shape.remove(axis);
        }
        one(host::tensor(&shape, greatest(&keys, loops, last)))
    }))
}

fn hardmax(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.int("axis", if node.opset < 13 { 1 } else { -1 })?;
    let flattens = node.opset < 13;
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let shape = host::shape(&x);
        let axis = axis_of(axis, shape.len())?;
        let (outer, mut n, mut inner) = split(shape, axis);
        if flattens {
            (n, inner) = (n * inner, 1);
        }
        let mut out = vec![0; outer * n * inner];
        if !out.is_empty() {
            for (column, index) in greatest(&keys(&x), (outer, n, inner), false).into_iter().enumerate() {
                out[column / inner * n * inner + index as usize * inner + column % inner] = 1;
            }
        }
        one(host::from_i64s(x.dtype(), shape, &out))
    }))
}
