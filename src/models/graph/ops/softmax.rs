//! Softmax and its relatives.

use super::Op;

pub const OPS: &[Op] = &[];
