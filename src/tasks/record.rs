//! Records: what is read out of texts under a JSON schema. `records` reads them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::to_utf16;

/// A record that was read out of a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct ExtractedRecord {
    /// The record, valid under the schema.
    #[cfg_attr(feature = "web", tsify(type = "unknown"))]
    pub value: Value,
    /// Its strings, numbers, booleans and nulls, in the order in which they were written.
    pub fields: Vec<RecordField>,
    /// What became of the fields that were left to a remote model; absent where none were.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub delegated: Option<DelegatedFields>,
}

/// A string, number, boolean or null of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct RecordField {
    /// Where it is in the record: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// Its value.
    #[cfg_attr(feature = "web", tsify(type = "string | number | boolean | null"))]
    pub value: Value,
    /// From 0 to 1, in a cascade at the temperature of the calibration: the geometric mean of the probabilities that the model
    /// itself gave to the tokens of the value, those left out that the schema left no choice of. It is halved for a string or
    /// a number that does not stand in the text, and 1 for what a recogniser found. A value of a remote model has the least of
    /// those that it replaces.
    ///
    /// The model's own probability is taken, not the one among the tokens that the schema allows: where the model would
    /// rather write what the schema forbids, it is not sure of the value either.
    pub confidence: f32,
    /// Where it stands in the text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub span: Option<RecordSpan>,
    /// What gave the value.
    pub source: FieldSource,
    /// Whether it was cut short, so that the record is complete within its limit of tokens.
    pub truncated: bool,
}

/// A part of a text: in bytes of UTF-8, in a page in UTF-16 units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct RecordSpan {
    /// The offset at which it starts.
    pub start: usize,
    /// The offset behind its end.
    pub end: usize,
}

/// What gave the value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum FieldSource {
    /// The model that generates text.
    Decoder,
    /// The form of the value, of which the text has exactly one.
    Recogniser,
    /// A remote model.
    Remote,
}

/// The parts of a record that were left to a remote model, as JSON pointers: fields that the local model was not sure of. A field
/// within an array is left to it with the whole array.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct DelegatedFields {
    /// What a remote model was to be asked for.
    pub asked: Vec<String>,
    /// What of it a remote model gave, and is in the record now. The rest is as the local model wrote it.
    pub answered: Vec<String>,
    /// What of it a remote model gave that is not valid under the schema.
    pub refused: Vec<String>,
}

impl ExtractedRecord {
    /// A record without anything that is known of its fields, such as a right answer.
    pub fn of(value: Value) -> Self {
        Self { value, fields: Vec::new(), delegated: None }
    }

    /// The least confidence of a field; 1 without any.
    pub fn confidence(&self) -> f64 {
        self.fields.iter().map(|field| f64::from(field.confidence)).fold(1.0, f64::min)
    }

    /// Converts its spans in `text` from bytes to UTF-16 units, in which JavaScript counts.
    pub fn offsets_to_utf16(&mut self, text: &str) {
        let spans = self.fields.iter_mut().filter_map(|field| field.span.as_mut());
        to_utf16(text, spans.flat_map(|span| [&mut span.start, &mut span.end]));
    }
}

/// Whether two values of records are the same: numbers by their value, objects in any order.
pub fn is_same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_value(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            let has_same =
                |(name, value): (&String, &Value)| b.get(name).is_some_and(|other| is_same_value(value, other));
            a.len() == b.len() && a.iter().all(has_same)
        }
        (a, b) => a == b,
    }
}
