//! The program's settings of a remote model.

use std::fs;
use std::path::Path;

use pilot_light::cascade::RemoteConfig;
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
