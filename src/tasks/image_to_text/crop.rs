//! Boxes out of a picture, straightened.

use super::detect::distance;
use super::geometry::Quad;
use super::picture::Picture;

/// A pixel is parted into so many places that can be told apart, so that what lies on pixels is copied.
const PARTS: f64 = 65_536.0;

/// What is in the box with these corners, as seen from above, with the text lying: what is half as high again as it is
/// wide is turned to the left.
///
/// # Source
/// `get_rotate_crop_image` of rapidocr-onnxruntime 1.4.4; OpenCV's `warpPerspective` with `INTER_CUBIC` and
/// `BORDER_REPLICATE`.
pub fn crop(picture: &Picture, corners: &Quad) -> Picture {
    let (width, height) = sides(picture, corners);
    let place = perspective(corners, width, height);
    let mut bgr = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let [px, py] = place(x as f64, y as f64).map(|place| (place * PARTS).round());
            let ([x, part_x], [y, part_y]) = (split(px), split(py));
            if part_x == 0.0 && part_y == 0.0 {
                bgr.extend_from_slice(pixel(picture, x as i64, y as i64));
            } else {
                bgr.extend(mix(picture, x as i64, y as i64, &cubic_weights(part_x), &cubic_weights(part_y)));
            }
        }
    }
    let cropped = Picture { width, height, bgr };
    if stands(width, height) { cropped.turned_left() } else { cropped }
}

/// The size that [`crop`] gives.
pub fn crop_size(picture: &Picture, corners: &Quad) -> (usize, usize) {
    let (width, height) = sides(picture, corners);
    if stands(width, height) { (height, width) } else { (width, height) }
}

/// The longer of each two sides that face each other.
fn sides(picture: &Picture, [a, b, c, d]: &Quad) -> (usize, usize) {
    let longer = |first: f32, second: f32| (first.max(second) as usize).clamp(1, 2 * (picture.width + picture.height));
    (longer(distance(*a, *b), distance(*c, *d)), longer(distance(*a, *d), distance(*b, *c)))
}

fn stands(width: usize, height: usize) -> bool {
    2 * height >= 3 * width
}

/// The pixel at a place, or the nearest one where it lies outside.
fn pixel(picture: &Picture, x: i64, y: i64) -> &[u8] {
    let x = x.clamp(0, picture.width as i64 - 1) as usize;
    let y = y.clamp(0, picture.height as i64 - 1) as usize;
    &picture.bgr[(y * picture.width + x) * 3..][..3]
}

/// The four by four pixels around a place, weighed.
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

/// A place in parts of pixels, as a pixel and what is over.
fn split(place: f64) -> [f64; 2] {
    let pixel = (place / PARTS).floor();
    [pixel, place / PARTS - pixel]
}

/// The weights of the four neighbours of a place that is `x` behind the second of them.
///
/// # Source
/// Keys 1981, "Cubic convolution interpolation", with a of -0.75 as OpenCV has it.
fn cubic_weights(x: f64) -> [f32; 4] {
    const A: f32 = -0.75;
    let x = x as f32;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let first = ((A * (x + 1.0) - 5.0 * A) * (x + 1.0) + 8.0 * A) * (x + 1.0) - 4.0 * A;
    let (second, third) = (near(x), near(1.0 - x));
    [first, second, third, 1.0 - first - second - third]
}

/// From places in a rectangle of `width` × `height` to those in the quadrilateral with these corners.
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
            let place = (row[0] * u + row[1] * v + row[2]) / depth;
            if place.is_finite() { place.clamp(-1e6, 1e6) } else { 0.0 }
        })
    }
}
