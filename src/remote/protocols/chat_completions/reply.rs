//! A chat completion in one piece.
//!
//! # Source
//! <https://platform.openai.com/docs/api-reference/chat/object>.

use serde::Deserialize;
use serde_json::Value;

use crate::remote::error_text::{error_words, quote};
use crate::remote::protocols::Completion;
use crate::remote::{Failure, Usage};

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Value>>,
    #[serde(default)]
    function_call: Option<Value>,
}

/// The completion in the `body` of a reply with this status and this header `Content-Type`.
///
/// # Errors
/// Refused: the status or the body says so. Invalid: it is not a completion, has no choice, or calls tools.
pub fn read_completion(status: u16, content_type: Option<&str>, body: &str) -> Result<Completion, Failure> {
    if !(200..300).contains(&status) {
        return Err(Failure::Refused { status, words: format!("status {status}: {}", quote(&error_words(body))) });
    }
    if let Some(content_type) = content_type.filter(|content_type| !is_json(content_type)) {
        return Err(Failure::Invalid(format!("the reply must be JSON, got '{}'", quote(content_type))));
    }
    let invalid = |error| Failure::Invalid(format!("the reply is not a completion: {error}"));
    let reply: Value = serde_json::from_str(body).map_err(invalid)?;
    if let Some(error) = reply.get("error").filter(|error| !error.is_null()) {
        let status = inner_status(error).unwrap_or(status);
        return Err(Failure::Refused { status, words: format!("status {status}: {}", quote(&error_words(body))) });
    }
    // serde would also read the fields of a struct from an array.
    if !reply.is_object() {
        return Err(Failure::Invalid("the reply is not a completion: expected an object".to_string()));
    }
    let Reply { choices, usage } = Reply::deserialize(reply).map_err(invalid)?;
    let choice = choices.into_iter().next();
    let Choice { message, finish_reason } =
        choice.ok_or_else(|| Failure::Invalid("the reply has no choice".to_string()))?;
    if message.tool_calls.is_some_and(|calls| !calls.is_empty()) || message.function_call.is_some() {
        return Err(Failure::Invalid("the model calls a tool, and none was offered".to_string()));
    }
    // An answer is not lost because its usage is not understood.
    let usage = usage.and_then(|usage| Usage::deserialize(usage).ok());
    let content = message.content.unwrap_or_default();
    Ok(Completion { content, refusal: message.refusal, finish_reason, usage })
}

/// Whether a media type is that of JSON.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(media_type.as_str(), "" | "application/json" | "text/json") || media_type.ends_with("+json")
}

/// The status that an error within a reply has as its code: gateways send one whose own reply is a success.
pub(super) fn inner_status(error: &Value) -> Option<u16> {
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
        for content_type in ["text/html", "text/plain; charset=utf-8", "application/octet-stream"] {
            assert!(matches!(read_completion(200, Some(content_type), body), Err(Failure::Invalid(_))));
        }
        for content_type in [None, Some(""), Some("application/problem+json"), Some("Application/JSON")] {
            assert!(read_completion(200, content_type, body).is_ok(), "{content_type:?}");
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
}
