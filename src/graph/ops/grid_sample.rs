//! GridSample and AffineGrid.

use burn::tensor::DType;

use super::{Accepts, NodeSpec, Op, Prepared, SAME, one, size, wrong};
use crate::error::Result;
use crate::graph::host;

pub static OPS: &[Op] = &[
    Op::new("GridSample", Accepts::Singles, SAME, grid_sample),
    Op::new("AffineGrid", Accepts::Floats, SAME, affine_grid),
];

/// The interpolation between pixels.
#[derive(Clone, Copy)]
enum Mode {
    Nearest,
    Linear,
    Cubic,
}

/// The padding outside the image.
#[derive(Clone, Copy)]
enum Beyond {
    Zeros,
    Border,
    Reflection,
}

/// One dimension of the image.
#[derive(Clone, Copy)]
struct Side {
    size: usize,
    align_corners: bool,
    beyond: Beyond,
}

impl Side {
    /// The pixel position of the normalised coordinate `x` in [−1, 1].
    fn denormalised(self, x: f32) -> f32 {
        let size = self.size as f32;
        if self.align_corners { (x + 1.0) / 2.0 * (size - 1.0) } else { ((x + 1.0) * size - 1.0) / 2.0 }
    }

    /// `x`, reflected at the edges until it is inside.
    fn reflected(self, x: f32) -> f32 {
        let size = self.size as f32;
        let (low, high) = if self.align_corners { (0.0, size - 1.0) } else { (-0.5, size - 0.5) };
        let (range, away) = (high - low, if x < low { low - x } else { x - high });
        if away <= 0.0 || range <= 0.0 {
            return if range <= 0.0 { low } else { x };
        }
        let turns = (away / range).floor();
        let rest = away - turns * range;
        if (turns % 2.0 == 0.0) == (x < low) { low + rest } else { high - rest }
    }

    /// `x`, moved inside as the padding mode requires.
    fn inside(self, x: f32) -> f32 {
        match self.beyond {
            Beyond::Zeros => x,
            Beyond::Border => x.clamp(0.0, self.size as f32 - 1.0),
            Beyond::Reflection => self.reflected(x),
        }
    }

    /// The index of a pixel; `None` for zero padding.
    fn index(self, at: f32) -> Option<usize> {
        let at = self.inside(at);
        match self.beyond {
            Beyond::Zeros if !(0.0..self.size as f32).contains(&at) => None,
            _ => Some((at as usize).min(self.size - 1)),
        }
    }

    /// The pixels that are interpolated at `x`, and their weights.
    fn taps(self, mode: Mode, x: f32, taps: &mut Vec<(Option<usize>, f32)>) {
        taps.clear();
        let x = self.denormalised(x);
        if let Mode::Nearest = mode {
            return taps.push((self.index(self.inside(x.round_ties_even())), 1.0));
        }
        if let Mode::Linear = mode {
            let x = self.inside(x);
            let (whole, part) = (x.floor(), x - x.floor());
            return taps.extend([(self.index(whole), 1.0 - part), (self.index(whole + 1.0), part)]);
        }
        // Only the neighbours are moved inside, as PyTorch does it.
        let (whole, part) = (x.floor(), x - x.floor());
        let weights = [cubic(part + 1.0), cubic(part), cubic(1.0 - part), cubic(2.0 - part)];
        taps.extend((-1..).zip(weights).map(|(at, weight)| (self.index(whole + at as f32), weight)));
    }
}

/// # Source
/// Keys, "Cubic convolution interpolation for digital image processing", 1981, equation 4, with a = −0.75.
fn cubic(x: f32) -> f32 {
    const A: f32 = -0.75;
    if x <= 1.0 { ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0 } else { ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A }
}

fn grid_sample(node: &NodeSpec<'_>) -> Prepared {
    let mode = match node.attributes.string("mode", "linear")? {
        "nearest" => Mode::Nearest,
        "linear" | "bilinear" => Mode::Linear,
        "cubic" | "bicubic" => Mode::Cubic,
        mode => return Err(format!("the attribute mode is '{mode}', which is not supported")),
    };
    let beyond = match node.attributes.string("padding_mode", "zeros")? {
        "zeros" => Beyond::Zeros,
        "border" => Beyond::Border,
        "reflection" => Beyond::Reflection,
        mode => return Err(format!("the attribute padding_mode is '{mode}', which is not supported")),
    };
    let align_corners = node.attributes.flag("align_corners", false)?;
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let dtype = tensor.dtype();
        let tensor = host::contiguous(host::cast(tensor, DType::F32));
        let grid = inputs.floats(1)?;
        let (shape, grid_shape) = (host::shape(&tensor), host::shape(&grid));
        let rank = shape.len().saturating_sub(2);
        if !(1..=3).contains(&rank)
            || grid_shape.len() != rank + 2
            || grid_shape[0] != shape[0]
            || grid_shape[rank + 1] != rank
        {
            return wrong(format!(
                "the grid has the shape {grid_shape:?}, which does not fit images of the shape {shape:?}"
            ));
        }
        let out_shape = [&shape[..2], &grid_shape[1..=rank]].concat();
        let count = inputs.count(&out_shape)?;
        let (batch, channels, spatial) = (shape[0], shape[1], &shape[2..]);
        let (plane, points): (usize, usize) = (spatial.iter().product(), grid_shape[1..=rank].iter().product());
        if plane == 0 && count > 0 {
            return wrong("an empty image cannot be sampled");
        }
        let (numbers, grid) = (host::slice::<f32>(&tensor), host::slice::<f32>(&grid));
        let mut out = vec![0.0; count];
        let (mut taps, mut all, mut next) = (Vec::new(), Vec::new(), Vec::new());
        for image in 0..if count == 0 { 0 } else { batch } {
            let planes = &numbers[image * channels * plane..][..channels * plane];
            let out = &mut out[image * channels * points..][..channels * points];
            for point in 0..points {
                // The coordinates of a point are in the reverse order of the dimensions.
                let coordinates = grid[(image * points + point) * rank..][..rank].iter().rev();
                all.clear();
                all.push((0, 1.0));
                for (size, x) in spatial.iter().zip(coordinates) {
                    Side { size: *size, align_corners, beyond }.taps(mode, *x, &mut taps);
                    next.clear();
                    for (start, weight) in &all {
                        let there = taps.iter().filter_map(|(at, part)| Some(((*at)?, part)));
                        next.extend(there.map(|(at, part)| (start * size + at, weight * part)));
                    }
                    std::mem::swap(&mut all, &mut next);
                }
                for (plane, out) in planes.chunks_exact(plane).zip(out.chunks_exact_mut(points)) {
                    out[point] = all.iter().map(|(index, weight)| plane[*index] * weight).sum();
                }
            }
        }
        one(host::cast(host::tensor(&out_shape, out), dtype))
    }))
}

fn affine_grid(node: &NodeSpec<'_>) -> Prepared {
    let align_corners = node.attributes.flag("align_corners", false)?;
    Ok(Box::new(move |inputs| {
        let (theta, sizes) = (inputs.take(0)?, inputs.ints(1)?);
        let sizes = sizes.into_iter().map(size).collect::<Result<Vec<_>>>()?;
        let rank = sizes.len().saturating_sub(2);
        if !(2..=3).contains(&rank) || host::shape(&theta) != [sizes[0], rank, rank + 1] {
            let shape = host::shape(&theta);
            return wrong(format!(
                "the transformations have the shape {shape:?}, which does not fit images of {sizes:?}"
            ));
        }
        let shape = [&sizes[..1], &sizes[2..], &[rank]].concat();
        let count = inputs.count(&shape)?;
        let coordinate = |at: usize, size: usize| match (align_corners, size) {
            (true, 1) => -1.0,
            (true, size) => 2.0 * at as f64 / (size as f64 - 1.0) - 1.0,
            (false, size) => (2.0 * at as f64 + 1.0) / size as f64 - 1.0,
        };
        let numbers = host::to_f64s(&theta);
        let points: usize = sizes[2..].iter().product();
        let mut out = Vec::with_capacity(count);
        let mut coordinates = vec![1.0; rank + 1];
        for transformation in numbers.chunks_exact(rank * (rank + 1)) {
            for point in 0..points {
                let mut rest = point;
                for (at, size) in sizes[2..].iter().rev().enumerate() {
                    coordinates[at] = coordinate(rest % size, *size);
                    rest /= size;
                }
                let rows = transformation.chunks_exact(rank + 1);
                out.extend(rows.map(|row| row.iter().zip(&coordinates).map(|(a, b)| a * b).sum::<f64>()));
            }
        }
        one(host::from_f64s(theta.dtype(), &shape, &out))
    }))
}
