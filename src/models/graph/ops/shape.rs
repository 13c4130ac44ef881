//! Shapes as numbers, and the same numbers in another shape.

use super::Op;

pub const OPS: &[Op] = &[];
