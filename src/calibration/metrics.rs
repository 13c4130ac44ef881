//! How well probabilities do what they say.

use serde::{Deserialize, Serialize};

use super::{Example, check_examples, mean};
use crate::error::{Error, Result};
use crate::sort::sort_by;

/// How confidences are put into bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binning {
    /// So many bins of the same width; the usual 15 are comparable with what papers report.
    EqualWidth(usize),
    /// At most so many bins with as many examples each as can be; of equal confidences all are in one bin.
    EqualMass(usize),
}

/// The examples with a confidence above `from` and up to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Bin {
    /// The confidence above which it begins; the first bin also holds 0.
    pub from: f64,
    /// The highest confidence in it.
    pub to: f64,
    /// How many examples are in it, at least one.
    pub count: usize,
    /// Their mean confidence.
    pub mean_confidence: f64,
    /// The part of them that is right.
    pub accuracy: f64,
}

/// The reliability diagram: in each bin what the model promises and what it keeps. Bins without examples are left out.
///
/// # Errors
/// Invalid input: no examples, a confidence that is not from 0 to 1, no bins.
///
/// # Source
/// Guo et al. 2017 (1706.04599), section 2: acc(Bₘ) and conf(Bₘ).
pub fn reliability(examples: &[Example], binning: Binning) -> Result<Vec<Bin>> {
    check_examples(examples)?;
    let edges = match binning {
        Binning::EqualWidth(0) | Binning::EqualMass(0) => return Err(Error::invalid_input("there are no bins")),
        Binning::EqualWidth(bins) => (1..=bins).map(|i| i as f64 / bins as f64).collect(),
        Binning::EqualMass(bins) => equal_mass_edges(examples, bins),
    };
    let mut bins: Vec<(usize, f64, usize)> = vec![(0, 0.0, 0); edges.len()];
    for example in examples {
        let (count, confidence, correct) = &mut bins[edges.partition_point(|edge| *edge < example.confidence)];
        *count += 1;
        *confidence += example.confidence;
        *correct += usize::from(example.correct);
    }
    let from = std::iter::once(0.0).chain(edges.iter().copied());
    let bins = bins.into_iter().zip(from.zip(&edges)).filter(|((count, ..), _)| *count > 0);
    Ok(bins
        .map(|((count, confidence, correct), (from, &to))| Bin {
            from,
            to,
            count,
            mean_confidence: confidence / count as f64,
            accuracy: correct as f64 / count as f64,
        })
        .collect())
}

/// Halfway between the last of one part and the first of the next, where the sorted confidences are cut into `bins`
/// parts of which the first are longer by one.
fn equal_mass_edges(examples: &[Example], bins: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = examples.iter().map(|example| example.confidence).collect();
    sort_by(&mut sorted, f64::total_cmp);
    let bins = bins.min(sorted.len());
    let (length, longer) = (sorted.len() / bins, sorted.len() % bins);
    let cuts = (1..bins).map(|bin| bin * length + bin.min(longer));
    let mut edges: Vec<f64> = cuts.map(|cut| f64::midpoint(sorted[cut - 1], sorted[cut])).collect();
    edges.push(1.0);
    edges.dedup();
    edges
}

/// The expected calibration error, from 0 to 1: how far confidence and accuracy are apart, on average over the examples.
///
/// # Errors
/// Invalid input: as for [`reliability`].
///
/// # Source
/// Guo et al. 2017 (1706.04599), section 2: Σₘ |Bₘ|/n · |acc(Bₘ) − conf(Bₘ)|. Bins of equal mass: Nixon et al. 2019
/// (1904.01685).
pub fn ece(examples: &[Example], binning: Binning) -> Result<f64> {
    let gaps = reliability(examples, binning)?;
    let gaps = gaps.iter().map(|bin| bin.count as f64 * (bin.mean_confidence - bin.accuracy).abs());
    Ok(mean(gaps, examples.len()))
}

/// The Brier score of the confidences, from 0 to 1: the mean of (confidence − correct)², where correct is 0 or 1.
///
/// # Errors
/// Invalid input: no examples, a confidence that is not from 0 to 1.
///
/// # Source
/// Brier 1950, for the question whether the answer is right.
pub fn brier(examples: &[Example]) -> Result<f64> {
    check_examples(examples)?;
    let squares = examples.iter().map(|example| (example.confidence - f64::from(u8::from(example.correct))).powi(2));
    Ok(mean(squares, examples.len()))
}
