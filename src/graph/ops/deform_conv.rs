//! DeformConv.

use burn::tensor::DType;

use super::support::window_grid::Grid;
use super::{Accepts, NodeSpec, Op, Prepared, SAME, one, wrong};
use crate::error::Result;
use crate::graph::attributes::Refusal;
use crate::graph::cost::CostRule;
use crate::graph::host;

pub static OPS: &[Op] =
    &[Op::new("DeformConv", Accepts::Singles, SAME, deform_conv).costs(CostRule::Conv { weights: 1 })];

/// # Source
/// Zhu et al., "Deformable ConvNets v2", 2018, equation 1.
fn deform_conv(node: &NodeSpec<'_>) -> Prepared {
    let grid = Grid::new(node)?;
    let groups = |name: &str| -> Result<usize, Refusal> {
        let value = node.attributes.int(name, 1)?;
        usize::try_from(value)
            .ok()
            .filter(|value| *value > 0)
            .ok_or_else(|| format!("the attribute {name} is {value}, which is out of range"))
    };
    let (group, offset_group) = (groups("group")?, groups("offset_group")?);
    let kernel_shape = node.attributes.ints("kernel_shape")?;
    Ok(Box::new(move |inputs| {
        let image = inputs.take(0)?;
        let dtype = image.dtype();
        let image = host::contiguous(host::cast(image, DType::F32));
        let (weight, offset) = (inputs.floats(1)?, inputs.floats(2)?);
        let mut optional = |index| inputs.optional(index).map(host::to_f32s);
        let (bias, mask) = (optional(3), optional(4));
        let (&[batch, channels, height, width], &[out_channels, group_channels, rows, columns]) =
            (host::shape(&image), host::shape(&weight))
        else {
            return wrong("image and weights must have two spatial dimensions");
        };
        let sides = grid.sides(&[height, width], &[rows, columns])?;
        let (window, points) = (rows * columns, inputs.count(&[sides[0].count, sides[1].count])?);
        let offsets = offset_group.checked_mul(window).and_then(|offsets| offsets.checked_mul(2));
        let fits = kernel_shape.as_ref().is_none_or(|shape| *shape == [rows as i64, columns as i64])
            && group_channels.checked_mul(group) == Some(channels)
            && out_channels % group == 0
            && channels % offset_group == 0
            && offsets.is_some_and(|all| *host::shape(&offset) == [batch, all, sides[0].count, sides[1].count])
            && bias.as_ref().is_none_or(|bias| bias.len() == out_channels)
            && mask.as_ref().is_none_or(|mask| mask.len() * 2 == offset.layout().num_elements());
        if !fits {
            return wrong("the shapes of image, weights, offsets, bias and mask do not fit each other");
        }
        let shape = [batch, out_channels, sides[0].count, sides[1].count];
        let mut out = vec![0.0f32; inputs.count(&shape)?];
        let depth = group_channels * window;
        let mut sampled = vec![0.0f32; inputs.count(&[depth.max(1), points])?];
        let [numbers, weights, offsets] = [&image, &weight, &offset].map(host::slice::<f32>);
        let per_offset = channels / offset_group;
        let images = if out.is_empty() { 0 } else { batch };
        for (at, group_at) in (0..images).flat_map(|at| (0..group).map(move |group_at| (at, group_at))) {
            for (row, sampled) in sampled.chunks_exact_mut(points).enumerate().take(depth) {
                let (channel, tap) = (group_at * group_channels + row / window, row % window);
                let plane = &numbers[(at * channels + channel) * height * width..][..height * width];
                let first = (at * offset_group + channel / per_offset) * window + tap;
                let down = &offsets[2 * first * points..][..points];
                let across = &offsets[(2 * first + 1) * points..][..points];
                for (point, out) in sampled.iter_mut().enumerate() {
                    let y = sides[0].coordinate(point / sides[1].count, tap / columns) as f32 + down[point];
                    let x = sides[1].coordinate(point % sides[1].count, tap % columns) as f32 + across[point];
                    let factor = mask.as_ref().map_or(1.0, |mask| mask[first * points + point]);
                    *out = factor * sample(plane, height, width, y, x);
                }
            }
            let group_size = out_channels / group;
            for channel in group_at * group_size..(group_at + 1) * group_size {
                let out = &mut out[(at * out_channels + channel) * points..][..points];
                out.fill(bias.as_ref().map_or(0.0, |bias| bias[channel]));
                for (weight, sampled) in weights[channel * depth..][..depth].iter().zip(sampled.chunks_exact(points)) {
                    out.iter_mut().zip(sampled).for_each(|(sum, x)| *sum += weight * x);
                }
            }
        }
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}

/// Bilinear interpolation, with zeros outside the image.
fn sample(plane: &[f32], height: usize, width: usize, y: f32, x: f32) -> f32 {
    let (top, left) = (y.floor(), x.floor());
    let at = |y: f32, x: f32| {
        let inside = (0.0..height as f32).contains(&y) && (0.0..width as f32).contains(&x);
        if inside { plane[(y as usize).min(height - 1) * width + (x as usize).min(width - 1)] } else { 0.0 }
    };
    if !y.is_finite() || !x.is_finite() {
        return 0.0;
    }
    let (down, across) = (y - top, x - left);
    let row = |y: f32| at(y, left) * (1.0 - across) + at(y, left + 1.0) * across;
    row(top) * (1.0 - down) + row(top + 1.0) * down
}
