//! Unique and NonZero.

use burn::tensor::DType;

use super::support::sort_keys::{from_keys, keys};
use super::{Accepts, Gives, INDICES, Inputs, NodeSpec, Op, Prepared, axis_of, one};
use crate::error::Result;
use crate::graph::host::{self, HostTensor};
use crate::sort::{order_by, sort_by};

pub static OPS: &[Op] = &[
    Op::new("NonZero", Accepts::Any, INDICES, |_| Ok(Box::new(non_zero))),
    Op::new("Unique", Accepts::Any, &[Gives::As(0), Gives::Is(DType::I64)], unique),
];

fn non_zero(inputs: &mut Inputs<'_>) -> Result<Vec<HostTensor>> {
    let x = inputs.take(0)?;
    let shape = host::shape(&x);
    let zero = host::from_i64s(x.dtype(), &[], &[0]);
    let zero = keys(&zero)[0];
    let indices: Vec<usize> = (0..).zip(keys(&x)).filter(|(_, key)| *key != zero).map(|(index, _)| index).collect();
    inputs.count(&[shape.len(), indices.len()])?;
    let strides = host::strides(shape);
    let coordinates = (0..shape.len())
        .flat_map(|axis| {
            indices.iter().map({
                let strides = &strides;
                move |index| (index / strides[axis] % shape[axis]) as i64
            })
        })
        .collect();
    one(host::tensor(&[shape.len(), indices.len()], coordinates))
}

fn unique(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.optional_int("axis")?;
    let sorted = node.attributes.flag("sorted", true)?;
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let dtype = x.dtype();
        // Slices along the axis are compared, which is permuted to the front; without an axis single elements.
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
        for (index, group) in groups.iter().enumerate() {
            group.iter().for_each(|at| inverse[*at] = index as i64);
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
