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

/// The message in the body of an error: the `message` of its `error`, or all of it.
pub fn error_words(body: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(body) else { return body.to_string() };
    let error = value.get("error").unwrap_or(&value);
    let message = error.get("message").unwrap_or(error);
    message.as_str().map_or_else(|| message.to_string(), String::from)
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
        for body in [r#"{"error":{"message":"no"}}"#, r#"{"error":"no"}"#, r#"{"message":"no"}"#, "no", r#""no""#] {
            assert_eq!(error_words(body), "no");
        }
        assert_eq!(error_words(r#"{"error":{"code":3}}"#), r#"{"code":3}"#);
    }
}
