//! Plane geometry: convex hulls, rectangles of least area, polygon offsets.

use crate::sort::sort_by;
use std::f64::consts::{PI, TAU};

/// A point of an image, `[x, y]`.
pub type Point = [f32; 2];
/// The corners of a quadrilateral, in order around it.
pub type Quad = [Point; 4];

/// The corners of the convex hull of `points`, in the order that makes the area positive; no three of them are on a
/// line.
///
/// # Source
/// Andrew 1979, the monotone chain.
pub fn convex_hull(points: &[[i32; 2]]) -> Vec<[i32; 2]> {
    let mut sorted = points.to_vec();
    sort_by(&mut sorted, Ord::cmp);
    sorted.dedup();
    if sorted.len() < 3 {
        return sorted;
    }
    let mut hull: Vec<[i32; 2]> = Vec::with_capacity(sorted.len() + 1);
    let mut add = |point: [i32; 2], least: usize| {
        while hull.len() > least && cross(hull[hull.len() - 2], hull[hull.len() - 1], point) <= 0 {
            hull.pop();
        }
        hull.push(point);
        hull.len()
    };
    let lower = sorted.iter().fold(0, |_, &point| add(point, 1));
    sorted.iter().rev().skip(1).fold(lower, |_, &point| add(point, lower));
    hull.pop();
    hull
}

fn cross(origin: [i32; 2], a: [i32; 2], b: [i32; 2]) -> i64 {
    let from = |point: [i32; 2], axis: usize| i64::from(point[axis]) - i64::from(origin[axis]);
    from(a, 0) * from(b, 1) - from(a, 1) * from(b, 0)
}

/// The rectangle of least area around the convex polygon `hull`, and the lengths of its sides. One of its sides is on
/// one of the polygon's.
///
/// # Source
/// Freeman and Shapira 1975; found by rotating calipers, Toussaint 1983.
pub fn min_area_rect(hull: &[[i32; 2]]) -> Option<(Quad, [f32; 2])> {
    let count = hull.len();
    let point = |index: usize| hull[index % count].map(f64::from);
    let dot = |a: [f64; 2], b: [f64; 2]| a[0] * b[0] + a[1] * b[1];
    let flat = |point: [f64; 2]| point.map(|coordinate| coordinate as f32);
    match hull {
        [] => return None,
        [only] => return Some(([only.map(|coordinate| coordinate as f32); 4], [0.0; 2])),
        [a, b] => {
            let (a, b) = (a.map(f64::from), b.map(f64::from));
            let length = (a[0] - b[0]).hypot(a[1] - b[1]) as f32;
            return Some(([flat(a), flat(b), flat(b), flat(a)], [length, 0.0]));
        }
        _ => {}
    }
    let mut best: Option<(f64, [[f64; 2]; 4], [f64; 2])> = None;
    // The corners that are farthest along the side, across it, and against it.
    let (mut along, mut across, mut against) = (1, 1, 1);
    for index in 0..count {
        let (from, to) = (point(index), point(index + 1));
        let length = (to[0] - from[0]).hypot(to[1] - from[1]);
        let side = [(to[0] - from[0]) / length, (to[1] - from[1]) / length];
        let normal = [-side[1], side[0]];
        let advance = |start: usize, direction: [f64; 2]| {
            let climbs = |at: usize| dot(point(at + 1), direction) > dot(point(at), direction);
            (start..start + count).find(|&at| !climbs(at)).unwrap_or(start)
        };
        along = advance(along.max(index + 1), side);
        across = advance(across.max(along), normal);
        against = advance(against.max(across), side.map(|part| -part));
        let reach = |at: usize, direction: [f64; 2]| dot(point(at), direction) - dot(from, direction);
        let (low, high, depth) = (reach(against, side), reach(along, side), reach(across, normal));
        let area = (high - low) * depth;
        if best.as_ref().is_none_or(|best| area < best.0) {
            let corner =
                |a: f64, b: f64| [from[0] + side[0] * a + normal[0] * b, from[1] + side[1] * a + normal[1] * b];
            let corners = [corner(low, 0.0), corner(high, 0.0), corner(high, depth), corner(low, depth)];
            best = Some((area, corners, [high - low, depth]));
        }
    }
    best.map(|(_, corners, sides)| (corners.map(flat), sides.map(|side| side as f32)))
}

/// The area and the perimeter of `quad`.
pub fn area_and_perimeter(quad: &Quad) -> (f64, f64) {
    let (mut area, mut perimeter) = (0.0, 0.0);
    for (index, a) in quad.iter().enumerate() {
        let ([ax, ay], [bx, by]) = (a.map(f64::from), quad[(index + 1) % 4].map(f64::from));
        area += ax * by - ay * bx;
        perimeter += (bx - ax).hypot(by - ay);
    }
    (area.abs() / 2.0, perimeter)
}

/// The corners of the convex polygon `hull` grown by `distance` on all sides, with round corners, on whole pixels.
/// The outline of a convex polygon does not cross itself, so nothing needs to be clipped afterwards.
///
/// # Source
/// `ClipperOffset` of the Clipper library, for `jtRound` and its arc tolerance of a quarter of a pixel.
pub fn grow(hull: &[[i32; 2]], distance: f64) -> Vec<[i32; 2]> {
    let count = hull.len();
    if count < 2 || distance.is_nan() || distance <= 0.0 {
        return hull.to_vec();
    }
    let tolerance = (distance * 0.25).min(0.25);
    let steps = (PI / (1.0 - tolerance / distance).acos()).min(distance * PI);
    let normal = |index: usize| {
        let (a, b) = (hull[index % count].map(f64::from), hull[(index + 1) % count].map(f64::from));
        let length = (b[0] - a[0]).hypot(b[1] - a[1]);
        [(b[1] - a[1]) / length, (a[0] - b[0]) / length]
    };
    let mut grown = Vec::new();
    for (index, corner) in hull.iter().enumerate() {
        let (before, after) = (normal(index + count - 1), normal(index));
        let angle = (before[0] * after[1] - after[0] * before[1]).atan2(before[0] * after[0] + before[1] * after[1]);
        let count = ((steps / TAU * angle.abs()).round()).clamp(1.0, 1e4) as usize;
        let mut put = |[x, y]: [f64; 2]| {
            let at = |coordinate: i32, part: f64| (f64::from(coordinate) + part * distance).round() as i32;
            grown.push([at(corner[0], x), at(corner[1], y)]);
        };
        let (sin, cos) = (TAU / steps).sin_cos();
        let mut direction = before;
        for _ in 0..count {
            put(direction);
            direction = [direction[0] * cos - direction[1] * sin, direction[0] * sin + direction[1] * cos];
        }
        put(after);
    }
    grown
}

/// For each row that `quad` touches, the row and its first and last pixel, borders included. Corners are rounded down to
/// whole pixels.
///
/// # Source
/// The pixels that OpenCV's `fillPoly` fills for a convex polygon.
pub fn rows_within(quad: &Quad) -> Vec<(i32, i32, i32)> {
    let corners = quad.map(|point| point.map(|coordinate| coordinate as i32));
    let ys = corners.map(|corner| corner[1]);
    let (top, bottom) = (ys.into_iter().min().unwrap_or(0), ys.into_iter().max().unwrap_or(0));
    (top..=bottom)
        .filter_map(|y| {
            let mut ends: Option<(f64, f64)> = None;
            for index in 0..4 {
                let (a, b) = (corners[index].map(f64::from), corners[(index + 1) % 4].map(f64::from));
                // The part of the side whose pixels are in this row.
                let (low, high) = (f64::from(y) - 0.5, f64::from(y) + 0.5);
                let (upper, lower) = if a[1] <= b[1] { (a, b) } else { (b, a) };
                if lower[1] < low || upper[1] > high {
                    continue;
                }
                let at = |y: f64| {
                    if lower[1] == upper[1] {
                        upper[0]
                    } else {
                        upper[0] + (lower[0] - upper[0]) * (y - upper[1]) / (lower[1] - upper[1])
                    }
                };
                let flat = (lower[0] - upper[0]).abs() > lower[1] - upper[1];
                let both = if flat {
                    [at(low.max(upper[1])), if lower[1] == upper[1] { lower[0] } else { at(high.min(lower[1])) }]
                } else {
                    [at(f64::from(y).clamp(upper[1], lower[1])); 2]
                };
                let (least, most) = (both[0].min(both[1]), both[0].max(both[1]));
                ends = Some(ends.map_or((least, most), |ends| (ends.0.min(least), ends.1.max(most))));
            }
            ends.map(|(left, right)| (y, left.round() as i32, right.round() as i32))
        })
        .collect()
}
