//! What a reply and a piece of a stream have in common: their choice, its words, and the usage, in the forms that servers
//! give them.
//!
//! # Source
//! <https://platform.openai.com/docs/api-reference/chat/object>. Beyond it: `content` in parts (Mistral, and gateways to models
//! that think), `null` for an empty list or index (Azure, gateways), `usage` within the choice (Moonshot) or in `x_groq`, other
//! words for the reasons of the end (Gemini, Anthropic).

use serde_json::Value;

use super::reply::refused;
use crate::remote::protocols::TokenLogprob;
use crate::remote::{Failure, Usage};

/// The answer in a reply, or what a piece of a stream adds to it.
#[derive(Debug, Default, PartialEq)]
pub struct Choice {
    /// The words.
    pub content: String,
    /// The words of a model that refuses.
    pub refusal: Option<String>,
    /// `stop`, `length`, `content_filter` or another word.
    pub finish_reason: Option<String>,
    /// Its tokens with their probabilities, where the server gives them.
    pub logprobs: Vec<TokenLogprob>,
    /// Whether there is a message, or a part of one.
    pub has_message: bool,
    /// Whether it calls a tool. None was offered, so what it says besides is the answer.
    pub calls_tool: bool,
}

/// The first choice of `reply`, which is the only one that was asked for.
///
/// # Errors
/// Refused: the server says in the choice that it failed. Invalid: the reply is not of this form.
pub fn choice(reply: &Value) -> Result<Option<Choice>, Failure> {
    let choices = match reply.get("choices") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(choices)) => choices,
        Some(_) => return Err(invalid("'choices' must be a list")),
    };
    let index = |choice: &Value| choice.get("index").and_then(Value::as_f64).unwrap_or_default();
    let Some(choice) = choices.iter().find(|choice| index(choice) == 0.0) else { return Ok(None) };
    if !choice.is_object() {
        return Err(invalid("a choice must be an object"));
    }
    if let Some(error) = choice.get("error").filter(|error| !error.is_null()) {
        return Err(refused(200, error));
    }
    let message = ["delta", "message"].iter().find_map(|name| choice.get(*name).filter(|message| !message.is_null()));
    let finish_reason = choice.get("finish_reason").and_then(Value::as_str).and_then(finish_reason);
    let logprobs = logprobs(choice);
    let Some(message) = message else {
        return Ok(Some(Choice { finish_reason, logprobs, ..Choice::default() }));
    };
    if !message.is_object() {
        return Err(invalid("a message must be an object"));
    }
    let is_call = |call: &Value| !call.is_null() && call.as_array().is_none_or(|calls| !calls.is_empty());
    let calls_tool = ["tool_calls", "function_call"].iter().any(|name| message.get(*name).is_some_and(is_call));
    let mut choice = Choice { finish_reason, logprobs, has_message: true, calls_tool, ..Choice::default() };
    choice.add(&message["content"])?;
    if let Some(refusal) = message.get("refusal").and_then(Value::as_str).filter(|refusal| !refusal.is_empty()) {
        choice.refusal.get_or_insert_default().push_str(refusal);
    }
    Ok(Some(choice))
}

impl Choice {
    /// Adds words, or parts of them. What a model thinks is no part of its answer.
    fn add(&mut self, content: &Value) -> Result<(), Failure> {
        match content {
            Value::Null => {}
            Value::String(words) => self.content.push_str(words),
            Value::Array(parts) => parts.iter().try_for_each(|part| self.add(part))?,
            Value::Object(part) => match part.get("type").and_then(Value::as_str) {
                None | Some("text" | "output_text") => match &part.get("text") {
                    Some(Value::String(words)) => self.content.push_str(words),
                    Some(Value::Object(text)) => {
                        self.content.push_str(text.get("value").and_then(Value::as_str).unwrap_or_default());
                    }
                    _ => {}
                },
                Some("refusal") => {
                    let words = part.get("refusal").and_then(Value::as_str).unwrap_or_default();
                    self.refusal.get_or_insert_default().push_str(words);
                }
                Some(_) => {}
            },
            Value::Bool(_) | Value::Number(_) => return Err(invalid("'content' must be words or parts")),
        }
        Ok(())
    }
}

/// The tokens of a choice; none where they cannot be read, which costs no answer.
fn logprobs(choice: &Value) -> Vec<TokenLogprob> {
    let tokens = choice.pointer("/logprobs/content").and_then(Value::as_array);
    let token = |token: &Value| {
        let logprob = token.get("logprob")?.as_f64()?;
        let byte = |byte: &Value| u8::try_from(byte.as_u64()?).ok();
        let bytes = token.get("bytes").and_then(Value::as_array).map(|bytes| bytes.iter().map(byte).collect());
        let words = || token.get("token").and_then(Value::as_str).map(|words| words.as_bytes().to_vec());
        Some(TokenLogprob { bytes: bytes.flatten().or_else(words)?, logprob })
    };
    tokens.and_then(|tokens| tokens.iter().map(token).collect()).unwrap_or_default()
}

/// The reason in OpenAI's words, and `error` where the server failed; `None` for none.
fn finish_reason(words: &str) -> Option<String> {
    let words = words.to_ascii_lowercase();
    // Google's compatible endpoint adds a reason of its own.
    let known = match words.split(':').next().unwrap_or_default() {
        "" | "null" => return None,
        "length" | "max_tokens" | "max_output_tokens" | "model_length" | "model_context_window_exceeded" => "length",
        "content_filter" | "safety" | "recitation" | "prohibited_content" | "blocklist" | "spii" | "refusal"
        | "sensitive" => "content_filter",
        "end_turn" | "eos" | "eos_token" | "stop_sequence" => "stop",
        "error" | "network_error" | "insufficient_system_resource" => "error",
        _ => return Some(words),
    };
    Some(known.to_string())
}

/// The usage that `reply` reports in one of the places for it; `None` where it cannot be read, which costs no answer.
pub fn usage(reply: &Value) -> Option<Usage> {
    let inner = reply.pointer("/choices/0/usage").or_else(|| reply.pointer("/x_groq/usage"));
    [reply.get("usage"), inner].into_iter().flatten().find_map(|usage| {
        let tokens = |names: [&str; 2]| {
            let count = names.iter().find_map(|name| usage.get(*name)?.as_f64())?;
            (count >= 0.0 && count <= f64::from(u32::MAX)).then_some(count as u32)
        };
        let prompt_tokens = tokens(["prompt_tokens", "input_tokens"]);
        let completion_tokens = tokens(["completion_tokens", "output_tokens"]);
        let total_tokens = tokens(["total_tokens", "total_tokens"]);
        prompt_tokens.or(completion_tokens).or(total_tokens)?;
        let (prompt_tokens, completion_tokens) =
            (prompt_tokens.unwrap_or_default(), completion_tokens.unwrap_or_default());
        let total_tokens = total_tokens.unwrap_or(prompt_tokens.saturating_add(completion_tokens));
        Some(Usage { prompt_tokens, completion_tokens, total_tokens })
    })
}

/// A message that calls a tool and says nothing.
pub fn only_calls_tool() -> Failure {
    Failure::Invalid("the model calls a tool, and none was offered".to_string())
}

/// A reply that is not of the form of a completion.
pub fn invalid(why: impl std::fmt::Display) -> Failure {
    Failure::Invalid(format!("the reply is not a completion: {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content(message: Value) -> String {
        choice(&json!({ "choices": [{ "message": message }] })).unwrap().unwrap().content
    }

    #[test]
    fn words_come_whole_or_in_parts() {
        assert_eq!(content(json!({ "content": "a" })), "a");
        assert_eq!(content(json!({ "content": null })), "");
        let parts = json!([
            { "type": "thinking", "thinking": [{ "type": "text", "text": "hm" }] },
            { "type": "text", "text": "a" },
            "b",
            { "type": "output_text", "text": { "value": "c", "annotations": [] } },
            { "text": "d" },
            { "type": "reasoning", "text": "hm" },
        ]);
        assert_eq!(content(json!({ "content": parts })), "abcd");
        let refusal = json!({ "choices": [{ "delta": { "content": [{ "type": "refusal", "refusal": "no" }] } }] });
        assert_eq!(choice(&refusal).unwrap().unwrap().refusal.as_deref(), Some("no"));
    }

    #[test]
    fn nulls_are_nothing() {
        for reply in [json!({}), json!({ "choices": null }), json!({ "choices": [] })] {
            assert_eq!(choice(&reply), Ok(None), "{reply}");
        }
        let reply = json!({ "choices": [{ "index": null, "delta": { "content": "a", "tool_calls": null, "function_call": null } }] });
        assert_eq!(choice(&reply).unwrap().unwrap().content, "a");
        let reply = json!({ "choices": [{ "index": 0, "delta": null, "finish_reason": "" }] });
        assert_eq!(choice(&reply), Ok(Some(Choice::default())));
    }

    #[test]
    fn calls_of_tools_are_told() {
        for (message, calls_tool) in [
            (json!({ "tool_calls": [{}] }), true),
            (json!({ "function_call": { "name": "f" } }), true),
            (json!({ "tool_calls": [], "function_call": null }), false),
        ] {
            let read = choice(&json!({ "choices": [{ "message": message }] })).unwrap().unwrap();
            assert_eq!(read.calls_tool, calls_tool, "{message}");
        }
    }

    #[test]
    fn a_choice_may_be_an_error() {
        let reply = json!({ "choices": [{ "message": { "content": "" }, "error": { "code": 502, "message": "no" } }] });
        let Err(Failure::Refused { status, words }) = choice(&reply) else { panic!("a choice") };
        assert!(status == 502 && words.ends_with(": no"), "{words}");
    }

    #[test]
    fn other_forms_are_invalid() {
        for reply in [
            json!({ "choices": 3 }),
            json!({ "choices": ["a"] }),
            json!({ "choices": [{ "message": "a" }] }),
            json!({ "choices": [{ "message": { "content": 3 } }] }),
        ] {
            assert!(matches!(choice(&reply), Err(Failure::Invalid(_))), "{reply}");
        }
    }

    #[test]
    fn tokens_have_their_probabilities_or_there_are_none() {
        let read = |content: Value| {
            let reply = json!({ "choices": [{ "message": { "content": "é" }, "logprobs": { "content": content } }] });
            choice(&reply).unwrap().unwrap().logprobs
        };
        let token = |bytes: &[u8], logprob| TokenLogprob { bytes: bytes.to_vec(), logprob };
        let half = json!([{ "token": "\\xc3", "logprob": -0.5, "bytes": [195] }, { "token": "a", "logprob": -1 }]);
        assert_eq!(read(half), [token(&[195], -0.5), token(b"a", -1.0)]);
        let last = json!([{ "token": "a", "logprob": 0, "bytes": null }]);
        assert_eq!(read(last), [token(b"a", 0.0)]);
        for other in [json!(null), json!([3]), json!([{ "token": "a" }]), json!([{ "logprob": -1 }]), json!("a")] {
            assert_eq!(read(other.clone()), [], "{other}");
        }
    }

    #[test]
    fn reasons_have_one_name() {
        for (given, name) in [
            ("STOP", "stop"),
            ("MAX_TOKENS", "length"),
            ("SAFETY", "content_filter"),
            ("content_filter: RECITATION", "content_filter"),
            ("network_error", "error"),
            ("other", "other"),
        ] {
            assert_eq!(finish_reason(given).as_deref(), Some(name));
        }
    }

    #[test]
    fn usage_is_found_in_every_place() {
        let all = Some(Usage { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 });
        let tokens = json!({ "prompt_tokens": 9, "completion_tokens": 3.0 });
        for reply in [
            json!({ "usage": tokens }),
            json!({ "usage": null, "x_groq": { "usage": tokens } }),
            json!({ "choices": [{ "usage": tokens }] }),
            json!({ "usage": { "input_tokens": 9, "output_tokens": 3, "total_tokens": 12 } }),
        ] {
            assert_eq!(usage(&reply), all, "{reply}");
        }
        for reply in [json!({ "usage": "much" }), json!({ "usage": { "prompt_tokens": -1 } }), json!({ "usage": {} })] {
            assert_eq!(usage(&reply), None, "{reply}");
        }
    }
}
