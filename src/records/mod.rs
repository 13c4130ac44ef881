//! Information extraction: a text and a JSON schema become a record, whose fields know how sure they are and where in the text
//! they stand.
//!
//! ```text
//! text, schema -> prompt -> generation under the schema -> ExtractedRecord::read -> ExtractedRecord
//!                          unsure fields -> RecordQuestion -> a remote model's reply -> RecordQuestion::merge
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

pub use crate::tasks::{DelegatedFields, ExtractedRecord, FieldSource, RecordField, RecordSpan};
pub use delegation::RecordQuestion;
pub use prompt::{messages, prompt_ids};

use crate::error::{Error, Result};
use crate::generation::chat::TemplateEngine;
use crate::generation::constraint::Json;
use crate::generation::{GenerationOptions, Generator, Reply};
use crate::tasks::{AnswerOutput, LocalAnswer};

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
    ExtractedRecord::read(text, &options.schema, &reply(generator, engine, text, options).await?)
}

/// The same as the local answer of a cascade, for [`Cascade::decide_record`](crate::cascade::Cascade::decide_record).
///
/// # Errors
/// As [`extract`].
pub async fn answer(
    generator: &Generator,
    engine: &dyn TemplateEngine,
    text: &str,
    options: &RecordOptions,
) -> Result<LocalAnswer> {
    local_answer(text, &options.schema, &reply(generator, engine, text, options).await?)
}

/// The record in `reply` as [`answer`] gives it.
///
/// # Errors
/// As [`ExtractedRecord::read`].
pub fn local_answer(text: &str, schema: &str, reply: &Reply) -> Result<LocalAnswer> {
    let record = ExtractedRecord::read(text, schema, reply)?;
    let confidence = record.confidence();
    Ok(LocalAnswer { output: AnswerOutput::Record(record), confidence, truncated: false, work: reply.cost })
}

async fn reply(
    generator: &Generator,
    engine: &dyn TemplateEngine,
    text: &str,
    options: &RecordOptions,
) -> Result<Reply> {
    let ids = prompt_ids(generator, engine, text, &options.schema)?;
    let mut generation = generator.start(ids, &options.generation())?;
    while generation.finish_reason().is_none() {
        generation.step(generator).await?;
    }
    generation.finish(generator)
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
        let mut record = Self { value, fields, delegated: None };
        evidence::recognise(&mut record, text, &schema);
        evidence::locate(&mut record, text, &schema);
        Ok(record)
    }
}

fn parsed(schema: &str) -> Result<Json> {
    serde_json::from_str(schema)
        .map_err(|error| Error::invalid_input(format!("expected a schema in JSON, got text that is not: {error}")))
}
