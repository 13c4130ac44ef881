//! How much a model has computed.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// What running a model took, counted from the shapes that ran.
///
/// Counted are products of matrices, convolutions, attention and recurrent layers: in a transformer more than 99 % of
/// all operations. Norms, activations, the look-up of embeddings and heads are not. Padding is computed, and so counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct ComputeCost {
    /// Multiplications and additions, a multiplication with an addition being two.
    pub operations: u64,
    /// What these read and write, each weight and each activation once a layer, in bytes; caches may have spared some.
    pub bytes: u64,
}

impl ComputeCost {
    /// The part of one among `count` who had it done together.
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
