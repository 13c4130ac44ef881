//! How far one local model is trusted: the temperature that its scores are put at, and the threshold.

use serde::{Deserialize, Serialize};

use super::decision::Tier;
use crate::calibration::{Calibration, Gate, Temperature};
use crate::error::{Error, Result};
use crate::graph::ComputeCost;

/// A round number: without calibration no other is better founded, and every result says so.
const DEFAULT_THRESHOLD: f64 = 0.9;

/// What is known of one local model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct LocalConfig {
    /// The confidence from which on its answer is the answer, in the place of the policy's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub threshold: Option<f64>,
    /// How far it may be trusted, in the place of what its `pilot.json` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub calibration: Option<Calibration>,
    /// The SHA-256 of its weights, in hexadecimal, where it is known.
    #[serde(skip)]
    pub weights_sha256: Option<String>,
}

/// How far one local model is trusted.
#[derive(Clone, Debug)]
pub struct Trust {
    calibration: Option<Calibration>,
    temperature: Option<Temperature>,
    threshold: f64,
    weights_sha256: Option<String>,
}

impl Trust {
    /// Trusts a model from its own threshold on; without it from `threshold` on, without that from where its calibration
    /// says, and without all of them from 0.9 on.
    ///
    /// # Errors
    /// Invalid input: a threshold that is not from 0 to 1. Invalid artefact: a calibration that makes no sense.
    pub fn new(local: LocalConfig, threshold: Option<f64>) -> Result<Self> {
        let LocalConfig { threshold: own, calibration, weights_sha256 } = local;
        let mut trust = Self { calibration: None, temperature: None, threshold: DEFAULT_THRESHOLD, weights_sha256 };
        if let Some(calibration) = calibration {
            trust.calibrate(calibration)?;
        }
        if let Some(threshold) = own.or(threshold) {
            trust.set_threshold(threshold)?;
        }
        Ok(trust)
    }

    /// How far it may be trusted, as far as that is known.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// The confidence from which on the model's answer is the answer.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Sets the threshold.
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

    /// What the model's `score` of its own answer comes to, which took it so long and so much, if those of `before` were
    /// asked first and not sure.
    pub fn weigh(&self, before: &[Self], score: f64, latency_ms: f64, work: ComputeCost) -> Tier {
        Tier {
            score,
            temperature: self.temperature.map_or(1.0, Temperature::get),
            confidence: self.temperature.map_or(score, |temperature| temperature.confidence(score)),
            threshold: self.threshold,
            calibrated: self.is_calibrated(before),
            latency_ms,
            work,
        }
    }

    /// Whether its calibration, if it has one, is for a choice between `hypotheses`.
    pub fn is_for(&self, hypotheses: &[String]) -> bool {
        self.calibration.as_ref().is_none_or(|calibration| calibration.is_for(hypotheses))
    }

    /// Where it stands for a model behind it.
    pub fn gate(&self) -> Gate {
        Gate {
            weights_sha256: self.weights_sha256.clone(),
            temperature: self.temperature.map_or(1.0, Temperature::get),
            threshold: self.threshold,
        }
    }

    /// Whether the threshold is the one that was calibrated, on texts that those of `before` were not sure of.
    fn is_calibrated(&self, before: &[Self]) -> bool {
        self.calibration.as_ref().is_some_and(|calibration| {
            calibration.threshold == self.threshold
                && calibration.behind.len() == before.len()
                && calibration.behind.iter().zip(before).all(|(gate, trust)| is_same(gate, &trust.gate()))
        })
    }
}

/// Whether `a` is `b`, but for the last digit that JSON may have cost.
fn is_same(a: &Gate, b: &Gate) -> bool {
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
    a.weights_sha256 == b.weights_sha256 && close(a.temperature, b.temperature) && close(a.threshold, b.threshold)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::calibration::Labels;
    use crate::calibration::risk_control::Guarantee;

    pub(crate) fn calibration(temperature: f64, threshold: f64) -> Calibration {
        Calibration {
            promise: Guarantee::LearnThenTest { alpha: 0.05, delta: 0.1 },
            temperature,
            threshold,
            coverage: 0.5,
            n: 100,
            data_sha256: String::new(),
            weights_sha256: None,
            behind: vec![],
            hypotheses: vec![],
            labels: Labels::default(),
            quantiles: vec![0.5, 1.0],
            date: "2026-11-25".to_string(),
        }
    }

    fn trust(threshold: Option<f64>, calibration: Option<Calibration>) -> Result<Trust> {
        Trust::new(LocalConfig { calibration, ..LocalConfig::default() }, threshold)
    }

    #[test]
    fn the_threshold_itself_is_accepted() {
        let model = trust(Some(0.75), None).unwrap();
        for (score, sure) in [(0.75, true), (1.0, true), (0.75_f64.next_down(), false), (f64::NAN, false)] {
            assert_eq!(model.weigh(&[], score, 1.0, ComputeCost::default()).is_sure(), sure, "{score}");
        }
    }

    #[test]
    fn what_was_calibrated_is_calibrated_until_the_threshold_is_another() {
        let mut model = trust(None, Some(calibration(2.0, 0.8))).unwrap();
        let tier = model.weigh(&[], 0.9, 3.0, ComputeCost::default());
        assert_eq!((tier.threshold, tier.calibrated, tier.temperature, tier.latency_ms), (0.8, true, 2.0, 3.0));
        // The odds of 9 to 1 are 3 to 1 at that temperature.
        assert!((tier.confidence - 0.75).abs() < 1e-12 && !tier.is_sure());
        model.set_threshold(0.7).unwrap();
        assert_eq!(
            (
                model.weigh(&[], 0.9, 3.0, ComputeCost::default()).calibrated,
                model.weigh(&[], 0.9, 3.0, ComputeCost::default()).is_sure()
            ),
            (false, true)
        );
        let model = trust(Some(0.6), Some(calibration(2.0, 0.8))).unwrap();
        assert_eq!((model.threshold(), model.weigh(&[], 0.9, 3.0, ComputeCost::default()).calibrated), (0.6, false));
        assert_eq!(trust(None, None).unwrap().threshold(), DEFAULT_THRESHOLD);
        let local = LocalConfig { threshold: Some(0.3), ..LocalConfig::default() };
        assert_eq!(Trust::new(local, Some(0.6)).unwrap().threshold(), 0.3, "its own goes before the policy's");
    }

    #[test]
    fn behind_other_models_or_thresholds_a_calibration_promises_nothing() {
        let mut first = trust(Some(0.8), None).unwrap();
        let alone = trust(None, Some(calibration(2.0, 0.7))).unwrap();
        let behind = vec![first.gate()];
        let second = trust(None, Some(Calibration { behind, ..calibration(2.0, 0.7) })).unwrap();
        let calibrated =
            |trust: &Trust, before: &[Trust]| trust.weigh(before, 0.9, 1.0, ComputeCost::default()).calibrated;
        assert!(calibrated(&alone, &[]) && !calibrated(&alone, &[first.clone()]));
        assert!(calibrated(&second, &[first.clone()]) && !calibrated(&second, &[]));
        first.set_threshold(0.9).unwrap();
        assert!(!calibrated(&second, &[first]));
    }

    #[test]
    fn a_calibration_is_for_the_labels_that_it_was_made_with() {
        let [spam, ham, eggs] = ["It is spam.", "It is ham.", "It is eggs."].map(String::from);
        let hypotheses = vec![spam.clone(), ham.clone()];
        let trust = trust(None, Some(Calibration { hypotheses, ..calibration(1.0, 0.8) })).unwrap();
        for (asked, is_for) in [
            (&[spam.clone(), ham.clone()][..], true),
            (&[ham.clone(), spam.clone()], true),
            (&[spam.clone(), eggs.clone()], false),
            (&[spam, ham, eggs], false),
            (&[], false),
        ] {
            assert_eq!(trust.is_for(asked), is_for, "{asked:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for threshold in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(trust(Some(threshold), None).is_err());
        }
        assert!(trust(None, Some(calibration(0.0, 0.8))).is_err());
        assert!(trust(None, Some(calibration(1.0, f64::NAN))).is_err());
    }
}
