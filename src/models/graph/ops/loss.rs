//! Losses, as models that are exported with their training have them.

use super::Op;

pub const OPS: &[Op] = &[];
