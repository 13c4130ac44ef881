//! Requests: from JSON to what is generated, and how the reply is to look.

use std::hash::{BuildHasher, RandomState};

use pilot_light::generation::{GenerationOptions, Overflow};
use serde::Deserialize;

use super::error::{ApiError, Result};
use super::fields::Fields;
use super::generate::Task;
use super::models::Models;
use super::reply::Shape;
use super::{constraint, prompt};

/// A request that was read.
pub struct Request {
    pub task: Task,
    pub shape: Shape,
    /// `Some`: as a stream; whether it ends with the usage.
    pub stream: Option<bool>,
}

/// The most replies to a prompt.
const MAX_REPLIES: usize = 8;
/// The tokens of a completion where the request does not say, as in OpenAI's API.
const COMPLETION_TOKENS: usize = 16;
const MAX_LOGPROBS: usize = 20;

/// `/v1/chat/completions`.
pub fn chat(models: &Models, fields: &Fields) -> Result<Request> {
    refuse(fields, &["logit_bias", "functions", "function_call", "audio"])?;
    let json_schema = constraint::json_schema(fields)?;
    let top = count_within(fields, "top_logprobs", 0, MAX_LOGPROBS)?;
    let logprobs = match (fields.flag("logprobs")?, top) {
        (true, top) => Some(top.unwrap_or(0)),
        (false, None) => None,
        (false, Some(_)) => return Err(ApiError::invalid("top_logprobs", "expected 'logprobs' to be true")),
    };
    let limit = match count_within(fields, "max_completion_tokens", 1, usize::MAX)? {
        None => count_within(fields, "max_tokens", 1, usize::MAX)?,
        limit => limit,
    };
    let options = options(fields, limit.unwrap_or(models.generator.context()), logprobs)?;
    let options = GenerationOptions { json_schema, ..options };
    let (n, stream) = (replies(fields)?, stream(fields)?);
    let prompt::Chat { prompt, has_tools } = prompt::chat(models, fields, &options)?;
    Ok(Request { task: Task { prompts: vec![prompt], n, options }, shape: Shape::Chat { has_tools }, stream })
}

/// `/v1/completions`.
pub fn completion(models: &Models, fields: &Fields) -> Result<Request> {
    refuse(fields, &["logit_bias", "best_of"])?;
    let json_schema = constraint::json_schema(fields)?;
    if fields.flag("echo")? {
        return Err(ApiError::unsupported("echo", "expected false"));
    }
    let logprobs = count_within(fields, "logprobs", 0, MAX_LOGPROBS)?;
    let limit = count_within(fields, "max_tokens", 1, usize::MAX)?.unwrap_or(COMPLETION_TOKENS);
    let options = GenerationOptions { json_schema, ..options(fields, limit, logprobs)? };
    let (n, stream) = (replies(fields)?, stream(fields)?);
    let prompts = prompt::completion(models, fields, &options)?;
    Ok(Request { task: Task { prompts, n, options }, shape: Shape::Completion, stream })
}

fn refuse(fields: &Fields, names: &[&str]) -> Result<()> {
    match names.iter().find(|name| fields.get(name).is_some()) {
        Some(name) => Err(ApiError::unsupported(*name, "this field is not supported")),
        None => Ok(()),
    }
}

fn replies(fields: &Fields) -> Result<usize> {
    Ok(count_within(fields, "n", 1, MAX_REPLIES)?.unwrap_or(1))
}

fn stream(fields: &Fields) -> Result<Option<bool>> {
    let is_stream = fields.flag("stream")?;
    let options = fields.object("stream_options")?;
    if options.is_some() && !is_stream {
        return Err(ApiError::invalid("stream_options", "expected 'stream' to be true"));
    }
    let with_usage = options.and_then(|options| options.get("include_usage")).is_some_and(|usage| usage == true);
    Ok(is_stream.then_some(with_usage))
}

fn options(fields: &Fields, max_new_tokens: usize, logprobs: Option<usize>) -> Result<GenerationOptions> {
    let default = GenerationOptions::default();
    let temperature = fields.number("temperature")?.unwrap_or(default.temperature);
    let options = GenerationOptions {
        max_new_tokens,
        do_sample: temperature != 0.0,
        temperature,
        top_p: fields.number("top_p")?.unwrap_or(default.top_p),
        top_k: fields.count("top_k")?.unwrap_or(default.top_k),
        min_p: fields.number("min_p")?.unwrap_or(default.min_p),
        repetition_penalty: fields.number("repetition_penalty")?.unwrap_or(default.repetition_penalty),
        presence_penalty: fields.number("presence_penalty")?.unwrap_or(default.presence_penalty),
        frequency_penalty: fields.number("frequency_penalty")?.unwrap_or(default.frequency_penalty),
        seed: fields.seed("seed")?.unwrap_or_else(random),
        stop: fields.texts("stop")?,
        logprobs,
        overflow: overflow(fields)?,
        ..default
    };
    // Their names there are those of the fields, and begin the message.
    options.check().map_err(|error| {
        let message = error.to_string();
        match message.split_once(": ") {
            Some((param, expected)) => ApiError::invalid(param, expected),
            None => error.into(),
        }
    })?;
    Ok(options)
}

/// What becomes of a prompt beyond the context: an extension of OpenAI's API.
fn overflow(fields: &Fields) -> Result<Overflow> {
    let Some(value) = fields.get("overflow") else { return Ok(Overflow::Error) };
    let expected = "expected 'error', 'drop-oldest-turns' or 'middle-out'";
    Overflow::deserialize(value).map_err(|_| ApiError::invalid("overflow", expected))
}

fn count_within(fields: &Fields, name: &str, least: usize, most: usize) -> Result<Option<usize>> {
    let count = fields.count(name)?;
    match count.filter(|count| !(least..=most).contains(count)) {
        None => Ok(count),
        Some(wrong) if most == usize::MAX => {
            Err(ApiError::invalid(name, format!("expected at least {least}, got {wrong}")))
        }
        Some(wrong) => Err(ApiError::invalid(name, format!("expected {least} to {most}, got {wrong}"))),
    }
}

/// A number that nobody can guess: what hash maps begin with.
pub fn random() -> u64 {
    RandomState::new().hash_one(0)
}
