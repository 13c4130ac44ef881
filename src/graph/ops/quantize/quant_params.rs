//! Broadcasting of quantisation parameters: per tensor, per axis, and per block.

use std::ops::Range;

use super::{axis_of, wrong};
use crate::error::Result;

/// The broadcast of scales over a tensor.
pub struct QuantParams {
    /// The sizes before, along and after the axis of the scales.
    outer: usize,
    along: usize,
    inner: usize,
    kind: Kind,
}

enum Kind {
    /// One scale for the tensor.
    One,
    /// One for each index along the axis.
    Axis,
    /// One for each block along the axis, and each index of the other dimensions.
    Blocks { block: usize, blocks: usize },
}

impl QuantParams {
    /// # Errors
    /// Invalid input: scales of this shape do not fit.
    pub fn new(shape: &[usize], scales: &[usize], axis: i64, block: usize) -> Result<Self> {
        let count: usize = scales.iter().product();
        if count == 1 && block == 0 {
            return Ok(Self { outer: 1, along: 1, inner: shape.iter().product(), kind: Kind::One });
        }
        let axis = axis_of(axis, shape.len())?;
        let split = |kind| Self {
            outer: shape[..axis].iter().product(),
            along: shape[axis],
            inner: shape[axis + 1..].iter().product(),
            kind,
        };
        if block == 0 && scales == [shape[axis]] {
            return Ok(split(Kind::Axis));
        }
        let mut wanted = shape.to_vec();
        if block > 0 {
            wanted[axis] = shape[axis].div_ceil(block);
            if scales == wanted {
                return Ok(split(Kind::Blocks { block, blocks: wanted[axis] }));
            }
        }
        wrong(format!("the scales have the shape {scales:?}, which does not fit a tensor of the shape {shape:?}"))
    }

    /// Calls `each` with ranges of elements, the index of the first one's scale, and whether the others have the scales
    /// after it, or the same one.
    pub fn each(&self, mut each: impl FnMut(Range<usize>, usize, bool)) {
        let Self { outer, along, inner, .. } = *self;
        match self.kind {
            Kind::One => each(0..inner, 0, false),
            Kind::Axis if inner == 1 => (0..outer).for_each(|at| each(at * along..(at + 1) * along, 0, true)),
            Kind::Axis => (0..outer * along).for_each(|at| each(at * inner..(at + 1) * inner, at % along, false)),
            Kind::Blocks { block, blocks } => {
                for at in 0..outer * along {
                    let scale = (at / along * blocks + at % along / block) * inner;
                    each(at * inner..(at + 1) * inner, scale, true);
                }
            }
        }
    }
}
