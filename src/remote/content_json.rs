//! The JSON object in a model's words, which may have thoughts before it, words around it, and a Markdown fence.
//!
//! # Source
//! What parsers of the same replies accept: LangChain's `parse_json_markdown`, and vLLM's reasoning parsers for the tags.

use serde_json::{Deserializer, Map, Value};

use super::lone_surrogates::escaped;

/// An object of JSON.
type Object = Map<String, Value>;

/// The tags that models put around their thoughts.
const THOUGHTS: [&str; 4] = ["think", "thinking", "thought", "reasoning"];

/// How many braces may be the beginning of an object. Finding that one is not can take the length of the words.
const MAX_BRACES: usize = 256;

/// The object with one of the fields `keys` in `content`, or any object if `keys` is empty. Words that are nothing but an object give
/// that, whatever it has.
///
/// # Errors
/// Why there is no such object, or that there are several different ones.
pub fn object_in(content: &str, keys: &[&str]) -> Result<Object, String> {
    let content = escaped(content.trim().trim_start_matches('\u{FEFF}'));
    let whole = match serde_json::from_str(&content) {
        Ok(Value::Object(object)) => return Ok(object),
        // Some servers encode the answer twice.
        Ok(Value::String(words)) => serde_json::from_str(&words).map_err(|error: serde_json::Error| error.to_string()),
        Ok(_) => Err("expected an object".to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Ok(Value::Object(object)) = whole {
        return Ok(object);
    }
    let mut found: Vec<Object> = Vec::new();
    let has_key = |object: &Object| keys.is_empty() || keys.iter().any(|key| object.contains_key(*key));
    for object in objects(behind_thoughts(&content)).filter(has_key) {
        if !found.contains(&object) {
            found.push(object);
        }
    }
    match found.len() {
        0 => Err(whole.err().unwrap_or_else(|| "expected an object".to_string())),
        1 => Ok(found.remove(0)),
        count => Err(format!("expected one object, got {count} different ones")),
    }
}

/// What is behind the last end of thoughts. A template may have written their beginning.
fn behind_thoughts(content: &str) -> &str {
    // Letters of ASCII keep their lengths.
    let lower = content.to_ascii_lowercase();
    let ends = THOUGHTS.iter().filter_map(|tag| {
        let end = format!("</{tag}>");
        lower.rfind(&end).map(|at| at + end.len())
    });
    &content[ends.max().unwrap_or(0)..]
}

/// The outermost objects in `words`.
fn objects(words: &str) -> impl Iterator<Item = Object> {
    let mut at = 0;
    let tries = std::iter::from_fn(move || {
        at += words[at..].find('{')?;
        let mut values = Deserializer::from_str(&words[at..]).into_iter::<Object>();
        let object = values.next().and_then(Result::ok);
        at += if object.is_some() { values.byte_offset() } else { 1 };
        Some(object)
    });
    tries.take(MAX_BRACES).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(content: &str) -> Result<String, String> {
        object_in(content, &["label"]).map(|object| object["label"].as_str().unwrap_or_default().to_string())
    }

    #[test]
    fn the_object_is_found() {
        for content in [
            r#"{"label":"a"}"#,
            "\u{FEFF} {\"label\": \"a\"}\n",
            "```json\n{\"label\":\"a\"}\n```",
            "```JSON\n{\"label\":\"a\"}\n```",
            "```\n{\"label\":\"a\"}\n```\nThat is all.",
            "Here you are:\n\n```json\n{\"label\":\"a\"}\n```",
            "The answer is {\"label\":\"a\"}, I think.",
            "<think>Is it {\"label\":\"b\"}? No.</think>\n{\"label\":\"a\"}",
            "or {\"label\":\"b\"}?</THINK>{\"label\":\"a\"}",
            "<thinking>{</thinking>```json\n{\"label\":\"a\"}```",
            r#"{"label":"a"} {"label":"a"}"#,
            r#"{"note":1} {"label":"a"}"#,
            r#""{\"label\":\"a\"}""#,
            r#"So {set} it is {"label":"a"}"#,
        ] {
            assert_eq!(label(content).as_deref(), Ok("a"), "{content}");
        }
        // What is in the answer is not thought.
        assert_eq!(label(r#"{"label":"</think>"}"#).as_deref(), Ok("</think>"));
    }

    #[test]
    fn what_is_unclear_is_refused() {
        for content in [
            "",
            "a",
            "[1]",
            "{",
            r#"["label"]"#,
            r#"{"label":"a"} or {"label":"b"}"#,
            "<think>{\"label\":\"a\"}</think>",
            r#"{"answer":"a"} then"#,
        ] {
            assert!(label(content).is_err(), "{content}");
        }
        assert!(label(r#"{"label":"a"} or {"label":"b"}"#).unwrap_err().contains("2 different"));
    }

    #[test]
    fn many_braces_take_no_time() {
        assert!(label(&"{".repeat(1 << 20)).is_err());
        assert!(label(&"{\"a\":[".repeat(1 << 17)).is_err());
        assert!(label(&format!("{} {{\"label\":\"a\"}}", "{ ".repeat(200))).is_ok());
    }
}
