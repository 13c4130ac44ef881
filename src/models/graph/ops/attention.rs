//! Attention, and rotary embeddings.

use super::Op;

pub const OPS: &[Op] = &[];
