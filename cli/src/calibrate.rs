//! `pilot-light calibrate`: the temperature of a model, and the threshold that keeps a promise, for its `pilot.json`.

mod ask;
mod page;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use pilot_light::calibration::{Calibration, Choice, Example, Guarantee, Labels, Report, Source, calibrate};
use pilot_light::cascade::LocalModels;
use pilot_light::manifest::{self, Manifest};
use pilot_light::{folder, training};

use crate::Result;
use crate::rows::{self, Row};
use crate::scores::{ModelArguments, examples};

/// Find the threshold from which on a model may be trusted, from texts that it was not trained on: JSON Lines or CSV of
/// text and label, or JSON Lines of text and entities, each {"entity_group", "start", "end"}. It goes into the model's
/// pilot.json, where a cascade finds it.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// The texts, with their labels or, with --labels-from-remote, without
    #[arg(long)]
    data: PathBuf,
    #[command(flatten)]
    asking: ask::Asking,
    /// What is promised
    #[arg(long, value_enum, default_value_t = Method::LearnThenTest)]
    method: Method,
    /// The part that may be wrong: of the local answers, or with conformal risk control of all answers
    #[arg(long, default_value_t = 0.05)]
    alpha: f64,
    /// The chance that the threshold does not keep that
    #[arg(long, default_value_t = 0.1)]
    delta: f64,
    /// Draws the order of the examples
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where a report goes, as its name ends: .json, or .html for a page with plots; may be given twice
    #[arg(long)]
    report: Vec<PathBuf>,
    /// What the texts are, in words, for the provenance in pilot.json
    #[arg(long)]
    about: Option<String>,
    /// Leave pilot.json as it is
    #[arg(long)]
    dry_run: bool,
}

/// A promise about errors.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Method {
    /// At most alpha of the local answers are wrong, with a certainty of 1 - delta
    LearnThenTest,
    /// At most alpha of all answers are local and wrong, on average
    ConformalRiskControl,
}

/// Files that make a model another than all others: the first that is there.
const WEIGHTS: [&str; 6] = [
    "head.safetensors",
    "model.safetensors",
    "onnx/model.onnx",
    "onnx/model_quantized.onnx",
    "onnx/model_q4.onnx",
    "onnx/model_fp16.onnx",
];
const MANIFEST: &str = "pilot.json";

pub fn run(arguments: &Arguments) -> Result<()> {
    if let Some(path) = arguments.report.iter().find(|path| !is(path, "json") && !is(path, "html")) {
        return Err(format!("{} ends neither in .json nor in .html", path.display()).into());
    }
    let (models, options) = (Rc::new(LocalModels::new(vec![arguments.model.load()?])?), arguments.model.options()?);
    let (rows, unanswered) = arguments.asking.ask(&models, &options, rows::read(&arguments.data)?)?;
    let model = &models.models()[0];
    let found = examples(model, &options, &rows::known(&rows)?)?;
    let mut order: Vec<usize> = (0..found.len()).collect();
    training::shuffle(&mut order, arguments.seed);
    let Arguments { alpha, delta, .. } = *arguments;
    let promise = match arguments.method {
        Method::LearnThenTest => Guarantee::LearnThenTest { alpha, delta },
        Method::ConformalRiskControl => Guarantee::ConformalRiskControl { alpha },
    };
    let found: Vec<Example> = order.into_iter().map(|row| found[row]).collect();
    let report = Report { labels: labels_of(&rows, unanswered), ..calibrate(&found, promise)? };
    print(&report);
    for path in &arguments.report {
        let text = if is(path, "json") { serde_json::to_string_pretty(&report)? + "\n" } else { page::of(&report) };
        fs::write(path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    }
    if arguments.dry_run { Ok(()) } else { keep(arguments, &report, model.hypotheses(&options)?) }
}

fn labels_of(rows: &[Row], unanswered: usize) -> Labels {
    let mut models: Vec<String> = rows.iter().filter_map(|row| row.labelled_by.clone()).collect();
    let asked = models.len();
    models.sort();
    models.dedup();
    Labels { given: rows.len() - asked, asked, unanswered, models }
}

fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

fn print(report: &Report) {
    let Report { temperature, pilot, accuracy, before, after, .. } = report;
    println!("labels       {}", report.labels);
    println!("temperature  {temperature:.3}, fitted on {pilot} examples; the others are tested");
    println!("accuracy     {accuracy:.4}");
    println!("ECE          {:.4}, before {:.4}", after.ece, before.ece);
    println!("Brier        {:.4}, before {:.4}", after.brier, before.brier);
    println!("AURC, AUGRC  {:.4}, {:.4}", report.aurc, report.augrc);
    println!("{}:", in_words(report.promise));
    println!("  {}", outcome(&report.choice));
}

/// What is promised.
fn in_words(promise: Guarantee) -> String {
    match promise {
        Guarantee::LearnThenTest { alpha, delta } => format!(
            "at most {} % wrong among what stays local, with {} % certainty",
            100.0 * alpha,
            100.0 * (1.0 - delta)
        ),
        Guarantee::ConformalRiskControl { alpha } => {
            format!("at most {} % of all answers local and wrong, on average", 100.0 * alpha)
        }
    }
}

/// What the examples allow.
fn outcome(choice: &Choice) -> String {
    match choice {
        Choice::Holds { threshold, coverage, risk, n } => format!(
            "from {threshold:.4} on; of {n} examples {:.1} % stay local, and {:.2} % are wrong",
            100.0 * coverage,
            100.0 * risk
        ),
        Choice::NoneHolds { more: Some(more), n } => {
            format!("no threshold keeps that with {n} examples; about {more} more may do")
        }
        Choice::NoneHolds { more: None, .. } => {
            "no threshold keeps that: the model is too often wrong where it is surest".to_string()
        }
    }
}

/// Writes the calibration into `pilot.json`, with the digest of the weights that it was made with.
fn keep(arguments: &Arguments, report: &Report, hypotheses: Vec<String>) -> Result<()> {
    let folder = &arguments.model.model;
    let path = folder.join(MANIFEST);
    let mut manifest = match fs::read_to_string(&path) {
        Ok(text) => Manifest::from_json(&text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Manifest::default(),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display()).into()),
    };
    let weights = WEIGHTS.iter().find(|name| folder.join(name).is_file());
    let name = weights.ok_or("the folder has no file of weights that is known here")?;
    let described = describe(&folder.join(name))?;
    let source = Source {
        data_sha256: describe(arguments.asking.labels().unwrap_or(&arguments.data))?.sha256,
        weights_sha256: Some(described.sha256.clone()),
        behind: Vec::new(),
        hypotheses,
        date: today()?,
    };
    let Some(calibration) = Calibration::of(report, source) else {
        println!("{} stays as it is", path.display());
        return Ok(());
    };
    manifest.calibration = Some(calibration);
    if let Some(about) = &arguments.about {
        let mut provenance = manifest.provenance.as_object().cloned().unwrap_or_default();
        provenance.insert("calibration".to_string(), about.as_str().into());
        manifest.provenance = provenance.into();
    }
    manifest.files.insert((*name).to_string(), described);
    fs::write(&path, serde_json::to_string_pretty(&manifest)? + "\n")?;
    println!("written to {}", path.display());
    Ok(())
}

fn describe(path: &Path) -> Result<manifest::File> {
    let mut file = File::open(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(manifest::File { bytes: file.metadata()?.len(), sha256: folder::digest(&mut file)? })
}

/// The day it is in Greenwich, as `2026-11-25`.
///
/// # Source
/// Howard Hinnant, *chrono-compatible low-level date algorithms*: `civil_from_days`.
fn today() -> Result<String> {
    let days = (SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 86_400) as i64 + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Ok(format!("{year}-{month:02}-{day:02}"))
}
