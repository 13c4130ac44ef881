//! The fields of a request, with errors that name them. `null` is as if the field were not there.

use serde_json::{Map, Value};

use super::error::{ApiError, Result};

/// The fields of a request's JSON.
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a body.
    pub fn from_body(body: &[u8]) -> Result<Self> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(other) => Err(ApiError::body(format!("the body: expected a JSON object, got {}", kind(&other)))),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                Err(ApiError::body(format!("the body is not valid JSON at line {line}, column {column}")))
            }
        }
    }

    /// A field of any type.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub fn number(&self, name: &str) -> Result<Option<f32>> {
        self.read(name, "a number", |value| value.as_f64().map(|number| number as f32))
    }

    /// An integer that is not negative.
    pub fn count(&self, name: &str) -> Result<Option<usize>> {
        self.read(name, "an integer from 0 on", |value| usize::try_from(value.as_u64()?).ok())
    }

    /// Any integer of 64 bits, with a sign or without.
    pub fn seed(&self, name: &str) -> Result<Option<u64>> {
        self.read(name, "an integer", |value| value.as_u64().or_else(|| value.as_i64().map(i64::cast_unsigned)))
    }

    pub fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.read(name, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        self.read(name, "a string", Value::as_str)
    }

    pub fn list(&self, name: &str) -> Result<Option<&Vec<Value>>> {
        self.read(name, "a list", Value::as_array)
    }

    pub fn object(&self, name: &str) -> Result<Option<&Map<String, Value>>> {
        self.read(name, "an object", Value::as_object)
    }

    /// A string, or a list of strings; empty where the field is absent.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        let texts = self.read(name, "a string or a list of strings", |value| match value {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(texts) => texts.iter().map(|text| text.as_str().map(String::from)).collect(),
            _ => None,
        });
        Ok(texts?.unwrap_or_default())
    }

    fn read<'a, T>(
        &'a self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let wrong = || ApiError::invalid(name, format!("expected {expected}, got {}", kind(value)));
        read(value).map(Some).ok_or_else(wrong)
    }
}

/// What a value is, in words. Texts of users are in no error.
pub fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a string".to_string(),
        Value::Array(_) => "a list".to_string(),
        Value::Object(_) => "an object".to_string(),
    }
}
