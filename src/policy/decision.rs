//! Decisions: whether a question stays local, as a pure function of numbers.

use serde::{Deserialize, Serialize};

use super::{Cost, Privacy, Reason, Remaining};
use crate::calibration::Temperature;
use crate::graph::ComputeCost;

/// Longer texts are not sent: their cost would be a surprise.
const MAX_REMOTE_BYTES: usize = 64 << 10;

/// All that was decided from: numbers, never text. [`verdict`](Self::verdict) decides again from a stored record, and
/// gives the same result.
///
/// ```
/// use pilot_light::policy::{Allowed, Decision, Privacy, Reason, Verdict};
///
/// // No local model was asked, and texts may leave as they are.
/// let allowed = Allowed { privacy: Privacy::Allow, must_stay_local: false, remotes: 1, bytes: 20 };
/// let decision = Decision { tiers: vec![], allowed, routing: None, offers: vec![] };
/// assert_eq!(decision.verdict(), Verdict::Asks);
///
/// let allowed = Allowed { privacy: Privacy::LocalOnly, ..allowed };
/// let decision = Decision { allowed, ..decision };
/// assert_eq!(decision.verdict(), Verdict::Stays(Reason::LocalOnly));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Decision {
    /// The local models that were asked, in their order; the last one's answer is the local answer.
    pub tiers: Vec<Tier>,
    /// What may prevent that it is sent.
    pub allowed: Allowed,
    /// The estimate of the router, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub routing: Option<Routing>,
    /// The requests that were considered, in their order: one for each remote model, and for each retry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub offers: Vec<Offer>,
}

/// The result of one local model for a text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Tier {
    /// Its confidence in its answer, in [0, 1], as it comes from the model; of a record, in the field that it is least sure of.
    pub score: f64,
    /// What its logits are divided by; 1 where it was not calibrated.
    pub temperature: f64,
    /// The confidence at that temperature.
    pub confidence: f64,
    /// The confidence at which its answer is accepted.
    pub threshold: f64,
    /// Whether the threshold comes from a calibration, and so keeps a guarantee.
    pub calibrated: bool,
    /// How long it took, in milliseconds; the mean of the texts that were run together.
    pub latency_ms: f64,
    /// What it computed.
    pub work: ComputeCost,
}

/// What may prevent that a text is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Allowed {
    /// What the policy lets leave the device.
    pub privacy: Privacy,
    /// Whether the caller said that this text must not leave it.
    pub must_stay_local: bool,
    /// How many remote models there are.
    pub remotes: usize,
    /// The length of the text in bytes.
    pub bytes: usize,
}

/// The estimate of a router for the first two remote models.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Routing {
    /// How much better the second will do than the first, in [-1, 1].
    pub gain: f64,
    /// The gain at which the second is asked first.
    pub min_gain: f64,
    /// How long the router took, in milliseconds; the mean of the texts that were run together.
    pub latency_ms: f64,
    /// What it computed.
    pub work: ComputeCost,
}

/// A request that was considered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Offer {
    /// The number of the remote model.
    pub remote: usize,
    /// What it may cost.
    pub cost: Cost,
    /// What caps and budget leave for it.
    pub left: Remaining,
    /// What else prevents it: the circuit breaker is open, or there were too many retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub blocked: Option<Reason>,
}

/// The result of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The local answer is the answer, for this reason.
    Stays(Reason),
    /// A remote model is asked: the first one of [`Decision::order`], or that of the last offer.
    Asks,
}

impl Tier {
    /// Whether its confidence is at or above the threshold; NaN is not.
    pub fn is_sure(&self) -> bool {
        self.confidence >= self.threshold
    }

    /// The same for a part of the answer, such as a field of a record, in which the model's confidence is `score`.
    pub fn of_part(&self, score: f64) -> Self {
        let temperature = Temperature::new(self.temperature).ok().filter(|temperature| temperature.get() != 1.0);
        Self { score, confidence: temperature.map_or(score, |temperature| temperature.confidence(score)), ..*self }
    }
}

impl Routing {
    /// Whether the second remote model is asked first; with a gain of NaN it is not.
    pub fn is_worth_it(&self) -> bool {
        self.gain >= self.min_gain
    }
}

impl Offer {
    /// Why it is refused, if it is.
    pub fn refusal(&self) -> Option<Reason> {
        self.left.forbids(&self.cost).map(Reason::from).or(self.blocked)
    }
}

impl Decision {
    /// The remote models by their numbers, in the order in which they are asked: the next one where one fails.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.allowed.remotes).collect();
        if order.len() > 1 && self.routing.as_ref().is_some_and(Routing::is_worth_it) {
            order.swap(0, 1);
        }
        order
    }

    /// Whether a remote model is asked, or why not.
    pub fn verdict(&self) -> Verdict {
        let Allowed { privacy, must_stay_local, remotes, bytes } = self.allowed;
        match privacy {
            _ if self.tiers.last().is_some_and(Tier::is_sure) => Verdict::Stays(Reason::Confident),
            _ if remotes == 0 => Verdict::Stays(Reason::NoRemote),
            _ if must_stay_local => Verdict::Stays(Reason::MustStayLocal),
            Privacy::LocalOnly => Verdict::Stays(Reason::LocalOnly),
            _ if bytes > MAX_REMOTE_BYTES => Verdict::Stays(Reason::TooLong),
            Privacy::Redact | Privacy::Allow => {
                self.offers.last().and_then(Offer::refusal).map_or(Verdict::Asks, Verdict::Stays)
            }
        }
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_tier() -> impl Strategy<Value = Tier> {
        // Often exactly at the threshold.
        let number = || prop_oneof![Just(0.5), Just(0.9), 0.0..1.0_f64];
        (number(), number(), number(), any::<bool>()).prop_map(|(score, confidence, threshold, calibrated)| Tier {
            score,
            temperature: 1.0 + score,
            confidence,
            threshold,
            calibrated,
            latency_ms: 3.0 * score,
            work: ComputeCost::default(),
        })
    }

    fn any_allowed() -> impl Strategy<Value = Allowed> {
        let privacy = prop::sample::select(vec![Privacy::LocalOnly, Privacy::Redact, Privacy::Allow]);
        let bytes = prop_oneof![Just(MAX_REMOTE_BYTES), Just(MAX_REMOTE_BYTES + 1), 0..200_usize];
        (privacy, any::<bool>(), 0..3_usize, bytes).prop_map(|(privacy, must_stay_local, remotes, bytes)| Allowed {
            privacy,
            must_stay_local,
            remotes,
            bytes,
        })
    }

    fn any_offer() -> impl Strategy<Value = Offer> {
        let amount = || prop_oneof![Just(0.0), Just(1.0), 0.0..1000.0_f64];
        let cost = (0..1000_u64, amount(), amount(), prop::option::of(amount()))
            .prop_map(|(tokens, usd, joules, latency_ms)| Cost { tokens, usd, joules, latency_ms });
        let left = prop::collection::vec(prop::option::of(amount()), 6).prop_map(|left| Remaining {
            requests_per_minute: left[0],
            tokens_per_minute: left[1],
            requests_per_day: left[2],
            usd_per_day: left[3],
            joules_per_day: left[4],
            latency_ms: left[5],
        });
        let blocked = prop::option::of(prop::sample::select(vec![Reason::BreakerOpen, Reason::RetryBudget]));
        (0..2_usize, cost, left, blocked).prop_map(|(remote, cost, left, blocked)| Offer {
            remote,
            cost,
            left,
            blocked,
        })
    }

    fn any_routing() -> impl Strategy<Value = Routing> {
        // Often exactly what it takes.
        (prop_oneof![Just(0.25), -1.0..1.0_f64], 0.0..9.0_f64).prop_map(|(gain, latency_ms)| Routing {
            gain,
            min_gain: 0.25,
            latency_ms,
            work: ComputeCost::default(),
        })
    }

    fn any_decision() -> impl Strategy<Value = Decision> {
        let tiers = prop::collection::vec(any_tier(), 1..4);
        let offers = prop::collection::vec(any_offer(), 0..4);
        (tiers, any_allowed(), prop::option::of(any_routing()), offers)
            .prop_map(|(tiers, allowed, routing, offers)| Decision { tiers, allowed, routing, offers })
    }

    proptest! {
        #[test]
        fn a_stored_record_gives_the_same_verdict_and_the_same_words(decision in any_decision()) {
            let stored = serde_json::to_string(&decision).unwrap();
            let read: Decision = serde_json::from_str(&stored).unwrap();
            prop_assert_eq!(&read, &decision);
            prop_assert_eq!(read.verdict(), decision.verdict());
            prop_assert_eq!(read.explain(), decision.explain());
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), stored);
        }

        #[test]
        fn each_general_model_has_one_turn_and_the_second_the_first_where_it_is_worth_it(decision in any_decision()) {
            let mut order = decision.order();
            let swapped = decision.allowed.remotes > 1 && decision.routing.is_some_and(|routing| routing.gain >= 0.25);
            prop_assert_eq!(order.first().copied(), (decision.allowed.remotes > 0).then_some(usize::from(swapped)));
            order.sort_unstable();
            prop_assert_eq!(order, (0..decision.allowed.remotes).collect::<Vec<_>>());
        }

        #[test]
        fn nothing_is_asked_that_must_not_be(decision in any_decision()) {
            let Allowed { privacy, must_stay_local, remotes, bytes } = decision.allowed;
            let sure = decision.tiers.last().is_some_and(Tier::is_sure);
            let may = remotes > 0 && !must_stay_local && privacy != Privacy::LocalOnly && bytes <= MAX_REMOTE_BYTES;
            let within = decision.offers.last().is_none_or(|offer| {
                let (cost, left) = (offer.cost, offer.left);
                let fits = |left: Option<f64>, cost: f64| left.is_none_or(|left| cost <= left);
                fits(left.requests_per_minute, 1.0)
                    && fits(left.tokens_per_minute, cost.tokens as f64)
                    && fits(left.requests_per_day, 1.0)
                    && fits(left.usd_per_day, cost.usd)
                    && fits(left.joules_per_day, cost.joules)
                    && fits(left.latency_ms, cost.latency_ms.unwrap_or(0.0))
                    && offer.blocked.is_none()
            });
            prop_assert_eq!(decision.verdict() == Verdict::Asks, !sure && may && within);
            prop_assert_eq!(decision.verdict() == Verdict::Stays(Reason::Confident), sure);
        }
    }

    #[test]
    fn a_confidence_of_nan_is_not_enough() {
        let tier = Tier {
            score: f64::NAN,
            temperature: 1.0,
            confidence: f64::NAN,
            threshold: 0.0,
            calibrated: false,
            latency_ms: 1.0,
            work: ComputeCost::default(),
        };
        let allowed = Allowed { privacy: Privacy::Allow, must_stay_local: false, remotes: 1, bytes: 1 };
        let decision = Decision { tiers: vec![tier], allowed, routing: None, offers: vec![] };
        assert_eq!(decision.verdict(), Verdict::Asks);
    }
}
