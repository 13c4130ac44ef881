//! Contiguous copies of strided views, which may be permuted, reversed, repeated or sliced.

use burn::backend::flex::Layout;
use bytemuck::Pod;

/// The iterations of a loop, and its steps in the source and in the destination.
type Loop = (usize, isize, isize);

/// Rows of a transposed block that are written at once, so that whole cache lines are filled.
const TILE: usize = 64;
/// Columns and rows of a block.
const SIDE: usize = 4;

/// The elements of `source` in the order of `layout`.
pub fn pack<U: Pod>(source: &[U], layout: &Layout) -> Vec<U> {
    let count = layout.num_elements();
    if count == 0 {
        return Vec::new();
    }
    let start = layout.start_offset() as isize;
    let mut loops = loops(layout);
    let (n, step, _) = loops.pop().unwrap_or((1, 1, 1));
    // Columns that are read in reverse have no slices; for short ones reading rows is faster.
    if step > 1
        && let Some(at) = loops.iter().rposition(|(rows, step, _)| *step == 1 && *rows >= SIDE)
    {
        let (rows, _, distance) = loops.remove(at);
        let mut out = vec![U::zeroed(); count];
        let block = Block { rows, columns: n, step: step as usize, distance: distance as usize };
        walk(&loops, start, &mut |from, to| block.transpose(&source[from..], &mut out[to..]));
        return out;
    }
    let mut out = Vec::with_capacity(count);
    walk(&loops, start, &mut |from, _| match step {
        1 => out.extend_from_slice(&source[from..from + n]),
        0 => out.extend(std::iter::repeat_n(source[from], n)),
        _ => out.extend((0..n as isize).map(|iteration| source[(from as isize + iteration * step) as usize])),
    });
    out
}

/// The loops over a view, with neighbours joined where they can be. Like `walk` it is compiled once, not for each type.
#[inline(never)]
fn loops(layout: &Layout) -> Vec<Loop> {
    let mut loops: Vec<Loop> = Vec::new();
    let mut distance = layout.num_elements() as isize;
    for (&size, &step) in layout.shape().iter().zip(layout.strides()).filter(|(size, _)| **size != 1) {
        distance /= size as isize;
        match loops.last_mut() {
            Some((outer, outer_step, outer_distance)) if *outer_step == step * size as isize => {
                *outer *= size;
                (*outer_step, *outer_distance) = (step, distance);
            }
            _ => loops.push((size, step, distance)),
        }
    }
    loops
}

/// Calls `each` with the offsets in source and destination, for every iteration of all `loops`.
#[inline(never)]
fn walk(loops: &[Loop], start: isize, each: &mut dyn FnMut(usize, usize)) {
    let mut iteration = vec![0; loops.len()];
    let (mut from, mut to) = (start, 0);
    loop {
        each(from as usize, to as usize);
        let mut axis = loops.len();
        loop {
            let Some(outer) = axis.checked_sub(1) else { return };
            axis = outer;
            let (size, step, distance) = loops[axis];
            iteration[axis] += 1;
            (from, to) = (from + step, to + distance);
            if iteration[axis] < size {
                break;
            }
            (from, to) = (from - step * size as isize, to - distance * size as isize);
            iteration[axis] = 0;
        }
    }
}

/// Transposes columns that are rows of the source, `step` apart, into rows `distance` apart.
struct Block {
    rows: usize,
    columns: usize,
    step: usize,
    distance: usize,
}

impl Block {
    fn transpose<U: Pod>(&self, source: &[U], out: &mut [U]) {
        for top in (0..self.rows).step_by(TILE) {
            let height = TILE.min(self.rows - top);
            let column = |at: usize| &source[at * self.step + top..][..height];
            let mut left = 0;
            while left + SIDE <= self.columns {
                let columns: [&[U]; SIDE] = std::array::from_fn(|at| column(left + at));
                let mut row = 0;
                while row + SIDE <= height {
                    let square: [[U; SIDE]; SIDE] =
                        columns.map(|column| std::array::from_fn(|at| column[row..row + SIDE][at]));
                    for at in 0..SIDE {
                        let line = square.map(|column| column[at]);
                        out[(top + row + at) * self.distance + left..][..SIDE].copy_from_slice(&line);
                    }
                    row += SIDE;
                }
                for row in row..height {
                    let line = columns.map(|column| column[row]);
                    out[(top + row) * self.distance + left..][..SIDE].copy_from_slice(&line);
                }
                left += SIDE;
            }
            for left in left..self.columns {
                for (row, value) in column(left).iter().enumerate() {
                    out[(top + row) * self.distance + left] = *value;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Shape;

    use super::*;

    /// Element by element, by the definition of a layout.
    fn plain(source: &[u32], layout: &Layout) -> Vec<u32> {
        let shape = layout.shape();
        (0..layout.num_elements())
            .map(|mut index| {
                let mut at = layout.start_offset() as isize;
                for axis in (0..shape.num_dims()).rev() {
                    at += (index % shape[axis]) as isize * layout.strides()[axis];
                    index /= shape[axis];
                }
                source[at as usize]
            })
            .collect()
    }

    #[test]
    fn every_view_is_packed_as_its_layout_says() {
        let whole = Layout::contiguous(Shape::from(vec![3, 5, 70, 9]));
        let source: Vec<u32> = (0..3 * 5 * 70 * 9).collect();
        let cut = whole.narrow(2, 1, 67).narrow(3, 2, 6);
        for layout in [&whole, &cut, &whole.narrow(0, 1, 1), &whole.narrow(1, 5, 0)] {
            for axes in
                [[0, 1, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2], [0, 2, 3, 1], [0, 3, 1, 2], [3, 2, 1, 0], [1, 3, 0, 2]]
            {
                let permuted = layout.permute(&axes);
                assert_eq!(pack(&source, &permuted), plain(&source, &permuted), "{axes:?}");
                for axis in 0..4 {
                    let reversed = permuted.flip(&[axis]);
                    assert_eq!(pack(&source, &reversed), plain(&source, &reversed), "{axes:?}, {axis} reversed");
                }
            }
        }
        let repeated = Layout::new(Shape::from(vec![2, 9, 3, 70]), vec![0, 1, 0, 9], 70);
        assert_eq!(pack(&source, &repeated), plain(&source, &repeated));
        assert_eq!(pack(&source, &Layout::contiguous(Shape::from(Vec::<usize>::new()))), [0]);
    }
}
