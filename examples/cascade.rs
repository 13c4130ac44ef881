//! A local model in front of a general one: what it is not confident of is sent, without personal data.
//!
//! ```sh
//! cargo run --example cascade -- [FOLDER [TEXT]...]
//! ```
//!
//! FOLDER is a model with a sequence head in the Hugging Face form. Without it, the model is a random checkpoint of a few
//! kilobytes, whose labels mean nothing. The remote model is simulated: it gives the first of the labels that it is offered.
//! `pilot_light::transport::Http` asks a real one.

use std::path::Path;

use pilot_light::cascade::{Cascade, CascadeConfig, Envelope, OffsetUnit, PiiFindings};
use pilot_light::device::DeviceReport;
use pilot_light::remote::{Payload, RemoteEvent, RemoteFault, RemoteRequest};
use pilot_light::tasks::{RunOptions, Task};
use pilot_light::transport::{Transport, answer, clock};
use pilot_light::{Device, LoadOptions, folder};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny-bert-seq");
const TEXT: &str = "The rain began, writes jane@example.org.";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().unwrap_or_else(|| TINY.to_string());
    let mut texts: Vec<String> = arguments.collect();
    if texts.is_empty() {
        texts.push(TEXT.to_string());
    }
    for (text, envelope) in texts.iter().zip(ask(Path::new(&model), &texts)?) {
        println!("{text}\n  {:?} by {:?}", envelope.output, envelope.route);
    }
    Ok(())
}

/// The answer to each of `texts`.
pub fn ask(model: &Path, texts: &[String]) -> Result<Vec<Envelope>> {
    let model = folder::load(model, Task::TextClassification, &Device::cpu(), LoadOptions::default())?;
    let config: CascadeConfig = serde_json::from_value(json!({
        "remotes": [{ "model": "simulated" }],
        "policy": { "threshold": 0.9, "privacy": "redact" },
    }))?;
    let cascade = Cascade::from_models(vec![model], config, DeviceReport::processor(), OffsetUnit::Bytes, clock())?;
    let decided = pollster::block_on(cascade.decide(texts, &RunOptions::default(), false))?;
    let mut envelopes = Vec::new();
    for decided in decided {
        // What has a form, such as an address of email, is always found. A redaction model would add names here.
        let found = PiiFindings::default();
        envelopes.push(answer(&cascade, decided.step, Some(&found), &[&Simulated], None)?);
    }
    Ok(envelopes)
}

/// A remote model that is not there.
struct Simulated;

impl Transport for Simulated {
    fn attempt(&self, request: &RemoteRequest, _feed: &mut dyn FnMut(&[u8], bool) -> bool) -> RemoteEvent {
        let Payload::Http(http) = &request.payload else {
            let message = "only requests of HTTP are simulated".to_string();
            return RemoteEvent::Fault { fault: RemoteFault::Unavailable, message, elapsed_ms: 0.0 };
        };
        println!("sent: {}", http.body);
        let asked: Value = serde_json::from_str(&http.body).unwrap_or_default();
        let label = &asked["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"][0];
        let content = json!({ "label": label }).to_string();
        let body = json!({ "choices": [{ "message": { "content": content } }] }).to_string();
        RemoteEvent::Response { status: 200, retry_after: None, content_type: None, body, elapsed_ms: 0.0 }
    }
}
