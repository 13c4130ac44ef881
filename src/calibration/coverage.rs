//! What a threshold brings and what it costs: the part of the answers that stays local, and how many of those are wrong.

use serde::{Deserialize, Serialize};

use super::{Example, check_examples};
use crate::error::Result;
use crate::sort::sort_by;

/// What happens at one threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Point {
    /// Answers stay local from this confidence on.
    pub threshold: f64,
    /// The part of all answers that stays local.
    pub coverage: f64,
    /// The part of the local answers that is wrong.
    pub selective_risk: f64,
    /// The part of all answers that is local and wrong.
    pub generalised_risk: f64,
}

/// The risk-coverage curve, from the strictest threshold to the loosest: a point for each confidence that occurs, since
/// no threshold divides equal ones.
///
/// # Errors
/// Invalid input: no examples, a confidence that is not from 0 to 1.
///
/// # Source
/// Geifman and El-Yaniv 2017 (1705.08500), section 2; the generalised risk, P(wrong and accepted), is from Traub et al.
/// 2024 (2407.01032).
pub fn risk_coverage(examples: &[Example]) -> Result<Vec<Point>> {
    check_examples(examples)?;
    let mut sorted = examples.to_vec();
    sort_by(&mut sorted, |a, b| b.confidence.total_cmp(&a.confidence));
    let all = sorted.len() as f64;
    let (mut accepted, mut wrong) = (0, 0);
    let points = sorted.chunk_by(|a, b| a.confidence == b.confidence).map(|equal| {
        accepted += equal.len();
        wrong += equal.iter().filter(|example| !example.correct).count();
        Point {
            threshold: equal[0].confidence,
            coverage: accepted as f64 / all,
            selective_risk: wrong as f64 / accepted as f64,
            generalised_risk: wrong as f64 / all,
        }
    });
    Ok(points.collect())
}

/// The area under the curve of the selective risk, from 0 (best) to 1. It weighs the surest answers most, and so a
/// single confident error may outweigh all else; [`augrc`] does not have this flaw.
///
/// # Errors
/// Invalid input: as for [`risk_coverage`].
///
/// # Source
/// Geifman et al. 2019 (1805.08206), by trapezia as fd-shifts computes it: left of the first point the risk is the same.
pub fn aurc(examples: &[Example]) -> Result<f64> {
    let curve = risk_coverage(examples)?;
    Ok(area(curve[0].selective_risk, curve.iter().map(|point| (point.coverage, point.selective_risk))))
}

/// The area under the curve of the generalised risk, from 0 (best) to ½: the chance that an answer is wrong and is
/// accepted, on average over all coverages.
///
/// # Errors
/// Invalid input: as for [`risk_coverage`].
///
/// # Source
/// Traub et al. 2024 (2407.01032), by trapezia as fd-shifts, its authors' program, computes it. It equals
/// (1 − AUROC)·a·(1 − a) + (1 − a)²/2, where a is the accuracy and AUROC that of the confidence.
pub fn augrc(examples: &[Example]) -> Result<f64> {
    let curve = risk_coverage(examples)?;
    Ok(area(0.0, curve.iter().map(|point| (point.coverage, point.generalised_risk))))
}

/// The area of the trapezia under `points` (x, y), which begin at x = 0 with the height `first`.
fn area(first: f64, points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut area, mut x0, mut y0) = (0.0, 0.0, first);
    for (x, y) in points {
        area += (x - x0) * f64::midpoint(y0, y);
        (x0, y0) = (x, y);
    }
    area
}
