//! Replies in the shapes of OpenAI's API, each as a whole.
//!
//! # Source
//! OpenAI's API reference: "The chat completion object", "The completion object".

use pilot_light::generation::chat::{ToolCall, parse_tool_calls};
use pilot_light::generation::{Dropped, FinishReason, Generator, Reply, ReplyUsage};
use serde_json::{Map, Value, json};

use super::logprobs;
use super::models::{Models, unix_seconds};
use super::request::random;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    Chat { has_tools: bool },
    Completion,
}

/// What all parts of a response have in common.
pub struct Head {
    id: String,
    created: u64,
    model: String,
}

/// The tokens of all choices.
#[derive(Default)]
pub struct Totals {
    prompt: usize,
    cached: usize,
    completion: usize,
}

impl Head {
    pub fn new(models: &Models, shape: Shape) -> Self {
        let kind = if shape == Shape::Completion { "cmpl" } else { "chatcmpl" };
        let id = format!("{kind}-{:016x}{:016x}", random(), random());
        Self { id, created: unix_seconds(), model: models.name.clone() }
    }

    /// The fields of a response or of a part of one, of the type `object`.
    pub fn fields(&self, object: &str, choices: Vec<Value>) -> Map<String, Value> {
        let fields = json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": concat!("pilot-light-", env!("CARGO_PKG_VERSION")),
            "choices": choices,
        });
        if let Value::Object(fields) = fields { fields } else { Map::new() }
    }
}

impl Totals {
    /// Adds a choice, of which there are `n` for each prompt.
    pub fn add(&mut self, choice: usize, n: usize, usage: &ReplyUsage) {
        if choice.is_multiple_of(n) {
            self.prompt += usage.prompt_tokens;
            self.cached += usage.cached_tokens;
        }
        self.completion += usage.completion_tokens;
    }

    pub fn to_json(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": { "cached_tokens": self.cached },
        })
    }
}

/// The body of a response with `replies`, of which there are `n` for each prompt.
pub fn whole(models: &Models, shape: Shape, n: usize, replies: Vec<Reply>, with_logprobs: bool) -> Value {
    let mut totals = Totals::default();
    replies.iter().enumerate().for_each(|(choice, reply)| totals.add(choice, n, &reply.usage));
    let generator = &models.generator;
    let choice = |(index, reply): (usize, Reply)| match shape {
        Shape::Chat { has_tools } => chat_choice(generator, index, reply, has_tools, with_logprobs),
        Shape::Completion => completion_choice(generator, index, &reply, with_logprobs),
    };
    let choices = replies.into_iter().enumerate().map(choice).collect();
    let object = if shape == Shape::Completion { "text_completion" } else { "chat.completion" };
    let mut fields = Head::new(models, shape).fields(object, choices);
    fields.insert("usage".to_string(), totals.to_json());
    fields.into()
}

fn chat_choice(generator: &Generator, index: usize, reply: Reply, has_tools: bool, with_logprobs: bool) -> Value {
    let (content, calls) = if has_tools { parse_tool_calls(&reply.text) } else { (Some(reply.text), Vec::new()) };
    let reason = finish_reason(reply.finish_reason, !calls.is_empty());
    let content = if calls.is_empty() { content.unwrap_or_default().into() } else { Value::from(content) };
    let mut message = json!({ "role": "assistant", "content": content, "refusal": null });
    if !calls.is_empty() {
        message["tool_calls"] = calls.into_iter().map(tool_call).collect();
    }
    let logprobs = with_logprobs.then(|| logprobs::chat(generator, &reply.tokens));
    let choice = json!({ "index": index, "message": message, "logprobs": logprobs, "finish_reason": reason });
    with_dropped(choice, reply.dropped)
}

fn completion_choice(generator: &Generator, index: usize, reply: &Reply, with_logprobs: bool) -> Value {
    let logprobs = with_logprobs.then(|| logprobs::completion(generator, &reply.tokens, 0).0);
    let reason = finish_reason(reply.finish_reason, false);
    let choice = json!({ "index": index, "text": reply.text, "logprobs": logprobs, "finish_reason": reason });
    with_dropped(choice, reply.dropped)
}

/// A choice that says what was left out of its prompt, where anything was: an extension of OpenAI's API.
pub fn with_dropped(mut choice: Value, dropped: Option<Dropped>) -> Value {
    if let Some(Dropped { turns, tokens }) = dropped {
        choice["dropped"] = json!({ "turns": turns, "tokens": tokens });
    }
    choice
}

/// A call with an id of its own: several turns of a conversation have calls. Nine letters and digits, as Mistral's templates
/// want them.
pub fn tool_call(call: ToolCall) -> Value {
    const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut number = random();
    let mut digit = || {
        let digit = DIGITS[(number % 36) as usize];
        number /= 36;
        char::from(digit)
    };
    let id: String = (0..9).map(|_| digit()).collect();
    let function = json!({ "name": call.function.name, "arguments": call.function.arguments });
    json!({ "id": id, "type": "function", "function": function })
}

pub fn finish_reason(reason: FinishReason, calls_tools: bool) -> &'static str {
    match reason {
        FinishReason::Length => "length",
        _ if calls_tools => "tool_calls",
        _ => "stop",
    }
}
