//! Grids of windows over an image, as Col2Im and DeformConv have them.

use super::super::{NodeSpec, wrong};
use crate::error::{Error, Result};
use crate::graph::attributes::Refusal;

/// The attributes of windows over an image.
pub struct Grid {
    strides: Option<Vec<i64>>,
    dilations: Option<Vec<i64>>,
    pads: Option<Vec<i64>>,
}

/// The windows along one dimension.
#[derive(Clone, Copy)]
pub struct Side {
    stride: i64,
    dilation: i64,
    before: i64,
    /// The number of windows.
    pub count: usize,
}

impl Grid {
    /// Reads the attributes.
    ///
    /// # Errors
    /// One is out of range.
    pub fn new(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        let ints = |name: &str, least: i64| match node.attributes.ints(name)? {
            Some(values) if values.iter().any(|value| !(least..1 << 31).contains(value)) => {
                Err(format!("the attribute {name} is {values:?}, which is out of range"))
            }
            values => Ok(values),
        };
        Ok(Self { strides: ints("strides", 1)?, dilations: ints("dilations", 1)?, pads: ints("pads", 0)? })
    }

    /// The windows of the size `kernel` over an image.
    ///
    /// # Errors
    /// Invalid input: they do not fit.
    pub fn sides(&self, image: &[usize], kernel: &[usize]) -> Result<Vec<Side>> {
        let rank = image.len();
        let or = |values: &Option<Vec<i64>>, default: i64, count: usize| match values {
            Some(values) if values.len() != count => {
                wrong(format!("an attribute is {values:?}, which does not fit {rank} dimensions"))
            }
            Some(values) => Ok(values.clone()),
            None => Ok(vec![default; count]),
        };
        if kernel.len() != rank || kernel.contains(&0) {
            return wrong(format!("a window of the size {kernel:?} does not fit an image of the size {image:?}"));
        }
        let (strides, dilations) = (or(&self.strides, 1, rank)?, or(&self.dilations, 1, rank)?);
        let pads = or(&self.pads, 0, 2 * rank)?;
        let side = |axis: usize| {
            let wide = |value: usize| value as i128;
            let span = (wide(kernel[axis]) - 1) * i128::from(dilations[axis]) + 1;
            let room = wide(image[axis]) + i128::from(pads[axis] + pads[rank + axis]) - span;
            let count = if room < 0 { 0 } else { room / i128::from(strides[axis]) + 1 };
            let count = usize::try_from(count).map_err(|_| Error::invalid_input("there are too many windows"))?;
            Ok(Side { stride: strides[axis], dilation: dilations[axis], before: pads[axis], count })
        };
        (0..rank).map(side).collect()
    }
}

impl Side {
    /// The coordinate of the element `tap` of the window `at`.
    pub fn coordinate(self, at: usize, tap: usize) -> i64 {
        (at as i64 * self.stride).saturating_add(tap as i64 * self.dilation).saturating_sub(self.before)
    }
}
