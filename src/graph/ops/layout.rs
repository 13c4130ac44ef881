//! Operators that rearrange elements: Identity, Concat, Transpose, Split, Slice, Expand, Tile, DepthToSpace, SpaceToDepth.

use burn::backend::flex::Layout;
use burn::tensor::Shape;

use super::shape::view;
use super::{Accepts, Inputs, NodeSpec, Op, Prepared, SAME, axis_of, on_gpu, one, size, wrong};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor, with_unit};
use crate::sort::sort_by;

pub static OPS: &[Op] = &[
    Op::new("Identity", Accepts::Any, SAME, |_| Ok(Box::new(|inputs| one(inputs.take(0)?))))
        .encoded()
        .gpu(on_gpu!(|_| Some(Box::new(layout::same)))),
    Op::new("Concat", Accepts::Any, SAME, concat_op).encoded().gpu(on_gpu!(layout::concat)),
    Op::new("Transpose", Accepts::Any, SAME, transpose).encoded().gpu(on_gpu!(layout::transpose)),
    Op::new("Split", Accepts::Any, SAME, split).encoded(),
    Op::new("Slice", Accepts::Any, SAME, slice).encoded().gpu(on_gpu!(layout::slice)),
    Op::new("Expand", Accepts::Any, SAME, |_| Ok(Box::new(expand)))
        .encoded()
        .gpu(on_gpu!(|_| Some(Box::new(layout::expand)))),
    Op::new("Tile", Accepts::Any, SAME, |_| Ok(Box::new(tile))).encoded(),
    Op::new("DepthToSpace", Accepts::Any, SAME, depth_to_space),
    Op::new("SpaceToDepth", Accepts::Any, SAME, space_to_depth),
];

fn concat_op(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.optional_int("axis")?.ok_or("the attribute axis is missing")?;
    Ok(Box::new(move |inputs| {
        let parts = inputs.rest();
        let rank = parts.first().map_or(0, |part| host::shape(part).len());
        let axis = axis_of(axis, rank)?;
        inputs.count(&concat_shape(&parts, axis)?)?;
        one(concat(parts, axis)?)
    }))
}

/// `parts` concatenated along `axis`.
///
/// # Errors
/// Invalid input: there are no parts, or they differ in type or in another dimension.
pub fn concat(mut parts: Vec<HostTensor>, axis: usize) -> Result<HostTensor> {
    let shape = concat_shape(&parts, axis)?;
    if parts.len() == 1 {
        return Ok(parts.remove(0));
    }
    let parts: Vec<HostTensor> = parts.into_iter().map(host::contiguous).collect();
    let outer: usize = shape[..axis].iter().product();
    let dtype = parts[0].dtype();
    Ok(with_unit!(dtype, U => {
        let mut out: Vec<U> = Vec::with_capacity(shape.iter().product());
        let parts: Vec<(&[U], usize)> = parts
            .iter()
            .map(|part| (host::slice::<U>(part), host::shape(part)[axis..].iter().product()))
            .collect();
        for row in 0..outer {
            parts.iter().for_each(|(part, run)| out.extend_from_slice(&part[row * run..][..*run]));
        }
        host::of_type(dtype, &shape, out)
    }))
}

fn concat_shape(parts: &[HostTensor], axis: usize) -> Result<Vec<usize>> {
    let Some(first) = parts.first() else { return wrong("there are no tensors to concatenate") };
    let mut shape = host::shape(first).to_vec();
    let fits = |part: &HostTensor| {
        let other = host::shape(part);
        part.dtype() == first.dtype()
            && other.len() == shape.len()
            && (0..shape.len()).all(|at| at == axis || other[at] == shape[at])
    };
    if axis < shape.len()
        && parts.iter().all(fits)
        && let Some(sum) = parts.iter().try_fold(0usize, |sum, part| sum.checked_add(host::shape(part)[axis]))
    {
        shape[axis] = sum;
        return Ok(shape);
    }
    let shapes: Vec<_> = parts.iter().map(|part| host::shape(part).to_vec()).collect();
    wrong(format!("the shapes {shapes:?} cannot be concatenated along the axis {axis}"))
}

fn transpose(node: &NodeSpec<'_>) -> Prepared {
    let perm = node.attributes.ints("perm")?;
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let rank = host::shape(&tensor).len();
        let axes = match &perm {
            None => (0..rank).rev().collect(),
            Some(perm) => perm.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>>>()?,
        };
        let mut sorted = axes.clone();
        sort_by(&mut sorted, Ord::cmp);
        if sorted != (0..rank).collect::<Vec<_>>() {
            return wrong(format!("{axes:?} is not a permutation of {rank} axes"));
        }
        one(tensor.permute(&axes))
    }))
}

fn split(node: &NodeSpec<'_>) -> Prepared {
    let axis = node.attributes.int("axis", 0)?;
    let sizes = node.attributes.ints("split")?;
    let named = node.attributes.optional_int("num_outputs")?;
    let outputs = node.outputs;
    if named.is_some_and(|named| named != outputs as i64) {
        return Err("the attribute num_outputs does not fit the number of outputs".into());
    }
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let axis = axis_of(axis, host::shape(&tensor).len())?;
        let whole = host::shape(&tensor)[axis];
        let sizes = match sizes.clone().or_else(|| inputs.optional_ints(1)) {
            Some(sizes) => sizes.iter().map(|part| size(*part)).collect::<Result<Vec<_>>>()?,
            None => {
                let part = whole.div_ceil(outputs.max(1));
                let rest = (0..outputs).map(|index| whole.saturating_sub(index.saturating_mul(part)).min(part));
                // Before num_outputs existed, all parts had to have one size.
                if named.is_none() && !whole.is_multiple_of(outputs.max(1)) {
                    return wrong(format!("a dimension of {whole} cannot be split into {outputs} equal parts"));
                }
                rest.collect()
            }
        };
        if sizes.iter().try_fold(0usize, |sum, part| sum.checked_add(*part)) != Some(whole) {
            return wrong(format!("a dimension of {whole} cannot be split into {sizes:?}"));
        }
        let mut start = 0;
        let part = |part: &usize| {
            start += part;
            tensor.narrow(axis, start - part, *part)
        };
        Ok(sizes.iter().map(part).collect())
    }))
}

fn slice(node: &NodeSpec<'_>) -> Prepared {
    let given = node.attributes.ints("starts")?.zip(node.attributes.ints("ends")?);
    let given_axes = node.attributes.ints("axes")?;
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let (starts, ends) = match &given {
            Some(given) => given.clone(),
            None => (inputs.ints(1)?, inputs.ints(2)?),
        };
        let axes = given_axes.clone().or_else(|| inputs.optional_ints(3));
        let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = inputs.optional_ints(4).unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()].iter().any(|len| *len != starts.len()) {
            return wrong("starts, ends, axes and steps of a slice differ in length");
        }
        let layout = tensor.layout();
        let (mut shape, mut strides) = (layout.shape().to_vec(), layout.strides().to_vec());
        let mut offset = layout.start_offset() as isize;
        super::axes_of(&axes, shape.len())?;
        for (at, axis) in axes.iter().enumerate() {
            let axis = axis_of(*axis, shape.len())?;
            let (start, count) = range(shape[axis] as i64, starts[at], ends[at], steps[at])?;
            if count > 0 {
                offset += start as isize * strides[axis];
            }
            // With at most one element, a step may have any size.
            if count > 1 {
                strides[axis] *= steps[at] as isize;
            }
            shape[axis] = count as usize;
        }
        if shape.contains(&0) {
            offset = 0;
        }
        let layout = Layout::new(Shape::from(shape), strides, offset as usize);
        one(tensor.with_layout(layout))
    }))
}

/// The first index of a slice, and its length, in a dimension of the size `dim`.
///
/// # Source
/// The ONNX specification, operator Slice, version 13.
fn range(dim: i64, start: i64, end: i64, step: i64) -> Result<(i64, i64)> {
    let from_end = |at: i64| if at < 0 { at.saturating_add(dim) } else { at };
    match step {
        0 => wrong("the step of a slice is 0"),
        1.. => {
            let (start, end) = (from_end(start).clamp(0, dim), from_end(end).clamp(0, dim));
            let span = (end - start).max(0);
            Ok((start, span / step + i64::from(span % step != 0)))
        }
        _ => {
            let (start, end) = (from_end(start).max(0).min(dim - 1), from_end(end).max(-1).min(dim - 1));
            let span = (start - end).max(0);
            let step = step.saturating_neg();
            Ok((start, span / step + i64::from(span % step != 0)))
        }
    }
}

fn expand(inputs: &mut Inputs<'_>) -> Result<Vec<HostTensor>> {
    let tensor = inputs.take(0)?;
    let wanted = inputs.ints(1)?.into_iter().map(size).collect::<Result<Vec<_>>>()?;
    let shape = host::broadcast_shape(host::shape(&tensor), &wanted)?;
    inputs.count(&shape)?;
    one(host::expand(tensor, &shape)?)
}

fn tile(inputs: &mut Inputs<'_>) -> Result<Vec<HostTensor>> {
    let tensor = inputs.take(0)?;
    let mut repeats = inputs.ints(1)?.into_iter().map(size).collect::<Result<Vec<_>>>()?;
    let layout = tensor.layout();
    // Before opset 6, how often and along which axis.
    if let Some(axis) = inputs.optional_ints(2) {
        let (&[times], &[axis]) = (&repeats[..], &axis[..]) else {
            return wrong("the tiles and the axis must be scalars");
        };
        repeats = vec![1; layout.num_dims()];
        repeats[axis_of(axis, layout.num_dims())?] = times;
    }
    if repeats.len() != layout.num_dims() {
        return wrong(format!(
            "the repeats are {repeats:?}, expected one for each of {} dimensions",
            layout.num_dims()
        ));
    }
    let (mut shape, mut view_shape, mut strides) = (Vec::new(), Vec::new(), Vec::new());
    for (axis, &times) in repeats.iter().enumerate() {
        let dim = layout.shape()[axis];
        let Some(tiled) = dim.checked_mul(times) else {
            return wrong("the tiled tensor is too large for this machine");
        };
        shape.push(tiled);
        view_shape.extend([times, dim]);
        strides.extend([isize::from(times == 1), layout.strides()[axis]]);
    }
    inputs.count(&shape)?;
    let layout = Layout::new(Shape::from(view_shape), strides, layout.start_offset());
    one(view(tensor.with_layout(layout), &shape))
}

fn block(node: &NodeSpec<'_>) -> Result<usize, Refusal> {
    let block = node.attributes.int("blocksize", 0)?;
    usize::try_from(block)
        .ok()
        .filter(|block| *block > 0)
        .ok_or_else(|| format!("the attribute blocksize is {block}, expected a positive number"))
}

fn depth_to_space(node: &NodeSpec<'_>) -> Prepared {
    let block = block(node)?;
    let columns_first = match node.attributes.string("mode", "DCR")? {
        "DCR" => false,
        "CRD" => true,
        mode => return Err(format!("the attribute mode is '{mode}', which is not supported")),
    };
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let [n, c, h, w] = *host::shape(&tensor) else { return wrong("the input must have 4 dimensions") };
        let square = block.checked_mul(block).filter(|square| c % square == 0);
        let (Some(square), Some(height), Some(width)) = (square, h.checked_mul(block), w.checked_mul(block)) else {
            return wrong(format!("{c} channels cannot be divided into blocks of {block} × {block}"));
        };
        let c = c / square;
        let (shape, axes) = if columns_first {
            ([n, c, block, block, h, w], [0, 1, 4, 2, 5, 3])
        } else {
            ([n, block, block, c, h, w], [0, 3, 4, 1, 5, 2])
        };
        // An empty tensor would fit blocks of any size.
        inputs.count(&shape)?;
        one(view(view(tensor, &shape).permute(&axes), &[n, c, height, width]))
    }))
}

fn space_to_depth(node: &NodeSpec<'_>) -> Prepared {
    let block = block(node)?;
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let [n, c, h, w] = *host::shape(&tensor) else { return wrong("the input must have 4 dimensions") };
        let channels = c.checked_mul(block).and_then(|c| c.checked_mul(block));
        let Some(channels) = channels.filter(|_| h % block == 0 && w % block == 0) else {
            return wrong(format!("an image of {h} × {w} cannot be divided into blocks of {block} × {block}"));
        };
        let (h, w) = (h / block, w / block);
        inputs.count(&[n, c, h, block, w, block])?;
        let split = view(tensor, &[n, c, h, block, w, block]);
        one(view(split.permute(&[0, 3, 5, 1, 2, 4]), &[n, channels, h, w]))
    }))
}

#[cfg(test)]
mod tests {
    use super::super::{InputSpec, Inputs, find, prepare};
    use super::*;
    use crate::graph::attributes::Attributes;
    use crate::graph::options::Limits;
    use crate::graph::texts::Texts;

    fn run(op: &str, attributes: &[(&str, i64)], values: Vec<HostTensor>) -> Result<Vec<HostTensor>> {
        let inputs: Vec<_> = values
            .iter()
            .map(|value| Some(InputSpec { dtype: Some(value.dtype()), encoding: None, constant: None }))
            .collect();
        let attributes = Attributes::of_ints(attributes);
        let op = find("", op).unwrap();
        let node = NodeSpec { op, opset: 18, attributes: &attributes, inputs: &inputs, outputs: 1 };
        let (kernel, _) = prepare(&node).unwrap();
        let limits = Limits { max_elements: 1 << 20, ..Limits::default() };
        kernel(&mut Inputs::new(values.into_iter().map(Some).collect(), &limits, Texts::default()))
    }

    fn ints(shape: &[usize], values: &[i64]) -> HostTensor {
        host::tensor(shape, values.to_vec())
    }

    #[test]
    fn what_is_too_large_or_lies_outside_is_an_error() {
        const HUGE: i64 = 1 << 40;
        let x = || host::tensor(&[2, 3], vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let none = || host::tensor(&[0, 3], Vec::<f32>::new());
        for (op, attributes, inputs) in [
            ("Tile", vec![], vec![x(), ints(&[2], &[HUGE, HUGE])]),
            ("Tile", vec![], vec![none(), ints(&[2], &[1, HUGE])]),
            ("Tile", vec![], vec![x(), ints(&[2], &[-1, 1])]),
            ("Expand", vec![], vec![x(), ints(&[3], &[HUGE, 2, 3])]),
            ("Pad", vec![], vec![x(), ints(&[4], &[0, HUGE, 0, HUGE])]),
            ("Pad", vec![], vec![x(), ints(&[4], &[i64::MIN, i64::MIN, 0, i64::MAX])]),
            ("Pad", vec![], vec![none(), ints(&[4], &[0, HUGE, 0, 0])]),
            ("CenterCropPad", vec![], vec![x(), ints(&[2], &[HUGE, 1])]),
            ("Reshape", vec![], vec![none(), ints(&[2], &[0, HUGE])]),
            ("Reshape", vec![], vec![x(), ints(&[2], &[i64::MIN, -1])]),
            ("Split", vec![], vec![x(), ints(&[2], &[i64::MAX, i64::MAX])]),
            ("Gather", vec![("axis", 1)], vec![x(), ints(&[2], &[0, 3])]),
            ("Gather", vec![], vec![x(), ints(&[], &[i64::MIN])]),
            ("GatherElements", vec![], vec![x(), ints(&[1, 1], &[2])]),
            ("GatherElements", vec![], vec![x(), ints(&[1, 4], &[0; 4])]),
            ("GatherND", vec![], vec![x(), ints(&[1, 2], &[1, 3])]),
            ("GatherND", vec![], vec![x(), ints(&[1, 3], &[0; 3])]),
            ("GatherND", vec![("batch_dims", 2)], vec![x(), ints(&[1, 1], &[0])]),
            ("GatherND", vec![], vec![x(), ints(&[HUGE as usize, 0], &[])]),
            ("ScatterElements", vec![], vec![x(), ints(&[1, 1], &[5]), host::tensor(&[1, 1], vec![0f32])]),
            ("ScatterND", vec![], vec![x(), ints(&[1, 2], &[0, -4]), host::tensor(&[1], vec![0f32])]),
            ("ScatterND", vec![], vec![x(), ints(&[1, 1], &[0]), host::tensor(&[1, 2], vec![0f32; 2])]),
            ("Compress", vec![], vec![x(), ints(&[7], &[1; 7])]),
            ("ReverseSequence", vec![], vec![x(), ints(&[3], &[0, 3, 1])]),
            ("Unsqueeze", vec![], vec![x(), ints(&[2], &[0, 0])]),
            ("Squeeze", vec![], vec![x(), ints(&[1], &[0])]),
            ("DepthToSpace", vec![("blocksize", i64::MAX)], vec![host::tensor(&[1, 1, 1, 1], vec![0f32])]),
        ] {
            let shapes: Vec<_> = inputs.iter().map(|input| host::shape(input).to_vec()).collect();
            assert!(run(op, &attributes, inputs).is_err(), "{op} {attributes:?} {shapes:?}");
        }
    }

    #[test]
    fn nothing_can_be_moved_too() {
        let none = || host::tensor(&[0, 3], Vec::<f32>::new());
        for (op, inputs, shape) in [
            ("Transpose", vec![none()], vec![3, 0]),
            ("Tile", vec![none(), ints(&[2], &[2, 2])], vec![0, 6]),
            ("Pad", vec![none(), ints(&[4], &[1, 0, 0, 0])], vec![1, 3]),
            ("Pad", vec![host::tensor(&[3, 0], Vec::<f32>::new()), ints(&[4], &[0, 1, 0, 1])], vec![3, 2]),
            ("Gather", vec![none(), ints(&[0, 2], &[])], vec![0, 2, 3]),
            ("GatherND", vec![none(), ints(&[0, 1], &[])], vec![0, 3]),
            (
                "Slice",
                vec![none(), ints(&[1], &[-1]), ints(&[1], &[-9]), ints(&[1], &[0]), ints(&[1], &[-1])],
                vec![0, 3],
            ),
            ("Trilu", vec![none()], vec![0, 3]),
            ("Expand", vec![host::tensor(&[], vec![1.0f32]), ints(&[2], &[0, 2])], vec![0, 2]),
        ] {
            let out = run(op, &[], inputs).unwrap_or_else(|error| panic!("{op}: {error}"));
            assert_eq!(host::shape(&out[0]), shape, "{op}");
            let packed = host::contiguous(out[0].clone());
            assert_eq!(host::slice::<f32>(&packed).len(), shape.iter().product::<usize>(), "{op}");
        }
    }

    #[test]
    fn a_range_is_what_the_slice_of_a_sequence_is() {
        // Python: len(range(7)[start:end:step]) and its first element; but a start before the first is clamped to it.
        assert_eq!(range(7, 1, -1, 2).unwrap(), (1, 3));
        assert_eq!(range(7, 0, i64::MAX, i64::MAX).unwrap(), (0, 1));
        assert_eq!(range(7, -1, i64::MIN, -1).unwrap(), (6, 7));
        assert_eq!(range(7, i64::MAX, i64::MIN, -3).unwrap(), (6, 3));
        assert_eq!(range(7, -9, i64::MIN, -1).unwrap(), (0, 1));
        assert_eq!(range(7, 5, 2, 1).unwrap().1, 0);
        assert_eq!(range(7, i64::MAX, i64::MIN, i64::MIN).unwrap(), (6, 1));
        assert_eq!(range(0, 0, 5, 1).unwrap().1, 0);
        assert_eq!(range(0, -1, i64::MIN, -1).unwrap().1, 0);
        assert!(range(7, 0, 7, 0).is_err());
    }
}
