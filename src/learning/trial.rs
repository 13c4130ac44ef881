//! The test of heads that follow one another: each label tests the head that there is, and trains the next one afterwards.
//!
//! What is tested are shares of the texts: the surest quarter, and so on up to all of them. Which texts these are the
//! confidences of the last texts say, for which no label is needed. So a level means the same for each head, and evidence stays
//! when one follows another ([`super::betting`] says what it is evidence of).
//!
//! Levels are tested in a fixed order, from the surest on, each of which counts only when all before it hold. So a bad one
//! counts only if the first bad one was taken for a good one, which has a chance of at most δ, however many there are and
//! however often one looks. Most of δ is spent on half of the texts and more, the rest on less, where heads are bad.
//!
//! # Source
//! Angelopoulos et al. 2021, *Learn then Test* (2110.01052), fixed-sequence testing.

use serde::{Deserialize, Serialize};

use super::betting::{Comparison, RiskTest};
use crate::sort::sort_by;
use crate::training::Linear;

/// The shares of the texts that are tested: a quarter and from there on in steps of a twentieth.
const LEVELS: usize = 16;
const FIRST: usize = 5;
const STEPS: usize = 20;
/// Where testing may begin, with which part of δ: at a half and at a quarter of the texts.
const ENTRANCES: [(usize, f64); 2] = [(5, 0.8), (0, 0.2)];
/// The next level is likely to hold soon where so much of its evidence is there.
const NEAR: f64 = 2.0 / 3.0;
/// Texts that say where a level begins, and how many there must be of them.
const WINDOW: usize = 300;
const LEAST: u64 = 60;
/// Texts between two changes of the thresholds.
const REFRESH: u64 = 10;
/// Stored counts above this are not ours.
const MOST_TEXTS: u64 = 1 << 53;

/// A test of heads that follow one another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The number of the last head: 0 for the one that was there before any was trained.
    pub version: u64,
    /// The last head.
    pub head: Linear,
    delta: f64,
    tests: Vec<RiskTest>,
    thresholds: Vec<f32>,
    /// The last confidences, and how many there were.
    confidences: Vec<f32>,
    texts: u64,
    comparison: Comparison,
}

impl Trial {
    /// A test that begins with `head`: of a risk of at least `alpha`, where `expected` is hoped for, that passes by mistake
    /// with a chance of at most `delta`.
    pub fn new(version: u64, head: Linear, alpha: f64, expected: f64, delta: f64) -> Self {
        Self {
            version,
            head,
            delta,
            tests: vec![RiskTest::new(alpha, expected); LEVELS],
            thresholds: Vec::new(),
            confidences: Vec::new(),
            texts: 0,
            comparison: Comparison::default(),
        }
    }

    /// Another head follows.
    pub fn follow(&mut self, version: u64, head: Linear) {
        if self.version == 0 {
            // The first head answers without neighbours: its confidences say nothing of the others'.
            (self.confidences, self.thresholds, self.texts) = (Vec::new(), Vec::new(), 0);
        }
        (self.version, self.head) = (version, head);
    }

    /// Takes the confidence of the head in a text, whether or not its label becomes known; `stays` says whether the head in
    /// charge keeps it at home.
    pub fn see(&mut self, confidence: f32, stays: bool) {
        let keeps = self.proven().and_then(|level| self.threshold(level)).is_some_and(|least| confidence >= least);
        self.comparison.update(keeps, stays);
        if self.confidences.len() < WINDOW {
            self.confidences.push(confidence);
        } else {
            self.confidences[self.texts as usize % WINDOW] = confidence;
        }
        self.texts += 1;
        if self.texts >= LEAST && self.texts.is_multiple_of(REFRESH) {
            let mut sorted = self.confidences.clone();
            sort_by(&mut sorted, |a, b| b.total_cmp(a));
            let least = |level: usize| match sorted.get(sorted.len() * (level + FIRST) / STEPS) {
                Some(confidence) => *confidence,
                None => 0.0,
            };
            self.thresholds = (0..LEVELS).map(least).collect();
        }
    }

    /// Takes whether the head was wrong on a text.
    pub fn check(&mut self, confidence: f32, wrong: bool) {
        for (test, least) in self.tests.iter_mut().zip(&self.thresholds) {
            if confidence >= *least {
                test.update(wrong);
            }
        }
    }

    /// The loosest level that holds.
    pub fn proven(&self) -> Option<usize> {
        let reached = |&(from, part): &(usize, f64)| {
            let held = self.tests[from..].iter().take_while(|test| test.holds(part * self.delta)).count();
            held.checked_sub(1).map(|last| from + last)
        };
        ENTRANCES.iter().filter_map(reached).max()
    }

    /// Whether the level after `level` is likely to hold soon. Once more stays at home fewer labels come.
    pub fn waits(&self, level: usize) -> bool {
        self.tests.get(level + 1).is_some_and(|next| next.progress(self.delta) >= NEAR)
    }

    /// The confidence from which on a text belongs to a level.
    pub fn threshold(&self, level: usize) -> Option<f32> {
        self.thresholds.get(level).copied()
    }

    /// The part of the evidence that is there of what the next level needs.
    pub fn progress(&self) -> f64 {
        let next = self.proven().map_or(ENTRANCES[0].0, |level| level + 1);
        self.tests.get(next).map_or(1.0, |test| test.progress(self.delta))
    }

    /// How often heads were wrong on the texts of a level, by the labels so far.
    pub fn risk(&self, level: usize) -> Option<f64> {
        self.tests.get(level).map(RiskTest::risk)
    }

    /// Whether it can be computed with, where it was stored.
    pub fn is_valid(&self) -> bool {
        self.tests.len() == LEVELS
            && (self.thresholds.is_empty() || self.thresholds.len() == LEVELS)
            && self.confidences.len() == WINDOW.min(self.texts as usize)
            && self.texts <= MOST_TEXTS
    }

    /// Whether more stays at home at the level that holds than with the head in charge: by mistake with a chance of at most
    /// `delta`.
    pub fn keeps_more(&self, delta: f64) -> bool {
        self.comparison.holds(delta)
    }

    /// Begins the comparison anew, with another head in charge.
    pub fn compare_anew(&mut self) {
        self.comparison = Comparison::default();
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    fn trial() -> Trial {
        let head = Linear { weight: vec![1.0, -1.0], bias: vec![0.0, 0.0] };
        Trial::new(1, head, 0.05, 0.017, 0.1)
    }

    /// Texts of which the surest ones are wrong with a chance of `sure` and the others, below a confidence of `border`, with
    /// a chance of a half.
    fn run(trial: &mut Trial, texts: usize, border: f64, sure: f64, seed: u64) {
        let mut random = Random(seed);
        for _ in 0..texts {
            let confidence = random.next();
            trial.see(confidence as f32, false);
            let wrong = random.next() < if confidence > border { sure } else { 0.5 };
            trial.check(confidence as f32, wrong);
        }
    }

    #[test]
    fn the_loosest_level_that_holds_is_the_one_before_the_bad_texts() {
        let mut trial = trial();
        assert_eq!((trial.proven(), trial.threshold(0)), (None, None));
        run(&mut trial, 1500, 0.4, 0.005, 1);
        let level = trial.proven().unwrap();
        let least = trial.threshold(level).unwrap();
        assert!((0.38..=0.5).contains(&least), "{least}");
        assert!(trial.keeps_more(0.05));
        trial.compare_anew();
        assert!(!trial.keeps_more(0.05));
    }

    #[test]
    fn a_level_holds_only_with_all_before_it() {
        // The surest texts are the bad ones.
        let mut trial = trial();
        let mut random = Random(3);
        for _ in 0..3000 {
            let confidence = random.next();
            trial.see(confidence as f32, false);
            trial.check(confidence as f32, confidence > 0.8 && random.next() < 0.1);
        }
        assert!(trial.tests[LEVELS - 1].holds(0.02), "all texts together are good");
        assert_eq!(trial.proven(), None);
    }

    #[test]
    fn what_keeps_no_promise_passes_with_a_chance_of_at_most_delta() {
        let passed = (0..300).filter(|seed| {
            let mut trial = trial();
            run(&mut trial, 1500, 0.0, 0.05, *seed);
            trial.proven().is_some()
        });
        let passed = passed.count();
        assert!(passed as f64 <= 300.0 * 0.1 + 2.0 * (300.0_f64 * 0.09).sqrt(), "{passed}");
    }

    #[test]
    fn evidence_stays_when_a_head_follows() {
        let mut trial = trial();
        run(&mut trial, 500, 0.0, 0.0, 1);
        let level = trial.proven();
        assert_eq!(level, Some(LEVELS - 1));
        assert!(!trial.waits(LEVELS - 1));
        trial.follow(2, Linear { weight: vec![0.0, 1.0], bias: vec![0.0, 0.0] });
        assert_eq!((trial.version, trial.proven()), (2, level));
    }
}
