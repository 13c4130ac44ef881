//! Cropping: the image in a quadrilateral, rectified by a perspective transform with bicubic interpolation.

use super::detect::distance;
use super::geometry::Quad;
use super::picture::Picture;

/// Coordinates are rounded to this fraction of a pixel, so that those on a pixel are copied.
const PARTS: f64 = 65_536.0;

/// The image in the box with these corners, as a rectangle with horizontal text: a box that is at least 1.5 times as high
/// as wide is rotated counterclockwise.
///
/// # Source
/// `get_rotate_crop_image` of rapidocr-onnxruntime 1.4.4; OpenCV's `warpPerspective` with `INTER_CUBIC` and
/// `BORDER_REPLICATE`.
pub fn crop(picture: &Picture, corners: &Quad) -> Picture {
    let (width, height) = sides(picture, corners);
    let source = perspective(corners, width, height);
    let mut bgr = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let [px, py] = source(x as f64, y as f64).map(|coordinate| (coordinate * PARTS).round());
            let ([x, part_x], [y, part_y]) = (split(px), split(py));
            if part_x == 0.0 && part_y == 0.0 {
                bgr.extend_from_slice(pixel(picture, x as i64, y as i64));
            } else {
                bgr.extend(mix(picture, x as i64, y as i64, &cubic_weights(part_x), &cubic_weights(part_y)));
            }
        }
    }
    let cropped = Picture { width, height, bgr };
    if is_upright(width, height) { cropped.turned_left() } else { cropped }
}

/// The size that [`crop`] gives.
pub fn crop_size(picture: &Picture, corners: &Quad) -> (usize, usize) {
    let (width, height) = sides(picture, corners);
    if is_upright(width, height) { (height, width) } else { (width, height) }
}

/// The longer of each two opposite sides.
fn sides(picture: &Picture, [a, b, c, d]: &Quad) -> (usize, usize) {
    let longer = |first: f32, second: f32| (first.max(second) as usize).clamp(1, 2 * (picture.width + picture.height));
    (longer(distance(*a, *b), distance(*c, *d)), longer(distance(*a, *d), distance(*b, *c)))
}

fn is_upright(width: usize, height: usize) -> bool {
    2 * height >= 3 * width
}

/// The pixel at `x`, `y`, or the nearest one of the image.
fn pixel(picture: &Picture, x: i64, y: i64) -> &[u8] {
    let x = x.clamp(0, picture.width as i64 - 1) as usize;
    let y = y.clamp(0, picture.height as i64 - 1) as usize;
    &picture.bgr[(y * picture.width + x) * 3..][..3]
}

/// The weighted sum of the 4 × 4 pixels around `x`, `y`.
fn mix(picture: &Picture, x: i64, y: i64, across: &[f32; 4], down: &[f32; 4]) -> [u8; 3] {
    let mut sums = [0.0f32; 3];
    for (row, down) in (y - 1..).zip(down) {
        let mut line = [0.0f32; 3];
        for (column, across) in (x - 1..).zip(across) {
            let pixel = pixel(picture, column, row);
            line.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += f32::from(value) * across);
        }
        sums.iter_mut().zip(line).for_each(|(sum, line)| *sum += line * down);
    }
    sums.map(|sum| sum.round_ties_even().clamp(0.0, 255.0) as u8)
}

/// A coordinate in fractions of a pixel as a pixel and the rest.
fn split(coordinate: f64) -> [f64; 2] {
    let pixel = (coordinate / PARTS).floor();
    [pixel, coordinate / PARTS - pixel]
}

/// The weights of the four neighbours of a coordinate that is `x` behind the second of them.
///
/// # Source
/// Keys 1981, "Cubic convolution interpolation", with a = -0.75 as in OpenCV.
fn cubic_weights(x: f64) -> [f32; 4] {
    const A: f32 = -0.75;
    let x = x as f32;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let first = ((A * (x + 1.0) - 5.0 * A) * (x + 1.0) + 8.0 * A) * (x + 1.0) - 4.0 * A;
    let (second, third) = (near(x), near(1.0 - x));
    [first, second, third, 1.0 - first - second - third]
}

/// Maps points of a rectangle of `width` × `height` to points of the quadrilateral with these corners.
///
/// # Source
/// Heckbert 1989, "Fundamentals of texture mapping and image warping", section 2.2.3.
fn perspective(corners: &Quad, width: usize, height: usize) -> impl Fn(f64, f64) -> [f64; 2] {
    let [a, b, c, d] = corners.map(|corner| corner.map(f64::from));
    let (width, height) = (width as f64, height as f64);
    let across = [b[0] - c[0], b[1] - c[1]];
    let down = [d[0] - c[0], d[1] - c[1]];
    let bend = [a[0] - b[0] + c[0] - d[0], a[1] - b[1] + c[1] - d[1]];
    let area = across[0] * down[1] - down[0] * across[1];
    // Three corners on a line have no perspective.
    let [g, h] = if area == 0.0 {
        [0.0; 2]
    } else {
        [(bend[0] * down[1] - down[0] * bend[1]) / area, (across[0] * bend[1] - bend[0] * across[1]) / area]
    };
    let rows = [0, 1].map(|axis| [b[axis] - a[axis] + g * b[axis], d[axis] - a[axis] + h * d[axis], a[axis]]);
    move |x, y| {
        let (u, v) = (x / width, y / height);
        let depth = g * u + h * v + 1.0;
        rows.map(|row| {
            let coordinate = (row[0] * u + row[1] * v + row[2]) / depth;
            if coordinate.is_finite() { coordinate.clamp(-1e6, 1e6) } else { 0.0 }
        })
    }
}
