//! Tensors out of nothing: constants, ranges, identities, windows, random numbers.

use super::Op;

pub const OPS: &[Op] = &[];
