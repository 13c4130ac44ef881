//! What a reply must keep to: `response_format`, and a `tool_choice` that asks for a call.

use serde_json::Value;

use super::error::{ApiError, Result};
use super::fields::{Fields, kind};

/// The schema of any JSON object.
const OBJECT: &str = r#"{"type":"object"}"#;

/// The JSON schema that the reply is to be valid under, where the request asks for one. Refuses what cannot be guaranteed.
pub fn json_schema(fields: &Fields) -> Result<Option<String>> {
    let mut schema = None;
    if let Some(format) = fields.object("response_format")? {
        match format.get("type").and_then(Value::as_str) {
            Some("text") => {}
            Some("json_object") => schema = Some(OBJECT.to_string()),
            Some("json_schema") => match format.get("json_schema").and_then(|format| format.get("schema")) {
                Some(value) => schema = Some(value.to_string()),
                None => {
                    return Err(ApiError::invalid("response_format.json_schema.schema", "expected a JSON schema"));
                }
            },
            _ => {
                return Err(ApiError::invalid(
                    "response_format.type",
                    "expected 'text', 'json_object' or 'json_schema'",
                ));
            }
        }
    }
    match fields.get("tool_choice") {
        None => Ok(schema),
        Some(Value::String(choice)) if matches!(&**choice, "auto" | "none") => Ok(schema),
        Some(Value::String(choice)) if choice == "required" => Err(required()),
        Some(Value::Object(_)) => Err(required()),
        Some(Value::String(_)) => Err(ApiError::invalid("tool_choice", "expected 'auto', 'none' or 'required'")),
        Some(other) => {
            Err(ApiError::invalid("tool_choice", format!("expected a string or an object, got {}", kind(other))))
        }
    }
}

fn required() -> ApiError {
    ApiError::unsupported("tool_choice", "expected 'auto' or 'none'; that a tool is called cannot be guaranteed")
}
