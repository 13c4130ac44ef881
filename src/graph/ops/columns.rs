//! Images from their columns, and columns from images that are bent.

use burn::tensor::DType;

use super::{Accepts, NodeSpec, Op, Prepared, SAME, one, size, wrong};
use crate::error::{Error, Result};
use crate::graph::attributes::Refusal;
use crate::graph::cost::CostRule;
use crate::graph::host;

pub static OPS: &[Op] = &[
    Op::new("Col2Im", Accepts::Floats, SAME, col2im),
    Op::new("DeformConv", Accepts::Singles, SAME, deform_conv).costs(CostRule::Conv { weights: 1 }),
];

/// How windows lie along each dimension.
struct Grid {
    strides: Option<Vec<i64>>,
    dilations: Option<Vec<i64>>,
    pads: Option<Vec<i64>>,
}

/// How windows lie along one dimension.
#[derive(Clone, Copy)]
struct Side {
    stride: i64,
    dilation: i64,
    before: i64,
    count: usize,
}

impl Grid {
    fn new(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        let ints = |name: &str, least: i64| match node.attributes.ints(name)? {
            Some(values) if values.iter().any(|value| !(least..1 << 31).contains(value)) => {
                Err(format!("the attribute {name} is {values:?}, which is out of range"))
            }
            values => Ok(values),
        };
        Ok(Self { strides: ints("strides", 1)?, dilations: ints("dilations", 1)?, pads: ints("pads", 0)? })
    }

    /// How windows of the size of `kernel` lie in an image.
    fn sides(&self, image: &[usize], kernel: &[usize]) -> Result<Vec<Side>> {
        let rank = image.len();
        let or = |values: &Option<Vec<i64>>, default: i64, count: usize| match values {
            Some(values) if values.len() != count => wrong(format!("{values:?} are not for {rank} dimensions")),
            Some(values) => Ok(values.clone()),
            None => Ok(vec![default; count]),
        };
        if kernel.len() != rank || kernel.contains(&0) {
            return wrong(format!("a window of {kernel:?} does not fit an image of {image:?}"));
        }
        let (strides, dilations) = (or(&self.strides, 1, rank)?, or(&self.dilations, 1, rank)?);
        let pads = or(&self.pads, 0, 2 * rank)?;
        let side = |axis: usize| {
            let wide = |value: usize| value as i128;
            let span = (wide(kernel[axis]) - 1) * i128::from(dilations[axis]) + 1;
            let room = wide(image[axis]) + i128::from(pads[axis] + pads[rank + axis]) - span;
            let count = if room < 0 { 0 } else { room / i128::from(strides[axis]) + 1 };
            let count = usize::try_from(count).map_err(|_| Error::invalid_input("there are too many windows"))?;
            Ok(Side { stride: strides[axis], dilation: dilations[axis], before: pads[axis], count })
        };
        (0..rank).map(side).collect()
    }
}

impl Side {
    /// Where the place `tap` of the window `at` lies.
    fn place(self, at: usize, tap: usize) -> i64 {
        (at as i64 * self.stride).saturating_add(tap as i64 * self.dilation).saturating_sub(self.before)
    }
}

fn col2im(node: &NodeSpec<'_>) -> Prepared {
    let grid = Grid::new(node)?;
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let mut sizes = |place| inputs.ints(place)?.into_iter().map(size).collect::<Result<Vec<_>>>();
        let (image, kernel) = (sizes(1)?, sizes(2)?);
        let [batch, rows, columns] = *host::shape(&tensor) else { return wrong("it takes batches of columns") };
        let sides = grid.sides(&image, &kernel)?;
        let window = inputs.count(&kernel)?;
        let counts: Vec<usize> = sides.iter().map(|side| side.count).collect();
        if rows % window != 0 || inputs.count(&counts)? != columns {
            return wrong(format!("{rows} × {columns} are not the columns of an image of {image:?}"));
        }
        let shape = [&[batch, rows / window], &*image].concat();
        let count = inputs.count(&shape)?;
        // Where each number of a channel goes.
        let place = |tap: usize, at: usize| {
            let (mut tap, mut at, mut place, mut stride) = (tap, at, 0, 1);
            for (axis, side) in sides.iter().enumerate().rev() {
                let here = side.place(at % side.count, tap % kernel[axis]);
                place += usize::try_from(here).ok().filter(|here| *here < image[axis])? * stride;
                (tap, at, stride) = (tap / kernel[axis], at / side.count, stride * image[axis]);
            }
            Some(place)
        };
        let numbers = host::to_f64s(&tensor);
        let mut out = vec![0.0; count];
        let places: Vec<Option<usize>> = match numbers.len() {
            0 => Vec::new(),
            _ => (0..window * columns).map(|number| place(number / columns, number % columns)).collect(),
        };
        let channel = image.iter().product::<usize>().max(1);
        for (numbers, out) in numbers.chunks_exact(places.len().max(1)).zip(out.chunks_exact_mut(channel)) {
            for (number, place) in numbers.iter().zip(&places) {
                if let Some(place) = place {
                    out[*place] += number;
                }
            }
        }
        one(host::from_f64s(tensor.dtype(), &shape, &out))
    }))
}

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
        let mut optional = |place| inputs.optional(place).map(host::to_f32s);
        let (bias, mask) = (optional(3), optional(4));
        let (&[batch, channels, height, width], &[out_channels, group_channels, rows, columns]) =
            (host::shape(&image), host::shape(&weight))
        else {
            return wrong("it takes images and windows of two dimensions");
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
            return wrong("the shapes of image, windows, offsets, bias and mask do not fit each other");
        }
        let shape = [batch, out_channels, sides[0].count, sides[1].count];
        let mut out = vec![0.0f32; inputs.count(&shape)?];
        let depth = group_channels * window;
        let mut bent = vec![0.0f32; inputs.count(&[depth.max(1), points])?];
        let [numbers, weights, offsets] = [&image, &weight, &offset].map(host::slice::<f32>);
        let per_offset = channels / offset_group;
        let images = if out.is_empty() { 0 } else { batch };
        for (at, group_at) in (0..images).flat_map(|at| (0..group).map(move |group_at| (at, group_at))) {
            for (row, bent) in bent.chunks_exact_mut(points).enumerate().take(depth) {
                let (channel, tap) = (group_at * group_channels + row / window, row % window);
                let plane = &numbers[(at * channels + channel) * height * width..][..height * width];
                let first = (at * offset_group + channel / per_offset) * window + tap;
                let down = &offsets[2 * first * points..][..points];
                let across = &offsets[(2 * first + 1) * points..][..points];
                for (point, out) in bent.iter_mut().enumerate() {
                    let y = sides[0].place(point / sides[1].count, tap / columns) as f32 + down[point];
                    let x = sides[1].place(point % sides[1].count, tap % columns) as f32 + across[point];
                    let share = mask.as_ref().map_or(1.0, |mask| mask[first * points + point]);
                    *out = share * sample(plane, height, width, y, x);
                }
            }
            let group_size = out_channels / group;
            for channel in group_at * group_size..(group_at + 1) * group_size {
                let out = &mut out[(at * out_channels + channel) * points..][..points];
                out.fill(bias.as_ref().map_or(0.0, |bias| bias[channel]));
                for (weight, bent) in weights[channel * depth..][..depth].iter().zip(bent.chunks_exact(points)) {
                    out.iter_mut().zip(bent).for_each(|(sum, x)| *sum += weight * x);
                }
            }
        }
        one(host::cast(host::tensor(&shape, out), dtype))
    }))
}

/// What lies between four neighbours, with zeros beyond the edges.
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
