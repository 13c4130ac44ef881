//! The compute cost of a run: operations and bytes.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// The cost of running a model, counted from the shapes of the run.
///
/// Matrix products, convolutions, attention and recurrent layers are counted: in a transformer, more than 99 % of all
/// operations. Norms, activations, embedding look-ups and heads are not. Padding is computed, and therefore counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct ComputeCost {
    /// Multiplications and additions; a multiplication with an addition counts as two.
    pub operations: u64,
    /// Bytes that these read and write: each weight and each activation once per layer. Caches may have saved some.
    pub bytes: u64,
}

impl ComputeCost {
    /// The share of one of `count` inputs that were run together.
    #[must_use]
    pub fn shared_by(self, count: usize) -> Self {
        let count = count.max(1) as u64;
        Self { operations: self.operations / count, bytes: self.bytes / count }
    }
}

impl Add for ComputeCost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            operations: self.operations.saturating_add(other.operations),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

impl AddAssign for ComputeCost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for ComputeCost {
    fn sum<I: Iterator<Item = Self>>(works: I) -> Self {
        works.fold(Self::default(), Self::add)
    }
}
