//! onnxruntime's own operators.

use super::{Accepts, MICROSOFT, Op, SAME};

mod bits;

pub const OPS: &[Op] = &[Op::of(MICROSOFT, "MatMulNBits", Accepts::Singles, SAME, bits::matmul)];
