//! Images in another size.

use super::Op;

pub const OPS: &[Op] = &[];
