//! Samples of an image at places between its pixels, and columns into images.

use super::Op;

pub const OPS: &[Op] = &[];
