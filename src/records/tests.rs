use serde_json::json;

use super::*;
use crate::generation::{FinishReason, GeneratedToken, ReplyUsage, TokenProbability};
use crate::graph::ComputeCost;

const SCHEMA: &str = r#"{"type": "object", "properties": {
    "name": {"type": "string"},
    "email": {"type": "string", "format": "email"},
    "total": {"type": "number"},
    "kind": {"enum": ["order", "offer"]},
    "address": {"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
        "required": ["city", "zip"]},
    "items": {"type": "array", "items": {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]}}
}, "required": ["name", "total"]}"#;

/// A reply of tokens with their probabilities; those without one were forced.
fn reply(tokens: &[(&str, Option<f32>)]) -> Reply {
    let token = |(text, probability): &(&str, Option<f32>)| GeneratedToken {
        bytes: text.as_bytes().to_vec(),
        token: TokenProbability { id: 0, logprob: probability.map_or(0.0, f32::ln) },
        top: Vec::new(),
        forced: probability.is_none(),
    };
    Reply {
        text: tokens.iter().map(|(text, _)| *text).collect(),
        finish_reason: FinishReason::Stop,
        usage: ReplyUsage::default(),
        truncated: vec!["/total".to_owned()],
        dropped: None,
        confidence: 0.0,
        tokens: tokens.iter().map(token).collect(),
        cost: ComputeCost::default(),
    }
}

/// The record that is `json`, as if every token had been forced.
fn record(text: &str, json: &str) -> ExtractedRecord {
    ExtractedRecord::read(text, SCHEMA, &reply(&[(json, None)])).unwrap()
}

fn field<'a>(record: &'a ExtractedRecord, pointer: &str) -> &'a RecordField {
    record.fields.iter().find(|field| field.pointer == pointer).unwrap()
}

fn words<'a>(text: &'a str, record: &ExtractedRecord, pointer: &str) -> Option<&'a str> {
    field(record, pointer).span.map(|span| &text[span.start..span.end])
}

#[test]
fn confidence_is_the_geometric_mean_of_the_tokens_that_were_chosen() {
    let reply = reply(&[
        ("{\"name\":\"", None),
        ("An", Some(0.5)),
        ("n\",\"", Some(0.125)),
        ("total\":", None),
        ("1", Some(0.9)),
        ("2}", Some(0.1)),
    ]);
    let record = ExtractedRecord::read("Ann owes 12.", SCHEMA, &reply).unwrap();
    assert_eq!(record.value, json!({"name": "Ann", "total": 12}));
    let fields: Vec<(&str, bool)> = record.fields.iter().map(|f| (f.pointer.as_str(), f.truncated)).collect();
    assert_eq!(fields, [("/name", false), ("/total", true)]);
    assert!((record.fields[0].confidence - 0.25).abs() < 1e-6);
    assert!((record.fields[1].confidence - 0.3).abs() < 1e-6);
    assert_eq!(record.confidence(), f64::from(record.fields[0].confidence));
}

#[test]
fn values_are_found_in_the_text_and_others_are_less_sure() {
    let text = "Zoë ordered for 1,250.00 in Łódź; Zoë pays.";
    let found = record(
        text,
        r#"{"name":"Zoë","total":1250,"kind":"order","address":{"city":"Łódź","zip":"90-001"},"items":[{"what":"Zoë"}]}"#,
    );
    assert_eq!(words(text, &found, "/name"), Some("Zoë"));
    assert_eq!(words(text, &found, "/total"), Some("1,250.00"));
    assert_eq!(words(text, &found, "/address/city"), Some("Łódź"));
    // Equal values have places of their own.
    assert_eq!(field(&found, "/name").span.unwrap().start, 0);
    assert_eq!(field(&found, "/items/0/what").span.unwrap().start, text.rfind("Zoë").unwrap());
    // What is not there is less sure, unless the schema lists its values.
    let zip = field(&found, "/address/zip");
    assert_eq!((zip.span, zip.confidence), (None, 0.5));
    let kind = field(&found, "/kind");
    assert_eq!((kind.span, kind.confidence), (None, 1.0));
}

#[test]
fn numbers_are_found_in_the_forms_of_texts() {
    for (text, value, there) in [
        ("pay 12.00 now", "12", Some("12.00")),
        ("pay 12.50 now", "12.5", Some("12.50")),
        ("pay 12.5 now", "12.5", Some("12.5")),
        ("pay 1,234,567 now", "1234567", Some("1,234,567")),
        ("it is -1,500 now", "-1500", Some("-1,500")),
        ("pay 123 now", "12", None),
    ] {
        let record = record(text, &format!(r#"{{"name":"now","total":{value}}}"#));
        assert_eq!(words(text, &record, "/total"), there, "{text}");
    }
}

#[test]
fn the_only_value_of_a_form_is_taken_from_the_text() {
    let json = r#"{"name":"Ann","email":"ann@exmaple.com","total":1}"#;
    let text = "Ann, ann@example.com, paid 1";
    let found = record(text, json);
    assert_eq!(found.value["email"], "ann@example.com");
    let email = field(&found, "/email");
    assert_eq!((email.source, email.confidence), (FieldSource::Recogniser, 1.0));
    assert_eq!(words(text, &found, "/email"), Some("ann@example.com"));
    // Of two it is not known which is meant; the same one twice is one.
    for (text, source) in [
        ("Ann, ann@example.com or a@example.org, paid 1", FieldSource::Decoder),
        ("Ann, ann@example.com, and again ann@example.com, paid 1", FieldSource::Recogniser),
        ("Ann paid 1", FieldSource::Decoder),
    ] {
        assert_eq!(field(&record(text, json), "/email").source, source, "{text}");
    }
}

#[test]
fn dates_have_a_form() {
    let schema = r#"{"type":"object","properties":{"on":{"type":"string","format":"date"}},"required":["on"]}"#;
    let read = |text: &str| {
        ExtractedRecord::read(text, schema, &reply(&[(r#"{"on":"2020-01-01"}"#, Some(0.5))])).unwrap().fields.remove(0)
    };
    assert_eq!(read("It is 2024-02-29.").value, "2024-02-29");
    // No such day; a part of a number; in other words, which costs no confidence.
    for text in ["It is 2023-02-29.", "No. 12024-02-29", "On the first of January"] {
        let field = read(text);
        assert_eq!((field.value, field.confidence), (json!("2020-01-01"), 0.5), "{text}");
    }
}

#[test]
fn a_reply_that_is_not_whole_is_refused() {
    assert!(ExtractedRecord::read("Ann", SCHEMA, &reply(&[("{\"name\":\"A", None)])).is_err());
    assert!(ExtractedRecord::read("Ann", "{", &reply(&[("{}", None)])).is_err());
}

/// The question for the fields of the record that is `json` at `pointers`.
fn question(text: &str, json: &str, pointers: &[&str]) -> RecordQuestion {
    RecordQuestion::new(SCHEMA).unwrap().for_fields(record(text, json), pointers)
}

#[test]
fn only_the_unsure_fields_are_asked_for() {
    let reduced = |pointers: &[&str]| -> Value {
        serde_json::from_str(&question("", r#"{"name":"Ann","total":1}"#, pointers).schema()).unwrap()
    };
    assert_eq!(
        reduced(&["/address/zip", "/total"]),
        json!({"type": "object", "required": ["total", "address"], "additionalProperties": false, "properties": {
            "total": {"type": "number"},
            "address": {"type": "object", "required": ["zip"], "additionalProperties": false,
                "properties": {"zip": {"type": "string"}}},
        }})
    );
    // Of an array all is asked for, once; and of the record, where the schema does not say where a field is.
    let items = reduced(&["/items/0/what", "/items/1/what"]);
    assert_eq!(items["properties"]["items"]["items"]["required"], json!(["what"]));
    assert_eq!(reduced(&["/name", "/eggs"]), serde_json::from_str::<Value>(SCHEMA).unwrap());
    let asked = |pointers: &[&str]| question("", r#"{"name":"Ann","total":1}"#, pointers).asked();
    assert_eq!(asked(&["/total", "/items/0/what", "/items/1/what"]), ["/items", "/total"]);
    assert_eq!(asked(&["/total", "/eggs"]), [""]);
}

#[test]
fn a_remote_answer_replaces_what_it_was_asked_for_and_is_valid() {
    let text = "Ann Lee of Bonn paid 12 for nuts and figs";
    let local =
        r#"{"name":"Ann","total":1,"address":{"city":"Rome","zip":"1"},"items":[{"what":"nuts"},{"what":"nuts"}]}"#;
    let question = question(text, local, &["/name", "/total", "/address/city", "/items/1/what"]);
    let answer = json!({"name": "Ann Lee", "total": "twelve", "address": {"zip": "2", "city": "Bonn"}, "items": [{"what": "figs"}]});
    let merged = question.merge(text, &answer);
    let delegated = merged.delegated.as_ref().unwrap();
    assert_eq!(delegated.asked, ["/address/city", "/items", "/name", "/total"]);
    assert_eq!(delegated.answered, ["/address/city", "/items", "/name"]);
    assert_eq!(delegated.refused, ["/total"]);
    assert_eq!(
        merged.value,
        json!({"name": "Ann Lee", "total": 1, "address": {"city": "Bonn", "zip": "1"}, "items": [{"what": "figs"}]})
    );
    let sources: Vec<(&str, FieldSource)> = merged.fields.iter().map(|f| (f.pointer.as_str(), f.source)).collect();
    let (local, remote) = (FieldSource::Decoder, FieldSource::Remote);
    assert_eq!(
        sources,
        [
            ("/name", remote),
            ("/total", local),
            ("/address/city", remote),
            ("/address/zip", local),
            ("/items/0/what", remote)
        ]
    );
    assert_eq!(words(text, &merged, "/name"), Some("Ann Lee"));
    assert_eq!(words(text, &merged, "/items/0/what"), Some("figs"));
    let unchanged = question.merge(text, &json!({}));
    assert_eq!(unchanged.delegated.unwrap().answered, Vec::<String>::new());
    assert_eq!(unchanged.value["name"], "Ann");
}

#[test]
fn the_order_of_properties_in_an_answer_does_not_count() {
    let schema = r##"{"type": "object", "properties": {"lines": {"type": "array", "items": {"$ref": "#/$defs/line"}}},
        "required": ["lines"], "$defs": {"line": {"type": "object", "properties": {"what": {"type": "string"},
        "count": {"type": "integer"}}, "required": ["what", "count"]}}}"##;
    let question = RecordQuestion::new(schema).unwrap();
    let record = question.merge("3 figs", &json!({"lines": [{"count": 3, "what": "figs"}]}));
    assert_eq!(record.delegated.unwrap().answered, [""]);
    assert_eq!(record.value.to_string(), r#"{"lines":[{"what":"figs","count":3}]}"#);
    let pointers: Vec<&str> = record.fields.iter().map(|field| field.pointer.as_str()).collect();
    assert_eq!(pointers, ["/lines/0/what", "/lines/0/count"]);
    for wrong in [json!({"lines": [{"what": "figs"}]}), json!({"lines": [{"count": "3", "what": "figs"}]}), json!({})] {
        assert_eq!(question.merge("3 figs", &wrong).delegated.unwrap().refused, [""], "{wrong}");
    }
}

#[test]
fn a_placeholder_needs_no_form() {
    let schema = r#"{"type": "object", "properties": {"format": {"type": "string", "format": "email"},
        "list": {"type": "array", "items": {"type": "string", "pattern": "a+", "maxLength": 3}}}}"#;
    let plain = RecordQuestion::new(schema).unwrap();
    assert_eq!(plain.enforced_schema(), serde_json::from_str::<Value>(schema).unwrap());
    let redacted = plain.redacted();
    assert_eq!(
        redacted.enforced_schema(),
        json!({"type": "object", "properties": {"format": {"type": "string"},
            "list": {"type": "array", "items": {"type": "string"}}}})
    );
    // What is shown, and what a value is checked by, is the schema itself.
    assert!(redacted.schema().contains("email"));
    let refused = redacted.merge("", &json!({"format": "[EMAIL_1]"})).delegated.unwrap().refused;
    assert_eq!(refused, [""]);
}

#[test]
fn a_prompt_names_the_fields_and_keeps_the_text_apart() {
    let [system, user] = messages("Ann paid", SCHEMA).unwrap();
    assert_eq!(user, crate::generation::chat::Message::new("user", "Ann paid"));
    let Some(crate::generation::chat::Content::Text(system)) = system.content else { panic!("no text") };
    for line in
        ["- name: string\n", "- email: email\n", "- kind, one of [\"order\",\"offer\"]\n", "- items[].what: string"]
    {
        assert!(system.contains(line), "{system}");
    }
}
