//! What a reply must keep to: `response_format`, and a `tool_choice` that asks for a call.

use serde_json::Value;

use super::error::{ApiError, Result};
use super::fields::{Fields, kind};

/// Refuses what cannot be guaranteed.
pub fn check(fields: &Fields) -> Result<()> {
    if let Some(format) = fields.object("response_format")? {
        match format.get("type").and_then(Value::as_str) {
            Some("text") => {}
            Some("json_object" | "json_schema") => {
                return Err(ApiError::unsupported(
                    "response_format",
                    "expected the type 'text'; JSON is not supported",
                ));
            }
            _ => {
                return Err(ApiError::invalid(
                    "response_format.type",
                    "expected 'text', 'json_object' or 'json_schema'",
                ));
            }
        }
    }
    match fields.get("tool_choice") {
        None => Ok(()),
        Some(Value::String(choice)) if matches!(&**choice, "auto" | "none") => Ok(()),
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
