//! How well a router chooses between a weak and a strong model.

use std::cmp::Ordering;

use super::mean;
use crate::error::{Error, Result};

/// A question that was put to both models.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// How much better the strong model is expected to do; the questions with the most go to it first.
    pub gain: f64,
    /// Whether the weak model was right.
    pub weak: bool,
    /// Whether the strong one was.
    pub strong: bool,
}

/// How much of what the strong model has ahead is recovered, by the part of the questions that goes to it: from (0, 0)
/// to (1, 1), a point for each gain that occurs.
///
/// # Errors
/// Invalid input: no questions, a gain of NaN, or a strong model that is right no more often than the weak.
///
/// # Source
/// Ong et al. 2024, *RouteLLM* (2406.18665), section 3: the performance gap recovered.
pub fn gap_recovered(outcomes: &[Outcome]) -> Result<Vec<(f64, f64)>> {
    if outcomes.iter().any(|outcome| outcome.gain.is_nan()) {
        return Err(Error::invalid_input("a gain must be a number, got NaN"));
    }
    let gap: f64 = outcomes.iter().map(|outcome| outcome.ahead()).sum();
    if gap <= 0.0 {
        return Err(Error::invalid_input("the strong model is right no more often than the weak one"));
    }
    let mut sorted = outcomes.to_vec();
    crate::sort::sort_by(&mut sorted, |a, b| b.gain.partial_cmp(&a.gain).unwrap_or(Ordering::Equal));
    let (mut sent, mut recovered) = (0, 0.0);
    let points = sorted.chunk_by(|a, b| a.gain == b.gain).map(|equal| {
        sent += equal.len();
        recovered += equal.iter().map(Outcome::ahead).sum::<f64>();
        (sent as f64 / outcomes.len() as f64, recovered / gap)
    });
    Ok(std::iter::once((0.0, 0.0)).chain(points).collect())
}

/// The average performance gap recovered, over all parts of questions that may go to the strong model; ½ is chance.
///
/// # Errors
/// Invalid input: as for [`gap_recovered`].
///
/// # Source
/// Ong et al. 2024 (2406.18665), section 3; by trapezia.
pub fn apgr(outcomes: &[Outcome]) -> Result<f64> {
    let points = gap_recovered(outcomes)?;
    Ok(points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * f64::midpoint(pair[0].1, pair[1].1)).sum())
}

/// The least part of the questions that must go to the strong model so that `part` of the gap is recovered.
///
/// # Errors
/// Invalid input: as for [`gap_recovered`].
pub fn calls_needed(outcomes: &[Outcome], part: f64) -> Result<f64> {
    let points = gap_recovered(outcomes)?;
    Ok(points.iter().find(|(_, recovered)| *recovered >= part).map_or(1.0, |(calls, _)| *calls))
}

/// The parts of the questions that the weak and the strong model are right on.
pub fn accuracies(outcomes: &[Outcome]) -> (f64, f64) {
    let part = |right: fn(&Outcome) -> bool| {
        mean(outcomes.iter().map(|outcome| f64::from(u8::from(right(outcome)))), outcomes.len())
    };
    (part(|outcome| outcome.weak), part(|outcome| outcome.strong))
}

impl Outcome {
    /// 1 where only the strong model is right, −1 where only the weak is.
    pub fn ahead(&self) -> f64 {
        f64::from(u8::from(self.strong)) - f64::from(u8::from(self.weak))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(rows: &[(f64, bool, bool)]) -> Vec<Outcome> {
        rows.iter().map(|&(gain, weak, strong)| Outcome { gain, weak, strong }).collect()
    }

    #[test]
    fn the_area_is_that_of_a_hand_count() {
        // Sent first: one that gains, one that is the same, one that loses, one that gains.
        let found = outcomes(&[(0.9, false, true), (0.5, true, true), (0.4, true, false), (0.1, false, true)]);
        assert_eq!(gap_recovered(&found).unwrap(), [(0.0, 0.0), (0.25, 1.0), (0.5, 1.0), (0.75, 0.0), (1.0, 1.0)]);
        assert_eq!(apgr(&found).unwrap(), 0.25 * (0.5 + 1.0 + 0.5 + 0.5));
        assert_eq!(calls_needed(&found, 0.8).unwrap(), 0.25);
        assert_eq!(accuracies(&found), (0.5, 0.75));
    }

    #[test]
    fn equal_gains_are_chance() {
        let found = outcomes(&[(0.0, false, true), (0.0, true, true), (0.0, false, false)]);
        assert_eq!(apgr(&found).unwrap(), 0.5);
    }

    #[test]
    fn no_gap_and_no_number_are_refused() {
        assert!(apgr(&outcomes(&[(0.1, true, true)])).is_err());
        assert!(apgr(&outcomes(&[(f64::NAN, false, true)])).is_err());
        assert!(apgr(&[]).is_err());
    }
}
