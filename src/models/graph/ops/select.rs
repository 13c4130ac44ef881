//! Choosing among numbers, and changing their type: Where, Clip, Cast and the like.

use super::Op;

pub const OPS: &[Op] = &[];
