//! The borders of what is set in a mask.

/// Neighbours, counter-clockwise on a screen, from the right.
const AROUND: [(isize, isize); 8] = [(1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1)];

/// Set, and on no border that was followed.
const SET: i8 = 1;
/// On a border.
const FOLLOWED: i8 = 2;
/// On a border that leaves its right neighbour, which is not set, outside.
const RIGHT_END: i8 = -2;

/// Gives the points of each border in `mask`, rows of `width`, to `visit`: the outer ones of what hangs together
/// by sides or corners, and those of the holes in it, in the order of their first rows.
///
/// # Source
/// Suzuki and Abe 1985, "Topological structural analysis of digitized binary images by border following", as
/// OpenCV's `findContours` with `RETR_LIST` has it.
pub fn follow_borders(mask: &[bool], width: usize, mut visit: impl FnMut(&[[i32; 2]])) {
    let Some(height) = mask.len().checked_div(width) else { return };
    // With a frame of what is not set, so that no neighbour is missing.
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
        for place in row * stride + 1..(row + 1) * stride {
            let mark = marks[place];
            if mark != before {
                let start = match (before, mark) {
                    (0, SET) => Some((place, 4)),
                    (SET.., 0) => Some((place - 1, 0)),
                    _ => None,
                };
                if let Some((start, from)) = start {
                    points.clear();
                    follow(&mut marks, &steps, start, from, |place| {
                        points.push([(place % stride) as i32 - 1, (place / stride) as i32 - 1]);
                    });
                    visit(&points);
                }
            }
            before = marks[place];
        }
    }
}

/// Follows the border through `start`, whose neighbour in the direction `from` is not set.
fn follow(marks: &mut [i8], steps: &[isize; 8], start: usize, from: usize, mut put: impl FnMut(usize)) {
    let step = |place: usize, direction: usize| place.wrapping_add_signed(steps[direction & 7]);
    let Some(first) = (1..8).map(|turn| (from + 8 - turn) & 7).find(|&direction| marks[step(start, direction)] != 0)
    else {
        marks[start] = RIGHT_END;
        return put(start);
    };
    let last = step(start, first);
    let (mut place, mut back) = (start, first);
    loop {
        let Some(next) = (back + 1..back + 9).find(|&direction| marks[step(place, direction)] != 0) else { return };
        // Whether the right neighbour was looked at, and so is not set.
        if next > 8 {
            marks[place] = RIGHT_END;
        } else if marks[place] == SET {
            marks[place] = FOLLOWED;
        }
        put(place);
        let to = step(place, next);
        if to == start && place == last {
            return;
        }
        (place, back) = (to, (next + 4) & 7);
    }
}
