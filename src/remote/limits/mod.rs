//! Limits of requests: caps on spending, a retry budget and a circuit breaker.
//!
//! A [`Limits`] belongs to one remote model. It is asked before every attempt, and given the outcome.

mod breaker;
mod latency;
mod price;
mod queue;
mod retry_budget;
mod spend_log;
mod spending;

use std::fmt;

pub use breaker::{Breaker, BreakerOptions};
pub use latency::Latency;
pub use price::{Price, estimate};
pub use queue::{Entered, Queue};
pub use retry_budget::RetryBudget;
pub use spending::{Caps, Charge, Spending};

use super::{Usage, is_transient};
use crate::policy::{Cap, Cost, Reason, Remaining};

/// Why an attempt may not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The server failed too often in a row, and is not asked for a while.
    BreakerOpen,
    /// Too many recent attempts were retries.
    RetryBudget,
    /// Too many requests wait already.
    QueueFull,
    /// It could break a cap.
    Over(Cap),
}

impl From<Denied> for Reason {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::BreakerOpen => Self::BreakerOpen,
            Denied::RetryBudget => Self::RetryBudget,
            Denied::QueueFull => Self::QueueFull,
            Denied::Over(cap) => cap.into(),
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Reason::from(*self).fmt(f)
    }
}

/// An attempt that is to be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sending {
    /// Now, in milliseconds since 1970.
    pub now_ms: f64,
    /// When it is to be sent.
    pub at_ms: f64,
    /// When it ends at the latest.
    pub until_ms: f64,
    /// Whether it is a retry.
    pub retry: bool,
}

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// The server answered, and may have reported the tokens.
    Answered(Option<Usage>),
    /// It replied with this status, which costs nothing.
    Refused(u16),
    /// There was no reply, or not all of it. It may have been paid for.
    Failed,
    /// It was aborted when it may have been sent already.
    Aborted,
    /// It was aborted, or failed, before it was sent.
    Unsent,
}

/// A permit for one attempt, to be [settled](Limits::settle) with its outcome. If it never is, its estimated cost stays
/// charged, so that a cap is never exceeded.
#[must_use]
#[derive(Debug)]
pub struct Permit {
    probe: bool,
    charge: Charge,
}

/// All that limits the requests to one remote model.
#[derive(Debug)]
pub struct Limits {
    /// Whether the server is up.
    pub breaker: Breaker,
    /// How many retries are left.
    pub retries: RetryBudget,
    /// What was spent.
    pub spending: Spending,
    /// How fast the server replied recently.
    pub latency: Latency,
}

impl Limits {
    /// Fresh limits, with what `spending` knows to have been spent.
    pub fn new(breaker: BreakerOptions, spending: Spending) -> Self {
        Self { breaker: Breaker::new(breaker), retries: RetryBudget::default(), spending, latency: Latency::default() }
    }

    /// What a request that uses `estimate` may cost.
    pub fn cost(&self, now_ms: f64, estimate: Usage) -> Cost {
        Cost { latency_ms: self.latency.expected_ms(now_ms), ..self.spending.cost(estimate) }
    }

    /// A permit for a request that uses `estimate`, if its [`cost`](Self::cost) is within what is `left`.
    ///
    /// # Errors
    /// Which limit forbids it; nothing is taken from the others then.
    pub fn admit(&mut self, sending: Sending, estimate: Usage, left: Remaining) -> Result<Permit, Denied> {
        if let Some(cap) = left.forbids(&self.cost(sending.now_ms, estimate)) {
            return Err(Denied::Over(cap));
        }
        if sending.retry {
            self.retries.check(sending.now_ms)?;
        }
        let probe = self.breaker.admit(sending.now_ms, sending.until_ms)?;
        if sending.retry {
            self.retries.take(sending.now_ms);
        }
        Ok(Permit { probe, charge: self.spending.charge(sending.now_ms, sending.at_ms, estimate) })
    }

    /// Takes back a permit, with the outcome of its attempt.
    pub fn settle(&mut self, permit: Permit, outcome: Outcome, now_ms: f64) {
        let Permit { probe, charge } = permit;
        match outcome {
            Outcome::Answered(_) => self.breaker.succeeded(probe),
            // A server that says what it does not like is up.
            Outcome::Refused(status) if !is_transient(status) => self.breaker.succeeded(probe),
            Outcome::Refused(_) | Outcome::Failed => self.breaker.failed(probe, now_ms),
            Outcome::Aborted | Outcome::Unsent => self.breaker.aborted(probe, now_ms),
        }
        match outcome {
            Outcome::Answered(Some(usage)) => self.spending.correct(charge, usage, now_ms),
            Outcome::Refused(_) => self.spending.correct(charge, Usage::default(), now_ms),
            Outcome::Unsent => self.spending.refund(charge, now_ms),
            Outcome::Answered(None) | Outcome::Failed | Outcome::Aborted => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: f64 = 1_795_478_400_000.0;

    fn limits(requests_per_minute: u32) -> Limits {
        let caps = Caps { requests_per_minute: Some(requests_per_minute), ..Caps::default() };
        Limits::new(BreakerOptions::default(), Spending::new(caps, None, 0).unwrap())
    }

    fn admit(limits: &mut Limits, sending: Sending) -> Result<Permit, Denied> {
        limits.admit(sending, Usage::default(), limits.spending.left(sending.now_ms))
    }

    fn sending(now_ms: f64, retry: bool) -> Sending {
        Sending { now_ms, at_ms: now_ms, until_ms: now_ms + 1000.0, retry }
    }

    #[test]
    fn a_server_that_is_down_is_left_alone_and_then_tried_once() {
        let mut limits = limits(1000);
        for _ in 0..BreakerOptions::default().failures {
            let pass = admit(&mut limits, sending(NOW_MS, false)).unwrap();
            limits.settle(pass, Outcome::Refused(503), NOW_MS);
        }
        assert_eq!(admit(&mut limits, sending(NOW_MS, false)).unwrap_err(), Denied::BreakerOpen);
        let later = NOW_MS + BreakerOptions::default().rest_ms;
        let probe = admit(&mut limits, sending(later, false)).unwrap();
        assert_eq!(admit(&mut limits, sending(later, false)).unwrap_err(), Denied::BreakerOpen);
        limits.settle(probe, Outcome::Refused(400), later);
        assert!(admit(&mut limits, sending(later, false)).is_ok());
    }

    #[test]
    fn what_one_limit_forbids_takes_nothing_from_the_others() {
        let mut limits = limits(1);
        let pass = admit(&mut limits, sending(NOW_MS, false)).unwrap();
        let before = limits.retries;
        assert_eq!(admit(&mut limits, sending(NOW_MS, true)).unwrap_err(), Denied::Over(Cap::RequestsPerMinute));
        assert_eq!(limits.retries, before);
        limits.settle(pass, Outcome::Unsent, NOW_MS);
        assert!(admit(&mut limits, sending(NOW_MS, true)).is_ok());
        assert_ne!(limits.retries, before);
    }

    #[test]
    fn retries_run_out() {
        let mut limits = limits(1000);
        let admitted = (0..100).take_while(|_| admit(&mut limits, sending(NOW_MS, true)).is_ok()).count();
        assert_eq!(admitted, retry_budget::CAPACITY as usize);
        assert_eq!(admit(&mut limits, sending(NOW_MS, true)).unwrap_err(), Denied::RetryBudget);
        assert!(admit(&mut limits, sending(NOW_MS, false)).is_ok());
    }
}
