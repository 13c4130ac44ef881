//! Resize and Upsample.

use burn::tensor::DType;

use super::pad::{Map, remap};
use super::{Accepts, Inputs, NodeSpec, Op, Prepared, SAME, axes_of, axis_of, on_gpu, one, size, wrong};
use crate::error::{Error, Result};
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, HostTensor};
use crate::graph::ops::support::interpolation::{Coordinates, Filter, Nearest, Taps};

pub static OPS: &[Op] = &[
    Op::new("Resize", Accepts::Any, SAME, resize).gpu(on_gpu!(resize::resize)),
    Op::new("Upsample", Accepts::Any, SAME, resize),
];

/// The attributes of a node.
struct Resize {
    coordinates: Coordinates,
    /// `None` for nearest neighbour.
    filter: Option<Filter>,
    nearest: Nearest,
    extrapolation: f32,
    axes: Option<Vec<i64>>,
    policy: Policy,
    /// The scales, where they are an attribute.
    scales: Option<Vec<f32>>,
    /// The indices of the inputs roi, scales and sizes.
    input_indices: [usize; 3],
}

/// The policy for the aspect ratio where sizes are given.
#[derive(Clone, Copy)]
enum Policy {
    Stretch,
    NotLarger,
    NotSmaller,
}

/// The new size of one dimension.
#[derive(Clone, Copy)]
pub struct Scaled {
    /// The dimension.
    pub input: usize,
    /// The size after.
    pub output: usize,
    /// The scale, before the size is rounded.
    pub scale: f32,
    /// The region of interest, relative to the whole.
    pub roi: (f32, f32),
}

fn resize(node: &NodeSpec<'_>) -> Prepared {
    let resize = Resize::new(node)?;
    let dtype = node.dtype(0);
    if resize.filter.is_some() && dtype.is_some_and(|dtype| !interpolates(dtype)) {
        return Err(format!("interpolation of the element type {dtype:?} is not supported"));
    }
    Ok(Box::new(move |inputs| one(resize.run(inputs)?)))
}

/// Whether 32-bit floats represent all numbers of this type exactly.
fn interpolates(dtype: DType) -> bool {
    host::size_of(dtype) <= 2 || dtype == DType::F32
}

impl Resize {
    fn new(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        let attributes = node.attributes;
        let old = node.op.name == "Upsample" || node.opset < 11;
        let coordinates = match attributes.string("coordinate_transformation_mode", "half_pixel")? {
            _ if old => Coordinates::Asymmetric,
            "half_pixel" => Coordinates::HalfPixel,
            "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
            "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
            "align_corners" => Coordinates::AlignCorners,
            "asymmetric" => Coordinates::Asymmetric,
            "tf_crop_and_resize" => Coordinates::CropAndResize,
            mode => {
                return Err(format!(
                    "the attribute coordinate_transformation_mode is '{mode}', which is not supported"
                ));
            }
        };
        let nearest = match attributes.string("nearest_mode", "round_prefer_floor")? {
            _ if old => Nearest::Before11,
            "round_prefer_floor" => Nearest::RoundPreferFloor,
            "round_prefer_ceil" => Nearest::RoundPreferCeil,
            "floor" => Nearest::Floor,
            "ceil" => Nearest::Ceil,
            mode => return Err(format!("the attribute nearest_mode is '{mode}', which is not supported")),
        };
        let a = attributes.float("cubic_coeff_a", -0.75)?;
        let antialias = attributes.flag("antialias", false)?;
        let exclude_outside = attributes.flag("exclude_outside", false)?;
        let filter = |cubic| Some(Filter { cubic, antialias, exclude_outside });
        let filter = match attributes.string("mode", "nearest")? {
            "nearest" => None,
            "linear" | "bilinear" => filter(None),
            "cubic" => filter(Some(f64::from(a))),
            mode => return Err(format!("the attribute mode is '{mode}', which is not supported")),
        };
        let policy = match attributes.string("keep_aspect_ratio_policy", "stretch")? {
            "stretch" => Policy::Stretch,
            "not_larger" => Policy::NotLarger,
            "not_smaller" => Policy::NotSmaller,
            policy => {
                return Err(format!("the attribute keep_aspect_ratio_policy is '{policy}', which is not supported"));
            }
        };
        Ok(Self {
            coordinates,
            filter,
            nearest,
            extrapolation: attributes.float("extrapolation_value", 0.0)?,
            axes: attributes.ints("axes")?,
            policy,
            scales: attributes.floats("scales")?,
            input_indices: if old { [usize::MAX, 1, usize::MAX] } else { [1, 2, 3] },
        })
    }

    fn run(&self, inputs: &mut Inputs<'_>) -> Result<HostTensor> {
        let tensor = inputs.take(0)?;
        let scaled = self.scaled(inputs, host::shape(&tensor))?;
        let shape: Vec<usize> = scaled.iter().map(|axis| axis.output).collect();
        inputs.count(&shape)?;
        let changes = |axis: &Scaled| axis.input != axis.output || axis.scale != 1.0 || axis.roi != (0.0, 1.0);
        if host::shape(&tensor).contains(&0) && !shape.contains(&0) {
            return wrong("an empty tensor cannot be resized to a size other than 0");
        }
        let dtype = tensor.dtype();
        let Some(filter) = self.filter.filter(|_| !shape.contains(&0)) else {
            let map = |axis: &Scaled| -> Map {
                if !changes(axis) {
                    return (0..axis.input).map(Some).collect();
                }
                (0..axis.output).map(|at| self.nearest.index(self.coordinates.coordinate(axis, at)?, axis)).collect()
            };
            let maps: Vec<Map> = scaled.iter().map(map).collect();
            let fill = host::cast(host::tensor(&[], vec![self.extrapolation]), dtype);
            return Ok(remap(tensor, &maps, &fill));
        };
        if !interpolates(dtype) {
            return Err(Error::unsupported(format!("interpolation of the element type {dtype:?} is not supported")));
        }
        let mut shape = host::shape(&tensor).to_vec();
        let mut numbers = host::to_f32s(tensor);
        // Dimensions that shrink come first, whole rows at a time. Of those that grow the innermost is first, while the
        // tensor is small.
        let shrinks = |axis: &usize| scaled[*axis].output < scaled[*axis].input;
        let (small, large): (Vec<usize>, Vec<usize>) = (0..shape.len()).partition(shrinks);
        for axis in small.into_iter().chain(large.into_iter().rev()).filter(|axis| changes(&scaled[*axis])) {
            let taps = Taps::new(&scaled[axis], self.coordinates, filter);
            let inner = shape[axis + 1..].iter().product();
            numbers = taps.apply(&numbers, shape[axis], inner, self.extrapolation);
            shape[axis] = scaled[axis].output;
        }
        if host::is_float(dtype) {
            return Ok(host::cast(host::tensor(&shape, numbers), dtype));
        }
        let whole: Vec<f64> = numbers.into_iter().map(|number| f64::from(number).round_ties_even()).collect();
        Ok(host::from_f64s(dtype, &shape, &whole))
    }

    /// The change of each dimension.
    fn scaled(&self, inputs: &mut Inputs<'_>, shape: &[usize]) -> Result<Vec<Scaled>> {
        let rank = shape.len();
        let axes = self.axes.clone().unwrap_or_else(|| (0..rank as i64).collect());
        axes_of(&axes, rank)?;
        let axes = axes.iter().map(|axis| axis_of(*axis, rank)).collect::<Result<Vec<_>>>()?;
        let floats = |tensor: HostTensor| Some(host::to_f32s(tensor)).filter(|floats| !floats.is_empty());
        let [roi, scales, sizes] = self.input_indices;
        let roi = inputs.optional(roi).and_then(floats);
        let scales = self.scales.clone().or_else(|| inputs.optional(scales).and_then(floats));
        let sizes = inputs.optional_ints(sizes);
        let mut all: Vec<Scaled> =
            shape.iter().map(|dim| Scaled { input: *dim, output: *dim, scale: 1.0, roi: (0.0, 1.0) }).collect();
        let few = || wrong("there must be one scale or size for each axis");
        if let Some(scales) = scales {
            if scales.len() != axes.len() {
                return few();
            }
            for (axis, scale) in axes.iter().zip(scales) {
                // In 32-bit floats 0.7 times 10 is 7; in 64 bits it is less.
                let output = scale * shape[*axis] as f32;
                if !(scale > 0.0 && output < 1e9) {
                    return wrong(format!("the size {} cannot be scaled by {scale}", shape[*axis]));
                }
                (all[*axis].scale, all[*axis].output) = (scale, output as usize);
            }
        } else {
            let Some(sizes) = sizes.filter(|sizes| sizes.len() == axes.len()) else { return few() };
            for (axis, wanted) in axes.iter().zip(sizes) {
                all[*axis].output = size(wanted)?;
                all[*axis].scale = all[*axis].output as f32 / shape[*axis].max(1) as f32;
            }
            let found = axes.iter().map(|axis| all[*axis].scale);
            let scale = match self.policy {
                Policy::Stretch => None,
                Policy::NotLarger => found.reduce(f32::min),
                Policy::NotSmaller => found.reduce(f32::max),
            };
            for axis in axes.iter().filter(|_| scale.is_some()) {
                all[*axis].scale = scale.unwrap_or(1.0);
                all[*axis].output = (all[*axis].scale * shape[*axis] as f32 + 0.5) as usize;
            }
        }
        if self.coordinates == Coordinates::CropAndResize {
            let Some(roi) = roi.filter(|roi| roi.len() == 2 * axes.len()) else {
                return wrong("the input roi must have a start and an end for each axis");
            };
            for (at, axis) in axes.iter().enumerate() {
                all[*axis].roi = (roi[at], roi[axes.len() + at]);
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{InputSpec, prepare};
    use super::*;
    use crate::graph::attributes::{Attribute, Attributes};
    use crate::graph::ops::find;
    use crate::graph::options::Limits;
    use crate::graph::texts::Texts;

    fn resized(mode: &str, shape: &[usize], scales: Option<Vec<f32>>, sizes: &[i64]) -> Result<Vec<usize>> {
        let mut attributes = Attributes::default();
        attributes.push("mode", Attribute::String(mode.to_string()));
        attributes.push("antialias", Attribute::Int(1));
        let tensor = host::tensor(shape, vec![1.0f32; shape.iter().product()]);
        let scales = scales.map(|scales| host::tensor(&[scales.len()], scales));
        let values = vec![Some(tensor), None, scales, Some(host::tensor(&[sizes.len()], sizes.to_vec()))];
        let inputs = vec![Some(InputSpec { dtype: None, encoding: None, constant: None }); 4];
        let node = NodeSpec {
            op: find("", "Resize").unwrap(),
            opset: 19,
            attributes: &attributes,
            inputs: &inputs,
            outputs: 1,
        };
        let (kernel, _) = prepare(&node).unwrap();
        let limits = Limits { max_elements: 1 << 20, ..Limits::default() };
        let out = kernel(&mut Inputs::new(values, &limits, Texts::default()))?;
        Ok(host::shape(&out[0]).to_vec())
    }

    #[test]
    fn no_scale_or_size_is_too_wild() {
        for mode in ["nearest", "linear", "cubic"] {
            for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e30] {
                assert!(resized(mode, &[4, 4], Some(vec![scale, 1.0]), &[]).is_err(), "{mode} {scale}");
            }
            for sizes in [&[-1, 4][..], &[4], &[1 << 40, 1], &[1 << 40, 0], &[i64::MAX, i64::MAX]] {
                assert!(resized(mode, &[4, 4], None, sizes).is_err(), "{mode} {sizes:?}");
            }
            assert!(resized(mode, &[0, 4], None, &[2, 2]).is_err());
            assert_eq!(resized(mode, &[0, 4], None, &[0, 2]).unwrap(), [0, 2]);
            assert_eq!(resized(mode, &[4, 4], Some(vec![1e-30, 1.0]), &[]).unwrap(), [0, 4]);
            assert_eq!(resized(mode, &[60_000, 1], None, &[1, 1]).unwrap(), [1, 1]);
        }
    }
}
