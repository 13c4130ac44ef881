//! From what a model said of labelled examples to its temperature, its threshold, and how good both are.

use serde::{Deserialize, Serialize};

use super::coverage::{Point, augrc, aurc, risk_coverage};
use super::metrics::{Bin, Binning, brier, ece, reliability};
use super::risk_control::{Choice, Guarantee, choose};
use super::{Example, Labels, Temperature, check_examples};
use crate::error::{Error, Result};
use crate::sort::sort_by;

/// One example in so many says which temperature, and where testing begins. The others are tested: a threshold tested
/// on what its temperature was fitted on would promise too much.
pub const PILOT: usize = 5;
/// Bins of the calibration error, as papers report it.
const BINS: usize = 15;
/// Points of the curve that are stored: more cannot be distinguished in a plot.
const POINTS: usize = 200;
/// Steps between the quantiles that are stored.
const QUANTILES: usize = 20;

/// What labelled examples say of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Report {
    /// What the threshold is to promise.
    pub promise: Guarantee,
    /// Where the labels come from; as far as [`calibrate`] knows, with the examples.
    pub labels: Labels,
    /// The examples that the temperature was fitted on.
    pub pilot: usize,
    /// The temperature.
    pub temperature: f64,
    /// The threshold, for confidences at this temperature; or why no threshold holds.
    pub choice: Choice,
    /// The part of the tested examples that the model is right on.
    pub accuracy: f64,
    /// How honest the confidences of the tested examples are as they come from the model.
    pub before: Honesty,
    /// The same at the temperature.
    pub after: Honesty,
    /// The area under the curve of the selective risk.
    pub aurc: f64,
    /// The area under the curve of the generalised risk.
    pub augrc: f64,
    /// What other thresholds would bring: the risk-coverage curve, thinned out.
    pub curve: Vec<Point>,
    /// Quantiles of the tested confidences at the temperature, from the lowest to the highest in steps of a twentieth.
    pub quantiles: Vec<f64>,
}

/// How well confidences do what they say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Honesty {
    /// The expected calibration error, in 15 bins of the same width.
    pub ece: f64,
    /// The Brier score of the confidences.
    pub brier: f64,
    /// The reliability diagram.
    pub reliability: Vec<Bin>,
}

/// Finds a temperature and a threshold from labelled examples, whose confidences are those that come from the model. The
/// order of the examples must mean nothing.
///
/// ```
/// use pilot_light::calibration::{Choice, Example, Guarantee, calibrate};
///
/// // Of 1000 answers, the confident ones are nearly always right, and two of three others.
/// let example = |i: usize| match i % 2 {
///     0 => Example { confidence: 0.95, correct: i % 100 != 0 },
///     _ => Example { confidence: 0.6, correct: i % 3 != 0 },
/// };
/// let examples: Vec<Example> = (0..1000).map(example).collect();
/// let report = calibrate(&examples, Guarantee::LearnThenTest { alpha: 0.05, delta: 0.1 })?;
/// assert!(matches!(report.choice, Choice::Holds { coverage, .. } if coverage > 0.4));
/// # Ok::<(), pilot_light::Error>(())
/// ```
///
/// # Errors
/// Invalid input: as [`Temperature::fit_binary`] and [`choose`]; fewer examples than [`PILOT`].
pub fn calibrate(examples: &[Example], promise: Guarantee) -> Result<Report> {
    check_examples(examples)?;
    if examples.len() < PILOT {
        let message = format!(
            "there must be at least {PILOT} examples, got {}: too few; a few hundred are a beginning",
            examples.len()
        );
        return Err(Error::invalid_input(message));
    }
    let (pilot, before): (Vec<_>, Vec<_>) = examples.iter().enumerate().partition(|(row, _)| row % PILOT == 0);
    let of = |rows: Vec<(usize, &Example)>| rows.into_iter().map(|(_, example)| *example).collect::<Vec<Example>>();
    let (pilot, before) = (of(pilot), of(before));
    let odds: Vec<f64> = pilot.iter().map(|example| log_odds(example.confidence)).collect();
    let correct: Vec<bool> = pilot.iter().map(|example| example.correct).collect();
    if let [first, ..] = correct[..]
        && correct.iter().all(|correct| *correct == first)
    {
        let message = format!(
            "the model is {} on all {} examples that the temperature is fitted to (every fifth), which does not tell how \
             often it is wrong: add more",
            if first { "right" } else { "wrong" },
            correct.len()
        );
        return Err(Error::invalid_input(message));
    }
    let temperature = Temperature::fit_binary(&odds, &correct)?;
    let pilot: Vec<f64> = pilot.iter().map(|example| temperature.confidence(example.confidence)).collect();
    let at = |example: &Example| Example { confidence: temperature.confidence(example.confidence), ..*example };
    let after: Vec<Example> = before.iter().map(at).collect();
    let curve = risk_coverage(&after)?;
    Ok(Report {
        promise,
        labels: Labels { given: examples.len(), ..Labels::default() },
        pilot: pilot.len(),
        temperature: temperature.get(),
        choice: choose(&after, &pilot, promise)?,
        accuracy: after.iter().filter(|example| example.correct).count() as f64 / after.len() as f64,
        before: honesty(&before)?,
        after: honesty(&after)?,
        aurc: aurc(&after)?,
        augrc: augrc(&after)?,
        curve: thinned(&curve, POINTS),
        quantiles: quantiles(&after),
    })
}

impl Temperature {
    /// The confidence at this temperature of an answer that the model gives `confidence`.
    pub fn confidence(self, confidence: f64) -> f64 {
        self.probability(log_odds(confidence))
    }
}

/// As sure as a number in 32 bits can say.
const SUREST: f64 = 1.0 - 1e-7;

/// The log odds of a confidence, never infinite. Of two classes they are the difference of the logits.
fn log_odds(confidence: f64) -> f64 {
    let confidence = confidence.clamp(1.0 - SUREST, SUREST);
    (confidence / (1.0 - confidence)).ln()
}

fn honesty(examples: &[Example]) -> Result<Honesty> {
    let binning = Binning::EqualWidth(BINS);
    Ok(Honesty { ece: ece(examples, binning)?, brier: brier(examples)?, reliability: reliability(examples, binning)? })
}

/// At most about `most` of `points`, the first and the last among them.
fn thinned(points: &[Point], most: usize) -> Vec<Point> {
    let step = points.len().div_ceil(most).max(1);
    let last = points.len().saturating_sub(1);
    points.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last).map(|(_, point)| *point).collect()
}

fn quantiles(examples: &[Example]) -> Vec<f64> {
    let mut sorted: Vec<f64> = examples.iter().map(|example| example.confidence).collect();
    sort_by(&mut sorted, f64::total_cmp);
    (0..=QUANTILES).map(|step| sorted[step * (sorted.len() - 1) / QUANTILES]).collect()
}
