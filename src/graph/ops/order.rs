//! What hangs on the order of numbers: the greatest of them, how many there are of each, sums of all before them.
//!
//! Numbers of every type are compared as 64-bit integers that are in the same order, see [`keys`].

use burn::tensor::DType;

use super::{Accepts, Gives, INDICES, Inputs, NodeSpec, Op, Prepared, SAME, axis_of, one, size, wrong};
use crate::error::Result;
use crate::graph::host::{self, HostTensor, is_float};
use crate::sort::{order_by, sort_by};

pub static OPS: &[Op] = &[
    Op::new("ArgMax", Accepts::Numbers, INDICES, |node| extreme(node, 0)),
    Op::new("ArgMin", Accepts::Numbers, INDICES, |node| extreme(node, -1)),
    Op::new("CumProd", Accepts::Numbers, SAME, |node| cumulative(node, 1.0, |a, b| a * b, 1, i64::wrapping_mul)),
    Op::new("CumSum", Accepts::Numbers, SAME, |node| cumulative(node, 0.0, |a, b| a + b, 0, i64::wrapping_add)),
    Op::new("Hardmax", Accepts::Floats, SAME, hardmax),
    Op::new("NonZero", Accepts::Any, INDICES, |_| Ok(Box::new(non_zero))),
    Op::new("TopK", Accepts::Numbers, &[Gives::As(0), Gives::Is(DType::I64)], top_k),
    Op::new("Unique", Accepts::Any, &[Gives::As(0), Gives::Is(DType::I64)], unique),
];

/// Integers in the order of the numbers. What is no number comes after all that are.
fn keys(tensor: &HostTensor) -> Vec<i64> {
    if is_float(tensor.dtype()) {
        // The sum makes −0 the 0 that it is equal to.
        let key = |x: f64| turned((if x.is_nan() { f64::NAN } else { x } + 0.0).to_bits() as i64);
        return host::to_f64s(tensor).into_iter().map(key).collect();
    }
    let first_bit = if tensor.dtype() == DType::U64 { i64::MIN } else { 0 };
    host::to_i64s(tensor).into_iter().map(|x| x ^ first_bit).collect()
}

/// The numbers of which `keys` are the keys.
fn from_keys(dtype: DType, shape: &[usize], keys: &[i64]) -> HostTensor {
    if is_float(dtype) {
        let numbers: Vec<f64> = keys.iter().map(|key| f64::from_bits(turned(*key) as u64)).collect();
        return host::from_f64s(dtype, shape, &numbers);
    }
    let first_bit = if dtype == DType::U64 { i64::MIN } else { 0 };
    let numbers: Vec<i64> = keys.iter().map(|key| key ^ first_bit).collect();
    host::from_i64s(dtype, shape, &numbers)
}

/// The bits of a double as an integer in its order, and the way back: the more negative, the greater are the bits.
fn turned(bits: i64) -> i64 {
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// How many numbers lie before, along and after `axis`.
fn split(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

/// Where along each column of `numbers` its greatest is: the first, or the last.
fn greatest(numbers: &[i64], (outer, n, inner): (usize, usize, usize), last: bool) -> Vec<i64> {
    let column = |at: usize| {
        let mut best = (0, i64::MIN);
        for (place, &key) in numbers[at..].iter().step_by(inner).take(n).enumerate() {
            if key > best.1 || last && key == best.1 {
                best = (place as i64, key);
            }
        }
        best.0
    };
    (0..outer).flat_map(|block| (0..inner).map(move |at| block * n * inner + at)).map(column).collect()
}

/// The place of the greatest number along an axis, where `flip` is 0, or of the least, where it is −1.
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
            return wrong("there is no greatest or least of no numbers");
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
            for (column, place) in greatest(&keys(&x), (outer, n, inner), false).into_iter().enumerate() {
                out[column / inner * n * inner + place as usize * inner + column % inner] = 1;
            }
        }
        one(host::from_i64s(x.dtype(), shape, &out))
    }))
}

fn top_k(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.int("axis", -1)?;
    let flip = if node.attributes.flag("largest", true)? { 0 } else { -1 };
    let fixed = node.attributes.optional_int("k")?;
    // In order is one of the orders that are allowed where none is asked for.
    node.attributes.get("sorted");
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let k = match (inputs.optional_ints(1).as_deref(), &fixed) {
            (Some([k]), _) | (None, Some(k)) => size(*k)?,
            _ => return wrong("k is not one number"),
        };
        let mut shape = host::shape(&x).to_vec();
        let axis = axis_of(axis, shape.len())?;
        let (outer, n, inner) = split(&shape, axis);
        if k > n {
            return wrong(format!("there are no {k} greatest of {n} numbers"));
        }
        shape[axis] = k;
        let count = inputs.count(&shape)?;
        let keys: Vec<i64> = keys(&x).into_iter().map(|key| key ^ flip).collect();
        let (mut values, mut places) = (vec![0; count], vec![0; count]);
        for column in 0..if k == 0 { 0 } else { outer * inner } {
            let (block, at) = (column / inner, column % inner);
            let key = |place: usize| keys[(block * n + place) * inner + at];
            let order = |a: &usize, b: &usize| key(*b).cmp(&key(*a)).then(a.cmp(b));
            let mut best: Vec<usize> = (0..n).collect();
            if k < n {
                best.select_nth_unstable_by(k, order);
                best.truncate(k);
            }
            best.sort_unstable_by(order);
            for (turn, place) in best.into_iter().enumerate() {
                let to = (block * k + turn) * inner + at;
                (values[to], places[to]) = (key(place) ^ flip, place as i64);
            }
        }
        Ok(vec![from_keys(x.dtype(), &shape, &values), host::tensor(&shape, places)])
    }))
}

/// Numbers along an axis, each joined with all before it.
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
        let [axis] = inputs.ints(1)?[..] else { return wrong("the axis is not one number") };
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
        for turn in 0..n {
            let place = if reverse { n - 1 - turn } else { turn };
            let number = &mut numbers[(column / inner * n + place) * inner + column % inner];
            let joined = join(sum, *number);
            *number = if exclusive { sum } else { joined };
            sum = joined;
        }
    }
}

fn non_zero(inputs: &mut Inputs<'_>) -> Result<Vec<HostTensor>> {
    let x = inputs.take(0)?;
    let shape = host::shape(&x);
    let zero = host::from_i64s(x.dtype(), &[], &[0]);
    let zero = keys(&zero)[0];
    let places: Vec<usize> = (0..).zip(keys(&x)).filter(|(_, key)| *key != zero).map(|(place, _)| place).collect();
    inputs.count(&[shape.len(), places.len()])?;
    let strides = host::strides(shape);
    let coordinates = (0..shape.len())
        .flat_map(|axis| {
            places.iter().map({
                let strides = &strides;
                move |place| (place / strides[axis] % shape[axis]) as i64
            })
        })
        .collect();
    one(host::tensor(&[shape.len(), places.len()], coordinates))
}

fn unique(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.optional_int("axis")?;
    let sorted = node.attributes.flag("sorted", true)?;
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let dtype = x.dtype();
        // Rows are compared, those along the axis being brought to the front, or else single numbers.
        let (x, back) = match axis {
            None => (host::reshape(x.clone(), &[x.layout().num_elements()]), vec![0]),
            Some(axis) => {
                let rank = host::shape(&x).len();
                let axis = axis_of(axis, rank)?;
                let others = (0..rank).filter(|other| *other != axis);
                let to: Vec<usize> = std::iter::once(axis).chain(others).collect();
                let back = (0..rank).map(|at| to.iter().position(|from| *from == at).unwrap_or(at)).collect();
                (x.permute(&to), back)
            }
        };
        let mut shape = host::shape(&x).to_vec();
        let (count, width) = (shape[0], shape[1..].iter().product::<usize>());
        let keys = keys(&x);
        let row = |at: usize| &keys[at * width..(at + 1) * width];
        let order = order_by(count, &|a, b| row(a).cmp(row(b)));
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for at in order {
            match groups.last_mut() {
                Some(group) if row(group[0]) == row(at) => group.push(at),
                _ => groups.push(vec![at]),
            }
        }
        if !sorted {
            sort_by(&mut groups, |a, b| a[0].cmp(&b[0]));
        }
        let mut inverse = vec![0; count];
        for (place, group) in groups.iter().enumerate() {
            group.iter().for_each(|at| inverse[*at] = place as i64);
        }
        shape[0] = groups.len();
        let rows: Vec<i64> = groups.iter().flat_map(|group| row(group[0])).copied().collect();
        let found = [groups.len()];
        Ok(vec![
            from_keys(dtype, &shape, &rows).permute(&back),
            host::tensor(&found, groups.iter().map(|group| group[0] as i64).collect()),
            host::tensor(&[count], inverse),
            host::tensor(&found, groups.iter().map(|group| group.len() as i64).collect()),
        ])
    }))
}
