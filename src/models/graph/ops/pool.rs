//! The largest or the mean of a window that slides.

use super::Op;

pub const OPS: &[Op] = &[];
