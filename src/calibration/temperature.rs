//! Temperature scaling: one number that makes a model's probabilities mean what they say.

use serde::{Deserialize, Serialize};

use super::Labelled;
use crate::error::{Error, Result};

/// What logits are divided by before they become probabilities: above 1 where the model is too sure of itself, below
/// where it is not sure enough. The order of the classes stays.
///
/// ```
/// use pilot_light::calibration::Temperature;
///
/// // Odds of 9 to 1 become 3 to 1 at a temperature of 2.
/// let temperature = Temperature::new(2.0)?;
/// assert!((temperature.confidence(0.9) - 0.75).abs() < 1e-12);
/// # Ok::<(), pilot_light::Error>(())
/// ```
///
/// # Source
/// Guo et al. 2017 (1706.04599), equation 9: q = max over k of softmax(z / T)ₖ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Temperature(f64);

/// Newton's method needs about six steps, halving at most as many as a double has digits.
const MOST_STEPS: usize = 200;
/// Done when a step changes the result by less than this part of it.
const TOLERANCE: f64 = 1e-13;

impl Temperature {
    /// A temperature that is known already.
    ///
    /// # Errors
    /// Invalid input: it is not a positive number.
    pub fn new(value: f64) -> Result<Self> {
        if value.is_finite() && value > 0.0 {
            Ok(Self(value))
        } else {
            Err(Error::invalid_input(format!("a temperature must be a positive number, got {value}")))
        }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The temperature at which the log loss of `logits` is least. They should not be those that the model was trained
    /// on, of which it is surer than it has reason to be.
    ///
    /// # Errors
    /// Invalid input: sizes that do not fit together, a label that is not a class, a value that is not finite, labels of
    /// one class only; logits that are all right, or right no more often than chance, for which no temperature is best.
    pub fn fit(logits: &Labelled) -> Result<Self> {
        logits.check()?;
        if logits.labels.iter().all(|label| *label == logits.labels[0]) {
            let message = format!("all examples are of class {}: add some of the others", logits.labels[0]);
            return Err(Error::invalid_input(message));
        }
        if logits.iter().all(|(row, label)| row.iter().all(|logit| *logit <= row[label])) {
            let message = "the model is right on all examples, which does not tell how often it is wrong: add more";
            return Err(Error::invalid_input(message));
        }
        if slope_and_curvature(logits, 0.0).0 >= 0.0 {
            let message = "the model is right no more often than chance: do the labels have the order of its classes?";
            return Err(Error::invalid_input(message));
        }
        Self::new(1.0 / least_loss(logits))
    }

    /// The same for a yes-or-no question with one logit, the log odds of yes.
    ///
    /// It also serves where an answer has a confidence c but no logits: give ln(c / (1 − c)), and whether the answer
    /// was right.
    ///
    /// # Errors
    /// Invalid input: as for [`fit`](Self::fit).
    pub fn fit_binary(logits: &[f64], labels: &[bool]) -> Result<Self> {
        let rows: Vec<f64> = logits.iter().flat_map(|logit| [0.0, *logit]).collect();
        let labels: Vec<usize> = labels.iter().map(|label| usize::from(*label)).collect();
        Self::fit(&Labelled { rows: &rows, classes: 2, labels: &labels })
    }

    /// The probabilities of the classes: softmax(z / T).
    pub fn probabilities(self, logits: &[f64]) -> Vec<f64> {
        softmax(logits, 1.0 / self.0)
    }

    /// The probability of yes from its log odds: 1 / (1 + exp(−z / T)).
    pub fn probability(self, logit: f64) -> f64 {
        1.0 / (1.0 + (-logit / self.0).exp())
    }
}

impl TryFrom<f64> for Temperature {
    type Error = Error;

    fn try_from(value: f64) -> Result<Self> {
        Self::new(value)
    }
}

impl From<Temperature> for f64 {
    fn from(temperature: Temperature) -> Self {
        temperature.get()
    }
}

/// The β = 1 / T at which the log loss is least. In β, unlike in T, the loss is convex, so the one root of its slope is
/// the minimum: Newton's method inside an interval that always holds it.
fn least_loss(logits: &Labelled) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while slope_and_curvature(logits, high).0 < 0.0 {
        (low, high) = (high, 2.0 * high);
    }
    let mut beta = high;
    for _ in 0..MOST_STEPS {
        let (slope, curvature) = slope_and_curvature(logits, beta);
        if slope < 0.0 {
            low = beta;
        } else {
            high = beta;
        }
        let newton = beta - slope / curvature;
        let next = if low < newton && newton < high { newton } else { f64::midpoint(low, high) };
        let change = (next - beta).abs();
        beta = next;
        if change <= TOLERANCE * beta {
            break;
        }
    }
    beta
}

/// The first two derivatives of the mean log loss in β: the means over the rows of E[z] − z_label and of Var[z], both
/// under the probabilities softmax(β·z).
fn slope_and_curvature(logits: &Labelled, beta: f64) -> (f64, f64) {
    let (mut slope, mut curvature) = (0.0, 0.0);
    for (row, label) in logits.iter() {
        let probabilities = softmax(row, beta);
        let expected: f64 = probabilities.iter().zip(row).map(|(p, z)| p * z).sum();
        slope += expected - row[label];
        curvature += probabilities.iter().zip(row).map(|(p, z)| p * (z - expected).powi(2)).sum::<f64>();
    }
    (slope / logits.labels.len() as f64, curvature / logits.labels.len() as f64)
}

/// softmax(β·z).
fn softmax(logits: &[f64], beta: f64) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut weights: Vec<f64> = logits.iter().map(|z| (beta * (z - most)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}
