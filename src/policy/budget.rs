//! Budget: hard caps, what they leave, and whether a request of a given cost may be made.

use std::cmp::Ordering;
use std::iter::Sum;

use serde::{Deserialize, Serialize};

use super::Reason;
use crate::error::{Error, Result};

/// The most that may be spent on all remote models together, by all tabs of an origin. A field that is absent is not
/// capped.
///
/// ```
/// use pilot_light::policy::{Budget, Cap, Cost, Today};
///
/// let budget = Budget { usd_per_day: Some(1.0), ..Budget::default() }.checked()?;
/// let left = budget.left(Today { usd: 0.75, ..Today::default() });
/// assert_eq!(left.forbids(&Cost { usd: 0.25, ..Cost::default() }), None);
/// assert_eq!(left.forbids(&Cost { usd: 0.3, ..Cost::default() }), Some(Cap::UsdPerDay));
/// # Ok::<(), pilot_light::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Requests on any day, UTC, retries included.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub requests_per_day: Option<u32>,
    /// US dollars on any day, UTC; the remote models must have prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub usd_per_day: Option<f64>,
    /// Joules that the remote models take on any day, UTC: the upper end of the estimated range.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub joules_per_day: Option<f64>,
    /// How long one question may take once it is to be sent, in milliseconds. A remote model whose latest replies took
    /// longer is not asked, and one that has not replied by then is not waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub latency_ms: Option<f64>,
}

/// What was spent on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Today {
    /// Requests.
    pub requests: u64,
    /// US dollars.
    pub usd: f64,
    /// Joules: the upper end of the estimated range.
    pub joules: f64,
}

impl Sum for Today {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |a, b| Self {
            requests: a.requests.saturating_add(b.requests),
            usd: a.usd + b.usd,
            joules: a.joules + b.joules,
        })
    }
}

/// What a request may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Cost {
    /// Tokens of its question and its answer, at most.
    pub tokens: u64,
    /// US dollars, at most; 0 where there is no price.
    pub usd: f64,
    /// Joules, at most.
    pub joules: f64,
    /// How long the latest replies took on average, where there were any recently.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub latency_ms: Option<f64>,
}

/// What the caps leave for a request; a field that is absent is not capped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default)]
pub struct Remaining {
    /// Requests in this minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub requests_per_minute: Option<f64>,
    /// Tokens in this minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub tokens_per_minute: Option<f64>,
    /// Requests on this day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub requests_per_day: Option<f64>,
    /// US dollars on this day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub usd_per_day: Option<f64>,
    /// Joules on this day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub joules_per_day: Option<f64>,
    /// Milliseconds that it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub latency_ms: Option<f64>,
}

/// What is capped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// Requests in a minute.
    RequestsPerMinute,
    /// Tokens in a minute.
    TokensPerMinute,
    /// Requests on a day.
    RequestsPerDay,
    /// Money on a day.
    UsdPerDay,
    /// Energy on a day.
    JoulesPerDay,
    /// Time for one question.
    Latency,
}

impl Budget {
    /// The same budget, checked.
    ///
    /// # Errors
    /// Invalid input: it caps nothing, or a cap is not a number above 0.
    pub fn checked(self) -> Result<Self> {
        let Self { requests_per_day, usd_per_day, joules_per_day, latency_ms } = self;
        let caps = [
            ("requests_per_day", requests_per_day.map(f64::from)),
            ("usd_per_day", usd_per_day),
            ("joules_per_day", joules_per_day),
            ("latency_ms", latency_ms),
        ];
        if caps.iter().all(|(_, cap)| cap.is_none()) {
            let names = caps.map(|(name, _)| name).join(", ");
            return Err(Error::invalid_input(format!("the policy's budget caps nothing: give {names}, or no budget")));
        }
        for (name, cap) in caps {
            check_cap(name, cap)?;
        }
        Ok(self)
    }

    /// What it leaves after what was spent `today`.
    pub fn left(&self, today: Today) -> Remaining {
        Remaining {
            requests_per_day: self.requests_per_day.map(|cap| f64::from(cap) - today.requests as f64),
            usd_per_day: self.usd_per_day.map(|cap| cap - today.usd),
            joules_per_day: self.joules_per_day.map(|cap| cap - today.joules),
            latency_ms: self.latency_ms,
            ..Remaining::default()
        }
    }
}

/// Checks a cap.
///
/// # Errors
/// Invalid input: it is not a number above 0.
pub fn check_cap(name: &str, cap: Option<f64>) -> Result<()> {
    match cap {
        Some(cap) if !(cap > 0.0 && cap <= 1e12) => Err(Error::invalid_input(format!(
            "{name} must be above 0 and at most 1e12, got {cap}; with the privacy 'local-only' nothing is sent"
        ))),
        _ => Ok(()),
    }
}

impl Remaining {
    /// What both leave.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let least = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self {
            requests_per_minute: least(self.requests_per_minute, other.requests_per_minute),
            tokens_per_minute: least(self.tokens_per_minute, other.tokens_per_minute),
            requests_per_day: least(self.requests_per_day, other.requests_per_day),
            usd_per_day: least(self.usd_per_day, other.usd_per_day),
            joules_per_day: least(self.joules_per_day, other.joules_per_day),
            latency_ms: least(self.latency_ms, other.latency_ms),
        }
    }

    /// The first cap that a request of this cost would break.
    pub fn forbids(&self, cost: &Cost) -> Option<Cap> {
        let needs = [
            (Cap::RequestsPerMinute, self.requests_per_minute, 1.0),
            (Cap::TokensPerMinute, self.tokens_per_minute, cost.tokens as f64),
            (Cap::RequestsPerDay, self.requests_per_day, 1.0),
            (Cap::UsdPerDay, self.usd_per_day, cost.usd),
            (Cap::JoulesPerDay, self.joules_per_day, cost.joules),
            // A model without recent replies is asked, to find out.
            (Cap::Latency, self.latency_ms, cost.latency_ms.unwrap_or(0.0)),
        ];
        // NaN is not within a cap.
        let breaks = |left: f64, cost: f64| cost.partial_cmp(&left).is_none_or(Ordering::is_gt);
        let broken = |(_, left, cost): &&(Cap, Option<f64>, f64)| left.is_some_and(|left| breaks(left, *cost));
        needs.iter().find(broken).map(|(cap, ..)| *cap)
    }
}

impl From<Cap> for Reason {
    fn from(cap: Cap) -> Self {
        match cap {
            Cap::RequestsPerMinute => Self::RequestsPerMinute,
            Cap::TokensPerMinute => Self::TokensPerMinute,
            Cap::RequestsPerDay => Self::RequestsPerDay,
            Cap::UsdPerDay => Self::UsdPerDay,
            Cap::JoulesPerDay => Self::JoulesPerDay,
            Cap::Latency => Self::Latency,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cap_forbids_what_is_above_it() {
        let cost = Cost { tokens: 100, usd: 0.01, joules: 50.0, latency_ms: Some(300.0) };
        let all = |factor: f64| Remaining {
            requests_per_minute: Some(factor),
            tokens_per_minute: Some(100.0 * factor),
            requests_per_day: Some(factor),
            usd_per_day: Some(0.01 * factor),
            joules_per_day: Some(50.0 * factor),
            latency_ms: Some(300.0 * factor),
        };
        assert_eq!((all(1.0).forbids(&cost), Remaining::default().forbids(&cost)), (None, None));
        let (enough, less) = (all(1.0), all(0.99));
        for (left, cap) in [
            (Remaining { requests_per_minute: less.requests_per_minute, ..enough }, Cap::RequestsPerMinute),
            (Remaining { tokens_per_minute: less.tokens_per_minute, ..enough }, Cap::TokensPerMinute),
            (Remaining { requests_per_day: less.requests_per_day, ..enough }, Cap::RequestsPerDay),
            (Remaining { usd_per_day: less.usd_per_day, ..enough }, Cap::UsdPerDay),
            (Remaining { joules_per_day: less.joules_per_day, ..enough }, Cap::JoulesPerDay),
            (Remaining { latency_ms: less.latency_ms, ..enough }, Cap::Latency),
        ] {
            assert_eq!(left.forbids(&cost), Some(cap));
            assert_eq!(enough.and(left).forbids(&cost), Some(cap), "the tighter of two holds");
            assert_eq!(Remaining::default().and(left), left);
        }
        assert_eq!(less.forbids(&Cost { usd: f64::NAN, ..Cost::default() }), Some(Cap::RequestsPerMinute));
        let unknown = Cost { usd: f64::NAN, latency_ms: None, ..cost };
        assert_eq!(enough.forbids(&unknown), Some(Cap::UsdPerDay));
    }

    #[test]
    fn what_was_spent_is_not_left() {
        let budget = Budget {
            requests_per_day: Some(10),
            usd_per_day: Some(1.0),
            joules_per_day: Some(500.0),
            latency_ms: Some(800.0),
        };
        let left = budget.left(Today { requests: 4, usd: 0.25, joules: 600.0 });
        assert_eq!((left.requests_per_day, left.usd_per_day), (Some(6.0), Some(0.75)));
        assert_eq!((left.joules_per_day, left.latency_ms), (Some(-100.0), Some(800.0)));
        assert_eq!(left.forbids(&Cost::default()), Some(Cap::JoulesPerDay));
    }

    #[test]
    fn an_empty_budget_is_refused() {
        let refused = |budget: Budget| budget.checked().unwrap_err().to_string();
        assert!(refused(Budget::default()).contains("caps nothing"));
        assert!(
            refused(Budget { requests_per_day: Some(0), ..Budget::default() })
                .contains("requests_per_day must be above 0")
        );
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            refused(Budget { usd_per_day: Some(wrong), ..Budget::default() });
            refused(Budget { joules_per_day: Some(wrong), ..Budget::default() });
            refused(Budget { latency_ms: Some(wrong), ..Budget::default() });
        }
        assert!(Budget { joules_per_day: Some(1.0), ..Budget::default() }.checked().is_ok());
    }
}
