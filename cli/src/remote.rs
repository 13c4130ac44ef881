//! What the program does with a remote model: its settings, and the personal data in what it is sent.

use std::fs;
use std::path::Path;
use std::time::Instant;

use pilot_light::TextModel;
use pilot_light::cascade::{PiiFindings, RemoteConfig};
use serde_json::{Map, Value};

use crate::Result;

/// The remote model `name` with the settings in the JSON file at `path`: what a cascade's remote may have.
pub fn settings(path: Option<&Path>, name: &str) -> Result<RemoteConfig> {
    let mut settings: Map<String, Value> = match path {
        Some(path) => {
            let text =
                fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => Map::new(),
    };
    settings.insert("model".to_string(), Value::from(name));
    Ok(serde_json::from_value(Value::Object(settings))?)
}

/// The personal data in `text`.
pub fn find_pii(redactor: &TextModel, text: &str) -> Result<PiiFindings> {
    let started = Instant::now();
    let spans = pollster::block_on(redactor.find_pii(&[text.to_string()]))?.into_iter().flatten().collect();
    Ok(PiiFindings { spans, elapsed_ms: started.elapsed().as_secs_f64() * 1000.0 })
}
