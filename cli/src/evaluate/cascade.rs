//! The accuracy and cost of a cascade, next to those of its parts, with a simulated remote model: nothing is sent, and
//! how often it is right is given. All else is real: the local model's answers, the decisions, the requests and their
//! length, the arithmetic of money and energy.

use std::collections::HashMap;
use std::fs;
use std::rc::Rc;
use std::time::Instant;

use pilot_light::calibration::Calibration;
use pilot_light::cascade::{Cascade, CascadeConfig, Consultation, Envelope, LocalModels, OffsetUnit, Route};
use pilot_light::device::DeviceReport;
use pilot_light::policy::{LocalConfig, Policy, Privacy};
use pilot_light::remote::{Payload, RemoteEvent, RemoteFault, RemoteRequest};
use pilot_light::tasks::{AnswerOutput, RunOptions, TextModel};
use pilot_light::training::shuffle;
use pilot_light::transport::{Transport, answer, clock, consult};
use pilot_light::usage::energy::Joules;
use serde_json::{Value, json};

use super::Arguments;
use crate::Result;
use crate::remote::settings;

/// About that of English, and of JSON as well.
const BYTES_PER_TOKEN: usize = 4;
/// A threshold that is picked by eye.
const BY_EYE: f64 = 0.9;
/// Costs are given for so many texts.
const TEXTS: f64 = 1000.0;

/// Texts that go through the local model together.
const BATCH: usize = 64;

/// A remote model that gives labels which were drawn beforehand.
struct Simulated(HashMap<String, String>);

impl Simulated {
    /// A model that is right on the part `accuracy` of the `known` texts; `seed` draws on which. On the others it gives the
    /// label after the right one.
    fn new(known: &[(String, AnswerOutput)], labels: &[String], accuracy: f64, seed: u64) -> Result<Self> {
        let mut order: Vec<usize> = (0..known.len()).collect();
        shuffle(&mut order, seed);
        let right = (accuracy * known.len() as f64).round() as usize;
        let mut answers = HashMap::new();
        for (drawn, row) in order.into_iter().enumerate() {
            let (text, AnswerOutput::Label(truth)) = &known[row] else {
                return Err("only a remote model that gives labels can be simulated".into());
            };
            let index = labels.iter().position(|label| *label == truth.label).ok_or("a label is not known")?;
            let said = if drawn < right { index } else { (index + 1) % labels.len() };
            answers.insert(text.clone(), labels[said].clone());
        }
        Ok(Self(answers))
    }
}

impl Transport for Simulated {
    fn attempt(&self, request: &RemoteRequest, _feed: &mut dyn FnMut(&[u8], bool) -> bool) -> RemoteEvent {
        let Payload::Http(http) = &request.payload else {
            let message = "only an HTTP request can be simulated".to_string();
            return RemoteEvent::Fault { fault: RemoteFault::Unavailable, message, elapsed_ms: 0.0 };
        };
        let asked: Value = serde_json::from_str(&http.body).unwrap_or_default();
        let label = asked["messages"][1]["content"].as_str().and_then(|text| self.0.get(text));
        let content = json!({ "label": label }).to_string();
        let [prompt, completion] = [http.body.len(), content.len()].map(|bytes| bytes.div_ceil(BYTES_PER_TOKEN));
        let usage =
            json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion });
        let body = json!({ "choices": [{ "message": { "content": content } }], "usage": usage }).to_string();
        RemoteEvent::Response { status: 200, retry_after: None, content_type: None, body, elapsed_ms: 0.0 }
    }
}

/// Which model answers what.
enum Strategy<'a> {
    LocalOnly,
    RemoteOnly,
    Threshold(f64),
    Calibrated(&'a Calibration),
}

/// Prints the accuracy and cost of the strategies, and writes them as JSON where that is wanted.
pub fn run(
    arguments: &Arguments,
    model: TextModel,
    options: &RunOptions,
    known: &[(String, AnswerOutput)],
    accuracy: f64,
) -> Result<()> {
    let calibration =
        model.calibration().cloned().ok_or("the model is not calibrated: pilot-light calibrate does that")?;
    let remote = Simulated::new(known, &model.answer_labels(options)?, accuracy, arguments.seed)?;
    let models = Rc::new(LocalModels::new(vec![model])?);
    println!("\nwith a simulated remote model that is right on {:.1} %; costs for {TEXTS} texts", 100.0 * accuracy);
    println!("                      accuracy  wrong of the local  delegated        USD  energy, J");
    let mut found = Vec::new();
    for (name, strategy) in [
        ("local only", Strategy::LocalOnly),
        ("remote only", Strategy::RemoteOnly),
        ("a threshold of 0.9", Strategy::Threshold(BY_EYE)),
        ("the calibrated cascade", Strategy::Calibrated(&calibration)),
    ] {
        let cascade = strategy.cascade(arguments, &models)?;
        let mut sums = Sums::default();
        for (at, batch) in known.chunks(BATCH).enumerate() {
            let texts: Vec<String> = batch.iter().map(|(text, _)| text.clone()).collect();
            let started = Instant::now();
            let decided = match strategy {
                Strategy::RemoteOnly => cascade.consult(&texts, options),
                _ => pollster::block_on(cascade.decide(&texts, options, false)),
            };
            let decided = decided.map_err(|error| error.behind(at * BATCH))?;
            sums.elapsed_ms += started.elapsed().as_secs_f64() * 1e3;
            for (first, (_, truth)) in decided.into_iter().zip(batch) {
                match strategy {
                    Strategy::RemoteOnly => {
                        sums.add_consultation(&consult(&cascade, first.step, None, &[&remote])?, truth);
                    }
                    _ => sums.add(&answer(&cascade, first.step, None, &[&remote], None)?, truth),
                }
            }
        }
        found.push(sums.report(name));
    }
    match &arguments.json {
        Some(path) => Ok(fs::write(path, format!("{:#}\n", Value::Array(found)))?),
        None => Ok(()),
    }
}

impl Strategy<'_> {
    fn cascade(&self, arguments: &Arguments, models: &Rc<LocalModels>) -> Result<Cascade> {
        let remotes = match self {
            Self::LocalOnly => Vec::new(),
            _ => vec![settings(arguments.remote.as_deref(), "simulated")?],
        };
        let local = match self {
            Self::Threshold(threshold) => LocalConfig { threshold: Some(*threshold), ..LocalConfig::default() },
            Self::Calibrated(found) => LocalConfig { calibration: Some((*found).clone()), ..LocalConfig::default() },
            Self::LocalOnly | Self::RemoteOnly => LocalConfig::default(),
        };
        // Nothing leaves anyway.
        let policy = Policy { privacy: Privacy::Allow, ..Policy::default() };
        let config = CascadeConfig { local: vec![local], remotes, policy, ..CascadeConfig::default() };
        let report = DeviceReport::processor();
        Ok(Cascade::new(Rc::clone(models), config, report, OffsetUnit::Bytes, clock())?)
    }
}

/// Sums over all texts.
#[derive(Default)]
struct Sums {
    texts: usize,
    right: usize,
    local: usize,
    local_wrong: usize,
    usd: f64,
    energy: Joules,
    /// How long the first steps took, with the local model.
    elapsed_ms: f64,
    /// How much of that the local model took.
    local_ms: f64,
}

impl Sums {
    fn add(&mut self, envelope: &Envelope, truth: &AnswerOutput) {
        let right = envelope.output.says_the_same(truth);
        self.texts += 1;
        self.right += usize::from(right);
        if envelope.route == Route::Local {
            self.local += 1;
            self.local_wrong += usize::from(!right);
        }
        self.usd += envelope.cost_usd.unwrap_or(0.0);
        self.energy = self.energy + envelope.energy_j.local + envelope.energy_j.remote.unwrap_or_default();
        self.local_ms += envelope.local_latency_ms;
    }

    /// An answer of the remote model alone.
    fn add_consultation(&mut self, result: &Consultation, truth: &AnswerOutput) {
        self.texts += 1;
        self.right += usize::from(result.output.as_ref().is_some_and(|output| output.says_the_same(truth)));
        self.usd += result.cost_usd.unwrap_or(0.0);
        self.energy = self.energy + result.energy_j.unwrap_or_default();
    }

    fn report(&self, name: &str) -> Value {
        let each = |sum: f64| sum / self.texts.max(1) as f64;
        let accuracy = each(self.right as f64);
        let delegated = 1.0 - each(self.local as f64);
        let local_wrong = self.local_wrong as f64 / self.local.max(1) as f64;
        let usd = TEXTS * each(self.usd);
        let Joules { low, high } = self.energy.times(TEXTS / self.texts.max(1) as f64);
        println!(
            "{name:<22}   {accuracy:.4} {:>17.2} % {:>8.1} % {usd:>10.4}  {low:.1} to {high:.1}",
            100.0 * local_wrong,
            100.0 * delegated
        );
        let (decision_us, local_us) = (each(1e3 * (self.elapsed_ms - self.local_ms)), each(1e3 * self.local_ms));
        println!("  a decision takes {decision_us:.2} µs, a local answer {local_us:.2} µs");
        json!({
            "name": name,
            "n": self.texts,
            "accuracy": accuracy,
            "wrong_of_the_local": local_wrong,
            "delegated": delegated,
            "usd_per_1000": usd,
            "energy_low_j_per_1000": low,
            "energy_high_j_per_1000": high,
            "decision_us": decision_us,
            "local_answer_us": local_us,
        })
    }
}
