//! Functions of one number.

use super::Op;

pub const OPS: &[Op] = &[];
