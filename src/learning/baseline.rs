//! The head that a cascade began with, as a baseline: which texts it would have kept at home if nothing had been learnt.
//!
//! What it would have kept "at the same promise" is found from the labels that came, in favour of the baseline: from the loosest
//! confidence on from which its answers differ from the remote model's on at most α' of the texts. A cascade does not know that
//! confidence and has to prove one, which costs texts. So what learning saved is counted rather too low than too high.
//!
//! Confidences are counted in parts, by the logarithm of what is missing to 1, since most of a good head's are close to it.

use serde::{Deserialize, Serialize};

use super::LabelSet;
use super::head::predict;
use crate::training::Linear;

/// Parts of a halving of what is missing to 1, and all parts: a 32-bit float cannot be closer to 1 than by 2^-24.
const PARTS_OF_HALVING: f32 = 4.0;
const PARTS: usize = 97;

/// The head that learning began with, and how often it differs from the remote model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub head: Linear,
    /// Of each part of its confidences, from the least on: the texts that had a label, and those of them on which it differed.
    /// Each text weighs one over the probability with which it was sent.
    parts: Vec<(f64, f64)>,
}

impl Baseline {
    pub fn new(head: Linear) -> Self {
        Self { head, parts: vec![(0.0, 0.0); PARTS] }
    }

    /// Takes the label of a text that was sent with a chance of `propensity`.
    pub fn observe(&mut self, embedding: &[f32], labels: &LabelSet, multi_label: bool, propensity: f64) {
        let found = predict(&self.head, embedding, multi_label);
        if let Some((texts, wrong)) = self.parts.get_mut(part(found.confidence)) {
            *texts += 1.0 / propensity;
            *wrong += if found.labels == *labels { 0.0 } else { 1.0 / propensity };
        }
    }

    /// Whether it would have kept a text at home, wrong on at most `alpha` of those that it keeps.
    pub fn keeps(&self, embedding: &[f32], multi_label: bool, alpha: f64) -> bool {
        let (mut texts, mut wrong, mut least) = (0.0, 0.0, None);
        for (at, (more, of_them)) in self.parts.iter().enumerate().rev() {
            (texts, wrong) = (texts + more, wrong + of_them);
            if texts > 0.0 && wrong <= alpha * texts {
                least = Some(at);
            }
        }
        least.is_some_and(|least| part(predict(&self.head, embedding, multi_label).confidence) >= least)
    }

    /// The texts have changed: what was counted says nothing of these.
    pub fn begin_anew(&mut self) {
        self.parts.fill((0.0, 0.0));
    }

    /// Whether it can be computed with, where it was stored.
    pub fn is_valid(&self) -> bool {
        let sound = |sum: f64| (0.0..=f64::MAX).contains(&sum);
        self.parts.len() == PARTS && self.parts.iter().all(|(texts, wrong)| sound(*texts) && sound(*wrong))
    }
}

fn part(confidence: f32) -> usize {
    let missing = (1.0 - confidence).max(f32::EPSILON / 2.0);
    ((-missing.log2() * PARTS_OF_HALVING).max(0.0) as usize).min(PARTS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that says 0 with a confidence of 1 / (1 + exp(-x)).
    fn baseline() -> Baseline {
        Baseline::new(Linear { weight: vec![1.0, 0.0], bias: vec![0.0, 0.0] })
    }

    #[test]
    fn it_keeps_what_the_loosest_confidence_keeps_that_is_right_often_enough() {
        let mut baseline = baseline();
        assert!(!baseline.keeps(&[9.0], false, 0.1), "nothing is known of it");
        // Sure and right; less sure and wrong on a tenth; hardly sure and wrong on a half.
        for at in 0..100 {
            baseline.observe(&[9.0], &0.into(), false, 1.0);
            baseline.observe(&[3.0], &usize::from(at % 10 == 0).into(), false, 1.0);
            baseline.observe(&[1.0], &usize::from(at % 2 == 0).into(), false, 1.0);
        }
        let keeps = |alpha| [9.0, 3.0, 1.0].map(|x| baseline.keeps(&[x], false, alpha));
        assert_eq!(keeps(0.01), [true, false, false]);
        assert_eq!(keeps(0.05), [true, true, false]);
        assert_eq!(keeps(0.2), [true, true, true]);
        baseline.begin_anew();
        assert!(!baseline.keeps(&[9.0], false, 0.5));
    }

    #[test]
    fn a_text_counts_for_those_that_were_not_sent() {
        let mut baseline = baseline();
        // Of ten texts one is sent, and it is wrong on it: as bad as ten wrong ones.
        (0..50).for_each(|_| baseline.observe(&[9.0], &0.into(), false, 1.0));
        baseline.observe(&[9.0], &1.into(), false, 0.1);
        assert!(!baseline.keeps(&[9.0], false, 0.15) && baseline.keeps(&[9.0], false, 0.17));
    }

    #[test]
    fn confidences_close_to_1_are_told_apart() {
        let rising = [0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.999_99, 1.0].map(part);
        assert!(rising.is_sorted_by(|a, b| a < b || *a == 0), "{rising:?}");
        assert_eq!((part(f32::NAN) < PARTS, part(2.0)), (true, PARTS - 1));
    }
}
