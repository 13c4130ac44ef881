//! How much a cascade delegates while it learns from a remote model, and whether it keeps its promise meanwhile; next to what
//! else one could do. The remote model is simulated from the labels: it is right on 95 % of the texts, whatever they are, and
//! gives the label after the right one on the others. In the rows `hard-texts` it is wrong on 5 % as well, the likelier the harder
//! a text is, and what is promised is to say what it says. `cargo xtask eval learning` runs this; the streams are those of `make.py`.
//!
//! For each stream and seed the texts come in another order, each once. Texts of the same source that never come tell how often
//! what stays at home is wrong: whenever the head or its threshold in charge has changed, and after every hundred texts.

mod alternatives;
mod learner;
mod online_cascade;
mod run;
mod stream;

use std::path::Path;

use pilot_light::learning::{Counters, LearnOptions};
use serde_json::{Value, json};

use crate::alternatives::{FixedThreshold, NearestNeighbours};
use crate::learner::Learning;
use crate::online_cascade::OnlineCascade;
use crate::run::{Run, Way, run};
use crate::stream::{Data, Errors, Stream};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What is promised.
const ALPHA: f64 = 0.05;
const DELTA: f64 = 0.1;
/// The part of the texts that the remote model is wrong on.
const REMOTE_ERROR: f64 = 0.05;

/// What is compared; the first one is the learner.
const WAYS: [&str; 7] =
    ["", HARD_TEXTS, "remote-labels", "unweighted", "fixed-threshold", "nearest-neighbours", "online-cascade-learning"];
const HARD_TEXTS: &str = "hard-texts";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [encoder, folder, seeds, names @ ..] = arguments.as_slice() else {
        return Err("usage: eval-learning ENCODER STREAMS SEEDS NAME...".into());
    };
    let seeds: u64 = seeds.parse()?;
    pilot_light::start_threads(std::thread::available_parallelism().map_or(1, usize::from));
    let mut rows = Vec::new();
    for name in names {
        let data = Data::load(Path::new(folder), name, Path::new(encoder))?;
        for way in WAYS {
            let errors = if way == HARD_TEXTS { Errors::OnHardTexts } else { Errors::Independent };
            let mut runs = Vec::new();
            for seed in 1..=seeds {
                let stream = Stream::new(&data, seed, REMOTE_ERROR, errors);
                runs.push(run(of_name(way, &data)?.as_mut(), &stream, seed, errors)?);
            }
            let row = report(&format!("learning/{name}{}{way}", if way.is_empty() { "" } else { "/" }), &runs);
            eprintln!("{row}");
            rows.push(row);
        }
    }
    println!("{:#}", Value::Array(rows));
    Ok(())
}

fn of_name<'a>(way: &str, data: &'a Data) -> Result<Box<dyn Way + 'a>> {
    let options = LearnOptions { alpha: ALPHA, delta: DELTA, remote_error: REMOTE_ERROR, ..LearnOptions::default() };
    Ok(match way {
        "" => Box::new(Learning::new(data, options)?),
        // What the remote model says is taken for the truth. Where it errs on any texts, a perfect head differs from it as often
        // as alpha.
        "remote-labels" | HARD_TEXTS => Box::new(Learning::new(data, LearnOptions { remote_error: 0.0, ..options })?),
        "unweighted" => Box::new(Learning::new(data, LearnOptions { importance_weights: false, ..options })?),
        "fixed-threshold" => Box::new(FixedThreshold::new(data)),
        "nearest-neighbours" => Box::new(NearestNeighbours::new(data)),
        _ => Box::new(OnlineCascade::new(data)?),
    })
}

/// Means over the runs.
fn report(name: &str, runs: &[Run]) -> Value {
    let mean = |of: &dyn Fn(&Run) -> Option<f64>| {
        let found: Vec<f64> = runs.iter().filter_map(of).collect();
        (!found.is_empty()).then(|| (found.iter().sum::<f64>() / found.len() as f64 * 1e4).round() / 1e4)
    };
    let count = |of: &dyn Fn(&Run) -> bool| runs.iter().filter(|run| of(run)).count();
    let mut row = json!({
        "name": name,
        "streams": runs.len(),
        "texts": runs.first().map_or(0, |run| run.texts),
        "delegated_first_200": mean(&|run| Some(run.delegated_first_200)),
        "delegated_after_1000": mean(&|run| run.delegated_after_1000),
        "delegated_last_1000": mean(&|run| Some(run.delegated_last_1000)),
        "accuracy": mean(&|run| Some(run.accuracy)),
        "accuracy_first_200": mean(&|run| Some(run.accuracy_first_200)),
        "accuracy_after_1000": mean(&|run| run.accuracy_after_1000),
        "wrong_of_the_local": mean(&|run| run.wrong_of_the_local),
        "reached_1000": count(&|run| run.delegated_after_1000.is_some()),
        "violations": count(&|run| run.phases.iter().any(|phase| phase.broken)),
        "violations_beyond_chance": count(&|run| run.phases.iter().any(|phase| phase.broken_clearly)),
        "violations_so_far": count(&|run| run.phases.iter().any(|phase| phase.broken_so_far)),
        "violations_against_remote": count(&|run| run.phases.iter().any(|phase| phase.broken_against_remote)),
    });
    if runs.iter().any(|run| run.changes) {
        for (at, phase) in ["before", "during", "after"].into_iter().enumerate() {
            row[format!("violations_{phase}")] = count(&|run| run.phases[at].broken).into();
            row[format!("violations_so_far_{phase}")] = count(&|run| run.phases[at].broken_so_far).into();
            row[format!("violations_beyond_chance_{phase}")] = count(&|run| run.phases[at].broken_clearly).into();
            row[format!("delegated_{phase}")] = mean(&|run| Some(run.phases[at].delegated())).into();
            row[format!("wrong_of_the_local_{phase}")] = mean(&|run| run.phases[at].wrong_of_the_local()).into();
        }
    }
    if runs.iter().all(|run| run.counters.is_some()) {
        type Figure = (&'static str, fn(&Counters) -> u64);
        let figures: [Figure; 4] = [
            ("heads_trained", |counters| counters.trained),
            ("heads_tested", |counters| counters.tested),
            ("heads_promoted", |counters| counters.promoted),
            ("promises_withdrawn", |counters| counters.withdrawn),
        ];
        for (key, of) in figures {
            row[key] = mean(&|run| run.counters.as_ref().map(|counters| of(counters) as f64)).into();
        }
        row["training_gflop"] = mean(&|run| run.counters.as_ref().map(|c| c.operations as f64 / 1e9)).into();
    }
    // A mean over nothing is left out.
    if let Value::Object(row) = &mut row {
        row.retain(|_, value| !value.is_null());
    }
    row
}
