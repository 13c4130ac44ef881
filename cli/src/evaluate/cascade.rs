//! The accuracy and the cost of a cascade, compared with its parts, with a general model that is simulated: nobody is asked, and how
//! often it is right is given. All else is real: the local model's answers, the decisions, the requests and their
//! length, the arithmetic of money and energy.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use pilot_light::calibration::Calibration;
use pilot_light::cascade::{CascadeConfig, Delegation, Envelope, Looked, Moment, OffsetUnit, Route};
use pilot_light::device::DeviceReport;
use pilot_light::policy::{LocalConfig, Policy, Privacy};
use pilot_light::remote::{Question, RemoteEvent, RemoteRequest};
use pilot_light::tasks::{AnswerOutput, LocalAnswer, RunOptions, TextModel};
use pilot_light::training::shuffle;
use pilot_light::transport::{Transport, answer};
use pilot_light::usage::energy::Joules;
use serde_json::{Value, json};

use super::Arguments;
use crate::Result;
use crate::remote::settings;

/// What English has about, and JSON as well.
const BYTES_PER_TOKEN: usize = 4;
/// The threshold of those who pick one by eye.
const BY_EYE: f64 = 0.9;
/// Costs are given for so many texts.
const TEXTS: f64 = 1000.0;

/// Any moment will do: nothing is capped.
const NOW: Moment = Moment { now_ms: 0.0, random: 1.0 };

/// A general model that gives labels which were drawn beforehand.
struct Simulated(HashMap<String, String>);

impl Simulated {
    /// One that is right on the part `accuracy` of the `known` texts; on which, `seed` draws. Else it says the label
    /// after the right one.
    fn new(known: &[(String, AnswerOutput)], labels: &[String], accuracy: f64, seed: u64) -> Result<Self> {
        let mut order: Vec<usize> = (0..known.len()).collect();
        shuffle(&mut order, seed);
        let right = (accuracy * known.len() as f64).round() as usize;
        let mut answers = HashMap::new();
        for (drawn, row) in order.into_iter().enumerate() {
            let (text, AnswerOutput::Label(truth)) = &known[row] else {
                return Err("only a general model that gives labels can be simulated".into());
            };
            let place = labels.iter().position(|label| *label == truth.label).ok_or("a label is not known")?;
            let said = if drawn < right { place } else { (place + 1) % labels.len() };
            answers.insert(text.clone(), labels[said].clone());
        }
        Ok(Self(answers))
    }
}

impl Transport for Simulated {
    fn attempt(&self, request: &RemoteRequest, _feed: &mut dyn FnMut(&[u8], bool) -> bool) -> RemoteEvent {
        let asked: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let label = asked["messages"][1]["content"].as_str().and_then(|text| self.0.get(text));
        let content = json!({ "label": label }).to_string();
        let [prompt, completion] = [request.body.len(), content.len()].map(|bytes| bytes.div_ceil(BYTES_PER_TOKEN));
        let usage =
            json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion });
        let body = json!({ "choices": [{ "message": { "content": content } }], "usage": usage }).to_string();
        RemoteEvent::Response { status: 200, retry_after: None, content_type: None, body, elapsed_ms: 0.0 }
    }
}

/// Who answers what.
enum Way<'a> {
    LocalOnly,
    RemoteOnly,
    Threshold(f64),
    Calibrated(&'a Calibration),
}

/// Prints what the ways bring and cost, and writes it as JSON where that is wanted.
pub fn run(
    arguments: &Arguments,
    model: &TextModel,
    options: &RunOptions,
    known: &[(String, AnswerOutput)],
    accuracy: f64,
) -> Result<()> {
    let calibration = model.calibration().ok_or("the model is not calibrated: pilot-light calibrate does that")?;
    let remote = Simulated::new(known, &model.answer_labels(options)?, accuracy, arguments.seed)?;
    let texts: Vec<String> = known.iter().map(|(text, _)| text.clone()).collect();
    let started = Instant::now();
    let local = pollster::block_on(model.answer(&texts, options))?;
    let local_us = started.elapsed().as_secs_f64() * 1e6 / texts.len() as f64;
    println!("\nwith a simulated general model that is right on {:.1} %; costs for {TEXTS} texts", 100.0 * accuracy);
    println!("                      accuracy  wrong of the local  delegated        USD  energy, J");
    let mut found = Vec::new();
    for (name, way) in [
        ("local only", Way::LocalOnly),
        ("remote only", Way::RemoteOnly),
        ("a threshold of 0.9", Way::Threshold(BY_EYE)),
        ("the calibrated cascade", Way::Calibrated(calibration)),
    ] {
        let mut delegation = way.delegation(arguments)?;
        let mut sums = Sums::default();
        for ((text, truth), answered) in known.iter().zip(&local) {
            let question = Question { task: model.task(), labels: model.answer_labels(options)?, text: text.clone() };
            let started = Instant::now();
            let first = match way {
                Way::RemoteOnly => delegation.consult(question, NOW)?,
                _ => delegation.judge(question, looked(&delegation, answered), false, NOW)?,
            };
            sums.decisions += started.elapsed();
            let envelope = answer(&mut delegation, first, None, &[&remote], None)?;
            sums.add(&envelope, truth);
        }
        found.push(sums.report(name, local_us));
    }
    match &arguments.json {
        Some(path) => Ok(fs::write(path, format!("{:#}\n", Value::Array(found)))?),
        None => Ok(()),
    }
}

/// What the one local model made of a text.
fn looked(delegation: &Delegation, answer: &LocalAnswer) -> Looked {
    Looked { tiers: vec![delegation.weigh(0, answer, 0.0)], answer: answer.clone(), routing: None }
}

impl Way<'_> {
    fn delegation(&self, arguments: &Arguments) -> Result<Delegation> {
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
        Ok(Delegation::new(config, DeviceReport::processor(), OffsetUnit::Bytes)?)
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
    decisions: Duration,
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
    }

    fn report(&self, name: &str, local_us: f64) -> Value {
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
        let decision_us = each(self.decisions.as_secs_f64() * 1e6);
        println!("  a decision takes {decision_us:.2} µs, {:.3} % of a local answer", 100.0 * decision_us / local_us);
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
