//! Information extraction: a text and a JSON schema become a record, whose fields know how sure they are and where in the text
//! they stand.
//!
//! ```text
//! text, schema -> prompt -> generation under the schema -> ExtractedRecord::read -> ExtractedRecord
//!                                    unsure fields -> reduced_schema -> a remote model's reply -> ExtractedRecord::merge
//! ```
//!
//! | module | what is in it |
//! | --- | --- |
//! | `prompt` | what the model is asked, with a chat template or without |
//! | `fields` | the scalars of a reply, with the probabilities of their tokens |
//! | `evidence` | where values stand in the text, and what has a form there |
//! | `delegation` | the schema of the unsure fields, and the reply to it |

mod delegation;
mod evidence;
mod fields;
mod prompt;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use delegation::reduced_schema;
pub use prompt::{messages, prompt_ids};

use crate::error::{Error, Result};
use crate::generation::chat::TemplateEngine;
use crate::generation::constraint::Json;
use crate::generation::{GenerationOptions, Generator, Reply};
use crate::tasks::to_utf16;

/// A record that was read out of a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct ExtractedRecord {
    /// The record, valid under the schema.
    #[cfg_attr(feature = "web", tsify(type = "unknown"))]
    pub value: Value,
    /// Its strings, numbers, booleans and nulls, in the order in which they were written.
    pub fields: Vec<RecordField>,
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
    /// From 0 to 1, before calibration: the geometric mean of the probabilities that the model itself gave to the tokens of the
    /// value, those left out that the schema left no choice of. It is halved for a string or a number that does not stand in
    /// the text, and 1 for what a recogniser found.
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

/// Options of an extraction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct RecordOptions {
    /// The JSON schema of the record, as JSON. Descriptions of its properties are shown to the model.
    pub schema: String,
    /// The most tokens of the record.
    #[serde(default = "RecordOptions::default_tokens")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub max_new_tokens: usize,
}

impl RecordOptions {
    /// Records under `schema`.
    pub fn new(schema: impl Into<String>) -> Self {
        Self { schema: schema.into(), max_new_tokens: Self::default_tokens() }
    }

    fn default_tokens() -> usize {
        512
    }

    /// How a reply is generated from which a record can be read.
    pub fn generation(&self) -> GenerationOptions {
        GenerationOptions {
            max_new_tokens: self.max_new_tokens,
            json_schema: Some(self.schema.clone()),
            logprobs: Some(0),
            ..GenerationOptions::default()
        }
    }
}

/// Reads a record out of `text` with `generator`; `engine` renders its chat template.
///
/// # Errors
/// Those of [`prompt_ids`] and of [`Generator::start`]: a text that is longer than the context is refused.
pub async fn extract(
    generator: &Generator,
    engine: &dyn TemplateEngine,
    text: &str,
    options: &RecordOptions,
) -> Result<ExtractedRecord> {
    let ids = prompt_ids(generator, engine, text, &options.schema)?;
    let mut generation = generator.start(ids, &options.generation())?;
    while generation.finish_reason().is_none() {
        generation.step(generator).await?;
    }
    ExtractedRecord::read(text, &options.schema, &generation.finish(generator)?)
}

impl ExtractedRecord {
    /// The record in `reply`, which was generated as [`RecordOptions::generation`] says; spans count bytes of `text`.
    ///
    /// # Errors
    /// Invalid input: the schema is no JSON, or the reply is not whole, as one that was aborted.
    pub fn read(text: &str, schema: &str, reply: &Reply) -> Result<Self> {
        let schema = parsed(schema)?;
        let value: Value = serde_json::from_str(&reply.text)
            .map_err(|error| Error::invalid_input(format!("expected a reply in JSON, got another: {error}")))?;
        let fields = fields::scored(&value, reply)?;
        let mut record = Self { value, fields };
        evidence::recognise(&mut record, text, &schema);
        evidence::locate(&mut record, text, &schema);
        Ok(record)
    }

    /// Converts its spans in `text` from bytes to UTF-16 units, in which JavaScript counts.
    pub fn offsets_to_utf16(&mut self, text: &str) {
        let spans = self.fields.iter_mut().filter_map(|field| field.span.as_mut());
        to_utf16(text, spans.flat_map(|span| [&mut span.start, &mut span.end]));
    }

    /// The pointers of the fields whose confidence is below `threshold`.
    pub fn unsure(&self, threshold: f32) -> Vec<&str> {
        let unsure = self.fields.iter().filter(|field| field.confidence < threshold);
        unsure.map(|field| field.pointer.as_str()).collect()
    }
}

fn parsed(schema: &str) -> Result<Json> {
    serde_json::from_str(schema)
        .map_err(|error| Error::invalid_input(format!("expected a schema in JSON, got text that is not: {error}")))
}
