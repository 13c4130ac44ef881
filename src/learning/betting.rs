//! Tests by betting, which hold however often one looks at them.
//!
//! # The risk of the heads of a stream
//!
//! Text t is predicted by the head that there is then, which was trained on texts before it alone. Let A be "the head is sure
//! of text t", l in {0, 1} "its label is not the remote model's", and R_t = E[l | A, the past] the risk of that head. Somebody
//! bets the part b_t of what they have against a risk of at least α, where b_t depends on the past alone:
//!
//! ```text
//! M <- M · (1 - b_t · 1(A) · (l - α)),     0 <= b_t < 1 / (1 - α).
//! ```
//!
//! **M ever reaches 1/δ while the average of R_t, each weighed by b_t · P_t(A), is at least α, with a chance of at most δ.**
//! Proof: the factor of text t has the mean 1 + d_t given the past, where d_t = b_t · P_t(A) · (α - R_t). So
//! N = M / Π (1 + d_t) is a nonnegative martingale, which ever reaches 1/δ with a chance of at most δ (Ville's inequality). As
//! Π (1 + d_t) <= exp(Σ d_t), M <= N whenever Σ d_t <= 0, which is when that average is at least α. ∎
//!
//! Nothing is assumed of how the heads come about, nor that texts stay as they are. If one head stays in charge, it is the usual
//! test of its risk. If heads become better with more labels, the last one is better than the average.
//!
//! b is the same for each text: b = (1 - r / α) / (1 - α), with r the risk that is hoped for, for which it is the best one
//! (Kelly's). Then the average weighs heads by the texts alone that they were sure of, and the wealth is the likelihood ratio
//! of the risks r and α. If r is not what the risk is, that costs evidence, never validity.
//!
//! # Source
//! Waudby-Smith and Ramdas 2020, *Estimating means of bounded random variables by betting* (2010.09686), section 3 and
//! proposition 2. Dawid 1984, *The prequential approach*, for predicting first and learning afterwards; Cesa-Bianchi, Conconi
//! and Gentile 2004, *On the generalization ability of on-line learning algorithms*, for what the average says of heads. Shin,
//! Ramdas and Rinaldo 2022, *E-detectors* (2203.03532), for the sum over bettors who begin later.

use serde::{Deserialize, Serialize};

/// The greatest part of the greatest bet.
const BOLDEST: f64 = 0.95;
/// Before a difference is known, as if there had been so many texts without one.
const NO_DIFFERENCE: f64 = 8.0;
/// The risks, as multiples of alpha, that are looked for after a threshold holds.
const HIGHER: [f64; 2] = [2.0, 5.0];

/// Evidence that the risk is below alpha.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskTest {
    alpha: f64,
    /// The part of what there is that is bet on each text.
    bet: f64,
    ln_wealth: f64,
    best: f64,
    texts: f64,
    wrong: f64,
}

impl RiskTest {
    /// A test of a risk of at least `alpha`, where `expected` is hoped for.
    pub fn new(alpha: f64, expected: f64) -> Self {
        let bet = (1.0 - expected / alpha).clamp(0.0, BOLDEST) / (1.0 - alpha);
        Self { alpha, bet, ln_wealth: 0.0, best: 0.0, texts: 0.0, wrong: 0.0 }
    }

    /// Takes whether the head was wrong on a text that it was sure of.
    pub fn update(&mut self, wrong: bool) {
        let loss = f64::from(u8::from(wrong));
        self.ln_wealth += (-self.bet * (loss - self.alpha)).ln_1p();
        self.best = self.best.max(self.ln_wealth);
        self.texts += 1.0;
        self.wrong += loss;
    }

    /// The part of the evidence that is there of what [`RiskTest::holds`] needs; it grows about linearly with the texts.
    pub fn progress(&self, delta: f64) -> f64 {
        self.ln_wealth / -delta.ln()
    }

    /// Whether the risk is below alpha: true by mistake with a chance of at most `delta`, at all times together.
    pub fn holds(&self, delta: f64) -> bool {
        self.best >= -delta.ln()
    }

    /// The part of the texts on which a head was wrong.
    pub fn risk(&self) -> f64 {
        self.wrong / self.texts.max(1.0)
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

/// Watches a risk that was at most alpha, and reports when it no longer is.
///
/// With each text a new bettor begins, and what all have is added up (Shiryaev and Roberts). While the risk is at most
/// alpha, the sum grows by at most one with each text on average, so that a false alarm takes `rarely` texts or more on
/// average.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskWatch {
    alpha: f64,
    rarely: f64,
    sums: [f64; HIGHER.len()],
}

impl RiskWatch {
    /// One of a risk of at most `alpha`.
    pub fn new(alpha: f64, rarely: f64) -> Self {
        Self { alpha, rarely, sums: [0.0; HIGHER.len()] }
    }

    /// Takes whether the head was wrong on a text that it was sure of, and returns whether the risk is above alpha.
    pub fn update(&mut self, wrong: bool) -> bool {
        for (sum, higher) in self.sums.iter_mut().zip(HIGHER) {
            let risk = (higher * self.alpha).min(0.9);
            let bet = ((risk - self.alpha) / (1.0 - self.alpha)).max(0.0);
            let gain = if wrong { bet * (1.0 - self.alpha) / self.alpha } else { -bet };
            *sum = (1.0 + *sum) * (1.0 + gain);
        }
        self.sums.iter().sum::<f64>() / self.sums.len() as f64 >= self.rarely
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

    /// The part of 1,000 streams in which a test holds at any time, where the head of text t is wrong with a chance of
    /// `risk(t)`.
    fn passes(delta: f64, texts: usize, expected: f64, risk: impl Fn(usize) -> f64) -> f64 {
        let mut random = Random(11);
        let passed = (0..1000).filter(|_| {
            let mut test = RiskTest::new(0.05, expected);
            (0..texts).for_each(|at| test.update(random.next() < risk(at)));
            test.holds(delta)
        });
        passed.count() as f64 / 1000.0
    }

    #[test]
    fn a_risk_of_alpha_passes_with_a_chance_of_at_most_delta() {
        // A hope that is wrong costs evidence, not validity.
        for expected in [0.0, 0.02, 0.04, 0.5] {
            assert!(passes(0.1, 2000, expected, |_| 0.05) <= 0.1 + 0.03, "{expected}");
        }
    }

    #[test]
    fn heads_of_different_risks_pass_only_where_their_average_is_below_alpha() {
        // One head after another is as good as the last one was bad: the average is alpha at each second text.
        let average = |at: usize| if (at / 2).is_multiple_of(2) { 0.08 } else { 0.02 };
        assert!(passes(0.1, 2000, 0.02, average) <= 0.1 + 0.03);
        // Bad ones first: the average falls to alpha at the end alone.
        let falling = |at: usize| if at < 1000 { 0.1 } else { 0.0 };
        assert!(passes(0.1, 2000, 0.02, falling) <= 0.1 + 0.03);
        let improving = |at: usize| 0.01 + 0.07 * (-(at as f64) / 200.0).exp();
        assert!(passes(0.1, 1500, 0.02, improving) > 0.8);
    }

    #[test]
    fn a_risk_well_below_alpha_passes_soon() {
        assert!(passes(0.1, 200, 0.017, |_| 0.01) > 0.8);
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
            let mut watch = RiskWatch::new(0.05, 1000.0);
            (0..most).find(|_| watch.update(random.next() < risk)).unwrap_or(most)
        };
        let false_alarms: usize = (0..20).map(|_| until_alarm(0.05, 20_000)).sum::<usize>() / 20;
        assert!(false_alarms as f64 > 1000.0, "{false_alarms}");
        let alarms: usize = (0..20).map(|_| until_alarm(0.3, 20_000)).sum::<usize>() / 20;
        assert!(alarms < 60, "{alarms}");
    }

    #[test]
    fn the_shares_of_delta_are_delta() {
        let sum: f64 = (1..100_000).map(|version| share(0.1, version)).sum();
        assert!((sum - 0.1).abs() < 1e-5 && share(0.1, 0) == share(0.1, 1));
    }
}
