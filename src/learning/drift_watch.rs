//! Whether the texts are still like those that came after the head took charge: whether its confidences are distributed as they
//! were, with [`crate::drift`], and whether texts are as near to examples as they were.

use serde::{Deserialize, Serialize};

use super::betting::RiskWatch;
use crate::calibration::risk_control::Guarantee;
use crate::calibration::{Calibration, Labels};
use crate::drift::Cuts;
use crate::sort::sort_by;

/// Texts that later ones are compared with.
const REFERENCE: usize = 200;
/// Texts of a part, before the parts are joined in pairs.
const TEXTS: u64 = 16;
/// Parts, at most.
const PARTS: usize = 32;
/// Stored counts above these are not ours.
const MOST_TEXTS: u64 = 1 << 40;
const MOST_DOUBLINGS: u32 = 32;
/// Steps between the quantiles that later confidences are compared by.
const QUANTILES: usize = 20;
/// A text is far away if only this part of the others was farther.
const FAR: f64 = 0.1;
/// Texts between two false alarms about how many are far away, at least on average.
const ALARM: f64 = 1e5;

/// A watch on texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DriftWatch {
    threshold: f32,
    /// The confidences and distances of the first texts.
    first: Vec<(f32, f32)>,
    /// What later ones are compared with, when there are enough.
    cuts: Option<Cuts>,
    far_from: f32,
    far: RiskWatch,
    parts: Vec<Vec<u64>>,
    doublings: u32,
    /// Texts of the last part.
    count: u64,
}

impl DriftWatch {
    /// A watch on texts of which those from the confidence `threshold` on stay at home.
    pub fn new(threshold: f32) -> Self {
        Self {
            threshold,
            first: Vec::new(),
            cuts: None,
            far_from: f32::INFINITY,
            far: RiskWatch::new(FAR, ALARM),
            parts: Vec::new(),
            doublings: 0,
            count: 0,
        }
    }

    /// Whether it can be computed with, where it was stored.
    pub fn is_valid(&self) -> bool {
        let parts = self.cuts.as_ref().map_or(0, Cuts::parts);
        let counts = |part: &Vec<u64>| part.len() == parts && part.iter().all(|&count| count <= MOST_TEXTS);
        self.first.len() < REFERENCE
            && self.cuts.as_ref().is_none_or(Cuts::is_valid)
            && self.parts.len() <= PARTS
            && self.doublings <= MOST_DOUBLINGS
            && self.count <= MOST_TEXTS
            && self.parts.iter().all(counts)
    }

    /// Takes the confidence of a text and how far from examples it is, and returns whether the texts have changed: by mistake
    /// with a chance of at most 1 % at all times together by confidences, and every 100,000 texts or more rarely by distances.
    pub fn see(&mut self, confidence: f32, distance: f32) -> bool {
        let Some(cuts) = &self.cuts else {
            self.first.push((confidence, distance));
            if self.first.len() == REFERENCE {
                self.begin();
            }
            return false;
        };
        if self.far.update(distance > self.far_from) {
            return true;
        }
        if self.count == 0 {
            self.parts.push(vec![0; cuts.parts()]);
        }
        let part = cuts.part(f64::from(confidence));
        if let Some(count) = self.parts.last_mut().and_then(|counts| counts.get_mut(part)) {
            *count += 1;
        }
        self.count += 1;
        if self.count < TEXTS << self.doublings {
            return false;
        }
        self.count = 0;
        let parts: Vec<&[u64]> = self.parts.iter().map(Vec::as_slice).collect();
        let doubtful = cuts.report(&parts, self.doublings).doubtful;
        if self.parts.len() == PARTS {
            let sum = |pair: &[Vec<u64>]| (0..pair[0].len()).map(|at| pair.iter().map(|part| part[at]).sum()).collect();
            self.parts = self.parts.chunks(2).map(sum).collect();
            self.doublings += 1;
        }
        doubtful
    }

    /// From now on texts are compared with the first ones.
    fn begin(&mut self) {
        let first = std::mem::take(&mut self.first);
        let sorted = |of: fn(&(f32, f32)) -> f32| {
            let mut numbers: Vec<f32> = first.iter().map(of).collect();
            sort_by(&mut numbers, f32::total_cmp);
            numbers
        };
        let distances = sorted(|(_, distance)| *distance);
        self.far_from = distances[((1.0 - FAR) * REFERENCE as f64) as usize];
        let confidences = sorted(|(confidence, _)| *confidence);
        let above = confidences.iter().filter(|confidence| **confidence >= self.threshold).count();
        let quantile = |step: usize| f64::from(confidences[step * (REFERENCE - 1) / QUANTILES]);
        self.cuts = Some(Cuts::of(&Calibration {
            // What drift looks at: quantiles, threshold, coverage and number.
            promise: Guarantee::ConformalRiskControl { alpha: 0.5 },
            temperature: 1.0,
            threshold: f64::from(self.threshold),
            coverage: above as f64 / REFERENCE as f64,
            n: REFERENCE,
            data_sha256: String::new(),
            weights_sha256: None,
            behind: Vec::new(),
            hypotheses: Vec::new(),
            labels: Labels::default(),
            quantiles: (0..=QUANTILES).map(quantile).collect(),
            date: String::new(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    /// A watch that has seen texts whose confidences and distances are distributed evenly, for long without an alarm.
    fn watch(random: &mut Random) -> DriftWatch {
        let mut watch = DriftWatch::new(0.5);
        assert!((0..5000).all(|_| !watch.see(random.next() as f32, random.next() as f32)));
        watch
    }

    #[test]
    fn other_confidences_are_noticed() {
        let random = &mut Random(2);
        let mut watch = watch(random);
        let noticed = (0..2000).find(|_| watch.see(random.next().powi(2) as f32, random.next() as f32));
        assert!(noticed.is_some_and(|at| at < 1000), "{noticed:?}");
    }

    #[test]
    fn texts_from_elsewhere_are_noticed_at_once() {
        let random = &mut Random(4);
        let mut watch = watch(random);
        let noticed = (0..2000).find(|_| watch.see(random.next() as f32, 0.5 + random.next() as f32));
        assert!(noticed.is_some_and(|at| at < 60), "{noticed:?}");
    }
}
