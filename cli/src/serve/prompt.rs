//! Prompts: the token ids for the messages of a chat, for a text, and for a place in a text that is to be filled in.

use pilot_light::generation::GenerationOptions;
use pilot_light::generation::Prompt as FittedPrompt;
use pilot_light::generation::chat::{Content, Message, Minijinja, PromptTokenizer, TemplateOptions, prompt_ids};
use serde_json::Value;

use super::error::{ApiError, Result};
use super::fields::{Fields, kind};
use super::models::{Models, unix_seconds};

/// The prompt of a chat.
pub struct Chat {
    pub prompt: FittedPrompt,
    /// Whether the reply may call tools.
    pub has_tools: bool,
}

/// As many as OpenAI's API takes.
const MAX_TOOLS: usize = 128;
/// The most prompts of a request.
const MAX_PROMPTS: usize = 16;

const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];

/// The prompt for `messages` and `tools`.
pub fn chat(models: &Models, fields: &Fields, given: &GenerationOptions) -> Result<Chat> {
    let generator = &models.generator;
    let Some(template) = generator.template() else {
        return Err(ApiError::unsupported(
            "messages",
            "the model has no chat template; /v1/completions takes a prompt",
        ));
    };
    let knows =
        |word: &str| template.source.contains(word) || template.tool_use.as_ref().is_some_and(|it| it.contains(word));
    let mut messages = messages(fields)?;
    for message in messages.iter_mut().filter(|message| message.role == "developer" && !knows("developer")) {
        message.role = "system".to_string();
    }
    let tools = tools(fields)?;
    if !tools.is_empty() && !knows("tools") {
        return Err(ApiError::unsupported("tools", "the model's chat template does not take any"));
    }
    let has_tools = !tools.is_empty();
    let options = TemplateOptions { tools, add_generation_prompt: true, ..TemplateOptions::default() };
    let tokenizer = generator.tokenizer();
    let special = tokenizer.special_ids();
    let tokenizer = PromptTokenizer {
        special_tokens: &models.special_tokens,
        bos: special.bos.filter(|_| special.adds_bos),
        encode: &|text| tokenizer.encode_segment(text),
    };
    let engine = Minijinja { local_time_s: unix_seconds().cast_signed() };
    let encode = |messages: &[Message]| prompt_ids(template, &engine, &tokenizer, messages, &options);
    let prompt = generator.fit_messages(&messages, given, false, &encode)?;
    Ok(Chat { prompt: checked(models, "messages", prompt)?, has_tools })
}

fn messages(fields: &Fields) -> Result<Vec<Message>> {
    let list = fields.list("messages")?.ok_or_else(|| ApiError::invalid("messages", "expected a list, got none"))?;
    if list.is_empty() {
        return Err(ApiError::invalid("messages", "expected at least one, got none"));
    }
    list.iter().enumerate().map(|(at, value)| message(&format!("messages[{at}]"), value)).collect()
}

/// Reads a message. `place` is where it is in the request.
fn message(place: &str, value: &Value) -> Result<Message> {
    for (at, part) in value["content"].as_array().into_iter().flatten().enumerate() {
        let place = format!("{place}.content[{at}].type");
        match part["type"].as_str() {
            Some("text") => {}
            Some(other @ ("image_url" | "input_audio" | "file")) => {
                return Err(ApiError::unsupported(place, format!("the model reads text alone, got '{other}'")));
            }
            _ => return Err(ApiError::invalid(place, "expected 'text'")),
        }
    }
    if !value["role"].as_str().is_some_and(|role| ROLES.contains(&role)) {
        return Err(ApiError::invalid(format!("{place}.role"), format!("expected one of {}", ROLES.join(", "))));
    }
    let message: Message = serde::Deserialize::deserialize(value)
        .map_err(|_| ApiError::invalid(place, "expected a role, and a content of text or calls of tools"))?;
    let says_nothing = message.content.is_none() && message.tool_calls.is_none();
    // Templates take a list of parts for pictures, and write a text as it is.
    let content = match message.content {
        Some(Content::Parts(_)) => Some(Content::Text(joined(&value["content"]))),
        _ if says_nothing => return Err(ApiError::invalid(format!("{place}.content"), "expected a text, got none")),
        content => content,
    };
    Ok(Message { content, ..message })
}

/// The texts of the parts of a content.
fn joined(parts: &Value) -> String {
    parts.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect()
}

/// The tools that may be called; none where the request says so.
fn tools(fields: &Fields) -> Result<Vec<Value>> {
    let tools = fields.list("tools")?.map_or(&[][..], Vec::as_slice);
    if tools.len() > MAX_TOOLS {
        return Err(ApiError::invalid("tools", format!("expected at most {MAX_TOOLS}, got {}", tools.len())));
    }
    for (at, tool) in tools.iter().enumerate() {
        if tool["type"] != "function" {
            return Err(ApiError::invalid(format!("tools[{at}].type"), "expected 'function'"));
        }
        if !tool["function"]["name"].is_string() {
            return Err(ApiError::invalid(format!("tools[{at}].function.name"), "expected a string"));
        }
    }
    let is_off = fields.get("tool_choice").is_some_and(|choice| choice == "none");
    Ok(if is_off { Vec::new() } else { tools.to_vec() })
}

/// The prompts of a completion.
pub fn completion<'fields>(
    models: &Models,
    fields: &'fields Fields,
    given: &GenerationOptions,
) -> Result<Vec<FittedPrompt>> {
    let suffix = fields.text("suffix")?.filter(|suffix| !suffix.is_empty());
    let prompts = match fields.get("prompt") {
        Some(Value::String(text)) => vec![Prompt::Text(text)],
        Some(Value::Array(list)) if list.iter().any(Value::is_number) => vec![Prompt::Ids(list)],
        Some(Value::Array(list)) => {
            let read = |value: &'fields Value| match value {
                Value::String(text) => Ok(Prompt::Text(text)),
                Value::Array(ids) => Ok(Prompt::Ids(ids)),
                other => {
                    Err(ApiError::invalid("prompt", format!("expected texts or lists of tokens, got {}", kind(other))))
                }
            };
            list.iter().map(read).collect::<Result<_>>()?
        }
        Some(other) => {
            return Err(ApiError::invalid("prompt", format!("expected a string or a list, got {}", kind(other))));
        }
        None => Vec::new(),
    };
    if prompts.is_empty() || prompts.len() > MAX_PROMPTS {
        return Err(ApiError::invalid("prompt", format!("expected 1 to {MAX_PROMPTS}, got {}", prompts.len())));
    }
    let fit = |prompt: &Prompt<'_>| {
        let ids = prompt.ids(models, suffix)?;
        // What is around a gap is not cut: its middle is the gap.
        let fitted = if suffix.is_some() { ids.into() } else { models.generator.fit(ids, given) };
        checked(models, "prompt", fitted)
    };
    prompts.iter().map(fit).collect()
}

/// A prompt: a text, or the tokens themselves.
enum Prompt<'a> {
    Text(&'a str),
    Ids(&'a [Value]),
}

impl Prompt<'_> {
    fn ids(&self, models: &Models, suffix: Option<&str>) -> Result<Vec<u32>> {
        let generator = &models.generator;
        match (self, suffix) {
            (Self::Text(text), None) => Ok(generator.encode(text)?),
            (Self::Text(text), Some(suffix)) => infill(models, text, suffix),
            (Self::Ids(ids), None) => {
                let vocabulary = generator.decoder().vocabulary() as u64;
                let id = |id: &Value| u32::try_from(id.as_u64().filter(|id| *id < vocabulary)?).ok();
                let ids = ids.iter().map(id).collect::<Option<Vec<_>>>();
                ids.ok_or_else(|| ApiError::invalid("prompt", format!("expected tokens from 0 to {}", vocabulary - 1)))
            }
            (Self::Ids(_), Some(_)) => Err(ApiError::invalid("prompt", "expected a text, as there is a suffix")),
        }
    }
}

/// The prompt for what is between two texts: prefix, suffix, middle.
///
/// # Source
/// Bavarian et al. 2022 (2207.14255), section 3.1, in its order PSM.
fn infill(models: &Models, prefix: &str, suffix: &str) -> Result<Vec<u32>> {
    let tokenizer = models.generator.tokenizer();
    let special = tokenizer.special_ids();
    let (Some(before), Some(behind), Some(middle)) = (special.fim_prefix, special.fim_suffix, special.fim_middle)
    else {
        return Err(ApiError::unsupported("suffix", "the model has no tokens for filling in the middle of a text"));
    };
    let mut ids: Vec<u32> = special.bos.filter(|_| special.adds_bos).into_iter().collect();
    ids.push(before);
    ids.extend(tokenizer.encode_segment(prefix)?);
    ids.push(behind);
    ids.extend(tokenizer.encode_segment(suffix)?);
    ids.push(middle);
    Ok(ids)
}

/// Checks that the model can read a prompt and reply.
fn checked(models: &Models, param: &str, prompt: FittedPrompt) -> Result<FittedPrompt> {
    let context = models.generator.context();
    let tokens = prompt.ids.len();
    if tokens == 0 {
        return Err(ApiError::invalid(param, "expected at least one token, got none"));
    }
    if tokens >= context {
        let message = format!("expected less than the {context} tokens that the model reads, got {tokens}");
        return Err(ApiError { code: Some("context_length_exceeded"), ..ApiError::invalid(param, message) });
    }
    Ok(prompt)
}
