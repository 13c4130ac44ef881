//! A head under test: thresholds in a fixed order, each with the evidence that its risk is below alpha.
//!
//! The order is fixed before the first label that the head is tested on: from what cross-validation says of the examples
//! that it was trained on. Testing begins at the threshold where evidence is expected to grow fastest, and goes on to looser
//! ones, each of which counts only when all before it hold. So a bad one counts only if the first bad one was taken for a
//! good one, which has a chance of at most δ, however many there are and however often one looks.
//!
//! # Source
//! Angelopoulos et al. 2021, *Learn then Test* (2110.01052), fixed-sequence testing; see [`super::betting`] for the tests.

use serde::{Deserialize, Serialize};

use super::betting::{Checked, Comparison, RiskTest};
use super::head::{Prediction, predict};
use super::trainer::Outcome;
use crate::sort::sort_by;
use crate::training::Linear;

/// Thresholds are where the confident part of the texts grows by one in so many.
const STEPS: usize = 20;
/// A head is not tested where the proof is expected to take more than so many times the labels that there are.
const PATIENCE: f64 = 4.0;
/// Thresholds whose risk is expected to be above so many times alpha are not tested.
const HOPELESS: f64 = 2.0;
/// A threshold is likely to hold soon where so much of the evidence is there: in half as many texts again as there were.
const NEAR: f64 = 2.0 / 3.0;
/// Confidences that are kept, to compare later ones with.
const CONFIDENCES: usize = 1000;

/// A head under test.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// Its number, from 1: the more there were, the less chance each has to be wrong.
    pub version: u64,
    /// The head.
    pub head: Linear,
    /// The chance that one of its thresholds holds by mistake.
    pub delta: f64,
    /// From the strictest to the loosest.
    pub levels: Vec<Level>,
    /// How many of them hold.
    pub passed: usize,
    /// The last confidences.
    pub confidences: Vec<f32>,
    /// How many texts came since it is tested.
    pub texts: usize,
}

/// A threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Answers stay at home from this confidence on.
    pub threshold: f32,
    /// Evidence that the risk is below alpha.
    pub test: RiskTest,
    /// Evidence that more stays at home than with the head in charge.
    pub comparison: Comparison,
}

impl Candidate {
    /// A test of `head`, of which `outcomes` say something: not the ones that it is tested on. `None` where these promise
    /// nothing, with a risk of at most `alpha` and a chance of at most `delta` to be wrong.
    pub fn new(version: u64, head: Linear, outcomes: &[Outcome], alpha: f64, delta: f64) -> Option<Self> {
        let levels = levels(outcomes, alpha, delta)?;
        Some(Self { version, head, delta, levels, passed: 0, confidences: Vec::new(), texts: 0 })
    }

    /// What the head says of a text.
    pub fn predict(&self, embedding: &[f32]) -> Prediction {
        predict(&self.head, embedding)
    }

    /// The loosest threshold that holds.
    pub fn threshold(&self) -> Option<f32> {
        self.passed.checked_sub(1).map(|last| self.levels[last].threshold)
    }

    /// How much of the evidence is there that the next threshold needs.
    pub fn progress(&self) -> f64 {
        self.levels.get(self.passed).map_or(0.0, |level| level.test.progress(self.delta))
    }

    /// Takes a text, whether or not its label becomes known; `stays` says whether the head in charge keeps it at home.
    pub fn see(&mut self, confidence: f32, stays: bool) {
        if self.confidences.len() < CONFIDENCES {
            self.confidences.push(confidence);
        } else {
            self.confidences[self.texts % CONFIDENCES] = confidence;
        }
        self.texts += 1;
        for level in &mut self.levels {
            level.comparison.update(confidence >= level.threshold, stays);
        }
    }

    /// Takes the label of a text. Returns whether another threshold holds now.
    pub fn check(&mut self, confidence: f32, checked: Checked) -> bool {
        for level in &mut self.levels {
            if confidence >= level.threshold {
                level.test.update(checked);
            }
        }
        let before = self.passed;
        while self.levels.get(self.passed).is_some_and(|level| level.test.holds(self.delta)) {
            self.passed += 1;
        }
        self.passed > before
    }

    /// Whether more stays at home than with the head in charge, at a threshold that holds: by mistake with a chance of at
    /// most `delta`. Not while the next threshold is likely to hold soon: once the head is in charge fewer labels come.
    pub fn keeps_more(&self, delta: f64) -> bool {
        self.progress() < NEAR
            && self.passed.checked_sub(1).is_some_and(|last| self.levels[last].comparison.holds(delta))
    }

    /// Begins the comparison anew, with another head or threshold in charge.
    pub fn compare_anew(&mut self) {
        self.levels.iter_mut().for_each(|level| level.comparison = Comparison::default());
    }
}

/// The thresholds to test, in their order.
fn levels(outcomes: &[Outcome], alpha: f64, delta: f64) -> Option<Vec<Level>> {
    let mut sorted = outcomes.to_vec();
    sort_by(&mut sorted, |a, b| b.confidence.total_cmp(&a.confidence));
    let total: f64 = sorted.iter().map(|outcome| outcome.weight).sum();
    let mut steps: Vec<(f64, f32, RiskTest)> = Vec::new();
    let (mut weight, mut squares, mut wrong, mut last) = (0.0, 0.0, 0.0, 0.0);
    for (at, outcome) in sorted.iter().enumerate() {
        weight += outcome.weight;
        squares += outcome.weight * outcome.weight;
        wrong += if outcome.wrong { outcome.weight } else { 0.0 };
        // Equal confidences are on one side of any threshold.
        let next = sorted.get(at + 1);
        let step = (weight / total * STEPS as f64).floor();
        if next.is_some_and(|next| next.confidence == outcome.confidence || step == last) || weight == 0.0 {
            continue;
        }
        last = step;
        // As many texts of one weight would say as much.
        let count = weight * weight / squares;
        let risk = (wrong / weight * count + 0.5) / (count + 1.0);
        let threshold = if next.is_none() { 0.0 } else { outcome.confidence };
        let growth = if risk < alpha { weight / total * divergence(risk, alpha) } else { 0.0 };
        steps.push((growth, threshold, RiskTest::new(alpha, risk, count)));
    }
    let first = (0..steps.len()).rev().max_by(|&a, &b| steps[a].0.total_cmp(&steps[b].0))?;
    // Infinite where nothing grows.
    let expected = -delta.ln() / steps[first].0;
    if expected > PATIENCE * weight * weight / squares {
        return None;
    }
    let hopeful = steps[first..].iter().take_while(|(_, _, test)| test.risk() < HOPELESS * alpha);
    Some(hopeful.map(|&(_, threshold, test)| Level { threshold, test, comparison: Comparison::default() }).collect())
}

/// The relative entropy of two Bernoulli distributions: what evidence grows by with each text on average, at best.
fn divergence(a: f64, b: f64) -> f64 {
    a * (a / b).ln() + (1.0 - a) * ((1.0 - a) / (1.0 - b)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Linear {
        Linear { weight: vec![1.0, -1.0], bias: vec![0.0, 0.0] }
    }

    /// The surest half is right; of the others every fourth is wrong.
    fn outcomes(count: usize) -> Vec<Outcome> {
        let outcome = |i: usize| {
            let confidence = 1.0 - i as f32 / (2 * count) as f32;
            Outcome { confidence, wrong: i >= count / 2 && i.is_multiple_of(4), weight: 1.0 }
        };
        (0..count).map(outcome).collect()
    }

    fn checked(wrong: bool) -> Checked {
        Checked { wrong, propensity: 1.0, floor: 1.0 }
    }

    #[test]
    fn testing_begins_where_evidence_grows_fastest_and_goes_on_to_looser_thresholds() {
        let levels = levels(&outcomes(400), 0.05, 0.1).unwrap();
        assert!((levels[0].threshold - 0.75).abs() < 0.03, "{}", levels[0].threshold);
        assert!(levels.is_sorted_by(|a, b| a.threshold > b.threshold));
        assert!(levels.len() < STEPS / 2 && levels.iter().all(|level| level.test.risk() < 0.1));
    }

    #[test]
    fn what_promises_nothing_is_not_tested() {
        let wrong: Vec<Outcome> = outcomes(400).iter().map(|outcome| Outcome { wrong: true, ..*outcome }).collect();
        assert!(Candidate::new(1, head(), &wrong, 0.05, 0.1).is_none());
        assert!(Candidate::new(1, head(), &outcomes(8), 0.05, 0.1).is_none());
        assert!(Candidate::new(1, head(), &[], 0.05, 0.1).is_none());
    }

    #[test]
    fn equal_confidences_are_on_one_side() {
        let same: Vec<Outcome> =
            outcomes(400).iter().map(|o| Outcome { confidence: 0.7, wrong: false, ..*o }).collect();
        let levels = levels(&same, 0.05, 0.1).unwrap();
        assert_eq!(levels.iter().map(|level| level.threshold).collect::<Vec<_>>(), [0.0]);
    }

    #[test]
    fn a_threshold_holds_only_with_all_before_it() {
        let mut candidate = Candidate::new(1, head(), &outcomes(400), 0.05, 0.1).unwrap();
        assert_eq!(candidate.threshold(), None);
        let strict = candidate.levels[0].threshold;
        // Labels below the strictest threshold, however good, prove nothing.
        let looser = candidate.levels[1].threshold;
        (0..500).for_each(|_| _ = candidate.check(looser, checked(false)));
        assert_eq!(candidate.passed, 0);
        let passed = (0..500).filter(|_| candidate.check(1.0, checked(false))).count();
        assert!(passed >= 1);
        assert_eq!(candidate.passed, candidate.levels.len());
        assert!(candidate.threshold().unwrap() < strict);
    }

    #[test]
    fn more_must_stay_at_home_than_before() {
        let mut candidate = Candidate::new(1, head(), &outcomes(400), 0.05, 0.1).unwrap();
        (0..200).for_each(|_| candidate.see(1.0, false));
        assert!(!candidate.keeps_more(0.05), "no threshold holds");
        (0..500).for_each(|_| _ = candidate.check(1.0, checked(false)));
        assert!(candidate.keeps_more(0.05));
        candidate.compare_anew();
        (0..200).for_each(|_| candidate.see(1.0, true));
        assert!(!candidate.keeps_more(0.05));
        (0..2000).for_each(|_| candidate.see(0.9, true));
        assert_eq!((candidate.texts, candidate.confidences.len()), (2400, CONFIDENCES));
    }
}
