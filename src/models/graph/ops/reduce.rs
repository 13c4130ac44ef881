//! Many numbers into one: sums, means, extremes, norms.

use super::Op;

pub const OPS: &[Op] = &[];
