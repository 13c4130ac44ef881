//! Text recognition: the inputs of the line models, and CTC decoding of their output.

use super::picture::Picture;
use crate::error::{Error, Result};
use crate::sort::order_by;

/// Rows of a line in the input of the models.
const LINE_HEIGHT: usize = 48;
/// Columns of a line in the input of the direction model.
pub const DIRECTION_WIDTH: usize = 192;
/// The most lines of a batch.
const BATCH: usize = 6;
/// The fewest columns in the input of the recognition model.
const MIN_WIDTH: usize = 320;
/// A line of a larger aspect ratio is squeezed.
const MAX_RATIO: f64 = 100.0;

/// The indices of lines of these aspect ratios, the shortest first, in batches; lines of similar length need little
/// padding.
pub fn batches(ratios: &[f64]) -> Vec<Vec<usize>> {
    let indexes = order_by(ratios.len(), &|a, b| ratios[a].total_cmp(&ratios[b]));
    indexes.chunks(BATCH).map(<[usize]>::to_vec).collect()
}

fn ratio(line: &Picture) -> f64 {
    line.width as f64 / line.height as f64
}

/// The columns of a batch of lines.
pub fn reading_width(lines: &[Picture]) -> usize {
    let longest = lines.iter().map(ratio).fold(MIN_WIDTH as f64 / LINE_HEIGHT as f64, f64::max).min(MAX_RATIO);
    (LINE_HEIGHT as f64 * longest) as usize
}

/// Lines at the models' height, at the left of `width` columns, and the shape; the rest is zeros.
pub fn line_input(lines: &[Picture], width: usize) -> (Vec<f32>, [usize; 4]) {
    let size = 3 * LINE_HEIGHT * width;
    let mut planes = vec![0.0; size * lines.len()];
    for (planes, line) in planes.chunks_exact_mut(size.max(1)).zip(lines) {
        let columns = ((LINE_HEIGHT as f64 * ratio(line)).ceil() as usize).clamp(1, width);
        line.write_planes(columns, LINE_HEIGHT, planes);
    }
    (planes, [lines.len(), 3, LINE_HEIGHT, width])
}

/// The characters of a model: the blank, those of its metadata, and the space.
pub fn characters(metadata: &str) -> Vec<&str> {
    let listed = metadata.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut characters: Vec<&str> = std::iter::once("").chain(listed).collect();
    if metadata.ends_with('\n') {
        characters.pop();
    }
    characters.push(" ");
    characters
}

/// The likeliest text of a line from its `steps`, rows of one probability for each of `characters`, and the mean
/// probability of its characters.
///
/// # Source
/// Graves et al. 2006, "Connectionist temporal classification", best path decoding.
///
/// # Errors
/// Invalid artefact: a step does not have one probability for each character.
pub fn decode<S: AsRef<str>>(steps: &[f32], characters: &[S]) -> Result<(String, f64)> {
    if characters.is_empty() || !steps.len().is_multiple_of(characters.len()) {
        return Err(Error::invalid_artefact(format!(
            "the recognition model must give a multiple of {} numbers for a line, got {}",
            characters.len(),
            steps.len()
        )));
    }
    let (mut text, mut sum, mut count) = (String::new(), 0.0, 0);
    let mut before = 0;
    for step in steps.chunks_exact(characters.len()) {
        let (index, probability) = likeliest(step);
        if index != 0 && index != before {
            text.push_str(characters[index].as_ref());
            sum += f64::from(probability);
            count += 1;
        }
        before = index;
    }
    Ok((text, if count == 0 { 0.0 } else { sum / f64::from(count) }))
}

/// The index and value of the first of the largest numbers.
pub fn likeliest(numbers: &[f32]) -> (usize, f32) {
    let first = (0, numbers.first().copied().unwrap_or(0.0));
    numbers.iter().copied().enumerate().fold(first, |best, next| if next.1 > best.1 { next } else { best })
}
