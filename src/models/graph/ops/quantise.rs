//! Numbers of 8 bits and of 4, and what is computed with them.

use super::Op;

pub const OPS: &[Op] = &[];
