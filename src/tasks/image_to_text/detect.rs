//! Text detection: the input of the detection model, and boxes from its probability map.

use super::ImageToTextOptions;
use super::contours::follow_borders;
use super::geometry::{Quad, area_and_perimeter, convex_hull, grow, min_area_rect, rows_within};
use super::picture::Picture;
use crate::sort::{order_by, sort_by};

/// The probability of text in the map above which a pixel is text.
const THRESHOLD: f32 = 0.3;
/// The most borders that are candidates.
const MAX_CANDIDATES: usize = 1000;
/// The minimum of the shorter side of a candidate.
const MIN_SIDE: f32 = 3.0;

/// A box around text, and its score.
#[derive(Clone, Debug, PartialEq)]
pub struct TextBox {
    /// Its corners, clockwise from the upper left one.
    pub corners: Quad,
    /// The mean of the map inside the box.
    pub score: f64,
}

/// The size of the model's input: the shorter side at least `limit`, both multiples of 32.
pub fn detection_size(width: usize, height: usize, limit: usize) -> (usize, usize) {
    let shorter = width.min(height);
    let ratio = if shorter < limit { limit as f64 / shorter as f64 } else { 1.0 };
    let scaled = |side: usize| to_32((side as f64 * ratio) as usize);
    (scaled(width), scaled(height))
}

/// The nearest multiple of 32, but not 0.
pub fn to_32(side: usize) -> usize {
    ((side as f64 / 32.0).round_ties_even() as usize).max(1) * 32
}

/// The boxes in `map`, rows of `map_width` probabilities, scaled to the image, which is `width` × `height`.
///
/// # Source
/// Liao et al. 2020, "Real-time Scene Text Detection with Differentiable Binarization", as in `DBPostProcess`
/// of rapidocr-onnxruntime 1.4.4: `score_mode` fast, with dilation.
pub fn boxes_in_map(
    map: &[f32],
    map_width: usize,
    (width, height): (usize, usize),
    options: &ImageToTextOptions,
) -> Vec<TextBox> {
    let map_height = map.len() / map_width.max(1);
    let mask = dilated_mask(map, map_width);
    let mut found = Vec::new();
    let mut borders = 0;
    follow_borders(&mask, map_width, |points| {
        borders += 1;
        found.extend(text_box(points, map, map_width, options).map(|text_box| (borders, text_box)));
    });
    // From the last to the first, as OpenCV lists them.
    let scale = |coordinate: f32, from: usize, to: usize| {
        (coordinate / from as f32 * to as f32).round_ties_even().clamp(0.0, to as f32)
    };
    let candidates = found.into_iter().rev().take_while(|(border, _)| border + MAX_CANDIDATES > borders);
    candidates
        .map(|(_, TextBox { corners, score })| {
            let corners = corners.map(|[x, y]| [scale(x, map_width, width), scale(y, map_height, height)]);
            TextBox { corners, score }
        })
        .collect()
}

/// The pixels above the threshold, dilated by one to the right and down.
fn dilated_mask(map: &[f32], width: usize) -> Vec<bool> {
    let mut mask = vec![false; map.len()];
    for (y, row) in map.chunks_exact(width.max(1)).enumerate() {
        for (x, _) in row.iter().enumerate().filter(|(_, value)| **value > THRESHOLD) {
            let at = y * width + x;
            let right = usize::from(x + 1 < width);
            for at in [at, at + right, at + width, at + width + right] {
                if let Some(set) = mask.get_mut(at) {
                    *set = true;
                }
            }
        }
    }
    mask
}

/// The box for a border, on the map; `None` if it is too small, or its score too low.
fn text_box(points: &[[i32; 2]], map: &[f32], width: usize, options: &ImageToTextOptions) -> Option<TextBox> {
    let (rect, sides) = min_area_rect(&convex_hull(points))?;
    if sides[0].min(sides[1]) < MIN_SIDE {
        return None;
    }
    let score = mean_within(map, width, &rect)?;
    if score < options.box_threshold {
        return None;
    }
    let (area, outline) = area_and_perimeter(&rect);
    let whole = convex_hull(&rect.map(|corner| corner.map(|coordinate| coordinate as i32)));
    let grown = convex_hull(&grow(&whole, area * options.unclip_ratio / outline));
    let (rect, sides) = min_area_rect(&grown)?;
    (sides[0].min(sides[1]) >= MIN_SIDE + 2.0).then(|| TextBox { corners: left_to_right(rect), score })
}

/// The mean of the map inside `quad`.
fn mean_within(map: &[f32], width: usize, quad: &Quad) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0);
    for (y, left, right) in rows_within(quad) {
        let Some(row) = usize::try_from(y).ok().and_then(|y| map.chunks_exact(width).nth(y)) else { continue };
        let from = (left.max(0) as usize).min(width);
        let to = (right + 1).max(0) as usize;
        let values = &row[from..to.clamp(from, width)];
        sum += values.iter().map(|&value| f64::from(value)).sum::<f64>();
        count += values.len();
    }
    (count > 0).then(|| sum / count as f64)
}

/// The corners clockwise from the upper left one, by pairs: the two left ones, the two right ones.
fn left_to_right(quad: Quad) -> Quad {
    let order = order_by(quad.len(), &|a, b| quad[a][0].total_cmp(&quad[b][0]));
    let [a, b, c, d] = std::array::from_fn(|at| quad[order[at]]);
    let (top_left, bottom_left) = if b[1] > a[1] { (a, b) } else { (b, a) };
    let (top_right, bottom_right) = if d[1] > c[1] { (c, d) } else { (d, c) };
    [top_left, top_right, bottom_right, bottom_left]
}

/// Clips boxes to the image, drops those of which little is left, and sorts them in reading order.
///
/// # Source
/// `filter_tag_det_res` and `sorted_boxes` of rapidocr-onnxruntime 1.4.4.
pub fn reading_order(boxes: Vec<TextBox>, width: usize, height: usize) -> Vec<TextBox> {
    let inside =
        |[x, y]: [f32; 2]| [x.clamp(0.0, (width - 1) as f32).trunc(), y.clamp(0.0, (height - 1) as f32).trunc()];
    let mut clipped: Vec<TextBox> = boxes
        .into_iter()
        .map(|found| TextBox { corners: left_to_right(found.corners).map(inside), ..found })
        .filter(|found| {
            let [top_left, top_right, _, bottom_left] = found.corners;
            distance(top_left, top_right) >= 4.0 && distance(top_left, bottom_left) >= 4.0
        })
        .collect();
    let first = |found: &TextBox| found.corners[0];
    sort_by(&mut clipped, |a, b| first(a)[1].total_cmp(&first(b)[1]).then(first(a)[0].total_cmp(&first(b)[0])));
    // Neighbours at nearly the same height are on one line.
    for last in 1..clipped.len() {
        for index in (0..last).rev() {
            let (a, b) = (first(&clipped[index]), first(&clipped[index + 1]));
            if (b[1] - a[1]).abs() >= 10.0 || b[0] >= a[0] {
                break;
            }
            clipped.swap(index, index + 1);
        }
    }
    clipped
}

/// The distance of two points.
pub fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    let (x, y) = (a[0] - b[0], a[1] - b[1]);
    (x * x + y * y).sqrt()
}

/// The input of the detection model, `[1, 3, height, width]`, and its shape.
pub fn detection_input(picture: &Picture, limit: usize) -> (Vec<f32>, [usize; 4]) {
    let (width, height) = detection_size(picture.width, picture.height, limit);
    let mut planes = vec![0.0; 3 * width * height];
    picture.write_planes(width, height, &mut planes);
    (planes, [1, 3, height, width])
}
