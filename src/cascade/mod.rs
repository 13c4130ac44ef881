//! Whether an answer stays local. Sees scores and policies, never text.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// When the general model is asked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The confidence, from 0 to 1, from which on the local answer is the answer.
    #[serde(default = "default_threshold")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub threshold: f64,
}

/// A round number: without calibration no other is better founded, and every result says so.
const DEFAULT_THRESHOLD: f64 = 0.9;

fn default_threshold() -> f64 {
    DEFAULT_THRESHOLD
}

impl Default for Policy {
    fn default() -> Self {
        Self { threshold: DEFAULT_THRESHOLD }
    }
}

impl Policy {
    /// The same policy, found to make sense.
    ///
    /// # Errors
    /// Invalid input: a threshold that is not from 0 to 1.
    pub fn checked(self) -> Result<Self> {
        if (0.0..=1.0).contains(&self.threshold) {
            Ok(self)
        } else {
            Err(Error::invalid_input(format!("the threshold must be a number from 0 to 1, not {}", self.threshold)))
        }
    }

    /// Whether an answer of this confidence is good enough; one that is no number is not.
    pub fn accepts(&self, confidence: f64) -> bool {
        confidence >= self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_itself_is_accepted() {
        let policy = Policy { threshold: 0.75 };
        assert!(policy.accepts(0.75) && policy.accepts(1.0));
        assert!(!policy.accepts(0.75_f64.next_down()) && !policy.accepts(f64::NAN));
    }

    #[test]
    fn a_threshold_that_is_no_probability_is_refused() {
        for threshold in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Policy { threshold }.checked().is_err());
        }
        assert!(Policy::default().checked().is_ok());
    }
}
