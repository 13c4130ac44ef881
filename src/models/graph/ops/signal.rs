//! Fourier transforms and what goes with them.

use super::Op;

pub const OPS: &[Op] = &[];
