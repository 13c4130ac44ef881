//! A threshold that travels with its model, in `pilot.json`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::risk_control::{Choice, Guarantee};
use super::{Report, Temperature};
use crate::error::{Error, Result};

/// What a calibration found, and what it was made from: without that nobody could tell what it is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// What the threshold promises, and by which method.
    pub promise: Guarantee,
    /// What the model's logits are divided by.
    pub temperature: f64,
    /// Answers stay local from this confidence on, at that temperature.
    pub threshold: f64,
    /// The part of the examples that stayed local.
    pub coverage: f64,
    /// How many examples it was tested on.
    pub n: usize,
    /// The SHA-256 of the file of the examples, in hexadecimal.
    pub data_sha256: String,
    /// The SHA-256 of the weights, in hexadecimal, where it was known: with others the threshold promises nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub weights_sha256: Option<String>,
    /// The models of a chain that left the examples to this one, in their order; none where it is the first. Behind others
    /// it sees other texts, of which the threshold promises nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub behind: Vec<Gate>,
    /// The sentences of the labels to choose from, where the model was not trained on any: with others the threshold
    /// promises nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub hypotheses: Vec<String>,
    /// Where the examples' labels come from.
    pub labels: Labels,
    /// Quantiles of the examples' confidences, as [`Report::quantiles`]; what comes later is compared with them.
    pub quantiles: Vec<f64>,
    /// The day it was made, as `2026-11-25`.
    pub date: String,
}

/// A model of a chain, and from where on its answers stay: what is below goes on to the next one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The SHA-256 of its weights, in hexadecimal, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub weights_sha256: Option<String>,
    /// What its logits are divided by.
    pub temperature: f64,
    /// Its answers stay from this confidence on.
    pub threshold: f64,
}

/// Where the labels come from of the texts that a model was calibrated with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// Examples that came with their label.
    pub given: usize,
    /// Examples whose label is what a remote model answered: to agree with it is not to be right.
    #[serde(default)]
    pub asked: usize,
    /// Texts that were left out because no remote model answered.
    #[serde(default)]
    pub unanswered: usize,
    /// The names of the remote models whose answers these are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { given, asked, unanswered, models } = self;
        if *asked + *unanswered == 0 {
            return write!(f, "{given} labels came with the examples");
        }
        write!(
            f,
            "{asked} labels are the answers of {}, and to agree with it is not to be right; {given} came with the \
             examples, and {unanswered} texts were left out because it did not answer",
            models.join(" and of ")
        )
    }
}

/// What calibrating a model gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Calibrated {
    /// What the examples say.
    pub report: Report,
    /// What of that is stored with the model; absent where no threshold holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub calibration: Option<Calibration>,
}

/// Where a calibration comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Source {
    /// The SHA-256 of the file of the examples, in hexadecimal.
    pub data_sha256: String,
    /// The SHA-256 of the weights, in hexadecimal, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub weights_sha256: Option<String>,
    /// The models of a chain that left the examples to this one.
    #[serde(skip)]
    pub behind: Vec<Gate>,
    /// The sentences of the labels to choose from, where the model was not trained on any.
    #[serde(default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub hypotheses: Vec<String>,
    /// Today, as `2026-11-25`.
    pub date: String,
}

impl Calibration {
    /// What is stored of a report; `None` where no threshold holds.
    pub fn of(report: &Report, source: Source) -> Option<Self> {
        let Choice::Holds { threshold, coverage, n, .. } = report.choice else { return None };
        let Source { data_sha256, weights_sha256, behind, hypotheses, date } = source;
        Some(Self {
            promise: report.promise,
            temperature: report.temperature,
            threshold,
            coverage,
            n,
            data_sha256,
            weights_sha256,
            behind,
            hypotheses,
            labels: report.labels.clone(),
            quantiles: report.quantiles.clone(),
            date,
        })
    }

    /// Whether it is for a choice between these, in any order; none of a model that was trained on its labels.
    pub fn is_for(&self, hypotheses: &[String]) -> bool {
        self.hypotheses.len() == hypotheses.len() && self.hypotheses.iter().all(|made| hypotheses.contains(made))
    }

    /// Finds out whether it is one, and one of the model whose weights have the digest `weights_sha256`; where either is
    /// not known, nothing stands against it.
    ///
    /// # Errors
    /// Invalid artefact: a number makes no sense, or it is another model's.
    pub fn check(&self, weights_sha256: Option<&str>) -> Result<()> {
        let wrong = |what: String| Err(Error::invalid_artefact(format!("the calibration in pilot.json {what}")));
        if Temperature::new(self.temperature).is_err() {
            return wrong(format!("has the temperature {}", self.temperature));
        }
        let within = |share: f64| (0.0..=1.0).contains(&share);
        if !within(self.threshold) || !within(self.coverage) || !self.quantiles.iter().copied().all(within) {
            return wrong("has a threshold, a coverage or a quantile that is not from 0 to 1".to_string());
        }
        if self.quantiles.len() < 2 || !self.quantiles.is_sorted() {
            return wrong("has quantiles that do not rise".to_string());
        }
        match (weights_sha256, &self.weights_sha256) {
            (Some(found), Some(made_with)) if !found.eq_ignore_ascii_case(made_with) => wrong(format!(
                "was made with other weights, whose digest is {made_with}: take it out, and calibrate this model with \
                 pilot-light calibrate"
            )),
            _ => Ok(()),
        }
    }
}
