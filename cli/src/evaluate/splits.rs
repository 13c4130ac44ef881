//! Whether thresholds keep what they promise: many calibrations, each on other examples.
//!
//! A promise is about the source that the examples were drawn from. Here that source is the file: the promise is broken
//! where of all its texts that stay local at the threshold more than alpha are wrong. On the texts that a calibration
//! did not see the error scatters around that by itself, more so the fewer they are; it is given as well.

use std::fs;

use pilot_light::calibration::coverage::risk_coverage;
use pilot_light::calibration::metrics::{Binning, ece};
use pilot_light::calibration::risk_control::{Choice, Guarantee};
use pilot_light::calibration::{Example, PILOT, Temperature, calibrate};
use pilot_light::training::shuffle;
use serde_json::{Value, json};

use super::{Arguments, BINS};
use crate::Result;

/// Sums over all splits.
#[derive(Default)]
struct Sums {
    broken: usize,
    broken_unseen: usize,
    none: usize,
    coverage: f64,
    best: f64,
    ece: f64,
}

pub fn run(arguments: &Arguments, splits: usize, examples: &[Example]) -> Result<()> {
    let all = examples.len();
    // One in so many gives the temperature, the others are tested.
    let drawn = arguments.examples.saturating_mul(PILOT).div_ceil(PILOT - 1);
    if drawn >= all || splits == 0 {
        return Err(format!("{drawn} of {all} texts leave none to look at in {splits} splits").into());
    }
    println!(
        "\n{splits} calibrations: {} examples tested and {} for the temperature, delta {}",
        drawn - drawn.div_ceil(PILOT),
        drawn.div_ceil(PILOT),
        arguments.delta
    );
    println!("alpha  broken  (on unseen)  none holds  coverage  best in hindsight  ECE on unseen");
    let mut found = Vec::new();
    for &alpha in &arguments.alpha {
        let promise = Guarantee::LearnThenTest { alpha, delta: arguments.delta };
        let mut sums = Sums::default();
        for split in 0..splits {
            let mut rows: Vec<usize> = (0..all).collect();
            shuffle(&mut rows, arguments.seed.wrapping_add(split as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let drawn_order: Vec<Example> = rows.into_iter().map(|row| examples[row]).collect();
            sums.add(drawn_order.split_at(drawn), promise, alpha)?;
        }
        found.push(sums.report(splits, alpha));
    }
    match &arguments.json {
        Some(path) => Ok(fs::write(path, format!("{:#}\n", Value::Array(found)))?),
        None => Ok(()),
    }
}

impl Sums {
    /// Calibrates on the examples `seen`.
    fn add(&mut self, (seen, unseen): (&[Example], &[Example]), promise: Guarantee, alpha: f64) -> Result<()> {
        let report = calibrate(seen, promise)?;
        let temperature = Temperature::new(report.temperature)?;
        let at = |example: &Example| Example { confidence: temperature.confidence(example.confidence), ..*example };
        let [seen, unseen]: [Vec<Example>; 2] = [seen, unseen].map(|part| part.iter().map(at).collect());
        self.ece += ece(&unseen, Binning::EqualWidth(BINS))?;
        self.best += best_coverage(&unseen, alpha)?;
        let Choice::Holds { threshold, .. } = report.choice else {
            self.none += 1;
            return Ok(());
        };
        let is_broken = |(local, wrong): (usize, usize)| usize::from(wrong as f64 > alpha * local as f64);
        let (local, wrong) = tally(&unseen, threshold);
        let (seen_local, seen_wrong) = tally(&seen, threshold);
        self.coverage += local as f64 / unseen.len() as f64;
        self.broken_unseen += is_broken((local, wrong));
        self.broken += is_broken((local + seen_local, wrong + seen_wrong));
        Ok(())
    }

    fn report(&self, splits: usize, alpha: f64) -> Value {
        let part = |count: usize| count as f64 / splits as f64;
        let mean = |sum: f64| sum / splits as f64;
        let percent = |part: f64| 100.0 * part;
        println!(
            "{alpha:<5}  {:>4.1} %  {:>9.1} %  {:>8.1} %  {:>6.1} %  {:>15.1} %  {:>13.4}",
            percent(part(self.broken)),
            percent(part(self.broken_unseen)),
            percent(part(self.none)),
            percent(mean(self.coverage)),
            percent(mean(self.best)),
            mean(self.ece)
        );
        json!({
            "alpha": alpha,
            "splits": splits,
            "broken": part(self.broken),
            "broken_on_unseen": part(self.broken_unseen),
            "none_holds": part(self.none),
            "coverage": mean(self.coverage),
            "best_coverage_in_hindsight": mean(self.best),
            "ece_on_unseen": mean(self.ece),
        })
    }
}

/// The most that can stay local with an error of at most `alpha`, by somebody who knows the labels.
fn best_coverage(examples: &[Example], alpha: f64) -> Result<f64> {
    let curve = risk_coverage(examples)?;
    let kept = curve.iter().filter(|point| point.selective_risk <= alpha);
    Ok(kept.map(|point| point.coverage).fold(0.0, f64::max))
}

/// How many stay local, and how many of these are wrong.
fn tally(examples: &[Example], threshold: f64) -> (usize, usize) {
    let local = examples.iter().filter(|example| example.confidence >= threshold);
    local.fold((0, 0), |(local, wrong), example| (local + 1, wrong + usize::from(!example.correct)))
}
