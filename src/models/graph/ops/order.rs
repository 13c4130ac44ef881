//! Where the largest is, the largest few, running sums, what is there only once.

use super::Op;

pub const OPS: &[Op] = &[];
