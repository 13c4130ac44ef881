//! `pilot-light evaluate`: how good a classifier is on labelled texts, how honest its confidence, and which threshold
//! keeps a promise.

use std::path::PathBuf;

use pilot_light::calibration::coverage::{augrc, aurc};
use pilot_light::calibration::metrics::{Binning, brier, ece};
use pilot_light::calibration::risk::{Choice, Promise, choose};
use pilot_light::calibration::{Example, Labelled, Temperature};
use pilot_light::tasks::{RunOptions, RunOutput, Task};
use pilot_light::{Device, LoadOptions, folder};

use crate::Result;
use crate::rows::{self, Row};

/// Measure a text classifier on labelled texts: JSON Lines of {"text", "label"}.
#[derive(clap::Args)]
pub struct Arguments {
    /// The model's folder
    #[arg(long)]
    model: PathBuf,
    /// The folder of a head's base model, where it is not beside the head's
    #[arg(long)]
    base: Option<PathBuf>,
    /// The labelled texts, which the model was not trained on
    #[arg(long)]
    data: PathBuf,
    /// The part of the local answers that may be wrong
    #[arg(long, default_value_t = 0.05)]
    alpha: f64,
    /// The chance that the threshold does not keep that
    #[arg(long, default_value_t = 0.1)]
    delta: f64,
}

/// One row in so many says where to begin and at which temperature; the others are tested.
const PILOT: usize = 5;
/// The usual number of bins.
const BINS: usize = 15;
const THRESHOLDS: [f64; 7] = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];
/// Texts that go through the model at once.
const BATCH: usize = 64;

/// What the model said of one row: the probability of each label, and which is right.
struct Scored {
    probabilities: Vec<f64>,
    right: usize,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let rows = rows::read(&arguments.data)?;
    let base = arguments.base.as_deref();
    let device = Device::cpu();
    let options = LoadOptions::default();
    let model = folder::load_with_base(&arguments.model, base, Task::TextClassification, &device, options)?;
    model.check_answers()?;
    let mut scored = Vec::with_capacity(rows.len());
    for batch in rows.chunks(BATCH) {
        let texts: Vec<String> = batch.iter().map(|row| row.text.clone()).collect();
        let output = pollster::block_on(model.run(&texts, &RunOptions::default()))?;
        let RunOutput::Classifications(found) = output else { return Err("the model gives no labels".into()) };
        for (row, found) in batch.iter().zip(found) {
            let probability =
                |label: &String| found.iter().find(|found| found.label == *label).map_or(0.0, |found| found.score);
            let probabilities = model.labels().iter().map(probability).collect();
            scored.push(Scored { probabilities, right: right_label(row, model.labels())? });
        }
    }
    let examples: Vec<Example> = scored.iter().map(|scored| example(&scored.probabilities, scored.right)).collect();
    print_metrics(&examples)?;
    print_promise(arguments, &scored)
}

fn right_label(row: &Row, labels: &[String]) -> Result<usize> {
    let found = labels.iter().position(|label| *label == row.label);
    Ok(found.ok_or_else(|| format!("the model does not know the label '{}', but {}", row.label, labels.join(", ")))?)
}

/// How sure the likeliest label is, and whether it is the right one.
fn example(probabilities: &[f64], right: usize) -> Example {
    let likeliest = probabilities.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    let (label, confidence) = likeliest.unwrap_or((0, 0.0));
    Example { confidence, correct: label == right }
}

fn print_metrics(examples: &[Example]) -> Result<()> {
    let right = examples.iter().filter(|example| example.correct).count();
    println!("n         {}", examples.len());
    println!("accuracy  {:.4}", right as f64 / examples.len().max(1) as f64);
    println!("ECE       {:.4}   ({BINS} bins of the same width)", ece(examples, Binning::EqualWidth(BINS))?);
    println!("Brier     {:.4}", brier(examples)?);
    println!("AURC      {:.4}", aurc(examples)?);
    println!("AUGRC     {:.4}", augrc(examples)?);
    println!("\nthreshold  stays local  wrong among these");
    for threshold in THRESHOLDS {
        let local: Vec<&Example> = examples.iter().filter(|example| example.confidence >= threshold).collect();
        let wrong = local.iter().filter(|example| !example.correct).count();
        let share = local.len() as f64 / examples.len() as f64;
        println!(
            "{threshold:<9}  {:>10.1} %  {:>15.2} %",
            100.0 * share,
            100.0 * wrong as f64 / local.len().max(1) as f64
        );
    }
    Ok(())
}

/// The threshold that keeps the promise, by confidences whose temperature other rows gave.
fn print_promise(arguments: &Arguments, scored: &[Scored]) -> Result<()> {
    let (pilot, tested): (Vec<_>, Vec<_>) = scored.iter().enumerate().partition(|(index, _)| index % PILOT == 0);
    let logits: Vec<f64> = pilot.iter().flat_map(|(_, scored)| scored.probabilities.iter().map(|p| p.ln())).collect();
    let labels: Vec<usize> = pilot.iter().map(|(_, scored)| scored.right).collect();
    let classes = scored.first().map_or(0, |scored| scored.probabilities.len());
    let temperature = Temperature::fit(&Labelled { rows: &logits, classes, labels: &labels })?;
    let calibrated = |scored: &Scored| {
        let logits: Vec<f64> = scored.probabilities.iter().map(|p| p.ln()).collect();
        example(&temperature.probabilities(&logits), scored.right)
    };
    let pilot: Vec<f64> = pilot.iter().map(|(_, scored)| calibrated(scored).confidence).collect();
    let tested: Vec<Example> = tested.iter().map(|(_, scored)| calibrated(scored)).collect();
    let Arguments { alpha, delta, .. } = *arguments;
    println!(
        "\ntemperature {:.3}, fitted on {} rows; the other {} are tested",
        temperature.get(),
        pilot.len(),
        tested.len()
    );
    println!("at most {} % wrong among what stays local, with {} % certainty:", 100.0 * alpha, 100.0 * (1.0 - delta));
    match choose(&tested, &pilot, Promise::LearnThenTest { alpha, delta })? {
        Choice::Holds { threshold, coverage, risk, .. } => println!(
            "  from {threshold:.4} on, at this temperature; {:.1} % stay local, {:.2} % of these wrong here",
            100.0 * coverage,
            100.0 * risk
        ),
        Choice::NoneHolds { more: Some(more), .. } => {
            println!("  no threshold keeps that; about {more} more examples may do")
        }
        Choice::NoneHolds { more: None, .. } => {
            println!("  no threshold keeps that: the model is too often wrong where it is surest")
        }
    }
    Ok(())
}
