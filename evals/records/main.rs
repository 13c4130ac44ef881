//! How many fields of records are right: by the local model, by a remote model, and by a cascade of both, in which the remote
//! model is asked for unsure fields alone. The remote model is simulated: it answers from the known fields, and gives a wrong
//! value for a part of them. `cargo xtask eval records` runs this; the texts are those of `make.py`, on the standard input.

use std::io::stdin;
use std::time::Instant;

use pilot_light::calibration::{Choice, Example, Guarantee, Temperature, calibrate};
use pilot_light::generation::chat::Minijinja;
use pilot_light::records::{ExtractedRecord, FieldSource, RecordField, RecordOptions, extract, reduced_schema};
use pilot_light::{Device, LoadOptions, folder};
use serde::Deserialize;
use serde_json::{Map, Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Every such field of the simulated remote model is wrong.
const WRONG: usize = 20;
/// Thresholds that are compared.
const THRESHOLDS: [f32; 4] = [0.5, 0.7, 0.9, 0.99];
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
    /// Fields in the schemas of delegated questions that were not unsure.
    sent_unasked: usize,
}

fn main() -> Result<()> {
    let Some(model) = std::env::args().nth(1) else { return Err("usage: eval-records MODEL < TEXTS".into()) };
    pilot_light::start_threads(std::thread::available_parallelism().map_or(1, usize::from));
    let generator = folder::load_generator(model.as_ref(), &Device::cpu(), LoadOptions::default())?;
    let engine = Minijinja { local_time_s: 0 };
    let (mut rows, mut records) = (Vec::new(), Vec::new());
    let started = Instant::now();
    for line in stdin().lines() {
        let row: Row = serde_json::from_str(&line?)?;
        let options = RecordOptions::new(row.schema.to_string());
        records.push(pollster::block_on(extract(&generator, &engine, &row.text, &options))?);
        rows.push(row);
        if rows.len() % 20 == 0 {
            eprintln!("{} records in {:.0} s", rows.len(), started.elapsed().as_secs_f64());
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let mut report = vec![local(&rows, &records, seconds), remote(&rows)];
    for threshold in THRESHOLDS {
        report.push(cascade(&format!("threshold-{threshold}"), rows.iter(), &records, threshold)?);
    }
    // Calibrated on every other record, and measured on the others.
    let half = |parity: usize| {
        let kept = rows.iter().zip(&records).enumerate().filter(move |(at, _)| at / 4 % 2 == parity);
        kept.map(|(_, pair)| pair)
    };
    let examples: Vec<Example> = half(0).flat_map(|(row, record)| examples(row, record)).collect();
    let calibrated = calibrate(&examples, Guarantee::LearnThenTest { alpha: ALPHA, delta: 0.1 });
    if let Ok(calibrated) = calibrated
        && let Choice::Holds { threshold, .. } = calibrated.choice
    {
        let temperature = Temperature::new(calibrated.temperature)?;
        let (rows, mut records): (Vec<&Row>, Vec<ExtractedRecord>) =
            half(1).map(|(row, record)| (row, record.clone())).unzip();
        for field in records.iter_mut().flat_map(|record| &mut record.fields) {
            let confidence = f64::from(field.confidence).clamp(1e-7, 1.0 - 1e-7);
            field.confidence = temperature.probability((confidence / (1.0 - confidence)).ln()) as f32;
        }
        report.push(cascade("calibrated", rows, &records, threshold as f32)?);
    }
    println!("{}", Value::Array(report));
    Ok(())
}

fn examples(row: &Row, record: &ExtractedRecord) -> Vec<Example> {
    let example = |field: &RecordField| Example {
        confidence: field.confidence.into(),
        correct: row.fields.get(&field.pointer[1..]).is_some_and(|known| is_same(known, &field.value)),
    };
    record.fields.iter().map(example).collect()
}

fn local(rows: &[Row], records: &[ExtractedRecord], seconds: f64) -> Value {
    let examples: Vec<(Example, FieldSource)> = rows
        .iter()
        .zip(records)
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

/// The cascade in which fields below `threshold` are sent.
fn cascade<'a>(
    name: &str,
    rows: impl IntoIterator<Item = &'a Row>,
    records: &[ExtractedRecord],
    threshold: f32,
) -> Result<Value> {
    let mut counts = Counts::default();
    for (at, (row, record)) in rows.into_iter().zip(records).enumerate() {
        let mut merged = record.clone();
        let unsure = record.unsure(threshold);
        if !unsure.is_empty() {
            let schema = row.schema.to_string();
            let reduced: Value = serde_json::from_str(&reduced_schema(&schema, &unsure)?)?;
            let asked = reduced["properties"].as_object().ok_or("the reduced schema has no properties")?;
            counts.sent += asked.len();
            counts.sent_unasked += asked.keys().filter(|name| !unsure.contains(&format!("/{name}").as_str())).count();
            let known = row.fields.iter().enumerate().filter(|(_, (name, _))| asked.contains_key(*name));
            let answer = known.map(|(number, (name, known))| (name.clone(), simulated(at, number, name, known)));
            merged.merge(&row.text, &schema, &unsure, &Value::Object(answer.collect()).to_string())?;
        }
        counts.fields += row.fields.len();
        counts.right += examples(row, &merged).iter().filter(|example| example.correct).count();
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
