//! Calibration of a local model: its confidence is scaled, measured, and turned into a threshold with a guarantee.
//!
//! | item | what it is |
//! | --- | --- |
//! | [`Temperature`] | turns logits into probabilities that mean what they say |
//! | [`metrics`] | how well they do: reliability, ECE, Brier score |
//! | [`coverage`] | what a threshold costs and brings: the risk-coverage curve, AURC, AUGRC |
//! | [`p_value`] | tests of "the error is above alpha" |
//! | [`risk_control`] | the threshold that keeps a promise about the error, with the most coverage |
//! | [`routing`] | how well a choice between a weak and a strong model does |
//! | [`calibrate`] | all of it, from labelled examples to a report |
//! | [`Calibration`] | what of that travels with the model |
//!
//! It is arithmetic on numbers: no text, no clock, no random number. The same input gives the same result.

mod binomial;
pub mod coverage;
pub mod metrics;
mod record;
mod report;
pub mod risk_control;
pub mod routing;
mod temperature;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub use binomial::{interval, p_value};
pub use record::{Calibrated, Calibration, Gate, Labels, Source};
pub use report::{Honesty, PILOT, Report, calibrate};
pub use risk_control::{Choice, Guarantee};
pub use temperature::Temperature;

/// A labelled answer: the confidence of the model, and whether the answer is right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Example {
    /// The confidence of the model, in [0, 1].
    pub confidence: f64,
    /// Whether its answer is right.
    pub correct: bool,
}

/// Rows of numbers, one for each class, each with the class that is right.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a> {
    /// Logits or probabilities, row by row: `[labels.len(), classes]`.
    pub rows: &'a [f64],
    /// How many classes there are, at least two.
    pub classes: usize,
    /// The right class of each row, below `classes`.
    pub labels: &'a [usize],
}

impl<'a> Labelled<'a> {
    /// Each row with its right class.
    fn iter(&self) -> impl Iterator<Item = (&'a [f64], usize)> {
        self.rows.chunks_exact(self.classes).zip(self.labels.iter().copied())
    }

    fn check(&self) -> Result<()> {
        let Self { rows, classes, labels } = *self;
        if labels.is_empty() {
            return Err(Error::invalid_input("there must be at least one example, got none"));
        }
        if classes < 2 {
            return Err(Error::invalid_input(format!("there must be at least 2 classes, got {classes} classes")));
        }
        if rows.len() != labels.len() * classes {
            let message =
                format!("there must be {} rows of {classes} classes, got {} numbers", labels.len(), rows.len());
            return Err(Error::invalid_input(message));
        }
        if let Some(label) = labels.iter().find(|label| **label >= classes) {
            return Err(Error::invalid_input(format!("a label must be below {classes}, got label {label}")));
        }
        match rows.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                Err(Error::invalid_input(format!("row {} must have finite numbers, got {}", at / classes, rows[at])))
            }
            None => Ok(()),
        }
    }
}

fn check_examples(examples: &[Example]) -> Result<()> {
    if examples.is_empty() {
        return Err(Error::invalid_input("there must be at least one example, got none"));
    }
    check_confidences(examples.iter().map(|example| example.confidence))
}

fn check_confidences(mut confidences: impl Iterator<Item = f64>) -> Result<()> {
    match confidences.find(|confidence| !(0.0..=1.0).contains(confidence)) {
        Some(confidence) => Err(Error::invalid_input(format!("a confidence must be in [0, 1], got {confidence}"))),
        None => Ok(()),
    }
}

/// The mean of `values`, which are `count`.
fn mean(values: impl Iterator<Item = f64>, count: usize) -> f64 {
    values.sum::<f64>() / count as f64
}
