//! Error messages of servers, in a form that can be shown: short, and with personal data and secrets masked.

use serde_json::Value;

use crate::redaction;

/// How much of a message is passed on.
const MAX_CHARS: usize = 200;

/// The beginning of `words`. A server may repeat the key or the text that it was sent, so everything with the form of
/// personal data or of a secret is masked; its callers must keep out what has no such form.
pub fn quote(words: &str) -> String {
    let words = redaction::mask(words.trim());
    match words.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// The message in the body of an error, or all of it where none is found.
pub fn error_words(body: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(body) else { return body.to_string() };
    message(&value).map_or_else(|| value.get("error").unwrap_or(&value).to_string(), String::from)
}

/// The first message in an error, in the places where servers have it: OpenAI's `error` and `message`, FastAPI's `detail`
/// and `msg`, Google's list.
fn message(error: &Value) -> Option<&str> {
    const PLACES: [&str; 5] = ["error", "message", "detail", "msg", "errors"];
    match error {
        Value::String(words) => Some(words),
        Value::Array(errors) => errors.iter().find_map(message),
        Value::Object(fields) => PLACES.iter().find_map(|place| message(fields.get(*place)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_cut() {
        assert_eq!(quote(" short\n"), "short");
        let words = quote(&"ł".repeat(MAX_CHARS + 1));
        assert_eq!((words.chars().count(), words.chars().last()), (MAX_CHARS + 1, Some('…')));
    }

    #[test]
    fn keys_and_addresses_are_not_repeated() {
        let words = quote("Incorrect API key provided: sk-proj-4fTq9xLmZ2wR8vNc7yKd. Write to ann@example.com.");
        assert_eq!(words, "Incorrect API key provided: [SECRET]. Write to [EMAIL].");
        // Also where the cut goes through one.
        let words = quote(&format!("{} sk-proj-4fTq9xLmZ2wR8vNc7yKd", "x".repeat(MAX_CHARS - 6)));
        assert!(!words.contains("sk-"), "{words}");
    }

    #[test]
    fn the_message_is_found() {
        for body in [
            r#"{"error":{"message":"no"}}"#,
            r#"{"error":"no"}"#,
            r#"{"message":"no"}"#,
            "no",
            r#""no""#,
            r#"[{"error":{"code":400,"message":"no"}}]"#,
            r#"{"detail":"no"}"#,
            r#"{"detail":[{"loc":["body"],"msg":"no"}]}"#,
            r#"{"object":"error","message":{"detail":[{"msg":"no"}]}}"#,
            r#"{"errors":[{"code":7003,"message":"no"}]}"#,
            r#"{"error":null,"message":"no"}"#,
        ] {
            assert_eq!(error_words(body), "no");
        }
        assert_eq!(error_words(r#"{"error":{"code":3}}"#), r#"{"code":3}"#);
    }
}
