//! The operators of onnxruntime's own domain.

use super::Op;

pub const OPS: &[Op] = &[];
