//! Tests by betting, which hold however often one looks at them.
//!
//! # The risk of a threshold
//!
//! Let A be "the head's confidence is at least the threshold", ℓ ∈ {0, 1} "the head's label is not the remote model's", and
//! R = E[ℓ | A]. A text is sent to the remote model with a probability π that is known before its label is; o ∈ {0, 1} says
//! whether it was, and w = o / π. For every text
//!
//! ```text
//! E[w · 1(A) · (ℓ − α)] = P(A) · (R − α)
//! ```
//!
//! whatever π depends on: a text that is sent for sure counts once, one that is checked with a probability of a twentieth
//! counts twenty times. If R ≥ α, then somebody who bets the part b of what they have against it,
//!
//! ```text
//! M ← M · (1 − b · w · 1(A) · (ℓ − α)),     0 ≤ b < π₀ / (1 − α),
//! ```
//!
//! has a nonnegative supermartingale, where π₀ is the least probability that any text could have had at that time, and b
//! may depend on all that came before. So M ever reaches 1/δ with a chance of at most δ (Ville's inequality). If all are
//! sent, this is the likelihood ratio of two Bernoulli distributions.
//!
//! b is π₀ / (1 − α) · (1 − r / α), with r the risk so far: it is the best one (Kelly's) for uniform sampling. r begins with
//! what cross-validation estimated, which may be wrong: that costs evidence, never validity.
//!
//! # Source
//! Waudby-Smith and Ramdas 2020, *Estimating means of bounded random variables by betting* (2010.09686), section 3 and
//! proposition 2, with the predictable plug-in of section 4; Waudby-Smith et al. 2022, *Anytime-valid off-policy inference
//! for contextual bandits* (2210.10768), for importance weights. Shin, Ramdas and Rinaldo 2022, *E-detectors* (2203.03532),
//! for the sum over bettors who begin later.

use serde::{Deserialize, Serialize};

/// The least and the greatest part of the greatest bet.
const BETS: (f64, f64) = (0.02, 0.95);
/// How many texts an estimate from elsewhere counts as, at most.
const PRIOR: f64 = 30.0;
/// Before a difference is known, as if there had been so many texts without one.
const NO_DIFFERENCE: f64 = 8.0;
/// The risks, as multiples of alpha, that are looked for after a threshold holds.
const HIGHER: [f64; 2] = [2.0, 5.0];

/// Evidence that the risk is below alpha.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskTest {
    alpha: f64,
    ln_wealth: f64,
    best: f64,
    count: f64,
    wrong: f64,
}

/// What a label says of a head that was not trained on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Checked {
    /// Whether the head's label is another one.
    pub wrong: bool,
    /// π: the probability with which the text was sent.
    pub propensity: f64,
    /// π₀: the least probability that any text could have had.
    pub floor: f64,
}

impl RiskTest {
    /// A test of a risk of at least `alpha`, where `rate` is expected from `count` texts.
    pub fn new(alpha: f64, rate: f64, count: f64) -> Self {
        let count = count.clamp(1.0, PRIOR);
        Self { alpha, ln_wealth: 0.0, best: 0.0, count, wrong: rate * count }
    }

    /// Takes the label of a text of which the head is confident enough.
    pub fn update(&mut self, Checked { wrong, propensity, floor }: Checked) {
        let alpha = self.alpha;
        let bet = (1.0 - self.wrong / self.count / alpha).clamp(BETS.0, BETS.1) / (1.0 - alpha);
        // π₀ · w, at most 1.
        let weight = (floor / propensity).min(1.0);
        let loss = f64::from(u8::from(wrong));
        self.ln_wealth += (-bet * weight * (loss - alpha)).ln_1p();
        self.best = self.best.max(self.ln_wealth);
        self.count += weight;
        self.wrong += weight * loss;
    }

    /// The part of the evidence that is there of what [`RiskTest::holds`] needs; it grows about linearly with the texts.
    pub fn progress(&self, delta: f64) -> f64 {
        self.ln_wealth / -delta.ln()
    }

    /// Whether the risk is below alpha: true by mistake with a chance of at most `delta`, at all times together.
    pub fn holds(&self, delta: f64) -> bool {
        self.best >= -delta.ln()
    }

    /// The risk by what is known, weighted.
    pub fn risk(&self) -> f64 {
        self.wrong / self.count
    }
}

/// Evidence that one of two ways keeps more texts at home than the other one: that the mean of differences, each −1, 0 or
/// 1, is above 0. No label is needed for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    ln_wealth: f64,
    sum: f64,
    squares: f64,
}

impl Comparison {
    /// Takes whether each of the two keeps a text.
    pub fn update(&mut self, one: bool, other: bool) {
        let difference = f64::from(u8::from(one)) - f64::from(u8::from(other));
        let bet = (self.sum / (self.squares + NO_DIFFERENCE)).clamp(0.0, 0.9);
        self.ln_wealth += (bet * difference).ln_1p();
        self.sum += difference;
        self.squares += difference * difference;
    }

    /// Whether the first one keeps more: true by mistake with a chance of at most `delta`, at all times together.
    pub fn holds(&self, delta: f64) -> bool {
        self.ln_wealth >= -delta.ln()
    }
}

/// Watches a risk that was below alpha, and reports when it no longer is.
///
/// With each text a new bettor begins, and what all have is added up (Shiryaev and Roberts). While the risk is at most
/// alpha, the sum grows by at most one with each text on average, so that a false alarm takes [`RiskWatch::ALARM`]
/// labels or more on average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskWatch {
    sums: [f64; HIGHER.len()],
}

impl RiskWatch {
    /// The labels between two false alarms, at least on average.
    pub const ALARM: f64 = 1000.0;

    /// Takes the label of a text that is confident enough, and returns whether the risk is above `alpha`.
    pub fn update(&mut self, alpha: f64, Checked { wrong, propensity, floor }: Checked) -> bool {
        let weight = (floor / propensity).min(1.0);
        for (sum, higher) in self.sums.iter_mut().zip(HIGHER) {
            let risk = (higher * alpha).min(0.9);
            let bet = ((risk - alpha) / (1.0 - alpha)).max(0.0);
            let gain = if wrong { bet * (1.0 - alpha) / alpha } else { -bet };
            *sum = (1.0 + *sum) * (1.0 + weight * gain);
        }
        self.sums.iter().sum::<f64>() / self.sums.len() as f64 >= Self::ALARM
    }
}

/// The share of `delta` for the version number `version`, from 1: all shares together are `delta`.
///
/// # Source
/// Euler: Σ 1/k² = π²/6.
pub fn share(delta: f64, version: u64) -> f64 {
    let version = version.max(1) as f64;
    delta * 6.0 / (std::f64::consts::PI * version).powi(2)
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    /// Texts of which a part is confident: `unsure` of these are sent for sure, the others are checked at the rate `floor`.
    /// Of each part another share is wrong.
    struct Source {
        unsure: f64,
        wrong_unsure: f64,
        wrong_sure: f64,
        floor: f64,
    }

    impl Source {
        fn draw(&self, random: &mut Random) -> Option<Checked> {
            let unsure = random.next() < self.unsure;
            let (propensity, rate) = if unsure { (1.0, self.wrong_unsure) } else { (self.floor, self.wrong_sure) };
            let asked = random.next() < propensity;
            let wrong = random.next() < rate;
            asked.then_some(Checked { wrong, propensity, floor: self.floor })
        }

        /// The part of 1,000 streams in which a test holds at any time.
        fn passes(&self, delta: f64, texts: usize, prior: f64) -> f64 {
            let mut random = Random(11);
            let passed = (0..1000).filter(|_| {
                let mut test = RiskTest::new(0.05, prior, 100.0);
                (0..texts).for_each(|_| _ = self.draw(&mut random).map(|checked| test.update(checked)));
                test.holds(delta)
            });
            passed.count() as f64 / 1000.0
        }
    }

    #[test]
    fn a_risk_of_alpha_passes_with_a_chance_of_at_most_delta() {
        // A prior that lies costs evidence, not validity.
        for prior in [0.0, 0.02, 0.05, 0.5] {
            let all = Source { unsure: 1.0, wrong_unsure: 0.05, wrong_sure: 0.0, floor: 1.0 };
            assert!(all.passes(0.1, 2000, prior) <= 0.1 + 0.03, "{prior}");
            // Those that are sent for sure are wrong more often than those that are checked: 0.3 · 0.12 + 0.7 · 0.02 = 0.05.
            let mixed = Source { unsure: 0.3, wrong_unsure: 0.12, wrong_sure: 0.02, floor: 0.1 };
            assert!(mixed.passes(0.1, 3000, prior) <= 0.1 + 0.03, "{prior}");
            // And the other way round, which is where labels without weights would be wrong.
            let mixed = Source { unsure: 0.5, wrong_unsure: 0.01, wrong_sure: 0.09, floor: 0.1 };
            assert!(mixed.passes(0.1, 3000, prior) <= 0.1 + 0.03, "{prior}");
        }
    }

    #[test]
    fn without_weights_a_risk_above_alpha_passes() {
        // Labels of unsure texts alone, taken for those of all.
        let mixed = Source { unsure: 0.5, wrong_unsure: 0.01, wrong_sure: 0.09, floor: 0.1 };
        let mut random = Random(3);
        let mut test = RiskTest::new(0.05, 0.02, 100.0);
        (0..3000).for_each(|_| {
            if let Some(checked) = mixed.draw(&mut random) {
                test.update(Checked { propensity: 1.0, floor: 1.0, ..checked });
            }
        });
        assert!(test.holds(0.1));
    }

    #[test]
    fn a_risk_well_below_alpha_passes_soon() {
        let all = Source { unsure: 1.0, wrong_unsure: 0.01, wrong_sure: 0.0, floor: 1.0 };
        assert!(all.passes(0.1, 200, 0.01) > 0.8);
        let mixed = Source { unsure: 0.2, wrong_unsure: 0.03, wrong_sure: 0.005, floor: 0.1 };
        assert!(mixed.passes(0.1, 2000, 0.01) > 0.8);
    }

    #[test]
    fn ways_that_keep_as_many_are_not_taken_for_better_ones() {
        let mut random = Random(5);
        let mut keeps_more = |one: f64, other: f64, texts: usize| {
            let passed = (0..500).filter(|_| {
                let mut comparison = Comparison::default();
                (0..texts).any(|_| {
                    comparison.update(random.next() < one, random.next() < other);
                    comparison.holds(0.05)
                })
            });
            passed.count() as f64 / 500.0
        };
        assert!(keeps_more(0.5, 0.5, 1000) <= 0.05 + 0.03);
        assert!(keeps_more(0.4, 0.5, 1000) <= 0.05);
        assert!(keeps_more(0.7, 0.5, 300) > 0.9);
    }

    #[test]
    fn a_risk_that_rises_is_noticed() {
        let mut random = Random(9);
        let mut until_alarm = |risk: f64, most: usize| {
            let mut watch = RiskWatch::default();
            let checked = |wrong| Checked { wrong, propensity: 0.1, floor: 0.1 };
            (0..most).find(|_| watch.update(0.05, checked(random.next() < risk))).unwrap_or(most)
        };
        let false_alarms: usize = (0..20).map(|_| until_alarm(0.05, 20_000)).sum::<usize>() / 20;
        assert!(false_alarms as f64 > RiskWatch::ALARM, "{false_alarms}");
        let alarms: usize = (0..20).map(|_| until_alarm(0.3, 20_000)).sum::<usize>() / 20;
        assert!(alarms < 60, "{alarms}");
    }

    #[test]
    fn the_shares_of_delta_are_delta() {
        let sum: f64 = (1..100_000).map(|version| share(0.1, version)).sum();
        assert!((sum - 0.1).abs() < 1e-5 && share(0.1, 0) == share(0.1, 1));
    }
}
