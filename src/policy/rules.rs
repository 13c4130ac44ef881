//! Policy: when remote models are asked, and what may leave the device.

use serde::{Deserialize, Serialize};

use super::Budget;
use crate::error::{Error, Result};

/// When remote models are asked, and what may leave the device.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The confidence, in [0, 1], at which the local answer is accepted. By default that of the model's calibration, and
    /// 0.9 for a model without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub threshold: Option<f64>,
    /// What may leave the device.
    #[serde(default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub privacy: Privacy,
    /// The most that may be spent on all remote models together, and the longest that they may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub budget: Option<Budget>,
    /// How long a question may take from when it is to be sent, in milliseconds: waiting, retries and further models
    /// included.
    #[serde(default = "default_deadline_ms")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub deadline_ms: f64,
    /// How many questions are with the remote models at the same time.
    #[serde(default = "default_max_concurrent")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub max_concurrent: u32,
    /// How many more may wait for their turn.
    #[serde(default = "default_max_waiting")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub max_waiting: u32,
    /// The part, in [0, 1], of the confident local answers that a remote model is asked about as well, to measure how often
    /// it agrees; 0 by default. It is drawn at random. The caller has the answer by then, and it stays as it is.
    #[serde(default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub check_rate: f64,
}

/// What may leave the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum Privacy {
    /// Nothing.
    LocalOnly,
    /// Texts without the personal data and the secrets that are found in them.
    #[default]
    Redact,
    /// Texts as they are.
    Allow,
}

/// As long as a person waits for an answer that is known to take a while.
fn default_deadline_ms() -> f64 {
    45_000.0
}

/// A browser has six connections to a server; some are left to the page.
fn default_max_concurrent() -> u32 {
    4
}

/// Many, and few enough that what they hold in memory does not matter.
fn default_max_waiting() -> u32 {
    1000
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            threshold: None,
            privacy: Privacy::default(),
            budget: None,
            deadline_ms: default_deadline_ms(),
            max_concurrent: default_max_concurrent(),
            max_waiting: default_max_waiting(),
            check_rate: 0.0,
        }
    }
}

impl Policy {
    /// The same policy, checked.
    ///
    /// # Errors
    /// Invalid input: an empty budget, a deadline that a browser's timer cannot wait for, a rate that is not in [0, 1].
    pub fn checked(self) -> Result<Self> {
        if !(self.deadline_ms > 0.0 && self.deadline_ms <= f64::from(i32::MAX)) {
            let (most, got) = (i32::MAX, self.deadline_ms);
            let wrong = format!("the policy's deadline_ms must be above 0 and at most {most}, got {got}");
            return Err(Error::invalid_input(wrong));
        }
        self.budget.map(Budget::checked).transpose()?;
        if !(0.0..=1.0).contains(&self.check_rate) {
            let wrong = format!("the policy's check_rate must be in [0, 1], got {}", self.check_rate);
            return Err(Error::invalid_input(wrong));
        }
        Ok(self)
    }

    /// How long a question may take from when it is to be sent.
    pub fn longest_ms(&self) -> f64 {
        let budget_ms = self.budget.and_then(|budget| budget.latency_ms);
        budget_ms.map_or(self.deadline_ms, |budget_ms| budget_ms.min(self.deadline_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_of_deadline_and_budget_holds() {
        let budget = |latency_ms| Some(Budget { latency_ms: Some(latency_ms), ..Budget::default() });
        let longest_ms = |latency_ms| Policy { budget: budget(latency_ms), ..Policy::default() }.longest_ms();
        assert_eq!((longest_ms(300.0), longest_ms(90_000.0)), (300.0, 45_000.0));
        assert_eq!(Policy::default().longest_ms(), 45_000.0);
    }

    #[test]
    fn invalid_settings_are_refused() {
        for deadline_ms in [0.0, -1.0, f64::NAN, 3e9] {
            assert!(Policy { deadline_ms, ..Policy::default() }.checked().is_err());
        }
        assert!(Policy { budget: Some(Budget::default()), ..Policy::default() }.checked().is_err());
        for check_rate in [-0.1, 1.1, f64::NAN] {
            assert!(Policy { check_rate, ..Policy::default() }.checked().is_err());
        }
        assert!(Policy::default().checked().is_ok());
    }
}
