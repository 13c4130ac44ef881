//! Contours: the borders of the regions of a mask, and of the holes in them.

/// Neighbours, counter-clockwise on a screen, from the right.
const AROUND: [(isize, isize); 8] = [(1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1)];

/// Set, and not on a border that was followed.
const SET: i8 = 1;
/// On a border.
const FOLLOWED: i8 = 2;
/// On a border, with a right neighbour that is not set and outside.
const RIGHT_END: i8 = -2;

/// Calls `visit` with the points of each border in `mask`, rows of `width`: the outer borders of regions that are
/// connected by sides or corners, and those of the holes in them, in the order of their first rows.
///
/// # Source
/// Suzuki and Abe 1985, "Topological structural analysis of digitized binary images by border following", as
/// in OpenCV's `findContours` with `RETR_LIST`.
pub fn follow_borders(mask: &[bool], width: usize, mut visit: impl FnMut(&[[i32; 2]])) {
    let Some(height) = mask.len().checked_div(width) else { return };
    // With a frame of unset cells, so that every cell has eight neighbours.
    let stride = width + 2;
    let mut marks = vec![0i8; stride * (height + 2)];
    for (row, from) in mask.chunks_exact(width).enumerate() {
        let to = &mut marks[(row + 1) * stride + 1..][..width];
        to.iter_mut().zip(from).for_each(|(mark, &set)| *mark = i8::from(set));
    }
    let steps = AROUND.map(|(x, y)| x + y * stride as isize);
    let mut points = Vec::new();
    for row in 1..=height {
        let mut before = 0;
        for cell in row * stride + 1..(row + 1) * stride {
            let mark = marks[cell];
            if mark != before {
                let start = match (before, mark) {
                    (0, SET) => Some((cell, 4)),
                    (SET.., 0) => Some((cell - 1, 0)),
                    _ => None,
                };
                if let Some((start, from)) = start {
                    points.clear();
                    follow(&mut marks, &steps, start, from, |cell| {
                        points.push([(cell % stride) as i32 - 1, (cell / stride) as i32 - 1]);
                    });
                    visit(&points);
                }
            }
            before = marks[cell];
        }
    }
}

/// Follows the border through `start`, whose neighbour in the direction `from` is not set.
fn follow(marks: &mut [i8], steps: &[isize; 8], start: usize, from: usize, mut put: impl FnMut(usize)) {
    let step = |cell: usize, direction: usize| cell.wrapping_add_signed(steps[direction & 7]);
    let Some(first) = (1..8).map(|step| (from + 8 - step) & 7).find(|&direction| marks[step(start, direction)] != 0)
    else {
        marks[start] = RIGHT_END;
        return put(start);
    };
    let last = step(start, first);
    let (mut cell, mut back) = (start, first);
    loop {
        let Some(next) = (back + 1..back + 9).find(|&direction| marks[step(cell, direction)] != 0) else { return };
        // Whether the right neighbour was looked at, and so is not set.
        if next > 8 {
            marks[cell] = RIGHT_END;
        } else if marks[cell] == SET {
            marks[cell] = FOLLOWED;
        }
        put(cell);
        let to = step(cell, next);
        if to == start && cell == last {
            return;
        }
        (cell, back) = (to, (next + 4) & 7);
    }
}
