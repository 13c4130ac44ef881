//! Numbers by their places.

use super::Op;

pub const OPS: &[Op] = &[];
