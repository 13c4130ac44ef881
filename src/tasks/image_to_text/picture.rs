//! Images in BGR, as the models were trained on, and bilinear resizing with the rounding of OpenCV.

use crate::error::{Error, Result};

/// An image, three bytes for each pixel in the order that the models were trained on: blue, green, red.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row by row.
    pub bgr: Vec<u8>,
}

/// The sum of the integer weights of two neighbours.
const ONE: f32 = 2048.0;

impl Picture {
    /// An image of RGBA as a canvas gives it, with white behind what is transparent.
    ///
    /// # Errors
    /// Invalid input: it has no pixels, or not four bytes for each.
    pub fn from_rgba(rgba: &[u8], width: usize, height: usize) -> Result<Self> {
        if width == 0 || height == 0 {
            return Err(Error::invalid_input(format!("an image must have pixels, got {width} × {height}")));
        }
        if width.checked_mul(height).and_then(|pixels| pixels.checked_mul(4)) != Some(rgba.len()) {
            return Err(Error::invalid_input(format!(
                "an image of {width} × {height} pixels must have four bytes for each, got {} in all",
                rgba.len()
            )));
        }
        let mut bgr = Vec::with_capacity(rgba.len() / 4 * 3);
        for pixel in rgba.chunks_exact(4) {
            let alpha = u32::from(pixel[3]);
            let on_white = |value: u8| ((u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
            bgr.extend([on_white(pixel[2]), on_white(pixel[1]), on_white(pixel[0])]);
        }
        Ok(Self { width, height, bgr })
    }

    /// A black image.
    pub fn black(width: usize, height: usize) -> Self {
        Self { width, height, bgr: vec![0; width * height * 3] }
    }

    /// The same image with a black border.
    pub fn padded(&self, horizontal: usize, vertical: usize) -> Self {
        let mut padded = Self::black(self.width + 2 * horizontal, self.height + 2 * vertical);
        let rows = padded.bgr.chunks_exact_mut((self.width + 2 * horizontal) * 3).skip(vertical);
        for (to, from) in rows.zip(self.bgr.chunks_exact(self.width * 3)) {
            to[horizontal * 3..][..from.len()].copy_from_slice(from);
        }
        padded
    }

    /// The same image at another size.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        let mut bgr = Vec::with_capacity(width * height * 3);
        self.resize(width, height, |_, row| bgr.extend_from_slice(row));
        Self { width, height, bgr }
    }

    /// The image rotated by 90° counterclockwise.
    pub fn turned_left(&self) -> Self {
        let mut bgr = Vec::with_capacity(self.bgr.len());
        for x in (0..self.width).rev() {
            for y in 0..self.height {
                bgr.extend_from_slice(&self.bgr[(y * self.width + x) * 3..][..3]);
            }
        }
        Self { width: self.height, height: self.width, bgr }
    }

    /// The image rotated by 180°.
    pub fn turned_over(&self) -> Self {
        let bgr = self.bgr.rchunks_exact(3).flatten().copied().collect();
        Self { bgr, ..*self }
    }

    /// Writes the image, resized to `width` × `height`, into the left of `planes`, `[3, height, stride]`, with numbers from
    /// -1 to 1.
    pub fn write_planes(&self, width: usize, height: usize, planes: &mut [f32]) {
        let numbers: [f32; 256] = std::array::from_fn(|value| (value as f32 / 255.0 - 0.5) / 0.5);
        let plane = planes.len() / 3;
        let stride = plane / height.max(1);
        self.resize(width, height, |y, row| {
            for (channel, plane) in planes.chunks_exact_mut(plane).enumerate() {
                let values = row.iter().skip(channel).step_by(3);
                let row = &mut plane[y * stride..][..width];
                row.iter_mut().zip(values).for_each(|(number, &value)| *number = numbers[usize::from(value)]);
            }
        });
    }

    /// Calls `put` with the rows of the resized image: each pixel from its four nearest, in integers.
    ///
    /// # Source
    /// OpenCV's `resize` with `INTER_LINEAR`.
    fn resize(&self, width: usize, height: usize, mut put: impl FnMut(usize, &[u8])) {
        let columns = neighbours(self.width, width);
        let mut rows = [(usize::MAX, Vec::new()), (usize::MAX, Vec::new())];
        let mut row = vec![0u8; width * 3];
        for (y, at) in neighbours(self.height, height).into_iter().enumerate() {
            if rows[1].0 == at.first {
                rows.swap(0, 1);
            }
            for (cached, wanted) in rows.iter_mut().zip([at.first, at.second]) {
                if cached.0 != wanted {
                    let from = &self.bgr[wanted * self.width * 3..][..self.width * 3];
                    cached.0 = wanted;
                    cached.1.resize(width * 3, 0);
                    for (to, at) in cached.1.chunks_exact_mut(3).zip(&columns) {
                        let (first, second) = (&from[at.first * 3..][..3], &from[at.second * 3..][..3]);
                        for ((to, &first), &second) in to.iter_mut().zip(first).zip(second) {
                            *to = i32::from(first) * at.weights[0] + i32::from(second) * at.weights[1];
                        }
                    }
                }
            }
            let pairs = rows[0].1.iter().zip(&rows[1].1);
            for (value, (first, second)) in row.iter_mut().zip(pairs) {
                // Truncated where OpenCV's vector code truncates, so that the bytes are the same.
                let sum = (((first >> 4) * at.weights[0]) >> 16) + (((second >> 4) * at.weights[1]) >> 16);
                *value = ((sum + 2) >> 2) as u8;
            }
            put(y, &row);
        }
    }
}

/// The two source pixels around a target pixel, and their weights.
struct Neighbours {
    first: usize,
    second: usize,
    weights: [i32; 2],
}

fn neighbours(old: usize, new: usize) -> Vec<Neighbours> {
    let last = old - 1;
    let scale = old as f64 / new as f64;
    let at = |index: usize| {
        let source = ((index as f64 + 0.5) * scale - 0.5) as f32;
        let first = source.floor();
        let part = source - first;
        if first < 0.0 || first as usize >= last {
            let edge = if first < 0.0 { 0 } else { last };
            return Neighbours { first: edge, second: edge, weights: [ONE as i32, 0] };
        }
        let weight = |share: f32| (share * ONE).round_ties_even() as i32;
        Neighbours { first: first as usize, second: first as usize + 1, weights: [weight(1.0 - part), weight(part)] }
    };
    (0..new).map(at).collect()
}
