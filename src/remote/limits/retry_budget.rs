//! A bucket of tokens, one for each retry: when much fails at once, retries are most of the load.

use serde::{Deserialize, Serialize};

use super::Denied;

/// Retries that can be made in a burst.
pub const CAPACITY: f64 = 10.0;
/// Retries that are added every minute, up to the capacity.
const PER_MINUTE: f64 = 10.0;

/// How many retries are left for all requests together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryBudget {
    tokens: f64,
    /// When that many were in it.
    at_ms: f64,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { tokens: CAPACITY, at_ms: 0.0 }
    }
}

impl RetryBudget {
    /// Whether a retry may be made.
    ///
    /// # Errors
    /// The budget is used up.
    pub fn check(&mut self, now_ms: f64) -> Result<(), Denied> {
        // A clock that was set back adds nothing, and starts to count again from there.
        let minutes = ((now_ms - self.at_ms) / 60_000.0).max(0.0);
        self.tokens = (self.tokens + minutes * PER_MINUTE).min(CAPACITY);
        self.at_ms = now_ms;
        if self.tokens >= 1.0 { Ok(()) } else { Err(Denied::RetryBudget) }
    }

    /// Makes one.
    pub fn take(&mut self, now_ms: f64) {
        if self.check(now_ms).is_ok() {
            self.tokens -= 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &mut RetryBudget, now_ms: f64) -> usize {
        let can = |_: &usize| budget.check(now_ms).map(|()| budget.take(now_ms)).is_ok();
        (0..100).take_while(can).count()
    }

    #[test]
    fn it_is_used_up_and_fills_again() {
        let mut budget = RetryBudget::default();
        assert_eq!(taken(&mut budget, 1e12), 10);
        assert_eq!(taken(&mut budget, 1e12 + 5_999.0), 0);
        assert_eq!(taken(&mut budget, 1e12 + 12_000.0), 2);
        assert_eq!(taken(&mut budget, 1e12 + 1e9), 10);
    }

    #[test]
    fn a_clock_that_is_set_back_does_no_harm() {
        let mut budget = RetryBudget::default();
        taken(&mut budget, 1e12);
        assert_eq!(taken(&mut budget, 9e11), 0);
        assert_eq!(taken(&mut budget, 9e11 + 60_000.0), 10);
    }
}
