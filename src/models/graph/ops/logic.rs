//! Booleans and bits.

use super::Op;

pub const OPS: &[Op] = &[];
