//! Numbers written to places.

use super::Op;

pub const OPS: &[Op] = &[];
