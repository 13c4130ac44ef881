//! Records that a real decoder reads out of texts.

use pilot_light::generation::chat::Minijinja;
use pilot_light::generation::{GenerationOptions, Generator};
use pilot_light::records::{ExtractedRecord, FieldSource, RecordOptions, prompt_ids};
use pilot_light::{Device, LoadOptions, folder};

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
