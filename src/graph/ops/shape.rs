//! Shape, Size, Reshape, Flatten, Squeeze and Unsqueeze.

use burn::backend::flex::Layout;
use burn::tensor::{DType, Shape};

use super::{Accepts, INDICES, Inputs, NodeSpec, Op, Prepared, SAME, axes_of, axis_of, on_gpu, one, size, wrong};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor};

pub static OPS: &[Op] = &[
    Op::new("Shape", Accepts::Any, INDICES, shape).encoded(),
    Op::new("Size", Accepts::Any, INDICES, |_| {
        Ok(Box::new(|inputs| one(numbers(&[], vec![inputs.take(0)?.layout().num_elements() as i64]))))
    })
    .encoded(),
    Op::new("Reshape", Accepts::Any, SAME, reshape).encoded().gpu(on_gpu!(layout::reshape)),
    Op::new("Flatten", Accepts::Any, SAME, flatten).encoded().gpu(on_gpu!(layout::flatten)),
    Op::new("Squeeze", Accepts::Any, SAME, squeeze).encoded().gpu(on_gpu!(layout::squeeze)),
    Op::new("Unsqueeze", Accepts::Any, SAME, unsqueeze).encoded().gpu(on_gpu!(layout::unsqueeze)),
    Op::own("AlignDimensions", Accepts::Any, SAME, align_dimensions),
];

fn numbers(shape: &[usize], values: Vec<i64>) -> HostTensor {
    host::of_type(DType::I64, shape, values)
}

fn shape(node: &NodeSpec<'_>) -> Prepared {
    let (start, end) = (node.attributes.int("start", 0)?, node.attributes.optional_int("end")?);
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let shape = host::shape(&tensor);
        let rank = shape.len() as i64;
        let position = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
        let (start, end) = (position(start), position(end.unwrap_or(rank)));
        let dims: Vec<i64> = shape[start..end.max(start)].iter().map(|dim| *dim as i64).collect();
        one(numbers(&[dims.len()], dims))
    }))
}

/// `tensor` in another shape of as many elements; a view where its strides allow it.
pub fn view(tensor: HostTensor, shape: &[usize]) -> HostTensor {
    match tensor.layout().reshape(Shape::from(shape.to_vec())) {
        Some(layout) => tensor.with_layout(layout),
        None => host::reshape(tensor, shape),
    }
}

/// A view of `tensor` with the dimensions `axes`, and 1 for each `None`. The dimensions that are left out must be 1.
fn with_axes(tensor: HostTensor, axes: &[Option<usize>]) -> HostTensor {
    let layout = tensor.layout();
    let dims = axes.iter().map(|axis| axis.map_or(1, |axis| layout.shape()[axis])).collect::<Vec<_>>();
    let strides = axes.iter().map(|axis| axis.map_or(1, |axis| layout.strides()[axis])).collect();
    let layout = Layout::new(Shape::from(dims), strides, layout.start_offset());
    tensor.with_layout(layout)
}

fn reshape(node: &NodeSpec<'_>) -> Prepared {
    let allow_zero = node.attributes.flag("allowzero", false)?;
    Ok(Box::new(move |inputs| {
        let (tensor, wanted) = (inputs.take(0)?, inputs.ints(1)?);
        let shape = reshaped(host::shape(&tensor), &wanted, allow_zero)?;
        inputs.count(&shape)?;
        one(view(tensor, &shape))
    }))
}

/// The shape that `wanted` means for a tensor of the shape `own`: 0 copies a dimension, −1 is inferred.
pub fn reshaped(own: &[usize], wanted: &[i64], allow_zero: bool) -> Result<Vec<usize>> {
    let bad = || wrong(format!("a tensor of the shape {own:?} cannot be reshaped to {wanted:?}"));
    let mut shape = Vec::with_capacity(wanted.len());
    let mut free = None;
    for (axis, &dim) in wanted.iter().enumerate() {
        shape.push(match dim {
            0 if !allow_zero => match own.get(axis) {
                Some(dim) => *dim,
                None => return bad(),
            },
            -1 if free.is_none() => {
                free = Some(axis);
                1
            }
            -1 => return bad(),
            dim => size(dim)?,
        });
    }
    let count = host::count(own, usize::MAX)?;
    let named = host::count(&shape, usize::MAX)?;
    if let Some(axis) = free {
        if named == 0 || count % named != 0 {
            return bad();
        }
        shape[axis] = count / named;
    } else if count != named {
        return bad();
    }
    Ok(shape)
}

fn flatten(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.int("axis", 1)?;
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let shape = host::shape(&tensor);
        let axis = if axis == shape.len() as i64 { shape.len() } else { axis_of(axis, shape.len())? };
        let shape = [host::count(&shape[..axis], usize::MAX)?, host::count(&shape[axis..], usize::MAX)?];
        one(view(tensor, &shape))
    }))
}

/// The axes of a node: an input, or an attribute in older operator sets.
struct Axes(Option<Vec<i64>>);

impl Axes {
    fn new(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        Ok(Self(node.attributes.ints("axes")?))
    }

    fn get(&self, inputs: &mut Inputs<'_>) -> Option<Vec<i64>> {
        self.0.clone().or_else(|| inputs.optional_ints(1))
    }
}

fn squeeze(node: &NodeSpec<'_>) -> Prepared {
    let axes = Axes::new(node)?;
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let shape = host::shape(&tensor);
        let gone = match axes.get(inputs) {
            Some(axes) => axes_of(&axes, shape.len())?,
            None => (0..shape.len()).filter(|axis| shape[*axis] == 1).collect(),
        };
        if let Some(axis) = gone.iter().find(|axis| shape[**axis] != 1) {
            return wrong(format!("the dimension {axis} of the shape {shape:?} is not 1"));
        }
        let kept: Vec<_> = (0..shape.len()).filter(|axis| !gone.contains(axis)).map(Some).collect();
        one(with_axes(tensor, &kept))
    }))
}

fn unsqueeze(node: &NodeSpec<'_>) -> Prepared {
    let axes = Axes::new(node)?;
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let axes = axes.get(inputs).unwrap_or_default();
        let rank = host::shape(&tensor).len() + axes.len();
        let new = axes_of(&axes, rank)?;
        let mut old = 0..rank - new.len();
        let all: Vec<_> = (0..rank).map(|axis| if new.contains(&axis) { None } else { old.next() }).collect();
        one(with_axes(tensor, &all))
    }))
}

/// A view of the first input with 1 appended to its shape, so that its dimensions are those of the second one from the
/// axis on when they are broadcast to each other.
fn align_dimensions(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.int("axis", 0)?;
    Ok(Box::new(move |inputs| {
        let (tensor, other) = (inputs.take(0)?, inputs.take(1)?);
        let rank = host::shape(&other).len();
        let axis = if axis < 0 { axis_of(axis, rank)? } else { size(axis)? };
        let behind = rank.saturating_sub(axis);
        let mut shape = host::shape(&tensor).to_vec();
        shape.resize(shape.len().max(behind), 1);
        one(view(tensor, &shape))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_reshaped_is_refused() {
        for (own, wanted) in [
            (&[2, 3][..], &[4, 2][..]),
            (&[2, 3], &[-1, 4]),
            (&[2, 3], &[-1, -1]),
            (&[2, 3], &[2, 3, 0]),
            (&[2, 3], &[-2, 3]),
            (&[0, 3], &[0, -1]),
            (&[1], &[1 << 40, 1 << 40]),
            (&[], &[i64::MIN]),
        ] {
            assert!(reshaped(own, wanted, false).is_err(), "{own:?} {wanted:?}");
        }
        assert_eq!(reshaped(&[2, 3, 4], &[0, -1], false).unwrap(), [2, 12]);
        assert_eq!(reshaped(&[0, 3], &[3, 0], true).unwrap(), [3, 0]);
        assert_eq!(reshaped(&[], &[], false).unwrap(), [0usize; 0]);
    }
}
