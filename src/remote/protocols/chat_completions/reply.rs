//! A chat completion in one piece.
//!
//! # Source
//! <https://platform.openai.com/docs/api-reference/chat/object>.

use serde_json::Value;

use super::choice::{choice, invalid, only_calls_tool, usage};
use super::stream::ChunkStream;
use crate::remote::Failure;
use crate::remote::error_text::{error_words, quote};
use crate::remote::lone_surrogates;
use crate::remote::protocols::{Completion, ReplyStream};

/// The completion in the `body` of a reply with this status and this header `Content-Type`.
///
/// # Errors
/// Refused: the status or the body says so. Invalid: it is not a completion, has no choice, or calls tools alone.
pub fn read_completion(status: u16, content_type: Option<&str>, body: &str) -> Result<Completion, Failure> {
    if !(200..300).contains(&status) {
        return Err(Failure::Refused { status, words: format!("status {status}: {}", quote(&error_words(body))) });
    }
    // Not every server labels its streams.
    if is_event_stream(body) {
        let mut stream = Box::<ChunkStream>::default();
        stream.feed(body.as_bytes());
        return stream.finish();
    }
    let reply = lone_surrogates::parse(body.trim_start_matches('\u{FEFF}')).map_err(|error| match content_type {
        Some(content_type) if !is_json(content_type) => {
            Failure::Invalid(format!("the reply must be JSON, got '{}'", quote(content_type)))
        }
        _ => invalid(error),
    })?;
    completion(status, &reply)
}

/// The completion that `reply` is.
fn completion(status: u16, reply: &Value) -> Result<Completion, Failure> {
    if let Some(error) = error_of(reply) {
        return Err(refused(status, error));
    }
    if !reply.is_object() {
        return Err(invalid("expected an object"));
    }
    let choice = choice(reply)?.ok_or_else(|| Failure::Invalid("the reply has no choice".to_string()))?;
    // Of an answer that was filtered or cut off, nothing may be left.
    if !choice.has_message && !matches!(choice.finish_reason.as_deref(), Some("content_filter" | "length")) {
        return Err(invalid("the choice has no message"));
    }
    if choice.calls_tool && choice.content.is_empty() && choice.refusal.is_none() {
        return Err(only_calls_tool());
    }
    Ok(Completion {
        content: lone_surrogates::joined(choice.content),
        refusal: choice.refusal.map(lone_surrogates::joined),
        finish_reason: choice.finish_reason,
        usage: usage(reply),
        logprobs: choice.logprobs,
    })
}

/// Whether `body` begins as a stream of events does.
fn is_event_stream(body: &str) -> bool {
    let body = body.trim_start_matches(|char: char| char.is_whitespace() || char == '\u{FEFF}');
    ["data:", "event:", "error:", "id:", "retry:", ":"].iter().any(|field| body.starts_with(field))
}

/// Whether a media type is that of JSON.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(media_type.as_str(), "" | "application/json" | "text/json") || media_type.ends_with("+json")
}

/// The error that a reply or an event of a stream is, in the places where servers have it: `error`, the whole (vLLM, Mistral)
/// or `x_groq`.
pub(super) fn error_of(reply: &Value) -> Option<&Value> {
    let is_error = reply.get("object").and_then(Value::as_str) == Some("error");
    let places = [reply.get("error"), is_error.then_some(reply), reply.pointer("/x_groq/error")];
    places.into_iter().flatten().find(|error| !error.is_null())
}

/// What the server says of its failure in a reply with this status.
pub(super) fn refused(status: u16, error: &Value) -> Failure {
    let status = inner_status(error).unwrap_or(status);
    Failure::Refused { status, words: format!("status {status}: {}", quote(&error_words(&error.to_string()))) }
}

/// The status that an error within a reply has as its code: gateways send one whose own reply is a success.
fn inner_status(error: &Value) -> Option<u16> {
    let code = error.get("code").or_else(|| error.get("status")).and_then(Value::as_u64)?;
    u16::try_from(code).ok().filter(|code| (400..600).contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Completion, Failure> {
        read_completion(200, Some("application/json; charset=utf-8"), body)
    }

    #[test]
    fn a_completion_has_words_and_their_price() {
        let body = r#"{"choices":[{"message":{"content":"yes"},"finish_reason":"stop"}],
            "usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"cost":0.1}}"#;
        let completion = read(body).unwrap();
        assert_eq!((completion.content.as_str(), completion.finish_reason.as_deref()), ("yes", Some("stop")));
        assert_eq!(completion.usage.map(|usage| usage.total_tokens), Some(12));
        let completion = read(r#"{"choices":[{"message":{"content":"yes"}}],"usage":"much"}"#).unwrap();
        assert_eq!((completion.content.as_str(), completion.usage), ("yes", None));
    }

    #[test]
    fn what_is_none_is_invalid() {
        let bodies = [
            "",
            "<html>",
            "[]",
            "[[]]",
            "{}",
            r#"{"choices":[]}"#,
            r#"{"choices":[{}]}"#,
            r#"{"choices":[{"message":{"content":null,"tool_calls":[{"id":"1"}]}}]}"#,
            r#"{"choices":[{"message":{"content":null,"function_call":{"name":"f"}}}]}"#,
        ];
        for body in bodies {
            assert!(matches!(read(body), Err(Failure::Invalid(_))), "{body}");
        }
        let body = r#"{"choices":[{"message":{"content":"yes"}}]}"#;
        for content_type in
            [None, Some(""), Some("application/problem+json"), Some("Application/JSON"), Some("text/plain")]
        {
            assert!(read_completion(200, content_type, body).is_ok(), "{content_type:?}");
        }
        for content_type in ["text/html", "text/plain; charset=utf-8", "application/octet-stream"] {
            let read = read_completion(200, Some(content_type), "<html>");
            assert!(matches!(read, Err(Failure::Invalid(words)) if words.contains(content_type)));
        }
    }

    #[test]
    fn a_refusal_says_its_status() {
        let error = r#"{"error":{"message":"slow down"}}"#;
        for (status, body, words) in
            [(429, error, "slow down"), (200, error, "slow down"), (500, "oh no", "oh no"), (302, "", "302")]
        {
            let Err(Failure::Refused { status: told, words: said }) =
                read_completion(status, Some("text/html"), body).or_else(|_| read_completion(status, None, body))
            else {
                panic!("{status}")
            };
            assert!(told == status && said.contains(words) && said.contains(&status.to_string()), "{said}");
        }
        let coded = r#"{"error":{"message":"overloaded","code":503}}"#;
        assert!(matches!(read(coded), Err(Failure::Refused { status: 503, .. })));
    }

    #[test]
    fn a_stream_under_any_label_is_read() {
        let stream = concat!(
            ": hello\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"yes\"},\"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"choices\":null,\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}\n\ndata: [DONE]"
        );
        for content_type in [None, Some(""), Some("text/plain"), Some("application/json"), Some("text/event-stream")] {
            let completion = read_completion(200, content_type, stream).unwrap();
            assert_eq!((completion.content.as_str(), completion.usage.unwrap().total_tokens), ("yes", 12));
        }
        assert!(matches!(read_completion(200, None, "data: <html>\n\n"), Err(Failure::Invalid(_))));
    }

    #[test]
    fn halves_of_characters_are_joined() {
        let body = r#"{"choices":[{"message":{"content":"\ud83d\ude00\ud83d"}}]}"#;
        assert_eq!(read(body).unwrap().content, "😀\u{FFFD}");
    }
}
