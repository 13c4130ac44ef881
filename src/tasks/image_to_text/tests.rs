//! Against `tests/golden/tasks/images.json`, which rapidocr wrote.

use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;

use super::contours::follow_borders;
use super::crop::{crop, crop_size};
use super::detect::{TextBox, boxes_in_map, detection_input, detection_size, reading_order};
use super::geometry::{Quad, area_and_perimeter, convex_hull, grow, min_area_rect, rows_within};
use super::lines::{DIRECTION_WIDTH, batches, characters, decode, likeliest, line_input, reading_width};
use super::picture::Picture;
use super::prepare::prepare;
use super::{ImageToTextOptions, Result};
use crate::error::ErrorKind;

#[path = "../../../tests/golden/tasks/qoi.rs"]
mod qoi;

#[derive(Deserialize)]
struct Case {
    name: String,
    det_shape: [usize; 4],
    det_rows: Vec<f64>,
    det_columns: Vec<f64>,
    map_boxes: Vec<(Quad, f64)>,
    boxes: Vec<Quad>,
    crops: Vec<Crop>,
    rec_shapes: Vec<[usize; 4]>,
    rec_means: Vec<Vec<f64>>,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Crop {
    shape: [usize; 2],
    means: Vec<f64>,
    columns: Vec<f64>,
}

#[derive(Deserialize)]
struct Line {
    r#box: Quad,
}

fn cases() -> Vec<Case> {
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path("images.json")).unwrap()).unwrap();
    assert!(cases.len() >= 15);
    cases
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tasks").join(name)
}

/// A picture's RGBA, width and height.
fn read_picture(name: &str) -> (Vec<u8>, usize, usize) {
    qoi::decode(&std::fs::read(path(&format!("images/{name}.qoi"))).unwrap())
}

fn picture(name: &str) -> Picture {
    let (rgba, width, height) = read_picture(name);
    Picture::from_rgba(&rgba, width, height).unwrap()
}

#[track_caller]
fn near(ours: &[f64], theirs: &[f64], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (index, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= tolerance, "{what}: {a} and {b} at {index}");
    }
}

fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = numbers.fold((0.0, 0), |(sum, count), number| (sum + number, count + 1));
    sum / f64::from(count)
}

#[track_caller]
fn same_box(ours: &Quad, theirs: &Quad, tolerance: f32, what: &str) {
    for (a, b) in ours.iter().flatten().zip(theirs.iter().flatten()) {
        assert!((a - b).abs() <= tolerance, "{what}: {ours:?} and {theirs:?}");
    }
}

#[test]
fn the_detection_model_is_given_what_rapidocr_gives_it() {
    for case in cases() {
        let prepared = prepare(picture(&case.name)).unwrap();
        let (planes, dims) = detection_input(&prepared.picture, 736);
        assert_eq!(dims, case.det_shape, "{}", case.name);
        let [_, _, height, width] = dims;
        let at = |channel: usize, y: usize, x: usize| f64::from(planes[(channel * height + y) * width + x]);
        let block = |ys: std::ops::Range<usize>, xs: std::ops::Range<usize>| {
            let ys = ys.flat_map(|y| xs.clone().map(move |x| (y, x)));
            mean(ys.flat_map(|(y, x)| (0..3).map(move |channel| (channel, y, x))).map(|(c, y, x)| at(c, y, x)))
        };
        let rows: Vec<_> = (0..height / 32).map(|row| block(row * 32..row * 32 + 32, 0..width)).collect();
        let columns: Vec<_> = (0..width / 32).map(|column| block(0..height, column * 32..column * 32 + 32)).collect();
        near(&rows, &case.det_rows, 1e-5, &case.name);
        near(&columns, &case.det_columns, 1e-5, &case.name);
    }
}

#[test]
fn boxes_are_where_rapidocr_finds_them() {
    for case in cases() {
        let (rgba, width, height) = read_picture(&format!("{}.map", case.name));
        assert_eq!([height, width], [case.det_shape[2], case.det_shape[3]]);
        let map: Vec<f32> = rgba.chunks_exact(4).map(|pixel| f32::from(pixel[0]) / 255.0).collect();
        let found = boxes_in_map(&map, width, (width * 2, height / 2), &ImageToTextOptions::default());
        assert_eq!(found.len(), case.map_boxes.len(), "{}", case.name);
        for (ours, (corners, score)) in found.iter().zip(&case.map_boxes) {
            // A pixel of the map is two of this width.
            same_box(&ours.corners, corners, 2.0, &case.name);
            assert!((ours.score - score).abs() < 0.005, "{}: {} and {score}", case.name, ours.score);
        }
    }
}

#[test]
fn boxes_are_cut_out_and_straightened_as_rapidocr_does() {
    for case in cases() {
        let prepared = prepare(picture(&case.name)).unwrap();
        assert_eq!(case.boxes.len(), case.crops.len());
        for (index, (corners, expected)) in case.boxes.iter().zip(&case.crops).enumerate() {
            let what = format!("{} {index}", case.name);
            let ours = crop(&prepared.picture, corners);
            assert_eq!([ours.height, ours.width], expected.shape, "{what}");
            assert_eq!(crop_size(&prepared.picture, corners), (ours.width, ours.height));
            let value = |y: usize, x: usize, channel: usize| f64::from(ours.bgr[(y * ours.width + x) * 3 + channel]);
            let all = |channel| (0..ours.height).flat_map(move |y| (0..ours.width).map(move |x| (y, x, channel)));
            let means: Vec<_> = (0..3).map(|channel| mean(all(channel).map(|(y, x, c)| value(y, x, c)))).collect();
            near(&means, &expected.means, 0.01, &what);
            let column = |x: usize| mean((0..ours.height).flat_map(|y| [0, 1, 2].map(|c| value(y, x, c))));
            let columns: Vec<_> = (0..ours.width).step_by(8).map(column).collect();
            near(&columns, &expected.columns, 0.1, &what);
        }
    }
}

#[test]
fn lines_are_given_to_the_models_as_rapidocr_gives_them() {
    for case in cases() {
        let prepared = prepare(picture(&case.name)).unwrap();
        let crops: Vec<_> = case.boxes.iter().map(|corners| crop(&prepared.picture, corners)).collect();
        let ratios: Vec<_> = crops.iter().map(|line| line.width as f64 / line.height as f64).collect();
        let batches = batches(&ratios);
        assert_eq!(batches.len(), case.rec_shapes.len(), "{}", case.name);
        for ((batch, shape), means) in batches.iter().zip(&case.rec_shapes).zip(&case.rec_means) {
            let lines: Vec<_> = batch.iter().map(|&index| crops[index].clone()).collect();
            let (planes, dims) = line_input(&lines, reading_width(&lines));
            assert_eq!(&dims, shape, "{}", case.name);
            let ours: Vec<_> = planes
                .chunks_exact(3 * dims[2] * dims[3])
                .map(|planes| mean(planes.iter().map(|&number| f64::from(number))))
                .collect();
            // Means stay what they are when a line is turned over.
            near(&ours, means, 0.0002, &case.name);
            assert_eq!(line_input(&lines, DIRECTION_WIDTH).1, [lines.len(), 3, 48, 192]);
        }
    }
}

#[test]
fn boxes_are_given_in_the_picture_that_was_handed_in() {
    let mut compared = 0;
    for case in cases().iter().filter(|case| case.lines.len() == case.boxes.len()) {
        let prepared = prepare(picture(&case.name)).unwrap();
        for (corners, line) in case.boxes.iter().zip(&case.lines) {
            same_box(&prepared.to_original(*corners), &line.r#box, 0.01, &case.name);
            compared += 1;
        }
    }
    assert!(compared > 30);
}

#[test]
fn boxes_are_put_in_the_order_of_reading() {
    let at =
        |x: f32, y: f32| TextBox { corners: [[x, y], [x + 20.0, y], [x + 20.0, y + 10.0], [x, y + 10.0]], score: 1.0 };
    let too_small = TextBox { corners: [[0.0, 0.0], [3.0, 0.0], [3.0, 9.0], [0.0, 9.0]], score: 1.0 };
    let boxes = vec![at(50.0, 0.0), at(0.0, 30.0), at(100.0, 4.0), too_small, at(0.0, 8.0), at(90.0, 95.0)];
    let order: Vec<_> = reading_order(boxes, 100, 100).iter().map(|found| found.corners[0]).collect();
    // The one that is at the edge is cut to nothing.
    assert_eq!(order, [[0.0, 8.0], [50.0, 0.0], [0.0, 30.0], [90.0, 95.0]]);
}

#[test]
fn texts_are_decoded() {
    let known = characters("a\r\nb\n\u{3000}");
    assert_eq!(known, ["", "a", "b", "\u{3000}", " "]);
    assert_eq!(characters("a\nb\n"), ["", "a", "b", " "]);
    let steps = |path: &[usize]| -> Vec<f32> {
        path.iter().flat_map(|&index| (0..5).map(move |other| if other == index { 0.75 } else { 0.0625 })).collect()
    };
    let read = |path: &[usize]| decode(&steps(path), &known).unwrap();
    assert_eq!(read(&[0, 1, 1, 0, 1, 2, 4, 4, 2, 0]), ("aab b".to_string(), 0.75));
    assert_eq!(read(&[0, 0]), (String::new(), 0.0));
    assert_eq!(read(&[]), (String::new(), 0.0));
    assert_eq!(decode(&[0.0; 7], &known).unwrap_err().kind(), ErrorKind::InvalidArtefact);
    assert_eq!(decode::<&str>(&[], &[]).unwrap_err().kind(), ErrorKind::InvalidArtefact);
    assert_eq!((likeliest(&[0.5, 0.5]), likeliest(&[]), likeliest(&[f32::NAN])).0, (0, 0.5));
}

fn prepared_size(width: usize, height: usize) -> Result<(usize, usize)> {
    let prepared = prepare(Picture::black(width, height))?;
    Ok(detection_size(prepared.picture.width, prepared.picture.height, 736))
}

#[test]
fn pictures_that_make_no_sense_are_refused_and_odd_ones_stay_small() {
    for (length, width, height) in [(0, 0, 0), (0, 0, 5), (16, 2, 3), (12, 2, 2), (0, usize::MAX, usize::MAX)] {
        let error = Picture::from_rgba(&vec![0; length], width, height).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{width} × {height}");
    }
    for (width, height) in [(10_000, 1), (1, 10_000), (101, 1)] {
        assert_eq!(prepared_size(width, height).unwrap_err().kind(), ErrorKind::InvalidInput, "{width} × {height}");
    }
    for (width, height) in [(1, 1), (2, 1), (100, 1), (1, 100), (3000, 30), (30, 3000), (2000, 20), (5000, 5000)] {
        let (columns, rows) = prepared_size(width, height).unwrap();
        assert!(columns.min(rows) >= 736 && columns * rows <= 4_200_000, "{width} × {height}: {columns} × {rows}");
    }
    for options in [
        ImageToTextOptions { text_score: 1.5, ..Default::default() },
        ImageToTextOptions { box_threshold: f64::NAN, ..Default::default() },
        ImageToTextOptions { unclip_ratio: -1.0, ..Default::default() },
        ImageToTextOptions { limit_side_len: 1 << 20, ..Default::default() },
    ] {
        assert_eq!(options.check().unwrap_err().kind(), ErrorKind::InvalidInput, "{options:?}");
    }
}

#[test]
fn what_is_transparent_lies_on_white() {
    let picture = Picture::from_rgba(&[10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 51], 3, 1).unwrap();
    assert_eq!(picture.bgr, [30, 20, 10, 255, 255, 255, 204, 204, 204]);
    assert_eq!(picture.turned_over().bgr, [204, 204, 204, 255, 255, 255, 30, 20, 10]);
    assert_eq!((picture.turned_left().width, picture.turned_left().height), (1, 3));
    assert_eq!(picture.turned_left().bgr[..3], [204, 204, 204]);
}

/// Borders in a drawing, where `#` is set.
fn borders(drawing: &[&str]) -> Vec<Vec<[i32; 2]>> {
    let mask: Vec<bool> = drawing.iter().flat_map(|row| row.chars().map(|letter| letter == '#')).collect();
    let mut found = Vec::new();
    follow_borders(&mask, drawing[0].len(), |points| found.push(points.to_vec()));
    found
}

#[test]
fn borders_of_regions_and_holes_are_followed() {
    let found = borders(&["######..", "#....#.#", "#.##.#..", "#....#..", "######.."]);
    let mut sizes: Vec<usize> = found.iter().map(Vec::len).collect();
    sizes.sort_unstable();
    // A point, the island (there and back), the hole around it without corners, the ring from outside.
    assert_eq!(sizes, [1, 2, 14, 18]);
    let touching = borders(&["#.", ".#"]);
    assert_eq!((touching.len(), touching[0].len()), (1, 2));
    assert!(borders(&["...", "..."]).is_empty());
    follow_borders(&[], 0, |_| panic!("an empty mask has no border"));
}

fn any_points() -> impl Strategy<Value = Vec<[i32; 2]>> {
    prop::collection::vec([-60i32..60, -60i32..60], 0..40)
}

fn side(a: [i32; 2], b: [i32; 2], point: [i32; 2]) -> i64 {
    let from = |p: [i32; 2]| [i64::from(p[0] - a[0]), i64::from(p[1] - a[1])];
    let (b, point) = (from(b), from(point));
    b[0] * point[1] - b[1] * point[0]
}

/// The area of the rectangle around `points` that stands in the direction `angle`.
fn area_at(points: &[[i32; 2]], angle: f64) -> f64 {
    let extent = |angle: f64| {
        let projections =
            points.iter().map(|point| f64::from(point[0]) * angle.cos() + f64::from(point[1]) * angle.sin());
        let (low, high) = projections.fold((f64::MAX, f64::MIN), |(low, high), at| (low.min(at), high.max(at)));
        high - low
    };
    extent(angle) * extent(angle + std::f64::consts::FRAC_PI_2)
}

proptest! {
    #[test]
    fn a_hull_is_convex_and_holds_every_point(points in any_points()) {
        let hull = convex_hull(&points);
        prop_assert!(hull.iter().all(|corner| points.contains(corner)));
        prop_assert!(points.is_empty() || !hull.is_empty());
        if hull.len() >= 3 {
            for (index, &a) in hull.iter().enumerate() {
                let (b, c) = (hull[(index + 1) % hull.len()], hull[(index + 2) % hull.len()]);
                prop_assert!(side(a, b, c) > 0);
                prop_assert!(points.iter().all(|&point| side(a, b, point) >= 0));
            }
        }
    }

    #[test]
    fn no_rectangle_around_points_is_smaller(points in any_points()) {
        let hull = convex_hull(&points);
        if let Some((rect, sides)) = min_area_rect(&hull) {
            let (area, outline) = area_and_perimeter(&rect);
            prop_assert!((area - f64::from(sides[0]) * f64::from(sides[1])).abs() < 0.05);
            prop_assert!((outline - 2.0 * f64::from(sides[0] + sides[1])).abs() < 0.01);
            for degree in 0..90 {
                prop_assert!(area <= area_at(&points, f64::from(degree).to_radians()) + 0.05);
            }
            // It is as large as the rectangle in its own direction, so it holds them all.
            if area > 1.0 {
                let [a, b, ..] = rect.map(|corner| corner.map(f64::from));
                prop_assert!((area - area_at(&points, (b[1] - a[1]).atan2(b[0] - a[0]))).abs() < 0.1);
            }
        } else {
            prop_assert!(points.is_empty());
        }
    }

    #[test]
    fn what_has_grown_is_that_far_away_everywhere(points in any_points(), distance in 0.5f64..40.0) {
        let hull = convex_hull(&points);
        if hull.len() >= 3 {
            let grown = grow(&hull, distance);
            for [x, y] in &grown {
                // From the nearest side: round corners on whole pixels, with a quarter of tolerance.
                let nearest = (0..hull.len()).map(|index| {
                    let (a, b) = (hull[index].map(f64::from), hull[(index + 1) % hull.len()].map(f64::from));
                    let (along, to) = ([b[0] - a[0], b[1] - a[1]], [f64::from(*x) - a[0], f64::from(*y) - a[1]]);
                    let part = (along[0] * to[0] + along[1] * to[1]) / (along[0] * along[0] + along[1] * along[1]);
                    let part = part.clamp(0.0, 1.0);
                    (to[0] - along[0] * part).hypot(to[1] - along[1] * part)
                });
                let nearest = nearest.fold(f64::MAX, f64::min);
                prop_assert!((nearest - distance).abs() < 1.0, "{nearest} for {distance}");
            }
            let larger = convex_hull(&grown);
            let inside = hull.iter().all(|&corner| {
                (0..larger.len()).all(|index| side(larger[index], larger[(index + 1) % larger.len()], corner) >= 0)
            });
            prop_assert!(inside);
        }
    }

    #[test]
    fn borders_touch_what_is_not_set(mask in prop::collection::vec(any::<bool>(), 0..200), width in 1usize..14) {
        let mask = &mask[..mask.len() / width * width];
        let set = |x: i32, y: i32| {
            let inside = x >= 0 && y >= 0 && (x as usize) < width;
            inside && mask.get(y as usize * width + x as usize).copied().unwrap_or(false)
        };
        let mut seen = vec![false; mask.len()];
        let mut outcome = Ok(());
        follow_borders(mask, width, |points| {
            for &[x, y] in points {
                let open = [(1, 0), (-1, 0), (0, 1), (0, -1)].iter().any(|(dx, dy)| !set(x + dx, y + dy));
                if !set(x, y) || !open {
                    outcome = Err(TestCaseError::fail(format!("{x}, {y}")));
                }
                seen[y as usize * width + x as usize] = true;
            }
        });
        outcome?;
        for (index, seen) in seen.iter().enumerate() {
            let (x, y) = ((index % width) as i32, (index / width) as i32);
            let open = [(1, 0), (-1, 0), (0, 1), (0, -1)].iter().any(|(dx, dy)| !set(x + dx, y + dy));
            prop_assert_eq!(*seen, set(x, y) && open);
        }
    }

    #[test]
    fn rows_of_a_rectangle_hold_its_corners(points in any_points()) {
        if let Some((rect, _)) = min_area_rect(&convex_hull(&points)) {
            let rows = rows_within(&rect);
            for corner in rect.map(|corner| corner.map(|coordinate| coordinate as i32)) {
                let row = rows.iter().find(|row| row.0 == corner[1]);
                prop_assert!(row.is_some_and(|row| row.1 <= corner[0] && corner[0] <= row.2), "{rect:?} {rows:?}");
            }
        }
    }

    #[test]
    fn any_map_has_boxes_within_the_picture(
        map in prop::collection::vec(prop_oneof![Just(0.0f32), Just(0.9), Just(f32::NAN), 0.0f32..1.0], 0..3000),
        width in 1usize..80,
    ) {
        let map = &map[..map.len() / width * width];
        for found in boxes_in_map(map, width, (50, 70), &ImageToTextOptions::default()) {
            prop_assert!(found.corners.iter().all(|[x, y]| (0.0..=50.0).contains(x) && (0.0..=70.0).contains(y)));
        }
    }

    #[test]
    fn any_box_can_be_cut_out(corners in prop::array::uniform4([-20.0f32..60.0, -20.0f32..60.0])) {
        let picture = Picture { width: 40, height: 30, bgr: vec![7; 40 * 30 * 3] };
        let line = crop(&picture, &corners);
        prop_assert!(line.bgr.len() == line.width * line.height * 3 && line.bgr.iter().all(|&value| value == 7));
        let (planes, dims) = line_input(std::slice::from_ref(&line), reading_width(std::slice::from_ref(&line)));
        prop_assert_eq!(planes.len(), dims.iter().product::<usize>());
    }

    #[test]
    fn one_colour_stays_one_colour(width in 1usize..70, height in 1usize..70, size in [1usize..90, 1usize..90]) {
        let picture = Picture { width, height, bgr: [9, 99, 199].repeat(width * height) };
        let resized = picture.resized(size[0], size[1]);
        prop_assert_eq!(resized.bgr, [9, 99, 199].repeat(size[0] * size[1]));
    }
}
