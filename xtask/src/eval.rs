//! `cargo xtask eval`: how good the answers are, by labelled data.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

use crate::bench::bring_python;
use crate::process::{cargo, output, pilot_light, program, run as run_program, say};
use crate::project::Project;
use crate::report::{self, Row};
use crate::{general, models};

/// What is evaluated.
#[derive(Clone, Copy, PartialEq)]
pub enum Eval {
    /// The personal data that leaves in redacted texts.
    Privacy,
    /// How often thresholds break what they promise.
    Risk,
    /// How well a router tells which prompts need the strong model.
    Routing,
    /// The accuracy and the cost of a cascade, compared with its parts.
    Cascade,
    /// Likelihoods and texts of models that generate, compared with llama.cpp's.
    Generate,
    /// How many fields of records are right, and how many a remote model is asked for.
    Records,
    /// How much a cascade delegates while it learns, and whether it keeps its promise.
    Learning,
}

impl Eval {
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "privacy" => Ok(Self::Privacy),
            "records" => Ok(Self::Records),
            "risk" => Ok(Self::Risk),
            "routing" => Ok(Self::Routing),
            "cascade" => Ok(Self::Cascade),
            "generate" => Ok(Self::Generate),
            "learning" => Ok(Self::Learning),
            other => {
                bail!(
                    "there is no evaluation '{other}': cascade, generate, learning, privacy, records, risk or routing"
                )
            }
        }
    }
}

/// The part of the texts that the simulated remote model is right on.
const REMOTE_ACCURACY: &str = "0.95";
/// Texts that records are read out of.
const RECORDS: &str = "300";
/// Calibrations of each classifier, each on other examples.
const SPLITS: &str = "1000";
/// Parts of the pairs of outcomes, each of which a router trained on the others estimates.
const FOLDS: &str = "5";
/// Orders of the texts of each stream that a cascade learns from, and the streams.
const SEEDS: &str = "20";
const STREAMS: [&str; 5] = ["sentiment", "sentiment-shift", "spam", "spam-shift", "topics"];
/// Where the pairs of outcomes are, which no package carries: next to the checkout.
const OUTCOMES: &str = "../shared/data/routing/calibration.jsonl.gz";

/// Outcomes for the router in place of those next to the checkout.
#[derive(Default)]
pub struct Outcomes {
    /// What routers are trained on.
    pub data: Option<PathBuf>,
    /// What one that was trained on all of that is measured on.
    pub unseen: Option<PathBuf>,
}

/// Evaluates, and writes the report to `json`.
pub fn run(project: &Project, eval: Eval, outcomes: &Outcomes, json: &Path) -> Result<()> {
    let named = outcomes.data.is_some() || outcomes.unseen.is_some();
    ensure!(!named || eval == Eval::Routing, "only the evaluation of routing takes --data and --unseen");
    models::bring(project)?;
    let (name, rows) = match eval {
        Eval::Privacy => ("privacy", privacy(project)?),
        Eval::Records => ("records", records(project)?),
        Eval::Risk => ("risk", risk(project)?),
        Eval::Cascade => ("cascade", cascade(project)?),
        Eval::Generate => ("generate", generate(project)?),
        Eval::Routing => ("routing", routing(project, outcomes)?),
        Eval::Learning => ("learning", learning(project)?),
    };
    report::write(project, &format!("cargo xtask eval {name}"), rows, json)
}

fn privacy(project: &Project) -> Result<Vec<Row>> {
    let scripts = project.root.join("evals").join("privacy");
    let python = bring_python(project, "python-privacy", &scripts.join("requirements.txt"))?;
    let script = |name: &str| {
        let mut command = program(&python, &project.root);
        command.arg(scripts.join(name));
        command
    };
    let folder = project.bench_files().join("privacy");
    let (sentences, redacted) = (folder.join("sentences.jsonl"), folder.join("redacted.jsonl"));
    say("making sentences");
    run_program(script("make.py").arg("--out").arg(&sentences))?;
    say("redacting them; this takes minutes");
    let file = File::open(&sentences).with_context(|| format!("{} cannot be read", sentences.display()))?;
    let model = project.models().join("rampart");
    let lines = output(pilot_light(project).args(["redact", "--model"]).arg(model).stdin(file))?;
    fs::write(&redacted, lines).context("the cache folder cannot be written to")?;
    let rows = output(script("score.py").arg("--sentences").arg(&sentences).arg("--redacted").arg(&redacted))?;
    Row::parse_all(&rows)
}

/// A small general model as the local one, and a simulated remote one.
fn records(project: &Project) -> Result<Vec<Row>> {
    let folder = project.bench_files().join("records");
    fs::create_dir_all(&folder)?;
    let texts = folder.join("texts.jsonl");
    let script = project.root.join("evals").join("records").join("make.py");
    fs::write(&texts, output(program("python3", &project.root).arg(script).arg(RECORDS))?)?;
    say(format!("reading {RECORDS} records; this takes minutes"));
    let file = File::open(&texts).with_context(|| format!("{} cannot be read", texts.display()))?;
    let mut command = cargo(project);
    command.args(["run", "--quiet", "--example", "eval-records", "--"]).arg(general::weights(project)?).stdin(file);
    Row::parse_all(&output(&mut command)?)
}

/// Both classifiers, on all the texts that they were not trained on.
fn risk(project: &Project) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (task, tests) in
        [("sentiment", &["test-imdb", "test-amazon", "test-yelp"][..]), ("spam", &["test", "test-short"])]
    {
        say(format!("{SPLITS} calibrations of {task}"));
        let mut splits = evaluate(project, task, tests, &["--splits".as_ref(), SPLITS.as_ref()])?;
        for split in &mut splits {
            let name = format!("risk/{task}/{}", split["alpha"]);
            split.insert("name".to_owned(), name.into());
        }
        rows.extend(Row::parse_all(&serde_json::to_string(&splits)?)?);
    }
    Ok(rows)
}

/// Both classifiers as they are calibrated, on the half of the test texts that they were not calibrated on.
fn cascade(project: &Project) -> Result<Vec<Row>> {
    let remote = project.root.join("evals").join("cascade").join("remote.json");
    let options = ["--remote-accuracy".as_ref(), REMOTE_ACCURACY.as_ref(), "--remote".as_ref(), remote.as_os_str()];
    let mut rows = Vec::new();
    for task in ["sentiment", "spam"] {
        say(format!("the cascade of {task}, with a simulated remote model"));
        let mut ways = evaluate(project, task, &["unseen"], &options)?;
        for way in &mut ways {
            let name = format!("cascade/{task}/{}", way["name"].as_str().unwrap_or_default());
            way.insert("name".to_owned(), name.into());
        }
        rows.extend(Row::parse_all(&serde_json::to_string(&ways)?)?);
    }
    Ok(rows)
}

/// The models that generate on the texts of `evals/generate`, whose reference values are there.
fn generate(project: &Project) -> Result<Vec<Row>> {
    models::bring_generators(project)?;
    let folder = project.root.join("evals").join("generate");
    let mut rows = Vec::new();
    for (name, model) in
        [("smollm2", models::SMOLLM2), ("qwen2.5-coder", models::QWEN_CODER), ("gemma3", models::GEMMA3)]
    {
        say(format!("{name}: the likelihood of 2,000 tokens, and what follows prompts; this takes minutes"));
        let mut program = cargo(project);
        program.args(["run", "--quiet", "--release", "--example", "likelihood", "--", name]);
        let row = output(program.arg(project.models().join(model)).arg(folder.join(format!("{name}.json"))))?;
        rows.extend(Row::parse_all(&row)?);
    }
    Ok(rows)
}

/// A cascade that learns, and what else one could do, on streams of labelled texts with a simulated remote model.
fn learning(project: &Project) -> Result<Vec<Row>> {
    let folder = project.bench_files().join("learning");
    say("making streams");
    let mut script = program("python3", &project.root);
    script.arg(project.root.join("evals").join("learning").join("make.py")).arg("--cache").arg(&project.cache);
    run_program(script.arg("--outcomes").arg(project.root.join(OUTCOMES)).arg("--out").arg(&folder))?;
    say(format!("{SEEDS} orders of each; this takes an hour"));
    let mut command = cargo(project);
    command.args(["run", "--quiet", "--example", "eval-learning", "--"]).arg(encoder(project)).arg(&folder);
    Row::parse_all(&output(command.arg(SEEDS).args(STREAMS))?)
}

/// What `pilot-light evaluate` finds with `options` on these `tests` of the data of `task`.
fn evaluate(project: &Project, task: &str, tests: &[&str], options: &[&OsStr]) -> Result<Vec<Map<String, Value>>> {
    let folder = project.cache.join("data").join(task);
    let files: Vec<PathBuf> = tests.iter().map(|test| folder.join(format!("{test}.jsonl"))).collect();
    if !files.iter().all(|file| file.is_file()) {
        say(format!("fetching the data of {task}"));
        let script = project.root.join("training").join("data.py");
        run_program(program("python3", &project.root).arg(script).arg(task).arg("--cache").arg(&project.cache))?;
    }
    let found = project.bench_files().join(format!("evaluate-{task}.json"));
    let mut command = pilot_light(project);
    command.arg("evaluate").args(options).arg("--model").arg(project.root.join("models").join(task));
    command.arg("--base").arg(encoder(project)).arg("--json").arg(&found);
    files.iter().for_each(|file| _ = command.arg("--data").arg(file));
    run_program(&mut command)?;
    Ok(serde_json::from_str(&fs::read_to_string(&found)?)?)
}

fn routing(project: &Project, outcomes: &Outcomes) -> Result<Vec<Row>> {
    let folder = project.bench_files().join("routing");
    fs::create_dir_all(&folder)?;
    let data = outcomes.data.clone().unwrap_or_else(|| project.root.join(OUTCOMES));
    let found = folder.join("found.json");
    let mut command = pilot_light(project);
    command.args(["train", "--router", "--folds", FOLDS, "--base"]).arg(encoder(project));
    command.arg("--data").arg(unpacked(project, &data, &folder.join("outcomes.jsonl"))?);
    if let Some(unseen) = &outcomes.unseen {
        command.arg("--test").arg(unpacked(project, unseen, &folder.join("unseen.jsonl"))?);
    }
    run_program(command.arg("--json").arg(&found))?;
    Row::parse_all(&fs::read_to_string(&found)?)
}

/// The file of outcomes `data`, or what it holds as `plain` where it is packed.
fn unpacked(project: &Project, data: &Path, plain: &Path) -> Result<PathBuf> {
    ensure!(
        data.is_file(),
        "{} is not there: name a file of outcomes, JSON Lines of prompt, benchmark, weak_correct and strong_correct",
        data.display()
    );
    if data.extension().is_none_or(|extension| extension != "gz") {
        return Ok(data.to_owned());
    }
    fs::write(plain, output(program("gzip", &project.root).args(["-dc"]).arg(data))?)?;
    Ok(plain.to_owned())
}

fn encoder(project: &Project) -> PathBuf {
    project.models().join("all-MiniLM-L6-v2")
}
