//! Preparation of an image for detection: resizing, and a black border around long strips.

use super::detect::to_32;
use super::geometry::Quad;
use super::picture::Picture;
use crate::error::{Error, Result};

/// A longer image is made smaller.
const MAX_SIDE: usize = 2000;
/// A shorter image is made larger.
const MIN_SIDE: usize = 30;
/// An image of this aspect ratio gets a black border.
const STRIP: usize = 8;
/// An image of a larger aspect ratio holds no text.
const MAX_RATIO: usize = 100;

/// An image for the models, and the transform back.
pub struct Prepared {
    /// The image.
    pub picture: Picture,
    /// The width of the border on the left and above.
    padding: [f32; 2],
    /// Original pixels for each prepared one.
    ratio: [f32; 2],
    /// The size of the original.
    size: [f32; 2],
}

/// Resizes an image that is too small or too large, and adds a border to a very long one.
///
/// # Source
/// `preprocess` and `maybe_add_letterbox` of rapidocr-onnxruntime 1.4.4, which lets upright strips grow
/// without bound; they are treated like horizontal ones here.
///
/// # Errors
/// Invalid input: the image is so narrow that making it larger would take memory without bound.
pub fn prepare(picture: Picture) -> Result<Prepared> {
    let (width, height) = (picture.width, picture.height);
    let (longer, shorter) = (width.max(height), width.min(height));
    if longer / shorter > MAX_RATIO {
        return Err(Error::invalid_input(format!("an image of {width} × {height} pixels is too narrow to hold text")));
    }
    let scale = if longer > MAX_SIDE {
        MAX_SIDE as f64 / longer as f64
    } else if shorter < MIN_SIDE {
        MIN_SIDE as f64 / shorter as f64
    } else {
        1.0
    };
    let picture = if scale == 1.0 {
        picture
    } else {
        let scaled = |side: usize| to_32((side as f64 * scale) as usize);
        picture.resized(scaled(width), scaled(height))
    };
    let ratio = [width as f32 / picture.width as f32, height as f32 / picture.height as f32];
    let [horizontal, vertical] = [
        // Without the check for height alone, which only horizontal strips need.
        if picture.height > picture.width * STRIP { padding(picture.width, picture.height) } else { 0 },
        if picture.height <= MIN_SIDE || picture.width > picture.height * STRIP {
            padding(picture.height, picture.width)
        } else {
            0
        },
    ];
    let picture = if horizontal + vertical > 0 { picture.padded(horizontal, vertical) } else { picture };
    let padding = [horizontal as f32, vertical as f32];
    Ok(Prepared { picture, padding, ratio, size: [width as f32, height as f32] })
}

/// The border on each long side of a strip.
fn padding(shorter: usize, longer: usize) -> usize {
    ((longer / STRIP).max(MIN_SIDE) * 2).abs_diff(shorter) / 2
}

impl Prepared {
    /// A box of the prepared image in the original.
    pub fn to_original(&self, corners: Quad) -> Quad {
        corners.map(|corner| {
            [0, 1].map(|axis| ((corner[axis] - self.padding[axis]) * self.ratio[axis]).clamp(0.0, self.size[axis]))
        })
    }
}
