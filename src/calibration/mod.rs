//! How far the local model may be trusted: its confidence made honest, measured, and turned into a threshold that
//! promises something.
//!
//! | room | what is in it |
//! | --- | --- |
//! | [`Temperature`] | turns logits into probabilities that mean what they say |
//! | [`metrics`] | how well they do: reliability, ECE, Brier score, log loss |
//! | [`coverage`] | what a threshold costs and brings: the risk-coverage curve, AURC, AUGRC |
//! | [`length_normalised_likelihood`] | how sure a model is of a text that it wrote |
//! | [`p_value`] | tests of "the error is above alpha" |
//! | [`risk`] | the threshold that keeps a promise about the error, with the most coverage |
//! | [`routing`] | how well a choice between a weak and a strong model does |
//! | [`calibrate`] | all of it, from labelled examples to a report |
//! | [`Calibration`] | what of that travels with the model |
//!
//! It is arithmetic on numbers: no text, no clock, no random number. The same input gives the same result.

mod binomial;
pub mod coverage;
mod likelihood;
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

pub use binomial::{hoeffding_bentkus, interval, p_value};
pub use likelihood::length_normalised_likelihood;
pub use record::{Calibrated, Calibration, Gate, Labels, Source};
pub use report::{Honesty, PILOT, Report, calibrate};
pub use temperature::Temperature;

/// An answer of which is known how sure the model was and whether it was right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Example {
    /// How sure the model was, from 0 to 1.
    pub confidence: f64,
    /// Whether its answer was the right one.
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
            return Err(Error::invalid_input("there are no examples"));
        }
        if classes < 2 {
            return Err(Error::invalid_input(format!("{classes} classes leave nothing to choose between")));
        }
        if rows.len() != labels.len() * classes {
            let message = format!("{} numbers are not {} rows of {classes} classes", rows.len(), labels.len());
            return Err(Error::invalid_input(message));
        }
        if let Some(label) = labels.iter().find(|label| **label >= classes) {
            return Err(Error::invalid_input(format!("label {label} is none of {classes} classes")));
        }
        match rows.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(Error::invalid_input(format!("row {} holds {}", at / classes, rows[at]))),
            None => Ok(()),
        }
    }
}

fn check_examples(examples: &[Example]) -> Result<()> {
    if examples.is_empty() {
        return Err(Error::invalid_input("there are no examples"));
    }
    check_confidences(examples.iter().map(|example| example.confidence))
}

fn check_confidences(mut confidences: impl Iterator<Item = f64>) -> Result<()> {
    match confidences.find(|confidence| !(0.0..=1.0).contains(confidence)) {
        Some(confidence) => {
            Err(Error::invalid_input(format!("a confidence is {confidence}, which is not from 0 to 1")))
        }
        None => Ok(()),
    }
}

/// The mean of `values`, which are `count`.
fn mean(values: impl Iterator<Item = f64>, count: usize) -> f64 {
    values.sum::<f64>() / count as f64
}
