//! Products of matrices.

use super::Op;

pub const OPS: &[Op] = &[];
