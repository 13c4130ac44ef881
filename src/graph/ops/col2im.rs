//! Col2Im.

use super::support::window_grid::Grid;
use super::{Accepts, NodeSpec, Op, Prepared, SAME, one, size, wrong};
use crate::error::Result;
use crate::graph::host;

pub static OPS: &[Op] = &[Op::new("Col2Im", Accepts::Floats, SAME, col2im)];

fn col2im(node: &NodeSpec<'_>) -> Prepared {
    let grid = Grid::new(node)?;
    Ok(Box::new(move |inputs| {
        let tensor = inputs.take(0)?;
        let mut sizes = |index| inputs.ints(index)?.into_iter().map(size).collect::<Result<Vec<_>>>();
        let (image, kernel) = (sizes(1)?, sizes(2)?);
        let [batch, rows, columns] = *host::shape(&tensor) else {
            return wrong("the input must have 3 dimensions: batch, rows and columns");
        };
        let sides = grid.sides(&image, &kernel)?;
        let window = inputs.count(&kernel)?;
        let counts: Vec<usize> = sides.iter().map(|side| side.count).collect();
        if rows % window != 0 || inputs.count(&counts)? != columns {
            return wrong(format!("an image of the size {image:?} does not have {rows} × {columns} columns"));
        }
        let shape = [&[batch, rows / window], &*image].concat();
        let count = inputs.count(&shape)?;
        // The offset of each column element in its channel; `None` in the padding.
        let offset_of = |tap: usize, at: usize| {
            let (mut tap, mut at, mut offset, mut stride) = (tap, at, 0, 1);
            for (axis, side) in sides.iter().enumerate().rev() {
                let here = side.coordinate(at % side.count, tap % kernel[axis]);
                offset += usize::try_from(here).ok().filter(|here| *here < image[axis])? * stride;
                (tap, at, stride) = (tap / kernel[axis], at / side.count, stride * image[axis]);
            }
            Some(offset)
        };
        let numbers = host::to_f64s(&tensor);
        let mut out = vec![0.0; count];
        let offsets: Vec<Option<usize>> = match numbers.len() {
            0 => Vec::new(),
            _ => (0..window * columns).map(|number| offset_of(number / columns, number % columns)).collect(),
        };
        let channel = image.iter().product::<usize>().max(1);
        for (numbers, out) in numbers.chunks_exact(offsets.len().max(1)).zip(out.chunks_exact_mut(channel)) {
            for (number, offset) in numbers.iter().zip(&offsets) {
                if let Some(offset) = offset {
                    out[*offset] += number;
                }
            }
        }
        one(host::from_f64s(tensor.dtype(), &shape, &out))
    }))
}
