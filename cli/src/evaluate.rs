//! `pilot-light evaluate`: how good a classifier is on labelled texts, how honest its confidence, and whether thresholds
//! keep what they promise.

mod cascade;
mod splits;

use std::path::PathBuf;

use pilot_light::calibration::Example;
use pilot_light::calibration::coverage::{augrc, aurc};
use pilot_light::calibration::metrics::{Binning, brier, ece};

use crate::Result;
use crate::rows::{self, Row};
use crate::scores::{ModelArguments, examples};

/// Measure a model on labelled texts, as calibrate takes them; with --splits, how often calibrations on a part of them
/// keep their promise.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// The labelled texts, which the model was not trained on; several files are taken as one
    #[arg(long, required = true)]
    data: Vec<PathBuf>,
    /// Calibrate so often on examples drawn anew, and look at what comes of it on the other texts
    #[arg(long)]
    splits: Option<usize>,
    /// The examples that each of these calibrations tests thresholds on; a quarter as many more give the temperature
    #[arg(long, default_value_t = 1000)]
    examples: usize,
    /// The part of the local answers that may be wrong; may be given several times
    #[arg(long, default_values_t = [0.02, 0.05, 0.1])]
    alpha: Vec<f64>,
    /// The chance that a threshold does not keep that
    #[arg(long, default_value_t = 0.1)]
    delta: f64,
    /// Draws the examples, or the texts that the simulated model is right on
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Simulate a remote model that is right on this part of the texts, and measure what the model's cascade brings and
    /// costs, compared with others
    #[arg(long, conflicts_with = "splits")]
    remote_accuracy: Option<f64>,
    /// A JSON file of what a cascade's remote may have, such as its price
    #[arg(long, value_name = "FILE", requires = "remote_accuracy")]
    remote: Option<PathBuf>,
    /// Where the figures of --splits or --remote-accuracy go as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The usual number of bins.
const BINS: usize = 15;
const THRESHOLDS: [f64; 7] = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];

pub fn run(arguments: &Arguments) -> Result<()> {
    let rows: Vec<Vec<Row>> = arguments.data.iter().map(|path| rows::read(path)).collect::<Result<_>>()?;
    let rows: Vec<Row> = rows.into_iter().flatten().collect();
    let (model, options, known) = (arguments.model.load()?, arguments.model.options()?, rows::known(&rows)?);
    let examples = examples(&model, &options, &known)?;
    print_metrics(&examples)?;
    match (arguments.splits, arguments.remote_accuracy) {
        (Some(splits), _) => splits::run(arguments, splits, &examples),
        (None, Some(accuracy)) if (0.0..=1.0).contains(&accuracy) => {
            cascade::run(arguments, model, &options, &known, accuracy)
        }
        (None, Some(accuracy)) => Err(format!("--remote-accuracy must be from 0 to 1, not {accuracy}").into()),
        (None, None) => Ok(()),
    }
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
