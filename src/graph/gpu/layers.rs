//! Products, convolutions, pools, sums, softmax and normalisation.

use burn::backend::Wgpu;
use burn::backend::ops::{
    ActivationOps, ConvOptions, ConvTransposeOptions, FloatTensorOps, InterpolateMode, InterpolateOptions, ModuleOps,
};
use burn::tensor::Shape;

use super::{Call, Floats, GpuTensor, Run, elementwise, of_rank, one};
use crate::graph::host;
use crate::graph::ops::{NodeSpec, OWN_DOMAIN, axes_of, axis_of};

pub fn prepare(node: &NodeSpec<'_>) -> Option<Run> {
    let attributes = node.attributes;
    match (node.domain, node.op) {
        ("", "MatMul") => Some(Box::new(|call| {
            let (product, shape) = matmul(call.floats(0)?, call.floats(1)?, call)?;
            one(product, &shape)
        })),
        (OWN_DOMAIN, "MatMulBias") => {
            let activation = elementwise::activation(node)?;
            Some(Box::new(move |call| {
                let (product, shape) = matmul(call.floats(0)?, call.floats(1)?, call)?;
                let (bias, own) = call.floats(2)?;
                if shape.is_empty() || own != [*shape.last()?] {
                    return None;
                }
                one(activation(Wgpu::float_add(product, of_rank(bias, own, shape.len()))), &shape)
            }))
        }
        ("", "Gemm") => gemm(node),
        ("" | OWN_DOMAIN, "Conv") => conv(node),
        ("", "ConvTranspose") => conv_transpose(node),
        ("", "MaxPool" | "AveragePool") => pool(node),
        ("", "GlobalAveragePool") => Some(Box::new(|call| {
            let (x, shape) = call.floats(0)?;
            let axes: Vec<usize> = (2..shape.len()).collect();
            let mut wanted = shape.to_vec();
            axes.iter().for_each(|axis| wanted[*axis] = 1);
            one(axes.into_iter().fold(x, Wgpu::float_mean_dim), &wanted)
        })),
        ("", "ReduceMean") => reduce(node, Wgpu::float_mean_dim),
        ("", "ReduceSum") => reduce(node, Wgpu::float_sum_dim),
        ("", "ReduceMax") => reduce(node, Wgpu::float_max_dim),
        ("", "ReduceMin") => reduce(node, Wgpu::float_min_dim),
        ("", "Softmax" | "LogSoftmax") => {
            let axis = attributes.int("axis", if node.opset < 13 { 1 } else { -1 }).ok()?;
            let old = node.opset < 13;
            let softmax = if node.op == "Softmax" { Wgpu::softmax } else { Wgpu::log_softmax };
            Some(Box::new(move |call| {
                let (x, shape) = call.floats(0)?;
                let axis = axis_of(axis, shape.len()).ok()?;
                // Before opset 13 it went over all the dimensions from the axis on.
                (!old || axis + 1 == shape.len()).then(|| one(softmax(x, axis), shape))?
            }))
        }
        (OWN_DOMAIN, "Attention") => {
            let scale = attributes.float("scale", 1.0).ok()?;
            Some(Box::new(move |call| attention(call, scale)))
        }
        ("", "LayerNormalization") if node.outputs == 1 => {
            layer_norm(node, |call| call.floats(0).map(|(x, shape)| (x, shape.to_vec())), 1)
        }
        (OWN_DOMAIN, "AddLayerNormalization") => {
            let sum = |call: &Call<'_>| {
                let ((x, shape), (around, own)) = (call.floats(0)?, call.floats(1)?);
                (shape == own).then(|| (Wgpu::float_add(x, around), shape.to_vec()))
            };
            layer_norm(node, sum, 2)
        }
        ("", "BatchNormalization") => {
            let epsilon = f64::from(attributes.float("epsilon", 1e-5).ok()?);
            if node.outputs > 1 || attributes.flag("training_mode", false).ok()? {
                return None;
            }
            Some(Box::new(move |call| {
                let (x, shape) = call.floats(0)?;
                let channels = *shape.get(1)?;
                let part = |place| call.floats(place).filter(|(_, own)| *own == [channels]).map(|(part, _)| part);
                one(Wgpu::batch_norm(x, part(1)?, part(2)?, part(3)?, part(4)?, epsilon), shape)
            }))
        }
        ("", "Resize") => resize(node),
        _ => None,
    }
}

/// The layer normalisation of what `of` gives; scale and bias are the inputs from `place` on.
fn layer_norm(
    node: &NodeSpec<'_>,
    of: impl Fn(&Call<'_>) -> Option<(Floats, Vec<usize>)> + Send + Sync + 'static,
    place: usize,
) -> Option<Run> {
    let (axis, epsilon) = (node.attributes.int("axis", -1).ok()?, node.attributes.float("epsilon", 1e-5).ok()?);
    Some(Box::new(move |call| {
        let (x, shape) = of(call)?;
        let (scale, own) = call.floats(place)?;
        if axis_of(axis, shape.len()).ok()? + 1 != shape.len() || own != [*shape.last()?] {
            return None;
        }
        let bias = call.optional_floats(place + 1)?;
        one(Wgpu::layer_norm(x, scale, bias, f64::from(epsilon)), &shape)
    }))
}

/// The product of matrices, which are broadcast to each other.
fn matmul(a: (Floats, &[usize]), b: (Floats, &[usize]), call: &Call<'_>) -> Option<(Floats, Vec<usize>)> {
    let ((a, a_shape), (b, b_shape)) = (a, b);
    let (&[ref a_batch @ .., rows, inner], &[ref b_batch @ .., b_inner, columns]) = (a_shape, b_shape) else {
        return None;
    };
    if inner != b_inner {
        return None;
    }
    // One product of many rows is faster than many products.
    if b_batch.iter().all(|size| *size == 1) && b_batch.len() <= a_batch.len() {
        let all = a_batch.iter().product::<usize>() * rows;
        let a = Wgpu::float_reshape(a, Shape::from([all, inner]));
        let b = Wgpu::float_reshape(b, Shape::from([inner, columns]));
        let shape = [a_batch, &[rows, columns]].concat();
        let product = || Wgpu::float_reshape(Wgpu::float_matmul(a, b), Shape::from(shape.clone()));
        return call.fits(&shape).then(|| (product(), shape.clone()));
    }
    let batch = host::broadcast_shape(a_batch, b_batch).ok()?;
    let shape = [&batch[..], &[rows, columns]].concat();
    let expand = |tensor, own: &[usize], last: [usize; 2]| {
        let wanted = [&batch[..], &last].concat();
        Wgpu::float_expand(of_rank(tensor, own, wanted.len()), Shape::from(wanted))
    };
    call.fits(&shape)
        .then(|| (Wgpu::float_matmul(expand(a, a_shape, [rows, inner]), expand(b, b_shape, [inner, columns])), shape))
}

/// `softmax(q kᵀ · scale + mask) v`, each being `[batch, heads, seq, size]`.
fn attention(call: &Call<'_>, scale: f32) -> Option<Vec<GpuTensor>> {
    let ((q, q_shape), (k, k_shape), v) = (call.floats(0)?, call.floats(1)?, call.floats(2)?);
    let &[batch, heads, keys, size] = k_shape else { return None };
    if q_shape.len() != 4 || v.1.len() != 4 {
        return None;
    }
    let k = Wgpu::float_permute(k, &[0, 1, 3, 2]);
    let (mut scores, shape) = matmul((q, q_shape), (k, &[batch, heads, size, keys]), call)?;
    if scale != 1.0 {
        scores = Wgpu::float_mul_scalar(scores, scale.into());
    }
    if call.value(3).is_some() {
        let (mask, own) = call.floats(3)?;
        if host::broadcast_shape(own, &shape).ok()? != shape {
            return None;
        }
        scores = Wgpu::float_add(scores, of_rank(mask, own, shape.len()));
    }
    let (product, shape) = matmul((Wgpu::softmax(scores, 3), &shape), v, call)?;
    one(product, &shape)
}

fn gemm(node: &NodeSpec<'_>) -> Option<Run> {
    let attributes = node.attributes;
    let (alpha, beta) = (attributes.float("alpha", 1.0).ok()?, attributes.float("beta", 1.0).ok()?);
    let (turn_a, turn_b) = (attributes.flag("transA", false).ok()?, attributes.flag("transB", false).ok()?);
    Some(Box::new(move |call| {
        let ((a, &[a0, a1]), (b, &[b0, b1])) = (call.floats(0)?, call.floats(1)?) else { return None };
        let (a, rows, inner) = if turn_a { (Wgpu::float_transpose(a), a1, a0) } else { (a, a0, a1) };
        let (b, b_inner, columns) = if turn_b { (Wgpu::float_transpose(b), b1, b0) } else { (b, b0, b1) };
        if inner != b_inner || !call.fits(&[rows, columns]) {
            return None;
        }
        let mut product = Wgpu::float_matmul(a, b);
        if alpha != 1.0 {
            product = Wgpu::float_mul_scalar(product, alpha.into());
        }
        if call.value(2).is_some() {
            let (c, own) = call.floats(2)?;
            if host::broadcast_shape(own, &[rows, columns]).ok()? != [rows, columns] {
                return None;
            }
            let c = of_rank(c, own, 2);
            product = Wgpu::float_add(product, if beta == 1.0 { c } else { Wgpu::float_mul_scalar(c, beta.into()) });
        }
        one(product, &[rows, columns])
    }))
}

/// How a window slides, as the attributes say it.
struct Window {
    kernel: Vec<usize>,
    strides: Vec<usize>,
    pads: Vec<usize>,
    dilations: Vec<usize>,
}

impl Window {
    /// For `rank` dimensions, which are known from the kernel; explicit padding alone.
    fn of(node: &NodeSpec<'_>, kernel: Vec<usize>) -> Option<Self> {
        let rank = kernel.len();
        let list = |name: &str, default: usize, count: usize| match node.attributes.ints(name).ok()? {
            None => Some(vec![default; count]),
            Some(list) => {
                let list = list.into_iter().map(|size| usize::try_from(size).ok().filter(|size| *size < 1 << 20));
                list.collect::<Option<Vec<_>>>().filter(|list| list.len() == count)
            }
        };
        if !matches!(node.attributes.string("auto_pad", "NOTSET").ok()?, "NOTSET" | "VALID") {
            return None;
        }
        let window = Self {
            strides: list("strides", 1, rank)?,
            pads: list("pads", 0, 2 * rank)?,
            dilations: list("dilations", 1, rank)?,
            kernel,
        };
        let positive = |list: &[usize]| list.iter().all(|size| *size > 0);
        (positive(&window.strides) && positive(&window.dilations) && positive(&window.kernel)).then_some(window)
    }

    fn padding(&self, axis: usize) -> (usize, usize) {
        (self.pads[axis], self.pads[axis + self.kernel.len()])
    }

    /// How many places it has along each dimension; none where it does not fit in.
    fn places(&self, spatial: &[usize]) -> Option<Vec<usize>> {
        let places = |axis: usize| {
            let (before, after) = self.padding(axis);
            let width = self.dilations[axis] * (self.kernel[axis] - 1) + 1;
            Some((spatial.get(axis)? + before + after).checked_sub(width)? / self.strides[axis] + 1)
        };
        (0..self.kernel.len()).map(places).collect()
    }
}

fn conv(node: &NodeSpec<'_>) -> Option<Run> {
    let activation = elementwise::activation(node)?;
    let weight = node.constant(1)?;
    let &[outputs, per_group, ref kernel @ ..] = host::shape(weight) else { return None };
    let window = Window::of(node, kernel.to_vec())?;
    let groups = usize::try_from(node.attributes.int("group", 1).ok()?).ok().filter(|groups| *groups > 0)?;
    let rank = kernel.len();
    if !(1..=2).contains(&rank) || outputs % groups != 0 {
        return None;
    }
    Some(Box::new(move |call| {
        let ((x, shape), (weight, _)) = (call.floats(0)?, call.floats(1)?);
        let &[batch, channels, ref spatial @ ..] = shape else { return None };
        if spatial.len() != rank || channels != per_group * groups {
            return None;
        }
        let places = window.places(spatial)?;
        let bias = match call.value(2) {
            None => None,
            Some(_) => Some(call.floats(2).filter(|(_, own)| *own == [outputs])?.0),
        };
        let wanted = [&[batch, outputs], &places[..]].concat();
        if !call.fits(&wanted) {
            return None;
        }
        let product = match rank {
            1 => Wgpu::conv1d(
                x,
                weight,
                bias,
                ConvOptions::new_with_padding([window.strides[0]], [window.padding(0)], [window.dilations[0]], groups),
            ),
            _ => Wgpu::conv2d(
                x,
                weight,
                bias,
                ConvOptions::new_with_padding(
                    [window.strides[0], window.strides[1]],
                    [window.padding(0), window.padding(1)],
                    [window.dilations[0], window.dilations[1]],
                    groups,
                ),
            ),
        };
        one(activation(product), &wanted)
    }))
}

fn conv_transpose(node: &NodeSpec<'_>) -> Option<Run> {
    let &[inputs, per_group, kernel @ ..] = &host::shape(node.constant(1)?) else { return None };
    let (inputs, per_group) = (*inputs, *per_group);
    let window = Window::of(node, kernel.to_vec())?;
    let groups = usize::try_from(node.attributes.int("group", 1).ok()?).ok().filter(|groups| *groups > 0)?;
    let symmetric = window.kernel.len() == 2 && (0..2).all(|axis| window.padding(axis).0 == window.padding(axis).1);
    if !symmetric || node.attributes.has("output_shape") || node.attributes.has("output_padding") {
        return None;
    }
    Some(Box::new(move |call| {
        let ((x, shape), (weight, _)) = (call.floats(0)?, call.floats(1)?);
        let &[batch, channels, height, width] = shape else { return None };
        if channels != inputs {
            return None;
        }
        let size = |axis: usize, size: usize| {
            let whole = window.strides[axis] * (size - 1) + window.dilations[axis] * (window.kernel[axis] - 1) + 1;
            whole.checked_sub(2 * window.padding(axis).0).filter(|size| *size > 0)
        };
        let wanted = [batch, per_group * groups, size(0, height)?, size(1, width)?];
        let bias = match call.value(2) {
            None => None,
            Some(_) => Some(call.floats(2).filter(|(_, own)| *own == [wanted[1]])?.0),
        };
        let pair = |list: &[usize]| [list[0], list[1]];
        let options = ConvTransposeOptions::new(
            pair(&window.strides),
            pair(&window.pads),
            [0, 0],
            pair(&window.dilations),
            groups,
        );
        call.fits(&wanted).then(|| one(Wgpu::conv_transpose2d(x, weight, bias, options), &wanted))?
    }))
}

fn pool(node: &NodeSpec<'_>) -> Option<Run> {
    let attributes = node.attributes;
    let kernel = attributes.ints("kernel_shape").ok()??;
    let kernel = kernel.into_iter().map(|size| usize::try_from(size).ok()).collect::<Option<Vec<_>>>()?;
    let window = Window::of(node, kernel)?;
    let symmetric = window.kernel.len() == 2 && (0..2).all(|axis| window.padding(axis).0 == window.padding(axis).1);
    let plain = !attributes.flag("ceil_mode", false).ok()? && !attributes.flag("storage_order", false).ok()?;
    let average = node.op == "AveragePool";
    let counts_pads = attributes.flag("count_include_pad", false).ok()?;
    if !symmetric || !plain || node.outputs > 1 || average && window.dilations != [1, 1] {
        return None;
    }
    Some(Box::new(move |call| {
        let (x, shape) = call.floats(0)?;
        let &[batch, channels, ref spatial @ ..] = shape else { return None };
        if spatial.len() != 2 {
            return None;
        }
        let wanted = [&[batch, channels], &window.places(spatial)?[..]].concat();
        let pair = |list: &[usize]| [list[0], list[1]];
        let (kernel, strides, pads) = (pair(&window.kernel), pair(&window.strides), pair(&window.pads));
        let pooled = if average {
            Wgpu::avg_pool2d(x, kernel, strides, pads, counts_pads, false)
        } else {
            Wgpu::max_pool2d(x, kernel, strides, pads, pair(&window.dilations), false)
        };
        call.fits(&wanted).then(|| one(pooled, &wanted))?
    }))
}

fn reduce(node: &NodeSpec<'_>, along: fn(Floats, usize) -> Floats) -> Option<Run> {
    let axes = node.attributes.ints("axes").ok()?;
    let keep = node.attributes.flag("keepdims", true).ok()?;
    let empty_is_none = node.attributes.flag("noop_with_empty_axes", false).ok()?;
    Some(Box::new(move |call| {
        let (x, shape) = call.floats(0)?;
        let axes = if call.value(1).is_some() { Some(call.ints(1)?) } else { axes.clone() };
        let axes = match axes {
            Some(axes) if !axes.is_empty() => axes_of(&axes, shape.len()).ok()?,
            _ if empty_is_none => return one(x, shape),
            _ => (0..shape.len()).collect(),
        };
        let left = |axis: usize| match (axes.contains(&axis), keep) {
            (false, _) => Some(shape[axis]),
            (true, true) => Some(1),
            (true, false) => None,
        };
        let wanted: Vec<usize> = (0..shape.len()).filter_map(left).collect();
        one(axes.iter().fold(x, |x, axis| along(x, *axis)), &wanted)
    }))
}

/// Images in another size: the nearest pixel where the size is a multiple, and straight lines between the
/// centres of pixels.
fn resize(node: &NodeSpec<'_>) -> Option<Run> {
    let attributes = node.attributes;
    let string = |name, default| attributes.string(name, default).ok();
    let mode = string("mode", "nearest")?;
    let coordinates = string("coordinate_transformation_mode", "half_pixel")?;
    let rounding = string("nearest_mode", "round_prefer_floor")?;
    let mode = match (mode, coordinates, rounding) {
        ("nearest", "asymmetric", "floor") => InterpolateMode::Nearest,
        ("linear", "half_pixel", _) => InterpolateMode::Bilinear,
        _ => return None,
    };
    if attributes.has("axes") || attributes.flag("antialias", false).ok()? || node.opset < 11 {
        return None;
    }
    let aspect = string("keep_aspect_ratio_policy", "stretch")?;
    if aspect != "stretch" {
        return None;
    }
    Some(Box::new(move |call| {
        let (x, shape) = call.floats(0)?;
        let &[batch, channels, height, width] = shape else { return None };
        let given = |place: usize| call.value(place).filter(|value| value.shape() == [4]);
        let scales = match given(2)? {
            super::Value::Host(tensor, _) => host::to_f64s(tensor),
            super::Value::Gpu(_) => return None,
        };
        let whole = |scale: f64| ((1.0..65536.0).contains(&scale) && scale.fract() == 0.0).then_some(scale as usize);
        if call.value(3).is_some() || scales[..2] != [1.0, 1.0] {
            return None;
        }
        let wanted = [batch, channels, height.checked_mul(whole(scales[2])?)?, width.checked_mul(whole(scales[3])?)?];
        let options =
            InterpolateOptions { mode: mode.clone(), align_corners: false, output_size: None, scale_factor: None };
        call.fits(&wanted).then(|| one(Wgpu::interpolate(x, [wanted[2], wanted[3]], options), &wanted))?
    }))
}
