//! `pilot-light train`: a linear head on an encoder's embeddings, from labelled texts.

mod router;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pilot_light::Manifest;
use pilot_light::formats::safetensors::{self, Array, Tensor};
use pilot_light::tasks::{FeatureExtraction, FeatureExtractionOptions, Pooling, Task, TextModel};
use pilot_light::training::{Examples, L2_GRID, Linear, Scores, choose_l2, fit};
use pilot_light::{Device, LoadOptions, folder};
use serde_json::{Value, json};

use crate::Result;
use crate::rows::{self, Row};

/// Train a linear head on an encoder's embeddings. The data are JSON Lines: {"text", "label"} and, where
/// rows depend on one another, "group". With --router the head says how much better a strong model will do than a weak
/// one, and the data are JSON Lines of {"prompt", "weak_correct", "strong_correct"} and, if there are several, "benchmark".
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder of the encoder; the head's folder must lie next to it
    #[arg(long)]
    base: PathBuf,
    /// The rows to train on
    #[arg(long)]
    data: PathBuf,
    /// Rows to measure the head on, which it is not trained on
    #[arg(long)]
    test: Vec<PathBuf>,
    /// The folder to write
    #[arg(long, required_unless_present_any = ["folds", "test"])]
    out: Option<PathBuf>,
    /// Train a router
    #[arg(long)]
    router: bool,
    /// Measure the router on each of so many parts, trained on the others
    #[arg(long, requires = "router", value_parser = clap::value_parser!(u16).range(2..))]
    folds: Option<u16>,
    /// Where these figures go as JSON
    #[arg(long, requires = "router")]
    json: Option<PathBuf>,
    /// Draws the rows that are held out to choose the strength of the penalty
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The most tokens of a text that are read
    #[arg(long, default_value_t = 256)]
    max_length: usize,
    /// A JSON file on where the data come from, which is copied into the manifest
    #[arg(long)]
    about: Option<PathBuf>,
}

/// The files of an encoder that a head depends on.
const BASE_FILES: [&str; 4] = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];
/// Those that not every encoder has: how its embeddings are pooled, and how long a text is.
const OPTIONAL_BASE_FILES: [&str; 2] = ["1_Pooling/config.json", "sentence_bert_config.json"];
/// Texts that are embedded at once.
const BATCH: usize = 64;

/// Rows as the trainer takes them.
struct Embedded {
    features: Vec<f32>,
    labels: Vec<usize>,
    groups: Vec<usize>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.router {
        return router::run(arguments);
    }
    let out = arguments.out.as_ref().ok_or("--out is missing")?;
    let about: Value = match &arguments.about {
        Some(path) => serde_json::from_str(&fs::read_to_string(path)?)?,
        None => Value::Null,
    };
    let device = Device::cpu();
    let encoder = folder::load(&arguments.base, Task::FeatureExtraction, &device, LoadOptions::default())?;
    let encoder = encoder.with_max_length(arguments.max_length);

    let rows = rows::read(&arguments.data)?;
    let labels = rows.iter().map(|row| Ok(row.label()?.to_string())).collect::<Result<BTreeSet<String>>>()?;
    let labels: Vec<String> = labels.into_iter().collect();
    let train = embed(&encoder, &rows, &labels, &arguments.data)?;
    let width = train.features.len() / rows.len().max(1);
    let choice = choose_l2(&train.examples(width, labels.len()), &L2_GRID, arguments.seed)?;
    println!("held out: {}, with a penalty of {}", percent(&choice.best.held_out), choice.best.l2);
    let head = fit(&train.examples(width, labels.len()), choice.best.l2)?;

    let mut tests = serde_json::Map::new();
    for path in &arguments.test {
        let test = embed(&encoder, &rows::read(path)?, &labels, path)?;
        let scores = head.scores(&test.examples(width, labels.len()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        println!("{name}: {}", percent(&scores));
        tests.insert(name, to_json(&scores));
    }

    let provenance = json!({
        "trained_by": concat!("pilot-light train ", env!("CARGO_PKG_VERSION")),
        "method": "L2-regularised multinomial logistic regression by L-BFGS on the normalised mean of the hidden states",
        "data": about,
        "rows": rows.len(),
        "seed": arguments.seed,
        "l2": choice.best.l2,
        "held_out": to_json(&choice.best.held_out),
        "tests": tests,
    });
    write_folder(arguments, out, &labels, head, provenance)
}

impl Embedded {
    fn examples(&self, width: usize, classes: usize) -> Examples<'_> {
        Examples { features: &self.features, width, labels: &self.labels, classes, groups: Some(&self.groups) }
    }
}

fn embed(encoder: &TextModel, rows: &[Row], labels: &[String], path: &Path) -> Result<Embedded> {
    let mut embedded = Embedded { features: Vec::new(), labels: Vec::new(), groups: Vec::new() };
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    embedded.features = features(encoder, &texts, path)?.concat();
    for (index, row) in rows.iter().enumerate() {
        let name = row.label()?;
        let label = labels.iter().position(|label| label == name);
        embedded.labels.push(label.ok_or_else(|| format!("{}: the label '{name}' is not trained", path.display()))?);
        // Numbers from the number of rows on are free for groups that have no name.
        let next = groups.len();
        let group = row.group.as_deref().map_or(rows.len() + index, |group| *groups.entry(group).or_insert(next));
        embedded.groups.push(group);
    }
    Ok(embedded)
}

/// The embedding of each text.
fn features(encoder: &TextModel, texts: &[&str], path: &Path) -> Result<Vec<Vec<f32>>> {
    let options = FeatureExtractionOptions { pooling: Pooling::Auto, normalize: true, ..Default::default() };
    // Neighbours in length make full batches.
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&index| texts[index].len());
    let mut found = vec![Vec::new(); texts.len()];
    for (at, batch) in order.chunks(BATCH).enumerate() {
        let texts: Vec<String> = batch.iter().map(|&index| texts[index].to_string()).collect();
        let features = pollster::block_on(encoder.run::<FeatureExtraction>(&texts, &options))?;
        for (&index, embedding) in batch.iter().zip(features.data.chunks_exact(features.data.len() / batch.len())) {
            found[index] = embedding.to_vec();
        }
        // Now and then, so that a log of it can be read as well.
        if at % 32 == 31 {
            eprintln!("{}: {} of {}", path.display(), at * BATCH + batch.len(), order.len());
        }
    }
    Ok(found)
}

/// Writes what a head's folder holds.
fn write_folder(arguments: &Arguments, out: &Path, labels: &[String], head: Linear, provenance: Value) -> Result<()> {
    let base = arguments.base.file_name().and_then(|name| name.to_str()).ok_or("--base is not the name of a folder")?;
    let classes = labels.len();
    let width = head.weight.len() / classes;
    let weight = Tensor::Floats(Array { shape: vec![classes, width], data: head.weight });
    let bias = Tensor::Floats(Array { shape: vec![classes], data: head.bias });
    let weights = safetensors::write([("head.weight", &weight), ("head.bias", &bias)])?;
    let id2label: BTreeMap<String, &String> =
        labels.iter().enumerate().map(|(index, label)| (index.to_string(), label)).collect();
    let mut config = json!({
        "model_type": "linear-head",
        "base_model": base,
        "max_length": arguments.max_length,
        "id2label": id2label,
    });
    if arguments.router {
        config["problem_type"] = "regression".into();
    }
    fs::create_dir_all(out)?;
    fs::write(out.join("head.safetensors"), &weights)?;
    fs::write(out.join("config.json"), format!("{config:#}\n"))?;

    let mut files = BTreeMap::new();
    files.insert("head.safetensors".to_string(), folder::describe(&out.join("head.safetensors"))?);
    let there = OPTIONAL_BASE_FILES.into_iter().filter(|name| arguments.base.join(name).is_file());
    for name in BASE_FILES.into_iter().chain(there) {
        files.insert(format!("../{base}/{name}"), folder::describe(&arguments.base.join(name))?);
    }
    let manifest = serde_json::to_string_pretty(&Manifest { files, calibration: None, provenance })?;
    fs::write(out.join("pilot.json"), manifest + "\n")?;
    println!("{}: {} labels, {} bytes of weights", out.display(), classes, weights.len());
    Ok(())
}

fn percent(scores: &Scores) -> String {
    format!("{:.1} % of {} right, log loss {:.3}", 100.0 * scores.accuracy, scores.count, scores.log_loss)
}

fn to_json(scores: &Scores) -> Value {
    let rounded = |number: f64| (number * 1e4).round() / 1e4;
    json!({ "n": scores.count, "accuracy": rounded(scores.accuracy), "log_loss": rounded(scores.log_loss) })
}
