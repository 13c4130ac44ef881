//! What may be sent at all: not too much, not too often, not to a server that is down.
//!
//! A [`Limits`] belongs to one general model. It is asked before every attempt, and told what came of it.

mod breaker;
mod latency;
mod price;
mod queue;
mod retry_budget;
mod spend_log;
mod spending;

use std::fmt;

pub use breaker::{Breaker, BreakerOptions};
pub use latency::Pace;
pub use price::{Price, estimate};
pub use queue::{Entered, Queue};
pub use retry_budget::RetryBudget;
pub use spend_log::Ledger;
pub use spending::{Caps, Charge, Spending, Spent};

use super::Usage;
use super::attempts::may_pass;
use crate::policy::{Cap, Cost, Left, Reason};

/// Why an attempt may not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The server failed too often in a row, and is left alone for a while.
    BreakerOpen,
    /// Too many attempts of late were second ones.
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

/// An attempt that somebody wants to make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sending {
    /// Now, in milliseconds since 1970.
    pub now_ms: f64,
    /// When it is to be sent.
    pub at_ms: f64,
    /// When it is over at the latest.
    pub until_ms: f64,
    /// Whether it is a second one for the same question.
    pub retry: bool,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// The server answered, and may have said what it cost.
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

/// The leave to make one attempt, to be handed back with what came of it. One that is not leaves the
/// estimate of its cost charged, which errs on the side of the purse.
#[must_use]
#[derive(Debug)]
pub struct Pass {
    probe: bool,
    charge: Charge,
}

/// All that limits the requests to one general model.
#[derive(Debug)]
pub struct Limits {
    /// Whether the server is up.
    pub breaker: Breaker,
    /// How many retries are left.
    pub retries: RetryBudget,
    /// What was spent.
    pub spending: Spending,
    /// How fast the server is of late.
    pub pace: Pace,
}

impl Limits {
    /// Limits that nothing has been taken from, but for what `spending` knows of.
    pub fn new(breaker: BreakerOptions, spending: Spending) -> Self {
        Self { breaker: Breaker::new(breaker), retries: RetryBudget::default(), spending, pace: Pace::default() }
    }

    /// What a request that uses `estimate` may cost.
    pub fn cost(&self, now_ms: f64, estimate: Usage) -> Cost {
        Cost { latency_ms: self.pace.expected_ms(now_ms), ..self.spending.cost(estimate) }
    }

    /// Leave to send what uses `estimate`, if its [`cost`](Self::cost) is within what is `left`.
    ///
    /// # Errors
    /// Which limit forbids it; nothing is taken from the others then.
    pub fn admit(&mut self, sending: Sending, estimate: Usage, left: Left) -> Result<Pass, Denied> {
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
        Ok(Pass { probe, charge: self.spending.charge(sending.now_ms, sending.at_ms, estimate) })
    }

    /// Takes a leave back.
    pub fn settle(&mut self, pass: Pass, outcome: Outcome, now_ms: f64) {
        let Pass { probe, charge } = pass;
        match outcome {
            Outcome::Answered(_) => self.breaker.succeeded(probe),
            // A server that says what it does not like is up.
            Outcome::Refused(status) if !may_pass(status) => self.breaker.succeeded(probe),
            Outcome::Refused(_) | Outcome::Failed => self.breaker.failed(probe, now_ms),
            Outcome::Aborted | Outcome::Unsent => self.breaker.told_nothing(probe, now_ms),
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

    fn admit(limits: &mut Limits, sending: Sending) -> Result<Pass, Denied> {
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
