//! Circuit breaker: a server that keeps failing is not asked for a while, then probed with one request.
//!
//! It counts failures in a row, not their share: one user never makes as many requests as a share needs.
//!
//! # Source
//! M. Nygard, "Release It!", 2nd edition, 5.2 "Circuit Breaker".

use serde::{Deserialize, Serialize};

use super::Denied;
use crate::error::{Error, Result};

/// When a server is not asked any more, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct BreakerOptions {
    /// Failures in a row that open it.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub failures: u32,
    /// How long the server is not asked at first, in milliseconds; twice as long after each probe that fails, up to ten
    /// times.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub rest_ms: f64,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self { failures: 5, rest_ms: 30_000.0 }
    }
}

impl BreakerOptions {
    /// The same, checked.
    ///
    /// # Errors
    /// Invalid input: it needs no failure to open, or its time is not above 0.
    pub fn checked(self) -> Result<Self> {
        if self.failures == 0 || !(self.rest_ms > 0.0 && self.rest_ms.is_finite()) {
            return Err(Error::invalid_input(format!(
                "the breaker must have failures of at least 1 and rest_ms above 0, got {} and {}",
                self.failures, self.rest_ms
            )));
        }
        Ok(self)
    }
}

/// Rests grow up to this many times the first.
const LONGEST_RESTS: f64 = 10.0;

/// Whether a server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Breaker {
    options: BreakerOptions,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        since_ms: f64,
        rest_ms: f64,
    },
    /// One request is under way to see; if nothing is heard of it by then, another may be made.
    Probing {
        until_ms: f64,
        rest_ms: f64,
    },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// One that is closed.
    pub fn new(options: BreakerOptions) -> Self {
        Self { options, state: State::default() }
    }

    /// Leave for a request that is over at `until_ms`, and whether it is the one that finds out.
    ///
    /// # Errors
    /// The breaker is open.
    pub fn admit(&mut self, now_ms: f64, until_ms: f64) -> Result<bool, Denied> {
        let rest_ms = match self.state {
            State::Closed { .. } => return Ok(false),
            // A clock that was set back does not prolong the rest.
            State::Open { since_ms, rest_ms } if !(since_ms..since_ms + rest_ms).contains(&now_ms) => rest_ms,
            State::Probing { until_ms, rest_ms } if now_ms > until_ms => rest_ms,
            _ => return Err(Denied::BreakerOpen),
        };
        self.state = State::Probing { until_ms, rest_ms };
        Ok(true)
    }

    /// A request succeeded. Once the breaker is open, only a probe counts: other requests were sent before.
    pub fn succeeded(&mut self, probe: bool) {
        if probe || matches!(self.state, State::Closed { .. }) {
            self.state = State::default();
        }
    }

    /// A request failed.
    pub fn failed(&mut self, probe: bool, now_ms: f64) {
        let BreakerOptions { failures: most, rest_ms: first_ms } = self.options;
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < most => State::Closed { failures: failures + 1 },
            State::Closed { .. } => State::Open { since_ms: now_ms, rest_ms: first_ms },
            State::Probing { rest_ms, .. } if probe => {
                State::Open { since_ms: now_ms, rest_ms: (rest_ms * 2.0).min(first_ms * LONGEST_RESTS) }
            }
            state => state,
        };
    }

    /// A request was aborted, which says nothing of the server: the next one may be the probe.
    pub fn aborted(&mut self, probe: bool, now_ms: f64) {
        if let State::Probing { rest_ms, .. } = self.state
            && probe
        {
            self.state = State::Open { since_ms: now_ms - rest_ms, rest_ms };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILURES: u32 = 5;
    const REST_MS: f64 = 30_000.0;

    fn open_at(now_ms: f64) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert_eq!(breaker.admit(now_ms, now_ms + 1.0), Ok(false));
            breaker.failed(false, now_ms);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            (1..FAILURES).for_each(|_| breaker.failed(false, 0.0));
            breaker.succeeded(false);
        }
        assert_eq!(breaker.admit(0.0, 1.0), Ok(false));
        assert_eq!(open_at(0.0).admit(REST_MS - 1.0, REST_MS), Err(Denied::BreakerOpen));
    }

    #[test]
    fn one_probe_finds_out() {
        let mut breaker = open_at(0.0);
        assert_eq!(breaker.admit(REST_MS, REST_MS + 100.0), Ok(true));
        assert_eq!(breaker.admit(REST_MS + 99.0, 1e9), Err(Denied::BreakerOpen));
        // What was sent before it opened says nothing of how the server is now.
        breaker.succeeded(false);
        breaker.failed(false, REST_MS);
        assert_eq!(breaker.admit(REST_MS + 99.0, 1e9), Err(Denied::BreakerOpen));
        breaker.failed(true, REST_MS + 100.0);
        assert_eq!(breaker.admit(REST_MS * 3.0 + 99.0, 1e9), Err(Denied::BreakerOpen));
        assert_eq!(breaker.admit(REST_MS * 3.0 + 100.0, 1e9), Ok(true));
        breaker.succeeded(true);
        assert_eq!(breaker.admit(REST_MS * 3.0 + 100.0, 1e9), Ok(false));
    }

    #[test]
    fn a_probe_that_is_aborted_or_lost_leaves_room_for_another() {
        let mut breaker = open_at(0.0);
        assert_eq!(breaker.admit(REST_MS, REST_MS + 100.0), Ok(true));
        breaker.aborted(true, REST_MS + 50.0);
        assert_eq!(breaker.admit(REST_MS + 50.0, REST_MS + 150.0), Ok(true));
        assert_eq!(breaker.admit(REST_MS + 151.0, 1e9), Ok(true));
    }

    #[test]
    fn rests_grow_up_to_a_cap() {
        let mut breaker = open_at(0.0);
        let mut now_ms = REST_MS;
        for rest_ms in [60_000.0, 120_000.0, 240_000.0, 300_000.0, 300_000.0] {
            assert_eq!(breaker.admit(now_ms, now_ms), Ok(true));
            breaker.failed(true, now_ms);
            assert_eq!(breaker.admit(now_ms + rest_ms - 1.0, 1e9), Err(Denied::BreakerOpen));
            now_ms += rest_ms;
        }
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        for (failures, rest_ms) in [(0, 1.0), (1, 0.0), (1, f64::NAN), (1, f64::INFINITY)] {
            assert!(BreakerOptions { failures, rest_ms }.checked().is_err());
        }
        let mut breaker = Breaker::new(BreakerOptions { failures: 1, rest_ms: 5.0 }.checked().unwrap());
        breaker.failed(false, 0.0);
        assert_eq!((breaker.admit(4.0, 9.0), breaker.admit(5.0, 9.0)), (Err(Denied::BreakerOpen), Ok(true)));
    }

    #[cfg(not(target_family = "wasm"))]
    proptest::proptest! {
        #[test]
        fn never_two_probes_at_once(steps in proptest::collection::vec((0..5, 0.0..40_000.0_f64), 0..200)) {
            let mut breaker = Breaker::default();
            // The requests under way: whether each is the probe, and when it is over.
            let mut under_way: Vec<(bool, f64)> = Vec::new();
            let mut now_ms = 0.0;
            for (step, later_ms) in steps {
                now_ms += later_ms / 4.0;
                under_way.retain(|(_, until_ms)| *until_ms >= now_ms);
                match (step, under_way.is_empty()) {
                    (0 | 1, _) | (_, true) => if let Ok(probe) = breaker.admit(now_ms, now_ms + 50_000.0) {
                        under_way.push((probe, now_ms + 50_000.0));
                    },
                    (2, _) => breaker.succeeded(under_way.swap_remove(0).0),
                    (3, _) => breaker.failed(under_way.swap_remove(0).0, now_ms),
                    _ => breaker.aborted(under_way.swap_remove(0).0, now_ms),
                }
                proptest::prop_assert!(under_way.iter().filter(|(probe, _)| *probe).count() <= 1);
            }
        }
    }
}
