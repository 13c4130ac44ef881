//! RoiAlign.

use burn::tensor::DType;

use super::{Accepts, NodeSpec, Op, Prepared, SAME, gather, one, wrong};
use crate::graph::attributes::Refusal;
use crate::graph::host;
use crate::kernels::activation::{at_least, at_most};

pub static OPS: &[Op] = &[Op::new("RoiAlign", Accepts::Singles, SAME, roi_align)];

/// # Source
/// He et al., "Mask R-CNN", 2017, section 3, as the reference implementation of ONNX does it.
fn roi_align(node: &NodeSpec<'_>) -> Prepared {
    let largest = match node.attributes.string("mode", "avg")? {
        "avg" => false,
        "max" => true,
        mode => return Err(format!("the attribute mode is '{mode}', which is not supported")),
    };
    let default = if node.opset < 16 { "output_half_pixel" } else { "half_pixel" };
    let half_pixel = match node.attributes.string("coordinate_transformation_mode", default)? {
        "half_pixel" => true,
        "output_half_pixel" => false,
        mode => {
            return Err(format!("the attribute coordinate_transformation_mode is '{mode}', which is not supported"));
        }
    };
    let side = |name: &str, default: i64, least: i64| -> Result<usize, Refusal> {
        let value = node.attributes.int(name, default)?;
        usize::try_from(value)
            .ok()
            .filter(|_| value >= least)
            .ok_or_else(|| format!("the attribute {name} is {value}, which is out of range"))
    };
    let (rows, columns) = (side("output_height", 1, 1)?, side("output_width", 1, 1)?);
    let sampling = side("sampling_ratio", 0, 0)?;
    let scale = node.attributes.float("spatial_scale", 1.0)?;
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let dtype = tensor.dtype();
        let tensor = host::contiguous(host::cast(tensor, DType::F32));
        let (regions, images) = (inputs.floats(1)?, inputs.ints(2)?);
        let [batch, channels, height, width] = *host::shape(&tensor) else {
            return wrong("the input must have 4 dimensions");
        };
        if host::shape(&regions) != [images.len(), 4] || height == 0 || width == 0 {
            return wrong("rois must be [count, 4], with one batch index each");
        }
        let shape = [images.len(), channels, rows, columns];
        let mut out = vec![0.0f32; inputs.count(&shape)?];
        let (plane, cells) = (height * width, rows * columns);
        let numbers = host::slice::<f32>(&tensor);
        for (region, (sides, image)) in host::slice::<f32>(&regions).chunks_exact(4).zip(&images).enumerate() {
            let image = gather::index_of(*image, batch)?;
            let planes = &numbers[image * channels * plane..][..channels * plane];
            let offset = if half_pixel { 0.5 } else { 0.0 };
            let [left, top, right, bottom] = [0, 1, 2, 3].map(|side: usize| sides[side] * scale - offset);
            let least = if half_pixel { f32::NEG_INFINITY } else { 1.0 };
            let bin_height = (bottom - top).max(least) / rows as f32;
            let bin_width = (right - left).max(least) / columns as f32;
            let samples = |bin: f32| if sampling > 0 { sampling } else { bin.ceil() as usize };
            let (down, across) = (samples(bin_height), samples(bin_width));
            inputs.count(&[down, across, rows, columns])?;
            let share = 1.0 / (down * across).max(1) as f32;
            for cell in 0..cells {
                let (row, column) = ((cell / columns) as f32, (cell % columns) as f32);
                for sample in 0..down * across {
                    let (y, x) = ((sample / across) as f32 + 0.5, (sample % across) as f32 + 0.5);
                    let y = top + row * bin_height + y * bin_height / down as f32;
                    let x = left + column * bin_width + x * bin_width / across as f32;
                    let taps = bilinear(y, x, height, width);
                    let cells = out[region * channels * cells..].iter_mut().skip(cell).step_by(cells);
                    for (out, plane) in cells.zip(planes.chunks_exact(plane)) {
                        let parts = taps.map(|(index, weight)| plane[index] * weight);
                        if largest {
                            let found = parts.into_iter().fold(f32::NEG_INFINITY, f32::max);
                            *out = if sample == 0 { found } else { out.max(found) };
                        } else {
                            *out += parts.iter().sum::<f32>() * share;
                        }
                    }
                }
            }
        }
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}

/// The offsets of the four neighbours of a point, and their bilinear weights; zero outside the image.
fn bilinear(y: f32, x: f32, height: usize, width: usize) -> [(usize, f32); 4] {
    if !(-1.0..=height as f32).contains(&y) || !(-1.0..=width as f32).contains(&x) {
        return [(0, 0.0); 4];
    }
    let side = |at: f32, size: usize| {
        let at = at_most(at_least(at, 0.0), size as f32 - 1.0);
        let low = (at as usize).min(size - 1);
        (low, (low + 1).min(size - 1), at - low as f32)
    };
    let ((top, bottom, down), (left, right, across)) = (side(y, height), side(x, width));
    [
        (top * width + left, (1.0 - down) * (1.0 - across)),
        (top * width + right, (1.0 - down) * across),
        (bottom * width + left, down * (1.0 - across)),
        (bottom * width + right, down * across),
    ]
}
