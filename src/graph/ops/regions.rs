//! Regions of images: cut out, and chosen among.

use burn::tensor::DType;

use super::{Accepts, INDICES, NodeSpec, Op, Prepared, SAME, gather, one, wrong};
use crate::graph::attributes::Refusal;
use crate::graph::host;
use crate::sort::sort_by;

pub static OPS: &[Op] = &[
    Op::new("RoiAlign", Accepts::Singles, SAME, roi_align),
    Op::new("NonMaxSuppression", Accepts::Floats, INDICES, non_max_suppression),
];

/// # Source
/// He et al., "Mask R-CNN", 2017, section 3, as the reference implementation of ONNX does it.
fn roi_align(node: &NodeSpec<'_>) -> Prepared {
    let largest = match node.attributes.string("mode", "avg")? {
        "avg" => false,
        "max" => true,
        mode => return Err(format!("the attribute mode is \'{mode}\', which is not supported")),
    };
    let default = if node.opset < 16 { "output_half_pixel" } else { "half_pixel" };
    let half_pixel = match node.attributes.string("coordinate_transformation_mode", default)? {
        "half_pixel" => true,
        "output_half_pixel" => false,
        mode => {
            return Err(format!("the attribute coordinate_transformation_mode is \'{mode}\', which is not supported"));
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
        let [batch, channels, height, width] = *host::shape(&tensor) else { return wrong("it takes images") };
        if host::shape(&regions) != [images.len(), 4] || height == 0 || width == 0 {
            return wrong("it has not four sides of a region for each index of an image");
        }
        let shape = [images.len(), channels, rows, columns];
        let mut out = vec![0.0f32; inputs.count(&shape)?];
        let (plane, cells) = (height * width, rows * columns);
        let numbers = host::slice::<f32>(&tensor);
        for (region, (sides, image)) in host::slice::<f32>(&regions).chunks_exact(4).zip(&images).enumerate() {
            let image = gather::place(*image, batch)?;
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
                        let parts = taps.map(|(place, weight)| plane[place] * weight);
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

/// The four neighbours of a place, and how much each counts; nothing counts beyond the edges.
fn bilinear(y: f32, x: f32, height: usize, width: usize) -> [(usize, f32); 4] {
    if !(-1.0..=height as f32).contains(&y) || !(-1.0..=width as f32).contains(&x) {
        return [(0, 0.0); 4];
    }
    let side = |at: f32, size: usize| {
        let at = at.clamp(0.0, size as f32 - 1.0);
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

/// A box as its upper, left, lower and right side.
type Sides = [f32; 4];

fn non_max_suppression(node: &NodeSpec<'_>) -> Prepared {
    let centred = match node.attributes.int("center_point_box", 0)? {
        0 => false,
        1 => true,
        other => return Err(format!("the attribute center_point_box is {other}, which is not supported")),
    };
    Ok(Box::new(move |inputs| {
        let (boxes, scores) = (inputs.floats(0)?, inputs.floats(1)?);
        let most = inputs.optional_ints(2).and_then(|most| most.first().copied()).unwrap_or(0);
        let mut threshold = |place| inputs.optional(place).and_then(|t| host::to_f32s(t).first().copied());
        let (overlap_threshold, score_threshold) = (threshold(3).unwrap_or(0.0), threshold(4));
        let ([batch, count, 4], [batch_too, classes, count_too]) = (host::shape(&boxes), host::shape(&scores)) else {
            return wrong("it takes boxes of four numbers, and scores of classes");
        };
        if batch != batch_too || count != count_too {
            return wrong("there are not as many scores as boxes");
        }
        let sides = |numbers: &[f32]| -> Sides {
            let [a, b, c, d] = [numbers[0], numbers[1], numbers[2], numbers[3]];
            if centred {
                [b - d / 2.0, a - c / 2.0, b + d / 2.0, a + c / 2.0]
            } else {
                [a.min(c), b.min(d), a.max(c), b.max(d)]
            }
        };
        let boxes: Vec<Sides> = host::slice::<f32>(&boxes).chunks_exact(4).map(sides).collect();
        let mut chosen: Vec<i64> = Vec::new();
        for (class, scores) in host::slice::<f32>(&scores).chunks_exact((*count).max(1)).enumerate() {
            let image = class / classes;
            let boxes = &boxes[image * count..][..*count];
            let high = |at: &usize| score_threshold.is_none_or(|least| scores[*at] > least);
            let mut order: Vec<usize> = (0..*count).filter(high).collect();
            sort_by(&mut order, |a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
            let mut kept: Vec<usize> = Vec::new();
            for at in order {
                if kept.len() as i64 >= most {
                    break;
                }
                if !kept.iter().any(|other| overlap(boxes[at], boxes[*other]) > overlap_threshold) {
                    kept.push(at);
                    chosen.extend([image as i64, (class % classes) as i64, at as i64]);
                }
            }
        }
        one(host::tensor(&[chosen.len() / 3, 3], chosen))
    }))
}

/// The intersection of two boxes over their union.
fn overlap(a: Sides, b: Sides) -> f32 {
    let height = a[2].min(b[2]) - a[0].max(b[0]);
    let width = a[3].min(b[3]) - a[1].max(b[1]);
    let area = |sides: Sides| (sides[2] - sides[0]) * (sides[3] - sides[1]);
    let union = area(a) + area(b) - height * width;
    if height <= 0.0 || width <= 0.0 || area(a) <= 0.0 || area(b) <= 0.0 || union <= 0.0 {
        return f32::NEG_INFINITY;
    }
    height * width / union
}
