//! Pad, CenterCropPad, Trilu and ReverseSequence.

use burn::tensor::DType;
use bytemuck::Pod;

use super::{Accepts, Inputs, NodeSpec, Op, Prepared, SAME, axes_of, axis_of, on_gpu, one, size, wrong};
use crate::error::Result;
use crate::graph::host::{self, HostTensor, with_unit};

pub static OPS: &[Op] = &[
    Op::new("Pad", Accepts::Any, SAME, pad).gpu(on_gpu!(layout::pad)),
    Op::new("CenterCropPad", Accepts::Any, SAME, center_crop_pad),
    Op::new("Trilu", Accepts::Any, SAME, trilu),
    Op::new("ReverseSequence", Accepts::Any, SAME, reverse_sequence),
];

/// The source index of each index along one axis; `None` for padding.
pub type Map = Vec<Option<usize>>;

/// A tensor whose elements are those of `tensor` at the indices that `maps` give, one map for each axis, or the only
/// element of `fill`. All indices are in range.
pub fn remap(tensor: HostTensor, maps: &[Map], fill: &HostTensor) -> HostTensor {
    let tensor = host::contiguous(tensor);
    let shape: Vec<usize> = maps.iter().map(Vec::len).collect();
    with_unit!(tensor.dtype(), U => {
        let fill = host::slice::<U>(fill).first().copied().unwrap_or_default();
        let out = remapped(host::slice::<U>(&tensor), host::shape(&tensor), maps, fill);
        host::of_type(tensor.dtype(), &shape, out)
    })
}

fn remapped<U: Pod>(source: &[U], own: &[usize], maps: &[Map], fill: U) -> Vec<U> {
    let Some((inner, outer)) = maps.split_last() else { return source.to_vec() };
    let strides = host::strides(own);
    let rows: usize = outer.iter().map(Vec::len).product();
    let mut out = Vec::with_capacity(rows * inner.len());
    // Most rows are padding, a contiguous run, and padding.
    let left = inner.iter().take_while(|from| from.is_none()).count();
    let right = inner.iter().rev().take_while(|from| from.is_none()).count().min(inner.len() - left);
    let run = &inner[left..inner.len() - right];
    let even = run.windows(2).all(|pair| matches!(pair, [Some(a), Some(b)] if a + 1 == *b));
    let first = run.first().copied().flatten().unwrap_or(0);
    // Each element repeated equally often, where images are upsampled by whole factors.
    let times = run.iter().take_while(|from| **from == Some(first)).count().max(1);
    let often = run.len() % times == 0 && run.iter().enumerate().all(|(at, from)| *from == Some(first + at / times));
    let mut turn = vec![0; outer.len()];
    let mut last = None;
    for row in 0..rows {
        let start: Option<usize> =
            turn.iter().zip(outer).zip(&strides).map(|((at, map), stride)| Some(map[*at]? * stride)).sum();
        match start {
            None => out.extend(std::iter::repeat_n(fill, inner.len())),
            Some(_) if start == last => out.extend_from_within((row - 1) * inner.len()..),
            Some(start) => {
                let own = source.get(start..).unwrap_or_default();
                out.extend(std::iter::repeat_n(fill, left));
                if even {
                    out.extend_from_slice(&own[first..first + run.len()]);
                } else if often {
                    let (start, row) = (out.len(), &own[first..first + run.len() / times]);
                    out.resize(start + run.len(), fill);
                    match times {
                        2 => {
                            out[start..].chunks_exact_mut(2).zip(row).for_each(|(out, x)| out.copy_from_slice(&[*x; 2]))
                        }
                        _ => out[start..].chunks_exact_mut(times).zip(row).for_each(|(out, x)| out.fill(*x)),
                    }
                } else {
                    out.extend(run.iter().map(|from| from.map_or(fill, |from| own[from])));
                }
                out.extend(std::iter::repeat_n(fill, right));
            }
        }
        last = start;
        for at in (0..turn.len()).rev() {
            turn[at] += 1;
            if turn[at] < outer[at].len() {
                break;
            }
            turn[at] = 0;
        }
    }
    out
}

/// The padding mode.
#[derive(Clone, Copy)]
enum Beyond {
    Constant,
    Reflect,
    Edge,
    Wrap,
}

impl Beyond {
    /// The source index of `at`, which may be outside 0..`dim`. `dim` is 0 for constant padding alone.
    ///
    /// # Source
    /// The modes of the same names of NumPy's `pad`.
    fn from(self, at: i64, dim: i64) -> Option<usize> {
        let from = match self {
            _ if (0..dim).contains(&at) => at,
            Self::Constant => return None,
            Self::Edge => at.clamp(0, dim - 1),
            Self::Wrap => at.rem_euclid(dim),
            Self::Reflect => {
                let around = at.rem_euclid((2 * (dim - 1)).max(1));
                if around < dim { around } else { 2 * (dim - 1) - around }
            }
        };
        Some(from as usize)
    }
}

fn pad(node: &NodeSpec<'_>) -> Prepared {
    let beyond = match node.attributes.string("mode", "constant")? {
        "constant" => Beyond::Constant,
        "reflect" => Beyond::Reflect,
        "edge" => Beyond::Edge,
        "wrap" => Beyond::Wrap,
        mode => return Err(format!("the attribute mode is '{mode}', which is not supported")),
    };
    let pads = node.attributes.ints("pads")?;
    let value = node.attributes.float("value", 0.0)?;
    Ok(Box::new(move |inputs| {
        let mut tensor = inputs.take(0)?;
        let rank = host::shape(&tensor).len();
        let dtype = tensor.dtype();
        let (pads, fill, axes) = match &pads {
            Some(pads) => (pads.clone(), host::tensor(&[], vec![value]), None),
            None => (inputs.ints(1)?, inputs.optional(2).unwrap_or_else(|| zero(dtype)), inputs.optional_ints(3)),
        };
        let axes = axes.unwrap_or_else(|| (0..rank as i64).collect());
        axes_of(&axes, rank)?;
        if pads.len() != 2 * axes.len() {
            return wrong(format!("there are {} pads, expected two for each of {} axes", pads.len(), axes.len()));
        }
        let mut around = vec![(0, 0); rank];
        for (at, axis) in axes.iter().enumerate() {
            around[axis_of(*axis, rank)?] = (pads[at], pads[axes.len() + at]);
        }
        for (axis, (before, after)) in around.iter_mut().enumerate() {
            // Negative pads crop, before the others apply.
            let dim = host::shape(&tensor)[axis];
            let cut = |pad: &mut i64| {
                let cut = size(pad.saturating_neg().max(0)).unwrap_or(usize::MAX);
                *pad = (*pad).max(0);
                cut
            };
            let (start, end) = (cut(before), cut(after));
            match start.checked_add(end) {
                Some(0) => {}
                Some(both) if both <= dim => tensor = tensor.narrow(axis, start, dim - both),
                _ => return wrong(format!("a dimension of {dim} cannot be cropped by {start} and {end}")),
            }
        }
        let own = host::shape(&tensor);
        let add = |(dim, (before, after)): (&usize, &(i64, i64))| {
            size(*before)?
                .checked_add(size(*after)?)
                .and_then(|pads| pads.checked_add(*dim))
                .map_or_else(|| wrong("the padded tensor is too large for this machine"), Ok)
        };
        let shape = own.iter().zip(&around).map(add).collect::<Result<Vec<_>>>()?;
        inputs.count(&shape)?;
        if !matches!(beyond, Beyond::Constant) && own.iter().zip(&shape).any(|(own, dim)| *own == 0 && *dim > 0) {
            return wrong("an empty dimension can only be padded with a constant");
        }
        let map = |axis: usize| -> Map {
            let before = around[axis].0;
            (0..shape[axis] as i64).map(|at| beyond.from(at - before, own[axis] as i64)).collect()
        };
        let maps: Vec<Map> = (0..rank).map(map).collect();
        let fill = host::contiguous(host::cast(fill, dtype));
        one(remap(tensor, &maps, &fill))
    }))
}

fn zero(dtype: DType) -> HostTensor {
    host::from_i64s(dtype, &[], &[0])
}

fn center_crop_pad(node: &NodeSpec<'_>) -> Prepared {
    let axes = node.attributes.ints("axes")?;
    Ok(Box::new(move |inputs: &mut Inputs<'_>| {
        let (tensor, wanted) = (inputs.take(0)?, inputs.ints(1)?);
        let own = host::shape(&tensor).to_vec();
        let axes = axes.clone().unwrap_or_else(|| (0..own.len() as i64).collect());
        axes_of(&axes, own.len())?;
        if wanted.len() != axes.len() {
            return wrong(format!("the shape {wanted:?} has not one size for each of the axes {axes:?}"));
        }
        let mut shape = own.clone();
        for (axis, dim) in axes.iter().zip(wanted) {
            shape[axis_of(*axis, own.len())?] = size(dim)?;
        }
        inputs.count(&shape)?;
        let map = |(own, dim): (&usize, &usize)| -> Map {
            let (cut, pad) = (own.saturating_sub(*dim) / 2, dim.saturating_sub(*own) / 2);
            (0..*dim).map(|at| at.checked_sub(pad).map(|at| at + cut).filter(|at| at < own)).collect()
        };
        let maps: Vec<Map> = own.iter().zip(&shape).map(map).collect();
        let fill = zero(tensor.dtype());
        one(remap(tensor, &maps, &fill))
    }))
}

fn trilu(node: &NodeSpec<'_>) -> Prepared {
    let upper = node.attributes.flag("upper", true)?;
    Ok(Box::new(move |inputs| {
        let (tensor, k) = (inputs.take(0)?, inputs.optional_ints(1));
        let k = k.and_then(|k| k.first().copied()).unwrap_or(0);
        let (dtype, shape) = (tensor.dtype(), host::shape(&tensor).to_vec());
        let [.., height, width] = *shape else { return wrong("the input must have 2 dimensions at least") };
        Ok(vec![with_unit!(dtype, U => {
            let mut numbers = host::into_vec::<U>(tensor);
            for (at, row) in numbers.chunks_exact_mut(width.max(1)).enumerate() {
                let diagonal = ((at % height) as i64).saturating_add(k);
                if upper {
                    row[..diagonal.clamp(0, width as i64) as usize].fill(0);
                } else {
                    row[diagonal.saturating_add(1).clamp(0, width as i64) as usize..].fill(0);
                }
            }
            host::of_type(dtype, &shape, numbers)
        })])
    }))
}

fn reverse_sequence(node: &NodeSpec<'_>) -> Prepared {
    let (batch_axis, time_axis) = (node.attributes.int("batch_axis", 1)?, node.attributes.int("time_axis", 0)?);
    if !matches!((batch_axis, time_axis), (0, 1) | (1, 0)) {
        return Err(format!("the axes are {batch_axis} and {time_axis}, expected 0 and 1"));
    }
    Ok(Box::new(move |inputs| {
        let (tensor, lengths) = (inputs.take(0)?, inputs.ints(1)?);
        let (dtype, shape) = (tensor.dtype(), host::shape(&tensor).to_vec());
        let [first, second, ..] = *shape else {
            return wrong("the input must have 2 dimensions at least: batch and time");
        };
        let (batch, time) = if batch_axis == 0 { (first, second) } else { (second, first) };
        if lengths.len() != batch || lengths.iter().any(|length| *length < 0 || *length > time as i64) {
            return wrong(format!("the sequence lengths are {lengths:?}, expected {batch} of at most {time}"));
        }
        let run: usize = shape[2..].iter().product();
        let offset_of = |batch: usize, time: usize| {
            run * if batch_axis == 0 { batch * second + time } else { time * second + batch }
        };
        Ok(vec![with_unit!(dtype, U => {
            let tensor = host::contiguous(tensor);
            let source = host::slice::<U>(&tensor);
            let mut out = source.to_vec();
            for (batch, length) in lengths.iter().enumerate() {
                for time in 0..*length as usize {
                    let from = offset_of(batch, *length as usize - 1 - time);
                    out[offset_of(batch, time)..][..run].copy_from_slice(&source[from..][..run]);
                }
            }
            host::of_type(dtype, &shape, out)
        })])
    }))
}
