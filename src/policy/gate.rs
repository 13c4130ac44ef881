//! Gate of one local model: the temperature of its scores, and the threshold of its confidence.

use serde::{Deserialize, Serialize};

use super::decision::Tier;
use crate::calibration::{Calibration, Gate, Temperature};
use crate::error::{Error, Result};
use crate::graph::ComputeCost;

/// A round number: without a calibration no other has a better reason, and every result says that it is not calibrated.
const DEFAULT_THRESHOLD: f64 = 0.9;

/// The settings of one local model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct LocalConfig {
    /// The confidence at which its answer is accepted, instead of the policy's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub threshold: Option<f64>,
    /// Its calibration, instead of the one in its `pilot.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub calibration: Option<Calibration>,
    /// The SHA-256 of its weights, in hexadecimal, where it is known.
    #[serde(skip)]
    pub weights_sha256: Option<String>,
}

/// The calibration and the threshold of one local model, and so whether its answer is accepted.
#[derive(Clone, Debug)]
pub struct ModelGate {
    calibration: Option<Calibration>,
    temperature: Option<Temperature>,
    threshold: f64,
    weights_sha256: Option<String>,
}

impl ModelGate {
    /// The gate of a model. Its threshold is its own; without one it is `threshold`, without that the one of its
    /// calibration, and without all of them 0.9.
    ///
    /// # Errors
    /// Invalid input: a threshold that is not in [0, 1]. Invalid artefact: an invalid calibration.
    pub fn new(local: LocalConfig, threshold: Option<f64>) -> Result<Self> {
        let LocalConfig { threshold: own, calibration, weights_sha256 } = local;
        let mut gate = Self { calibration: None, temperature: None, threshold: DEFAULT_THRESHOLD, weights_sha256 };
        if let Some(calibration) = calibration {
            gate.calibrate(calibration)?;
        }
        if let Some(threshold) = own.or(threshold) {
            gate.set_threshold(threshold)?;
        }
        Ok(gate)
    }

    /// The calibration, where there is one.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// The confidence at which the model's answer is accepted.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Sets the threshold.
    ///
    /// # Errors
    /// Invalid input: it is not in [0, 1].
    pub fn set_threshold(&mut self, threshold: f64) -> Result<()> {
        if !(0.0..=1.0).contains(&threshold) {
            let wrong = format!("the threshold must be in [0, 1], got {threshold}");
            return Err(Error::invalid_input(wrong));
        }
        self.threshold = threshold;
        Ok(())
    }

    /// Uses this calibration from now on, with its threshold.
    ///
    /// # Errors
    /// Invalid artefact: it is invalid.
    pub fn calibrate(&mut self, calibration: Calibration) -> Result<()> {
        calibration.check(None)?;
        self.temperature = Temperature::new(calibration.temperature).ok();
        self.threshold = calibration.threshold;
        self.calibration = Some(calibration);
        Ok(())
    }

    /// The tier of an answer with the confidence `score`, which took so long and so much, if the models of `before` were
    /// asked first and were not confident.
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

    /// Its numbers, for the calibration of a model behind it.
    pub fn gate(&self) -> Gate {
        Gate {
            weights_sha256: self.weights_sha256.clone(),
            temperature: self.temperature.map_or(1.0, Temperature::get),
            threshold: self.threshold,
        }
    }

    /// Whether the threshold is the calibrated one, for texts that the models of `before` were not confident of.
    fn is_calibrated(&self, before: &[Self]) -> bool {
        self.calibration.as_ref().is_some_and(|calibration| {
            calibration.threshold == self.threshold
                && calibration.behind.len() == before.len()
                && calibration.behind.iter().zip(before).all(|(gate, known)| is_same(gate, &known.gate()))
        })
    }
}

/// Whether `a` equals `b`, but for the last digit that JSON may have lost.
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

    fn gate(threshold: Option<f64>, calibration: Option<Calibration>) -> Result<ModelGate> {
        ModelGate::new(LocalConfig { calibration, ..LocalConfig::default() }, threshold)
    }

    #[test]
    fn the_threshold_itself_is_accepted() {
        let model = gate(Some(0.75), None).unwrap();
        for (score, sure) in [(0.75, true), (1.0, true), (0.75_f64.next_down(), false), (f64::NAN, false)] {
            assert_eq!(model.weigh(&[], score, 1.0, ComputeCost::default()).is_sure(), sure, "{score}");
        }
    }

    #[test]
    fn what_was_calibrated_is_calibrated_until_the_threshold_is_another() {
        let mut model = gate(None, Some(calibration(2.0, 0.8))).unwrap();
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
        let model = gate(Some(0.6), Some(calibration(2.0, 0.8))).unwrap();
        assert_eq!((model.threshold(), model.weigh(&[], 0.9, 3.0, ComputeCost::default()).calibrated), (0.6, false));
        assert_eq!(gate(None, None).unwrap().threshold(), DEFAULT_THRESHOLD);
        let local = LocalConfig { threshold: Some(0.3), ..LocalConfig::default() };
        assert_eq!(ModelGate::new(local, Some(0.6)).unwrap().threshold(), 0.3, "its own goes before the policy's");
    }

    #[test]
    fn behind_other_models_or_thresholds_a_calibration_guarantees_nothing() {
        let mut first = gate(Some(0.8), None).unwrap();
        let alone = gate(None, Some(calibration(2.0, 0.7))).unwrap();
        let behind = vec![first.gate()];
        let second = gate(None, Some(Calibration { behind, ..calibration(2.0, 0.7) })).unwrap();
        let calibrated =
            |gate: &ModelGate, before: &[ModelGate]| gate.weigh(before, 0.9, 1.0, ComputeCost::default()).calibrated;
        assert!(calibrated(&alone, &[]) && !calibrated(&alone, &[first.clone()]));
        assert!(calibrated(&second, &[first.clone()]) && !calibrated(&second, &[]));
        first.set_threshold(0.9).unwrap();
        assert!(!calibrated(&second, &[first]));
    }

    #[test]
    fn a_calibration_is_for_the_labels_that_it_was_made_with() {
        let [spam, ham, eggs] = ["It is spam.", "It is ham.", "It is eggs."].map(String::from);
        let hypotheses = vec![spam.clone(), ham.clone()];
        let gate = gate(None, Some(Calibration { hypotheses, ..calibration(1.0, 0.8) })).unwrap();
        for (asked, is_for) in [
            (&[spam.clone(), ham.clone()][..], true),
            (&[ham.clone(), spam.clone()], true),
            (&[spam.clone(), eggs.clone()], false),
            (&[spam, ham, eggs], false),
            (&[], false),
        ] {
            assert_eq!(gate.is_for(asked), is_for, "{asked:?}");
        }
    }

    #[test]
    fn invalid_settings_are_refused() {
        for threshold in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(gate(Some(threshold), None).is_err());
        }
        assert!(gate(None, Some(calibration(0.0, 0.8))).is_err());
        assert!(gate(None, Some(calibration(1.0, f64::NAN))).is_err());
    }
}
