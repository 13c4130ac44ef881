//! Whether the confidences of the head in charge are still distributed as while it was tested: a part of the texts after
//! another, with [`crate::drift`].

use serde::{Deserialize, Serialize};

use crate::calibration::risk_control::Guarantee;
use crate::calibration::{Calibration, Labels};
use crate::drift::Cuts;
use crate::sort::sort_by;

/// Texts of a part, before the parts are joined in pairs.
const TEXTS: u64 = 16;
/// Parts, at most.
const PARTS: usize = 32;
/// Stored counts above these are not ours.
const MOST_TEXTS: u64 = 1 << 40;
const MOST_DOUBLINGS: u32 = 32;
/// Steps between the quantiles that later confidences are compared by.
const QUANTILES: usize = 20;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DriftWatch {
    cuts: Cuts,
    parts: Vec<Vec<u64>>,
    doublings: u32,
    /// Texts of the last part.
    count: u64,
}

impl DriftWatch {
    /// Compares with the `confidences` of the texts that a head was tested on; `None` without any.
    pub fn new(confidences: &[f32], threshold: f32) -> Option<Self> {
        let mut sorted: Vec<f64> = confidences.iter().map(|&confidence| f64::from(confidence)).collect();
        sort_by(&mut sorted, f64::total_cmp);
        let (n, threshold) = (sorted.len(), f64::from(threshold));
        let last = n.checked_sub(1)?;
        let cuts = Cuts::of(&Calibration {
            // What drift looks at: quantiles, threshold, coverage and number.
            promise: Guarantee::ConformalRiskControl { alpha: 0.5 },
            temperature: 1.0,
            threshold,
            coverage: sorted.iter().filter(|confidence| **confidence >= threshold).count() as f64 / n as f64,
            n,
            data_sha256: String::new(),
            weights_sha256: None,
            behind: Vec::new(),
            hypotheses: Vec::new(),
            labels: Labels::default(),
            quantiles: (0..=QUANTILES).map(|step| sorted[step * last / QUANTILES]).collect(),
            date: String::new(),
        });
        Some(Self { cuts, parts: Vec::new(), doublings: 0, count: 0 })
    }

    /// Whether it can be computed with, where it was stored.
    pub fn is_valid(&self) -> bool {
        let counts = |part: &Vec<u64>| part.len() == self.cuts.parts() && part.iter().all(|&count| count <= MOST_TEXTS);
        self.cuts.is_valid()
            && self.parts.len() <= PARTS
            && self.doublings <= MOST_DOUBLINGS
            && self.parts.iter().all(counts)
    }

    /// Takes the confidence of a text, and returns whether the texts have changed: by mistake with a chance of at most 1 %,
    /// at all times together.
    pub fn see(&mut self, confidence: f32) -> bool {
        if self.count == 0 {
            self.parts.push(vec![0; self.cuts.parts()]);
        }
        let part = self.cuts.part(f64::from(confidence));
        if let Some(count) = self.parts.last_mut().and_then(|counts| counts.get_mut(part)) {
            *count += 1;
        }
        self.count += 1;
        if self.count < TEXTS << self.doublings {
            return false;
        }
        self.count = 0;
        let parts: Vec<&[u64]> = self.parts.iter().map(Vec::as_slice).collect();
        let doubtful = self.cuts.report(&parts, self.doublings).doubtful;
        if self.parts.len() == PARTS {
            let sum = |pair: &[Vec<u64>]| (0..pair[0].len()).map(|at| pair.iter().map(|part| part[at]).sum()).collect();
            self.parts = self.parts.chunks(2).map(sum).collect();
            self.doublings += 1;
        }
        doubtful
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    #[test]
    fn a_change_is_noticed_and_none_is_not() {
        let mut random = Random(2);
        let confidences: Vec<f32> = (0..500).map(|_| random.next() as f32).collect();
        let mut watch = DriftWatch::new(&confidences, 0.5).unwrap();
        assert!((0..5000).all(|_| !watch.see(random.next() as f32)));
        let noticed = (0..2000).find(|_| watch.see(random.next().powi(2) as f32)).unwrap();
        assert!(noticed < 1000, "{noticed}");
        assert!(DriftWatch::new(&[], 0.5).is_none());
    }
}
