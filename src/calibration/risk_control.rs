//! The threshold that keeps a promise about the error, with as much coverage as the examples allow.
//!
//! # Why does the promise hold?
//!
//! The examples are independent of one another and of the same kind as what will come. That is all that is assumed;
//! nothing about the model, its confidence, or how the error depends on the threshold.
//!
//! **One threshold.** Of n examples those with a confidence of at least λ stay local, m of them, and w of these are
//! wrong. How many stay local is chance, but given which do, each is wrong independently with the same probability
//! R(λ) = P(wrong | local). So w given m is Binomial(m, R(λ)), and P(Binomial(m, α) ≤ w) is a p-value of "R(λ) > α": it
//! is at most u with a probability of at most u for every m, and so also with m random. No m, no evidence: it is 1.
//!
//! **Many thresholds.** They are tested from the strictest to the loosest, at a level that begins at 0. Some are
//! beginnings: each adds its share of δ to the level. At a threshold that fails the level is lost. The loosest that
//! passed is taken. With one beginning this is fixed-sequence testing: each threshold is tested at the full δ, up to
//! the first that fails.
//!
//! To choose a bad threshold, one with R(λ) > α, a bad one must have passed. Take the first that did. At the bad one
//! before it the level was lost, so here it is at most the sum of the shares of the beginnings between the two, and
//! with at most that chance a bad one passes. All these sums together are at most δ, and so is the chance that the
//! promise is broken. There is no price for the number of thresholds, and R need not be monotone.
//!
//! The argument needs the order and the beginnings to be fixed before the examples are looked at. Were the thresholds
//! the confidences of the examples themselves, or did they begin where enough of these are accepted, then it would
//! depend on the examples which bad one is tested first: the one that happens to look good.
//!
//! **Where to begin.** Too strict a threshold accepts too few to prove anything. The beginnings therefore come from the
//! confidences of a pilot: other texts, labelled or not. They are independent of the examples, so that given the pilot
//! all of the above holds. A pilot of another kind costs coverage, never the promise. The thresholds themselves are
//! one grid that never changes.
//!
//! **Local and wrong.** That the answer stays local and is wrong becomes rarer with each stricter threshold. For such
//! a risk conformal risk control needs no test, and bounds its mean over the examples that one might have drawn.
//!
//! # Source
//! Angelopoulos et al. 2021, *Learn then Test* (2110.01052): p-values and fixed-sequence testing. Wiens 2003, *A fixed
//! sequence Bonferroni procedure for testing multiple endpoints*: levels that begin anew. Angelopoulos et al. 2022,
//! *Conformal Risk Control* (2208.02814), theorem 1.

use serde::{Deserialize, Serialize};

use super::binomial::{least_count, p_value};
use super::{Example, check_confidences, check_examples};
use crate::error::{Error, Result};
use crate::sort::sort_by;

/// What is promised about the error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(tag = "method", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Guarantee {
    /// "At most `alpha` of the local answers are wrong": P(wrong | local) ≤ alpha. It holds with a certainty of
    /// 1 − `delta`: of all calibrations a part of at most `delta` breaks it.
    LearnThenTest {
        /// The part of the local answers that may be wrong, above 0 and below 1.
        alpha: f64,
        /// The chance that the promise is broken, above 0 and below 1.
        delta: f64,
    },
    /// "At most `alpha` of all answers are local and wrong": P(local and wrong) ≤ alpha. It holds on average over all
    /// calibrations; a single one may be above or below.
    ConformalRiskControl {
        /// The part of all answers that may be local and wrong, above 0 and below 1.
        alpha: f64,
    },
}

/// What the examples allow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Choice {
    /// This threshold keeps the promise.
    Holds {
        /// Answers stay local from this confidence on.
        threshold: f64,
        /// The part of the examples that stays local.
        coverage: f64,
        /// The part that the promise is about, among the examples: of the local ones those that are wrong (Learn then
        /// Test), or of all those that are local and wrong (conformal risk control).
        risk: f64,
        /// How many examples it was found with.
        n: usize,
    },
    /// The promise cannot be made with these examples.
    NoneHolds {
        /// About how many more examples would do: an estimate, not a promise. It is assumed that they are like these: at
        /// each threshold the same part stays local, and (wrong + ½) / (local + ½/alpha) of it is wrong, which takes
        /// few examples for less than they seem to show. Nothing where by these examples no number up to ten million
        /// would do: the model is too often wrong where testing begins.
        more: Option<usize>,
        /// How many examples there were.
        n: usize,
    },
}

/// The thresholds are λ = 1 − 10^(−j / 200): from 0.99999 to 0, so that the error that a calibrated model admits,
/// 1 − λ, grows by about a hundredth each time.
const STEPS_PER_TENFOLD: i32 = 200;
const TENFOLDS: i32 = 5;

/// The part of delta for the first of two beginnings.
const FIRST_SHARE: f64 = 0.9;

/// More than anybody labels.
const MOST_EXAMPLES: usize = 10_000_000;

/// The loosest threshold for which `promise` can be made with these examples.
///
/// Learn then Test takes its beginnings from `pilot`: confidences of other texts of the same kind, whose labels
/// do not matter. A hundred are plenty. Those that the temperature was fitted on will do, as the temperature must come
/// from other examples than these, too. Conformal risk control needs none.
///
/// # Errors
/// Invalid input: no examples, no pilot where one is needed, a confidence that is not from 0 to 1, an alpha or delta
/// that is not between 0 and 1.
///
/// # Source
/// See the [module](self), where it is also said why the promise holds.
pub fn choose(examples: &[Example], pilot: &[f64], promise: Guarantee) -> Result<Choice> {
    promise.check()?;
    check_examples(examples)?;
    check_confidences(pilot.iter().copied())?;
    let n = examples.len();
    let tallies = tallies(examples);
    let last = match promise {
        Guarantee::LearnThenTest { .. } if pilot.is_empty() => {
            let message =
                "the pilot must have at least one confidence, to say where to begin: hold out those of some examples";
            return Err(Error::invalid_input(message));
        }
        Guarantee::LearnThenTest { alpha, delta } => last_passed(&tallies, alpha, &beginnings(pilot, n, alpha, delta)),
        Guarantee::ConformalRiskControl { alpha } => {
            tallies.iter().take_while(|tally| tally.is_controlled(n, alpha)).last()
        }
    };
    // With no local answer a guarantee holds and is worth nothing.
    let Some(&Tally { threshold, local, wrong }) = last.filter(|tally| tally.local > 0) else {
        return Ok(Choice::NoneHolds { more: more(n, |total| would_do(&tallies, pilot, promise, n, total)), n });
    };
    let base = match promise {
        Guarantee::LearnThenTest { .. } => local,
        Guarantee::ConformalRiskControl { .. } => n,
    };
    Ok(Choice::Holds { threshold, coverage: local as f64 / n as f64, risk: wrong as f64 / base as f64, n })
}

impl Guarantee {
    fn check(self) -> Result<()> {
        let (alpha, delta) = match self {
            Self::LearnThenTest { alpha, delta } => (alpha, delta),
            Self::ConformalRiskControl { alpha } => (alpha, 0.5),
        };
        for (name, value) in [("alpha", alpha), ("delta", delta)] {
            if !(value > 0.0 && value < 1.0) {
                return Err(Error::invalid_input(format!("{name} must be a number between 0 and 1, not {value}")));
            }
        }
        Ok(())
    }
}

/// A threshold from which on `share` more of the chance to be wrong may be used.
#[derive(Clone, Copy, Debug)]
struct Beginning {
    threshold: f64,
    share: f64,
}

/// Where the pilot promises √(least·n) of `n` examples, `least` being the fewest that can prove anything: enough to
/// forgive some wrong ones, and still room for a model that is worse than `alpha` at most confidences. In simulations no
/// fixed number or part did better. The small rest is for where it promises half: it costs next to nothing, and helps
/// where the surest few answers are wrong more often than the others.
fn beginnings(pilot: &[f64], n: usize, alpha: f64, delta: f64) -> [Beginning; 2] {
    let mut pilot = pilot.to_vec();
    sort_by(&mut pilot, |a, b| b.total_cmp(a));
    let threshold = |part: f64| pilot[((part * pilot.len() as f64).ceil() as usize).clamp(1, pilot.len()) - 1];
    let part = (least_count(alpha, delta) as f64 / n as f64).sqrt();
    let share = FIRST_SHARE * delta;
    [
        Beginning { threshold: threshold(part), share },
        Beginning { threshold: threshold(part.max(0.5)), share: delta - share },
    ]
}

/// The loosest threshold that passes.
fn last_passed<'a>(tallies: &'a [Tally], alpha: f64, mut beginnings: &[Beginning]) -> Option<&'a Tally> {
    let mut level = 0.0;
    let mut last = None;
    for tally in tallies {
        while let [next, rest @ ..] = beginnings
            && tally.threshold <= next.threshold
        {
            level += next.share;
            beginnings = rest;
        }
        if level > 0.0 && tally.p_value(alpha) <= level {
            last = Some(tally);
        } else {
            level = 0.0;
        }
    }
    last
}

/// How many examples stay local at a threshold, and how many of these are wrong.
#[derive(Clone, Copy)]
struct Tally {
    threshold: f64,
    local: usize,
    wrong: usize,
}

impl Tally {
    /// Of "more than `alpha` of the local answers are wrong".
    fn p_value(&self, alpha: f64) -> f64 {
        p_value(self.wrong, self.local, alpha)
    }

    /// Whether n/(n+1)·R̂ + 1/(n+1) ≤ α: whether the risk would still be low enough if the next answer were local and
    /// wrong.
    fn is_controlled(&self, n: usize, alpha: f64) -> bool {
        (self.wrong + 1) as f64 <= alpha * (n + 1) as f64
    }

    /// The same threshold with `total` examples that are like these `n`, and the error that [`Choice::NoneHolds`] says.
    fn scaled(&self, n: usize, total: usize, alpha: f64) -> Self {
        let local = (self.local as f64 / n as f64 * total as f64).round();
        let rate = (self.wrong as f64 + 0.5) / (self.local as f64 + 0.5 / alpha);
        Self { threshold: self.threshold, local: local as usize, wrong: (rate * local).ceil() as usize }
    }
}

/// One for each threshold, from the strictest to the loosest.
fn tallies(examples: &[Example]) -> Vec<Tally> {
    let mut sorted = examples.to_vec();
    sort_by(&mut sorted, |a, b| b.confidence.total_cmp(&a.confidence));
    let (mut local, mut wrong) = (0, 0);
    let tally = |threshold: f64| {
        let before = local;
        local += sorted[before..].iter().take_while(|example| example.confidence >= threshold).count();
        wrong += sorted[before..local].iter().filter(|example| !example.correct).count();
        Tally { threshold, local, wrong }
    };
    thresholds().map(tally).collect()
}

/// The grid, from the strictest to the loosest. Rounded, because platforms differ in the last digit of a power.
fn thresholds() -> impl Iterator<Item = f64> {
    let threshold = |j: i32| 1.0 - 10_f64.powf(-f64::from(j) / f64::from(STEPS_PER_TENFOLD));
    (0..=TENFOLDS * STEPS_PER_TENFOLD).rev().map(move |j| (threshold(j) * 1e6).round() / 1e6)
}

/// Whether `total` examples that are like these `n` would do: whether testing would pass where it begins, or anything
/// that stays local would be controlled.
fn would_do(tallies: &[Tally], pilot: &[f64], promise: Guarantee, n: usize, total: usize) -> bool {
    match promise {
        Guarantee::LearnThenTest { alpha, delta } => {
            beginnings(pilot, total, alpha, delta).iter().any(|Beginning { threshold, share }| {
                let tally = tallies.iter().find(|tally| tally.threshold <= *threshold);
                tally.is_some_and(|tally| tally.scaled(n, total, alpha).p_value(alpha) <= *share)
            })
        }
        Guarantee::ConformalRiskControl { alpha } => {
            let some = tallies.iter().filter(|tally| tally.local > 0);
            some.map(|tally| tally.scaled(n, total, alpha)).any(|tally| tally.is_controlled(total, alpha))
        }
    }
}

/// How many more examples than `n` would do, if `would_do` says of a number of examples whether it is enough.
fn more(n: usize, would_do: impl Fn(usize) -> bool) -> Option<usize> {
    let (mut too_few, mut enough) = (n, 2 * n);
    while !would_do(enough) {
        (too_few, enough) = (enough, 2 * enough);
        if too_few >= MOST_EXAMPLES {
            return None;
        }
    }
    while enough - too_few > 1 {
        let middle = usize::midpoint(too_few, enough);
        if would_do(middle) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    Some(enough - n)
}
