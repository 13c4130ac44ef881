//! How many fields of records are right: by the local model, by a remote model, and by a cascade of both, in which the remote
//! model is asked for unsure fields alone. The remote model is simulated: it answers from the known fields, and gives a wrong
//! value for a part of them. `cargo xtask eval records` runs this; the texts are those of `make.py`, on the standard input.

use std::cell::RefCell;
use std::io::stdin;
use std::time::Instant;

use pilot_light::calibration::{Example, Guarantee, Labels, Source, Temperature};
use pilot_light::cascade::{Cascade, CascadeConfig, LocalModels, OffsetUnit};
use pilot_light::device::DeviceReport;
use pilot_light::generation::chat::Minijinja;
use pilot_light::policy::{LocalConfig, Policy, Privacy};
use pilot_light::records::{ExtractedRecord, FieldSource, RecordOptions, answer};
use pilot_light::remote::{Payload, RemoteEvent, RemoteRequest};
use pilot_light::tasks::{AnswerOutput, LocalAnswer, RunOptions};
use pilot_light::transport::{self, Transport, clock};
use pilot_light::{Device, LoadOptions, folder};
use serde::Deserialize;
use serde_json::{Map, Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Every such field of the simulated remote model is wrong.
const WRONG: usize = 20;
/// Thresholds that are compared.
const THRESHOLDS: [f64; 4] = [0.5, 0.7, 0.9, 0.99];
/// What a calibrated threshold promises: of the fields that stay, at most this part is wrong.
const ALPHA: f64 = 0.1;

#[derive(Deserialize)]
struct Row {
    schema: Value,
    text: String,
    fields: Map<String, Value>,
}

/// What came of the fields.
#[derive(Default)]
struct Counts {
    fields: usize,
    right: usize,
    sent: usize,
    /// Fields that are named in the bodies of requests and were not unsure.
    sent_unasked: usize,
}

/// A remote model that answers from the known fields of the record number `at`, and what it was sent.
struct Simulated<'a> {
    at: usize,
    row: &'a Row,
    sent: RefCell<Option<Value>>,
}

impl Transport for Simulated<'_> {
    fn attempt(&self, request: &RemoteRequest, _feed: &mut dyn FnMut(&[u8], bool) -> bool) -> RemoteEvent {
        let Payload::Http(http) = &request.payload else { unreachable!("the remote model is a server") };
        let sent: Value = serde_json::from_str(&http.body).unwrap_or_default();
        let asked = &sent["response_format"]["json_schema"]["schema"]["properties"];
        let known = self.row.fields.iter().enumerate().filter(|(_, (name, _))| asked.get(name.as_str()).is_some());
        let said = known.map(|(number, (name, known))| (name.clone(), simulated(self.at, number, name, known)));
        let content = Value::Object(said.collect()).to_string();
        let body = json!({ "choices": [{ "message": { "content": content }, "finish_reason": "stop" }] }).to_string();
        *self.sent.borrow_mut() = Some(sent);
        RemoteEvent::Response { status: 200, retry_after: None, content_type: None, body, elapsed_ms: 1.0 }
    }
}

fn main() -> Result<()> {
    let Some(model) = std::env::args().nth(1) else { return Err("usage: eval-records MODEL < TEXTS".into()) };
    pilot_light::start_threads(std::thread::available_parallelism().map_or(1, usize::from));
    let generator = folder::load_generator(model.as_ref(), &Device::cpu(), LoadOptions::default())?;
    let engine = Minijinja { local_time_s: 0 };
    let (mut rows, mut answers) = (Vec::new(), Vec::new());
    let started = Instant::now();
    for line in stdin().lines() {
        let row: Row = serde_json::from_str(&line?)?;
        let options = RecordOptions::new(row.schema.to_string());
        answers.push(pollster::block_on(answer(&generator, &engine, &row.text, &options))?);
        rows.push(row);
        if rows.len() % 20 == 0 {
            eprintln!("{} records in {:.0} s", rows.len(), started.elapsed().as_secs_f64());
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let mut report = vec![local(&rows, &answers, seconds), remote(&rows)];
    let all = || rows.iter().zip(&answers).enumerate();
    for threshold in THRESHOLDS {
        report.push(measure(&format!("threshold-{threshold}"), &cascade(threshold)?, all())?);
    }
    // Calibrated on every other record, and measured on the others.
    let half = |parity: usize| all().filter(move |(at, _)| at / 4 % 2 == parity);
    let examples: Vec<Example> = half(0).flat_map(|(_, (row, answer))| examples(row, record_of(answer))).collect();
    let calibrated = cascade(0.0)?;
    let (promise, options) = (Guarantee::LearnThenTest { alpha: ALPHA, delta: 0.1 }, RunOptions::default());
    let source = Source {
        data_sha256: String::new(),
        weights_sha256: None,
        behind: Vec::new(),
        hypotheses: Vec::new(),
        date: String::new(),
    };
    let found = calibrated.calibrate(0, &examples, Labels::default(), promise, source, &options);
    if found.is_ok_and(|found| found.calibration.is_some()) {
        report.push(measure("calibrated", &calibrated, half(1))?);
    }
    println!("{}", Value::Array(report));
    Ok(())
}

/// A cascade that sends fields below `threshold`.
fn cascade(threshold: f64) -> Result<Cascade> {
    let local = vec![LocalConfig { threshold: Some(threshold), ..LocalConfig::default() }];
    let remotes = vec![serde_json::from_value(json!({ "model": "simulated" }))?];
    let policy = Policy { privacy: Privacy::Allow, ..Policy::default() };
    let config = CascadeConfig { local, remotes, policy, ..CascadeConfig::default() };
    Ok(Cascade::new(LocalModels::none(), config, DeviceReport::processor(), OffsetUnit::Bytes, clock())?)
}

fn record_of(answer: &LocalAnswer) -> &ExtractedRecord {
    match &answer.output {
        AnswerOutput::Record(record) => record,
        _ => unreachable!("an extraction gives a record"),
    }
}

fn examples(row: &Row, record: &ExtractedRecord) -> Vec<Example> {
    Cascade::record_examples(record, &ExtractedRecord::of(Value::Object(row.fields.clone())))
}

fn local(rows: &[Row], answers: &[LocalAnswer], seconds: f64) -> Value {
    let examples: Vec<(Example, FieldSource)> = rows
        .iter()
        .zip(answers.iter().map(record_of))
        .flat_map(|(row, record)| examples(row, record).into_iter().zip(record.fields.iter().map(|field| field.source)))
        .collect();
    let part = |wanted: FieldSource| {
        let of: Vec<bool> = examples.iter().filter(|(_, source)| *source == wanted).map(|(e, _)| e.correct).collect();
        (of.len(), share(of.iter().filter(|right| **right).count(), of.len()))
    };
    let ((decoder, decoder_accuracy), (recogniser, recogniser_accuracy)) =
        (part(FieldSource::Decoder), part(FieldSource::Recogniser));
    let right = examples.iter().filter(|(example, _)| example.correct).count();
    json!({
        "name": "records/local", "records": rows.len(), "fields": examples.len(), "accuracy": share(right, examples.len()),
        "decoder_fields": decoder, "decoder_accuracy": decoder_accuracy,
        "recogniser_fields": recogniser, "recogniser_accuracy": recogniser_accuracy,
        "seconds_a_record": seconds / rows.len().max(1) as f64,
    })
}

fn remote(rows: &[Row]) -> Value {
    let mut counts = Counts::default();
    for (at, row) in rows.iter().enumerate() {
        for (number, (name, known)) in row.fields.iter().enumerate() {
            counts.fields += 1;
            counts.right += usize::from(is_same(known, &simulated(at, number, name, known)));
        }
    }
    json!({ "name": "records/simulated-remote", "fields": counts.fields, "accuracy": share(counts.right, counts.fields) })
}

/// What `cascade` makes of `records`, each with its number and the local answer.
fn measure<'a>(
    name: &str,
    cascade: &Cascade,
    records: impl Iterator<Item = (usize, (&'a Row, &'a LocalAnswer))>,
) -> Result<Value> {
    let mut counts = Counts::default();
    let threshold = cascade.thresholds()[0];
    let calibrations = cascade.calibrations();
    let temperature = calibrations.iter().flatten().map(|one| Temperature::new(one.temperature)).next().transpose()?;
    for (at, (row, local)) in records {
        let remote = Simulated { at, row, sent: RefCell::default() };
        let decided = cascade.decide_record(&row.text, &row.schema.to_string(), local.clone(), 0.0, false)?;
        let envelope = transport::answer(cascade, decided.step, None, &[&remote], None)?;
        if let Some(sent) = remote.sent.take() {
            let is_unsure = |name: &String| {
                let mut fields = record_of(local).fields.iter();
                let confidence =
                    fields.find(|field| field.pointer[1..] == *name).map(|field| f64::from(field.confidence));
                confidence
                    .is_some_and(|one| temperature.map_or(one, |temperature| temperature.confidence(one)) < threshold)
            };
            let asked = sent["response_format"]["json_schema"]["schema"]["properties"].as_object();
            counts.sent += asked.ok_or("the schema that is sent has no properties")?.len();
            // The text itself is no matter of the fields.
            let schema = &sent["response_format"]["json_schema"]["schema"];
            let body = json!([sent["messages"][0]["content"], schema]).to_string().replace('\\', "");
            let named = row.fields.keys().filter(|name| body.contains(&format!("\"{name}\":")));
            counts.sent_unasked += named.filter(|name| !is_unsure(name)).count();
        }
        let AnswerOutput::Record(merged) = &envelope.output else { return Err("the cascade gave no record".into()) };
        counts.fields += row.fields.len();
        counts.right += examples(row, merged).iter().filter(|example| example.correct).count();
    }
    let Counts { fields, right, sent, sent_unasked } = counts;
    Ok(json!({
        "name": format!("records/cascade/{name}"), "threshold": threshold, "fields": fields, "accuracy": share(right, fields),
        "sent_share": share(sent, fields), "sent_unasked": sent_unasked,
    }))
}

/// What the simulated remote model says for the field `number` of the record `at`.
fn simulated(at: usize, number: usize, name: &str, known: &Value) -> Value {
    let is_wrong = (at * 7 + number * 3).is_multiple_of(WRONG);
    match known {
        known if !is_wrong => known.clone(),
        Value::Number(number) => json!(number.as_f64().unwrap_or_default() + 1.0),
        _ if name == "topic" => json!(if known == "sales" { "support" } else { "sales" }),
        Value::String(text) if name == "email" => json!(format!("x{text}")),
        Value::String(text) if text.len() == 10 && text.as_bytes()[4] == b'-' => json!("2000-01-01"),
        _ => json!("unknown"),
    }
}

/// Numbers by their value.
fn is_same(known: &Value, value: &Value) -> bool {
    known == value || known.as_f64().is_some_and(|known| value.as_f64() == Some(known))
}

fn share(part: usize, all: usize) -> f64 {
    part as f64 / all.max(1) as f64
}
