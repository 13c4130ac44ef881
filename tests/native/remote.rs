//! The native transport, against a server of a few lines over real TCP.

use std::net::TcpListener;

use pilot_light::cascade::{Cascade, CascadeConfig, Envelope, LocalModels, OffsetUnit, RemoteConfig, Route};
use pilot_light::device::DeviceReport;
use pilot_light::policy::{Policy, Privacy, Reason};
use pilot_light::tasks::{AnswerOutput, ExtractedRecord, FieldSource, LocalAnswer, RecordField, RunOptions, Task};
use pilot_light::transport::{Http, Transport, answer, clock};
use serde_json::{Value, json};

use crate::support::{golden, load};

use crate::support::server::{reply, serve};

const SPAM: &str = r#"{"choices":[{"message":{"content":"{\"label\":\"spam\"}"},"finish_reason":"stop"}]}"#;
const STREAM: &str = concat!(
    "data: {\"choices\":[{\"delta\":{\"content\":\"{\\\"label\\\":\"}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"spam\\\"}\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
);

fn ask(transport: &dyn Transport, timeout_ms: f64, stream: Option<&mut dyn FnMut(&str)>) -> Envelope {
    let remote: RemoteConfig =
        serde_json::from_str(&format!(r#"{{"model":"any","timeout_ms":{timeout_ms},"retries":1}}"#)).unwrap();
    // No confidence is above 1, so that every text is delegated.
    let policy = Policy { privacy: Privacy::Allow, threshold: Some(1.0), ..Policy::default() };
    let config = CascadeConfig { remotes: vec![remote], policy, ..CascadeConfig::default() };
    let models = LocalModels::new(vec![load(&golden("tiny-distilbert-seq"), Task::TextClassification)]).unwrap();
    let cascade = Cascade::new(models, config, DeviceReport::processor(), OffsetUnit::Bytes, clock()).unwrap();
    let texts = ["Łódź".to_string()];
    let [decided] =
        pollster::block_on(cascade.decide(&texts, &RunOptions::default(), false)).unwrap().try_into().unwrap();
    answer(&cascade, decided.step, None, &[transport], stream).unwrap()
}

#[test]
fn a_question_is_sent_and_answered() {
    let (address, asked) = serve(vec![reply("200 OK", "application/json", SPAM)]);
    let envelope = ask(&Http::new(&address, Some("the key".to_string())).unwrap(), 20_000.0, None);
    assert_eq!((envelope.route, envelope.attempts), (Route::Remote, 1), "{:?}", envelope.detail);
    let asked = asked.recv().unwrap();
    assert!(asked.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked.to_ascii_lowercase().contains("authorization: bearer the key\r\n") && asked.contains("Łódź"),
        "{asked}"
    );
}

#[test]
fn of_a_record_the_unsure_fields_alone_are_sent() {
    let schema = r#"{"type":"object","properties":{"customer":{"type":"string"},"total":{"type":"number"}},
        "required":["customer","total"]}"#;
    let text = "Ann owes 12.";
    let field = |pointer: &str, value: Value, confidence| RecordField {
        pointer: pointer.to_string(),
        value,
        confidence,
        span: None,
        source: FieldSource::Decoder,
        truncated: false,
    };
    let mut record = ExtractedRecord::of(json!({"customer": "Annemarie", "total": 13}));
    record.fields = vec![field("/customer", json!("Annemarie"), 0.99), field("/total", json!(13), 0.5)];
    let confidence = record.confidence();
    let local =
        LocalAnswer { output: AnswerOutput::Record(record), confidence, truncated: false, work: Default::default() };
    let content = r#"{"choices":[{"message":{"content":"{\"total\":12}"},"finish_reason":"stop"}]}"#;
    let (address, asked) = serve(vec![reply("200 OK", "application/json", content)]);
    let remote: RemoteConfig = serde_json::from_str(r#"{"model":"any"}"#).unwrap();
    let policy = Policy { privacy: Privacy::Allow, ..Policy::default() };
    let config = CascadeConfig { remotes: vec![remote], policy, ..CascadeConfig::default() };
    let report = DeviceReport::processor();
    let cascade = Cascade::new(LocalModels::none(), config, report, OffsetUnit::Bytes, clock()).unwrap();
    assert!(pollster::block_on(cascade.decide(&[text.to_string()], &RunOptions::default(), false)).is_err());
    assert!(cascade.decide_record(text, "{", local.clone(), 1.0, false).is_err());
    let decided = cascade.decide_record(text, schema, local, 1.0, false).unwrap();
    let http = Http::new(&address, None).unwrap();
    let envelope = answer(&cascade, decided.step, None, &[&http], None).unwrap();
    assert_eq!((envelope.route, envelope.degraded), (Route::Remote, false), "{:?}", envelope.detail);
    let AnswerOutput::Record(record) = envelope.output else { panic!("no record") };
    assert_eq!(record.value, json!({"customer": "Annemarie", "total": 12}));
    let span = record.fields[1].span.expect("a place");
    assert_eq!((&text[span.start..span.end], record.fields[1].source), ("12", FieldSource::Remote));
    let asked = asked.recv().unwrap();
    assert!(asked.contains("total") && !asked.contains("customer") && !asked.contains("Annemarie"), "{asked}");
}

#[test]
fn a_stream_comes_as_it_is_said() {
    let (address, _asked) = serve(vec![reply("200 OK", "text/event-stream", STREAM)]);
    let mut words = String::new();
    let envelope = ask(&Http::new(&address, None).unwrap(), 20_000.0, Some(&mut |piece| words.push_str(piece)));
    assert_eq!((envelope.route, words.as_str()), (Route::Remote, r#"{"label":"spam"}"#), "{:?}", envelope.detail);
}

#[test]
fn every_fault_leaves_the_local_answer() {
    let json = "application/json";
    let cases = [
        (vec![reply("500 No", json, ""), reply("200 OK", json, SPAM)], Reason::Unsure, 2),
        (vec![reply("401 No", json, r#"{"error":{"message":"no such key: the key"}}"#)], Reason::RemoteRefused, 1),
        (
            vec!["HTTP/1.1 307 Away\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n".to_string()],
            Reason::RemoteRefused,
            1,
        ),
        (vec![reply("200 OK", "text/html", "<html>")], Reason::RemoteInvalid, 1),
        (vec![reply("200 OK", json, &" ".repeat((1 << 20) + 1))], Reason::RemoteInvalid, 1),
        (
            vec!["HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_string(), reply("200 OK", json, SPAM)],
            Reason::Unsure,
            2,
        ),
        (vec!["nonsense\r\n\r\n".to_string(), "nonsense\r\n\r\n".to_string()], Reason::RemoteUnreachable, 2),
        (vec![String::new(), String::new()], Reason::RemoteTimeout, 2),
    ];
    for (replies, reason, attempts) in cases {
        let name = format!("{:.60?}", replies[0]);
        let timeout_ms = if replies[0].is_empty() { 100.0 } else { 20_000.0 };
        let (address, _asked) = serve(replies);
        let envelope = ask(&Http::new(&address, Some("the key".to_string())).unwrap(), timeout_ms, None);
        assert_eq!((envelope.reason, envelope.attempts), (reason, attempts), "{name}: {:?}", envelope.detail);
        assert!(!envelope.detail.unwrap_or_default().contains("the key"), "{name}");
    }
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let envelope = ask(&Http::new(&address, None).unwrap(), 20_000.0, None);
    assert_eq!((envelope.reason, envelope.attempts), (Reason::RemoteUnreachable, 2));
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in ["", "ftp://a", "/v1", "http://", "http://user:secret@127.0.0.1/v1"] {
        let error = Http::new(address, None).err().expect(address);
        assert!(!error.to_string().contains("secret"));
    }
}
