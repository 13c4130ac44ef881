//! Drift: whether the model's confidences are still what they were when it was calibrated. If not, the guarantee of its
//! threshold, which is about texts like the examples, has become doubtful.
//!
//! The examples' quantiles cut the range of confidences into parts. While nothing has changed, a new confidence is as
//! likely to fall between any two of the n examples as between any other two, and earlier answers count like examples:
//! how the counts of the parts grow is Pólya's urn, whatever the confidences are, and however few the examples were. At
//! each cut somebody bets against that with a Beta mixture; their mean wealth grows if, and nearly only if, something has
//! changed. It is a conformal test martingale, so the chance that it ever exceeds 100 while nothing has changed is at
//! most 1 %, however often one looks (Ville's inequality).
//!
//! A change may come late, when the urn is full of answers like the examples. So there are bettors who begin later, one
//! with each span of time, who share half of the stake.
//!
//! # Source
//! Vovk, Nouretdinov and Gammerman, *Testing exchangeability on-line* (2003); Shafer and Vovk, *Game-theoretic
//! foundations* (2019), for Ville's inequality and mixtures; Lindon and Malek 2022 (2011.03567) for the Beta mixture.

use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;

/// The mean wealth from which on the promise is doubtful: a false alarm has a chance of at most one in so many.
const ALARM: f64 = 100.0;
/// What the Beta mixture begins with, of each kind (Jeffreys).
const PRIOR: f64 = 0.5;
/// Spans of time between two doublings of their length, at most.
const SPANS: f64 = 128.0;

/// Stored cuts with more ranks or marks are not ours.
const MOST_RANKS: f64 = 1e12;
const MOST_MARKS: usize = 64;

/// Where a calibration cuts the range of confidences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cuts {
    name: String,
    marks: Vec<Mark>,
    /// The ranks that a new confidence may have among those of the examples: one more than examples.
    ranks: f64,
    /// Which of the cuts is the threshold.
    threshold: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Mark {
    /// Confidences from here on are above it.
    at: f64,
    /// The ranks below it.
    below: f64,
}

/// How confidences compare with those at calibration.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct DriftReport {
    /// How many answers were compared.
    pub answers: u64,
    /// How strong the evidence of a change is, at its strongest so far. While nothing has changed, it exceeds a number x
    /// with a chance of at most 1 / x, however often one looks.
    pub evidence: f64,
    /// Whether the evidence exceeds 100, and the promise of the threshold has become doubtful.
    pub doubtful: bool,
    /// The part of the answers that is below the calibrated threshold.
    pub deferral_rate: f64,
    /// The part of the examples that was.
    pub expected_deferral_rate: f64,
    /// The parts of the range of confidences, from the lowest to the highest.
    pub parts: Vec<Part>,
}

/// A part of the range of confidences.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Part {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// The share of answers that was to be expected in it.
    pub expected: f64,
    /// The share that is there.
    pub seen: f64,
}

impl Cuts {
    /// Those of `calibration`: its quantiles and its threshold. Quantiles that are the same number are left out, since
    /// nobody can tell how many of the examples are below it.
    pub fn of(calibration: &Calibration) -> Self {
        let Calibration { quantiles, n, threshold, coverage, temperature, data_sha256, date, .. } = calibration;
        let steps = quantiles.len().saturating_sub(1).max(1);
        // The quantile of a step is the example at this index, so that one rank more is below it.
        let mark = |(step, at): (usize, &f64)| Mark { at: *at, below: (step * n.saturating_sub(1) / steps + 1) as f64 };
        let unique = |mark: &Mark| quantiles.iter().filter(|other| **other == mark.at).count() == 1;
        let inner = quantiles.iter().enumerate().take(steps).skip(1);
        let mut marks: Vec<Mark> = inner.map(mark).filter(unique).collect();
        // The threshold lies between two examples: somewhere within a rank.
        let below = ((1.0 - coverage) * *n as f64).round() + 0.5;
        let index = marks.partition_point(|mark| mark.at < *threshold);
        let fits = !quantiles.contains(threshold)
            && marks.get(index).is_none_or(|next| next.below > below)
            && index.checked_sub(1).is_none_or(|before| marks[before].below < below);
        if fits {
            marks.insert(index, Mark { at: *threshold, below });
        }
        let name = format!("{} {} {n} {temperature} {threshold}", date, data_sha256.get(..16).unwrap_or_default());
        Self { name, marks, ranks: (n + 1) as f64, threshold: fits.then_some(index) }
    }

    /// Tells the calibration from others: counts by the parts of another one cannot be compared.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether these are cuts that can be computed with, where they were stored.
    pub fn is_valid(&self) -> bool {
        let rank = |rank: f64| (0.0..=MOST_RANKS).contains(&rank);
        let mark = |mark: &Mark| mark.at.is_finite() && rank(mark.below) && mark.below <= self.ranks;
        rank(self.ranks)
            && self.marks.len() <= MOST_MARKS
            && self.marks.iter().all(mark)
            && self.threshold.is_none_or(|cut| cut < self.marks.len())
    }

    /// Into how many parts the range is cut.
    pub fn parts(&self) -> usize {
        self.marks.len() + 1
    }

    /// The part that `confidence` is in.
    pub fn part(&self, confidence: f64) -> usize {
        self.marks.partition_point(|mark| mark.at <= confidence)
    }

    /// What is to be said of answers, of which `spans` has for each span of time how many were in each part. A span is a
    /// minute that was doubled `doublings` times.
    pub fn report(&self, spans: &[&[u64]], doublings: u32) -> DriftReport {
        let mut sums = vec![0u64; self.parts()];
        spans.iter().for_each(|counts| sums.iter_mut().zip(*counts).for_each(|(sum, count)| *sum += count));
        let answers: u64 = sums.iter().sum();
        let share = |count: u64| count as f64 / answers.max(1) as f64;
        let edges: Vec<(f64, f64)> = std::iter::once((0.0, 0.0))
            .chain(self.marks.iter().map(|mark| (mark.at, mark.below)))
            .chain([(1.0, self.ranks)])
            .collect();
        let part = |(edges, count): (&[(f64, f64)], &u64)| Part {
            from: edges[0].0,
            to: edges[1].0,
            expected: (edges[1].1 - edges[0].1) / self.ranks,
            seen: share(*count),
        };
        let evidence = self.evidence(spans, doublings);
        let below = self.threshold.map_or(0, |cut| cut + 1);
        DriftReport {
            answers,
            evidence,
            doubtful: evidence >= ALARM,
            deferral_rate: share(sums[..below].iter().sum()),
            expected_deferral_rate: self.threshold.map_or(0.0, |cut| self.marks[cut].below / self.ranks),
            parts: edges.windows(2).zip(&sums).map(part).collect(),
        }
    }

    /// The mean wealth of all bettors, at its highest.
    fn evidence(&self, spans: &[&[u64]], doublings: u32) -> f64 {
        if self.marks.is_empty() {
            return 1.0;
        }
        // How many were below and above each cut by the end of each span.
        let mut sums = vec![(0.0, 0.0); self.marks.len()];
        let mut ends = vec![sums.clone()];
        for counts in spans {
            let all: u64 = counts.iter().sum();
            let mut below = 0;
            for (cut, sum) in sums.iter_mut().enumerate() {
                below += counts.get(cut).copied().unwrap_or(0);
                *sum = (sum.0 + below as f64, sum.1 + (all - below) as f64);
            }
            ends.push(sums.clone());
        }
        // A doubling of the spans leaves half of those who began before, with less; all who ever begin later have together
        // no more than a half. Who has not begun is not counted.
        let level = f64::from(doublings);
        let later = 0.5 / (SPANS * (level + 1.0) * (level + 2.0));
        let stake = |start: usize| if start == 0 { 0.5 } else { later };
        let wealth = |end: usize| {
            let of_cut = |cut: usize, start: usize| self.wealth(cut, ends[start][cut], ends[end][cut]);
            let of_start = |start: usize| (0..self.marks.len()).map(|cut| of_cut(cut, start)).sum::<f64>();
            (0..end).map(|start| stake(start) * of_start(start)).sum::<f64>() / self.marks.len() as f64
        };
        (0..ends.len()).map(wealth).fold(1.0, f64::max).min(f64::MAX)
    }

    /// What somebody has who began with 1 at `cut` when there were so many answers below and above it, by the
    /// time when there are `now`: the Beta mixture's chance of what came, over the urn's.
    fn wealth(&self, cut: usize, began: (f64, f64), now: (f64, f64)) -> f64 {
        let urn = (self.marks[cut].below, self.ranks - self.marks[cut].below);
        let of_mixture = ln_beta(PRIOR + now.0 - began.0, PRIOR + now.1 - began.1) - ln_beta(PRIOR, PRIOR);
        let of_urn = ln_beta(urn.0 + now.0, urn.1 + now.1) - ln_beta(urn.0 + began.0, urn.1 + began.1);
        (of_mixture - of_urn).exp()
    }
}

fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// ln Γ(x) for x > 0, to 1e-12 of itself.
///
/// # Source
/// Stirling's series, from 8 on: Abramowitz and Stegun, 6.1.41.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < 8.0 {
        product *= x;
        x += 1.0;
    }
    let square = x * x;
    let series = (1.0 / 12.0
        - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - (1.0 / 1188.0) / square) / square) / square) / square)
        / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - product.ln()
}

#[cfg(test)]
mod tests;
