//! `pilot-light train --router`: how much better a strong model will do on a prompt than a weak one, from pairs of
//! outcomes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use pilot_light::calibration::routing::{Outcome, accuracies, apgr, calls_needed};
use pilot_light::models::length_feature;
use pilot_light::tasks::{Task, TextModel};
use pilot_light::training::ridge::{Targets, fit};
use pilot_light::training::{Linear, shuffle};
use pilot_light::{Device, LoadOptions, folder};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Arguments, features, write_folder};
use crate::Result;

/// The part of what the strong model has ahead whose price is reported.
const PART: f64 = 0.8;

/// A prompt that both models answered.
#[derive(Deserialize)]
struct Pair {
    prompt: String,
    weak_correct: bool,
    strong_correct: bool,
    /// Prompts of one benchmark are estimated, and measured, among themselves.
    #[serde(default)]
    benchmark: String,
}

/// What a router sees of the pairs of one benchmark.
#[derive(Default)]
struct Seen {
    features: Vec<f32>,
    outcomes: Vec<Outcome>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let encoder = folder::load(&arguments.base, Task::FeatureExtraction, &Device::cpu(), LoadOptions::default())?;
    let encoder = encoder.with_max_length(arguments.max_length);
    let pairs = read(&arguments.data)?;
    let (all, width) = look(&encoder, &pairs, &arguments.data)?;

    let mut measured = Vec::new();
    println!("benchmark      n     weak   strong  APGR   for {PART} of the gap: strong calls, min_gain");
    if let Some(folds) = arguments.folds {
        for (name, seen) in &all {
            let outcomes = cross_validated(seen, width, usize::from(folds), arguments.seed)?;
            measured.push(measure(name, &outcomes)?);
        }
    }
    for path in &arguments.test {
        let (unseen, _) = look(&encoder, &read(path)?, path)?;
        for (name, unseen) in &unseen {
            let seen = all.get(name).ok_or_else(|| format!("no pair of '{name}' is trained on"))?;
            measured.push(measure(&format!("{name}/unseen"), &estimated(seen, unseen, width, arguments.seed)?)?);
        }
    }
    if let Some(path) = &arguments.json {
        fs::write(path, format!("{:#}\n", Value::Array(measured.clone())))?;
    }
    let Some(out) = &arguments.out else { return Ok(()) };
    let (mut features, mut outcomes) = (Vec::new(), Vec::new());
    for seen in all.into_values() {
        features.extend(seen.features);
        outcomes.extend(seen.outcomes);
    }
    let (head, penalty) = fit_gains(&features, width, &outcomes, arguments.seed)?;
    let provenance = json!({
        "trained_by": concat!("pilot-light train --router ", env!("CARGO_PKG_VERSION")),
        "method": "ridge regression of (strong right) - (weak right) on the normalised mean of the hidden states and the logarithm of the number of tokens",
        "rows": outcomes.len(),
        "seed": arguments.seed,
        "penalty": penalty,
        "measured": measured,
    });
    write_folder(arguments, out, &["gain".to_string()], head, provenance)
}

fn read(path: &Path) -> Result<Vec<Pair>> {
    let file = File::open(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let pair = |(index, line): (usize, std::io::Result<String>)| {
        let pair = serde_json::from_str(&line?);
        Ok(pair.map_err(|error| format!("{}, line {}: {error}", path.display(), index + 1))?)
    };
    BufReader::new(file).lines().enumerate().map(pair).collect()
}

/// The features and outcomes of each benchmark, and how many features there are.
fn look(encoder: &TextModel, pairs: &[Pair], path: &Path) -> Result<(BTreeMap<String, Seen>, usize)> {
    let prompts: Vec<&str> = pairs.iter().map(|pair| pair.prompt.as_str()).collect();
    let found = features(encoder, &prompts, path)?;
    let mut all: BTreeMap<String, Seen> = BTreeMap::new();
    let mut width = 0;
    for (pair, mut row) in pairs.iter().zip(found) {
        row.push(length_feature(encoder.count_tokens(&pair.prompt)?));
        width = row.len();
        let seen = all.entry(pair.benchmark.clone()).or_default();
        seen.features.extend(row);
        seen.outcomes.push(Outcome { gain: 0.0, weak: pair.weak_correct, strong: pair.strong_correct });
    }
    Ok((all, width))
}

fn fit_gains(features: &[f32], width: usize, outcomes: &[Outcome], seed: u64) -> Result<(Linear, f64)> {
    let numbers: Vec<f64> = outcomes.iter().map(Outcome::ahead).collect();
    Ok(fit(&Targets { features, width, numbers: &numbers }, seed)?)
}

/// The outcomes of each part of the pairs, with the gains that a head trained on the others expects.
fn cross_validated(seen: &Seen, width: usize, folds: usize, seed: u64) -> Result<Vec<Outcome>> {
    let mut order: Vec<usize> = (0..seen.outcomes.len()).collect();
    shuffle(&mut order, seed);
    let mut outcomes = seen.outcomes.clone();
    for fold in 0..folds {
        let (held_out, others): (Vec<_>, Vec<_>) = order.iter().enumerate().partition(|(at, _)| at % folds == fold);
        let part = |rows: &[(usize, &usize)]| seen.part(rows.iter().map(|(_, row)| **row), width);
        let found = estimated(&part(&others), &part(&held_out), width, seed)?;
        held_out.iter().zip(found).for_each(|((_, row), outcome)| outcomes[**row] = outcome);
    }
    Ok(outcomes)
}

/// The outcomes of `unseen` pairs, with the gains that a head trained on those that were `seen` expects.
fn estimated(seen: &Seen, unseen: &Seen, width: usize, seed: u64) -> Result<Vec<Outcome>> {
    let (head, _) = fit_gains(&seen.features, width, &seen.outcomes, seed)?;
    let rows = unseen.features.chunks_exact(width).zip(&unseen.outcomes);
    Ok(rows.map(|(row, outcome)| Outcome { gain: f64::from(head.forward(row)[0]), ..*outcome }).collect())
}

/// Prints how good the gains of the `outcomes` of a benchmark are, and tells it.
fn measure(name: &str, outcomes: &[Outcome]) -> Result<Value> {
    let (weak, strong) = accuracies(outcomes);
    let (area, calls) = (apgr(outcomes)?, calls_needed(outcomes, PART)?);
    let mut gains: Vec<f64> = outcomes.iter().map(|outcome| outcome.gain).collect();
    gains.sort_by(|a, b| b.total_cmp(a));
    // The least of those that are sent.
    let min_gain = gains[((calls * gains.len() as f64).round() as usize).saturating_sub(1)];
    let n = outcomes.len();
    println!("{name:<13}  {n:<4}  {weak:.3}  {strong:.3}   {area:.3}  {:.1} %, {min_gain:.4}", 100.0 * calls);
    Ok(json!({
        "name": format!("routing/{name}"),
        "n": n,
        "weak_accuracy": weak,
        "strong_accuracy": strong,
        "apgr": area,
        "strong_calls_for_80_percent": calls,
        "min_gain_for_80_percent": min_gain,
    }))
}

impl Seen {
    /// Those pairs whose numbers are `rows`.
    fn part(&self, rows: impl Iterator<Item = usize> + Clone, width: usize) -> Self {
        Self {
            features: rows.clone().flat_map(|row| &self.features[row * width..][..width]).copied().collect(),
            outcomes: rows.map(|row| self.outcomes[row]).collect(),
        }
    }
}
