//! Records that a real decoder reads out of texts.

use std::cell::RefCell;

use pilot_light::cascade::{Cascade, CascadeConfig, LocalModels, OffsetUnit, RemoteConfig};
use pilot_light::device::DeviceReport;
use pilot_light::generation::chat::Minijinja;
use pilot_light::generation::{GenerationOptions, Generator};
use pilot_light::policy::{Policy, Privacy};
use pilot_light::records::{ExtractedRecord, FieldSource, RecordOptions, answer, prompt_ids};
use pilot_light::remote::{Payload, RemoteEvent, RemoteRequest};
use pilot_light::tasks::AnswerOutput;
use pilot_light::transport::{self, Transport, clock};
use pilot_light::{Device, LoadOptions, folder};
use serde_json::{Value, json};

use crate::support::fetched;

const INVOICE: &str = "Evergreen Supply has sent you invoice B-55285 over 2018.30 EUR, payable until 2025-05-06.";
const INVOICE_SCHEMA: &str = r#"{"type": "object", "properties": {"invoice_number": {"type": "string"},
    "seller": {"type": "string"}, "due": {"type": "string", "format": "date"}, "total": {"type": "number"}},
    "required": ["invoice_number", "seller", "due", "total"], "additionalProperties": false}"#;
const CONTACT: &str = "Hi, I am Mona Fischer from Acme Tools. Please answer to mona.fischer@example.com.";
const CONTACT_SCHEMA: &str = r#"{"type": "object", "properties": {"name": {"type": "string"}, "company": {"type": "string"},
    "email": {"type": "string", "format": "email"}, "topic": {"enum": ["sales", "support", "billing"]}},
    "required": ["name", "company", "email", "topic"], "additionalProperties": false}"#;

/// The record in `text`, and its reply.
fn read(generator: &Generator, text: &str, schema: &str, prompt_lookup: bool) -> (ExtractedRecord, String) {
    let engine = Minijinja { local_time_s: 0 };
    let options = GenerationOptions { prompt_lookup, ..RecordOptions::new(schema).generation() };
    let ids = prompt_ids(generator, &engine, text, schema).expect("a prompt");
    let mut generation = generator.start(ids, &options).expect("a reply");
    while generation.finish_reason().is_none() {
        pollster::block_on(generation.step(generator)).expect("a step");
    }
    let reply = generation.finish(generator).expect("a reply");
    (ExtractedRecord::read(text, schema, &reply).expect("a record"), reply.text)
}

#[test]
fn records_are_the_same_with_prompt_lookup_and_what_has_a_form_is_found() {
    let path = fetched("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    let generator = folder::load_generator(&path, &Device::cpu(), LoadOptions::default()).expect("a model");
    for (text, schema, form, value) in [
        (INVOICE, INVOICE_SCHEMA, "/due", "2025-05-06"),
        (CONTACT, CONTACT_SCHEMA, "/email", "mona.fischer@example.com"),
    ] {
        // Here a draft has all that a choice forces, more than once.
        let (record, reply) = read(&generator, text, schema, true);
        assert_eq!(read(&generator, text, schema, false).1, reply);
        assert_eq!(record.fields.len(), 4, "{reply}");
        let field = record.fields.iter().find(|field| field.pointer == form).expect("a field");
        assert_eq!((field.source, field.value.as_str()), (FieldSource::Recogniser, Some(value)));
        let span = field.span.expect("a place");
        assert_eq!(&text[span.start..span.end], value);
        assert!(record.fields.iter().all(|field| (0.0..=1.0).contains(&field.confidence)), "{record:?}");
    }
}

/// Gives each field that it is asked for the value here.
struct Knows(Value, RefCell<Vec<Value>>);

impl Transport for Knows {
    fn attempt(&self, request: &RemoteRequest, _feed: &mut dyn FnMut(&[u8], bool) -> bool) -> RemoteEvent {
        let Payload::Http(http) = &request.payload else { panic!("a prompt") };
        let asked: Value = serde_json::from_str(&http.body).expect("JSON");
        let schema = asked["response_format"]["json_schema"]["schema"].clone();
        let names = schema["properties"].as_object().expect("properties").keys();
        let content: Value = names.map(|name| (name.clone(), self.0[name].clone())).collect();
        let body = json!({ "choices": [{ "message": { "content": content.to_string() } }] }).to_string();
        self.1.borrow_mut().push(asked);
        RemoteEvent::Response { status: 200, retry_after: None, content_type: None, body, elapsed_ms: 1.0 }
    }
}

#[test]
fn a_cascade_asks_for_what_the_decoder_is_not_sure_of() {
    let path = fetched("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    let generator = folder::load_generator(&path, &Device::cpu(), LoadOptions::default()).expect("a model");
    let (engine, options) = (Minijinja { local_time_s: 0 }, RecordOptions::new(CONTACT_SCHEMA));
    let local = pollster::block_on(answer(&generator, &engine, CONTACT, &options)).expect("a record");
    let AnswerOutput::Record(read) = &local.output else { panic!("no record") };
    // Between the confidences of two fields, so that some are sure and some are not.
    let mut confidences: Vec<f64> = read.fields.iter().map(|field| field.confidence.into()).collect();
    confidences.sort_by(f64::total_cmp);
    let threshold = f64::midpoint(confidences[0], confidences[3]);
    let unsure: Vec<&str> =
        read.fields.iter().filter(|field| f64::from(field.confidence) < threshold).map(|f| &f.pointer[1..]).collect();
    assert!((1..4).contains(&unsure.len()), "{read:?}");

    let remote: RemoteConfig = serde_json::from_value(json!({ "model": "any" })).expect("settings");
    let policy = Policy { privacy: Privacy::Allow, threshold: Some(threshold), ..Policy::default() };
    let config = CascadeConfig { remotes: vec![remote], policy, ..CascadeConfig::default() };
    let cascade = Cascade::new(LocalModels::none(), config, DeviceReport::processor(), OffsetUnit::Bytes, clock());
    let cascade = cascade.expect("a cascade");
    let known =
        json!({"name": "Mona Fischer", "company": "Acme Tools", "email": "mona.fischer@example.com", "topic": "sales"});
    let remote = Knows(known.clone(), RefCell::default());
    let decided = cascade.decide_record(CONTACT, CONTACT_SCHEMA, local.clone(), 1.0, false).expect("a step");
    let envelope = transport::answer(&cascade, decided.step, None, &[&remote], None).expect("an answer");
    let asked = remote.1.borrow();
    let properties = asked[0]["response_format"]["json_schema"]["schema"]["properties"].as_object().expect("an object");
    assert_eq!((asked.len(), properties.keys().map(String::as_str).collect::<Vec<_>>()), (1, unsure.clone()));
    let AnswerOutput::Record(record) = &envelope.output else { panic!("no record") };
    for field in &record.fields {
        let name = &field.pointer[1..];
        let is_remote = unsure.contains(&name);
        assert_eq!(field.source == FieldSource::Remote, is_remote, "{name}");
        assert_eq!(field.value, if is_remote { &known[name] } else { &read.value[name] }.clone(), "{name}");
    }
}
