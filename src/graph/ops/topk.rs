//! TopK.

use burn::tensor::DType;

use super::support::sort_keys::{from_keys, keys, split};
use super::{Accepts, Gives, NodeSpec, Op, Prepared, axis_of, size, wrong};
use crate::graph::host;

pub static OPS: &[Op] = &[Op::new("TopK", Accepts::Numbers, &[Gives::As(0), Gives::Is(DType::I64)], top_k)];

fn top_k(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.int("axis", -1)?;
    let flip = if node.attributes.flag("largest", true)? { 0 } else { -1 };
    let fixed = node.attributes.optional_int("k")?;
    // Without `sorted` any order is allowed, so this one as well.
    node.attributes.get("sorted");
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let k = match (inputs.optional_ints(1).as_deref(), &fixed) {
            (Some([k]), _) | (None, Some(k)) => size(*k)?,
            _ => return wrong("the input K must be a scalar"),
        };
        let mut shape = host::shape(&x).to_vec();
        let axis = axis_of(axis, shape.len())?;
        let (outer, n, inner) = split(&shape, axis);
        if k > n {
            return wrong(format!("K is {k}, expected at most {n}, the size of the axis"));
        }
        shape[axis] = k;
        let count = inputs.count(&shape)?;
        let keys: Vec<i64> = keys(&x).into_iter().map(|key| key ^ flip).collect();
        let (mut values, mut indices) = (vec![0; count], vec![0; count]);
        for column in 0..if k == 0 { 0 } else { outer * inner } {
            let (block, at) = (column / inner, column % inner);
            let key = |index: usize| keys[(block * n + index) * inner + at];
            let order = |a: &usize, b: &usize| key(*b).cmp(&key(*a)).then(a.cmp(b));
            let mut best: Vec<usize> = (0..n).collect();
            if k < n {
                best.select_nth_unstable_by(k, order);
                best.truncate(k);
            }
            best.sort_unstable_by(order);
            for (rank, index) in best.into_iter().enumerate() {
                let to = (block * k + rank) * inner + at;
                (values[to], indices[to]) = (key(index) ^ flip, index as i64);
            }
        }
        Ok(vec![from_keys(x.dtype(), &shape, &values), host::tensor(&shape, indices)])
    }))
}
