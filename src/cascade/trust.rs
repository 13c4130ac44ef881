//! How far one local model is trusted: the temperature that its scores are put at, and the threshold.

use super::decision::Tier;
use crate::calibration::{Calibration, Temperature};
use crate::error::{Error, Result};
use crate::models::Work;

/// A round number: without calibration no other is better founded, and every result says so.
const DEFAULT_THRESHOLD: f64 = 0.9;

/// How far one local model is trusted.
#[derive(Clone, Debug)]
pub struct Trust {
    calibration: Option<Calibration>,
    temperature: Option<Temperature>,
    threshold: f64,
}

impl Trust {
    /// Trusts a model from `threshold` on; without it, from where `calibration` says, and without both from 0.9 on.
    ///
    /// # Errors
    /// Invalid input: a threshold that is not from 0 to 1. Invalid artefact: a calibration that makes no sense.
    pub fn new(threshold: Option<f64>, calibration: Option<Calibration>) -> Result<Self> {
        let mut trust = Self { calibration: None, temperature: None, threshold: DEFAULT_THRESHOLD };
        if let Some(calibration) = calibration {
            trust.calibrate(calibration)?;
        }
        if let Some(threshold) = threshold {
            trust.set_threshold(threshold)?;
        }
        Ok(trust)
    }

    /// The confidence from which on the model's answer is the answer.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Sets it.
    ///
    /// # Errors
    /// Invalid input: it is not from 0 to 1.
    pub fn set_threshold(&mut self, threshold: f64) -> Result<()> {
        if !(0.0..=1.0).contains(&threshold) {
            let wrong = format!("the threshold must be a number from 0 to 1, not {threshold}");
            return Err(Error::invalid_input(wrong));
        }
        self.threshold = threshold;
        Ok(())
    }

    /// Trusts the model as `calibration` says, from now on.
    ///
    /// # Errors
    /// Invalid artefact: it makes no sense.
    pub fn calibrate(&mut self, calibration: Calibration) -> Result<()> {
        calibration.check(None)?;
        self.temperature = Temperature::new(calibration.temperature).ok();
        self.threshold = calibration.threshold;
        self.calibration = Some(calibration);
        Ok(())
    }

    /// What the model's `score` of its own answer comes to, which took it so long and so much.
    pub fn weigh(&self, score: f64, latency_ms: f64, work: Work) -> Tier {
        let Self { calibration, temperature, threshold } = self;
        Tier {
            score,
            temperature: calibration.as_ref().map_or(1.0, |calibration| calibration.temperature),
            confidence: temperature.map_or(score, |temperature| temperature.confidence(score)),
            threshold: *threshold,
            calibrated: calibration.as_ref().is_some_and(|calibration| calibration.threshold == *threshold),
            latency_ms,
            work,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::risk::Guarantee;

    fn calibration(temperature: f64, threshold: f64) -> Calibration {
        Calibration {
            promise: Guarantee::LearnThenTest { alpha: 0.05, delta: 0.1 },
            temperature,
            threshold,
            coverage: 0.5,
            n: 100,
            data_sha256: String::new(),
            weights_sha256: None,
            quantiles: vec![0.5, 1.0],
            date: "2026-11-25".to_string(),
        }
    }

    #[test]
    fn the_threshold_itself_is_accepted() {
        let trust = Trust::new(Some(0.75), None).unwrap();
        for (score, sure) in [(0.75, true), (1.0, true), (0.75_f64.next_down(), false), (f64::NAN, false)] {
            assert_eq!(trust.weigh(score, 1.0, Work::default()).is_sure(), sure, "{score}");
        }
    }

    #[test]
    fn what_was_calibrated_is_calibrated_until_the_threshold_is_another() {
        let mut trust = Trust::new(None, Some(calibration(2.0, 0.8))).unwrap();
        let tier = trust.weigh(0.9, 3.0, Work::default());
        assert_eq!((tier.threshold, tier.calibrated, tier.temperature, tier.latency_ms), (0.8, true, 2.0, 3.0));
        // The odds of 9 to 1 are 3 to 1 at that temperature.
        assert!((tier.confidence - 0.75).abs() < 1e-12 && !tier.is_sure());
        trust.set_threshold(0.7).unwrap();
        assert_eq!(
            (trust.weigh(0.9, 3.0, Work::default()).calibrated, trust.weigh(0.9, 3.0, Work::default()).is_sure()),
            (false, true)
        );
        let trust = Trust::new(Some(0.6), Some(calibration(2.0, 0.8))).unwrap();
        assert_eq!((trust.threshold(), trust.weigh(0.9, 3.0, Work::default()).calibrated), (0.6, false));
        assert_eq!(Trust::new(None, None).unwrap().threshold(), DEFAULT_THRESHOLD);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for threshold in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Trust::new(Some(threshold), None).is_err());
        }
        assert!(Trust::new(None, Some(calibration(0.0, 0.8))).is_err());
        assert!(Trust::new(None, Some(calibration(1.0, f64::NAN))).is_err());
    }
}
