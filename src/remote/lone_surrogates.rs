//! JSON with lone surrogates: halves of a character of UTF-16, which servers write where they cut a text in the middle of one.
//!
//! Rust's strings cannot hold them. Here they are characters of a private use area until the other half has come.
//!
//! # Source
//! RFC 8259, 8.2 "Unicode Characters".

use std::borrow::Cow;

use serde_json::Value;

/// What stands for the surrogate U+D800; that of U+DFFF is the last character of Unicode.
const FIRST: u32 = 0x10_F800;
/// How many surrogates there are; the first half of them come first in a pair.
const COUNT: u32 = 0x800;

/// The value of `text`, in which lone surrogates may occur; [`push`] joins them.
///
/// # Errors
/// It is not JSON.
pub fn parse(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(&escaped(text))
}

/// `text`, which is JSON, with other escapes for its lone surrogates.
pub fn escaped(text: &str) -> Cow<'_, str> {
    rewritten(text, |surrogate| char::from_u32(FIRST + surrogate))
}

/// `text`, which is JSON, with its lone surrogates replaced, as in text that is decoded.
#[cfg(any(feature = "web", test))]
pub fn replaced(text: &str) -> Cow<'_, str> {
    rewritten(text, |_| Some(char::REPLACEMENT_CHARACTER))
}

/// `text` with what `substitute` gives for the escapes of its lone surrogates.
fn rewritten(text: &str, substitute: impl Fn(u32) -> Option<char>) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(offset) = text[at..].find('\\') {
        at += offset;
        let Some(first) = surrogate(bytes, at) else {
            // The escaped character may be a backslash, which begins no other escape.
            at += 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8);
            continue;
        };
        let is_pair = first < COUNT / 2 && surrogate(bytes, at + 6).is_some_and(|second| second >= COUNT / 2);
        if is_pair {
            at += 12;
            continue;
        }
        out.push_str(&text[copied..at]);
        out.extend(substitute(first));
        at += 6;
        copied = at;
    }
    if copied == 0 { Cow::Borrowed(text) } else { Cow::Owned(out + &text[copied..]) }
}

/// The surrogate that is escaped at `at`, from 0.
fn surrogate(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let unit = u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    unit.checked_sub(0xD800).filter(|unit| *unit < COUNT)
}

/// Puts `piece` behind `text`; halves of one character are joined, and others are replaced, as in text that is decoded.
pub fn push(text: &mut String, piece: &str) {
    for char in piece.chars() {
        match (open_half(text), half(char)) {
            (Some(high), Some(low)) if low >= COUNT / 2 => {
                text.pop();
                text.extend(char::from_u32(0x1_0000 + (high << 10) + (low - COUNT / 2)));
                continue;
            }
            (Some(_), _) => close(text),
            (None, _) => {}
        }
        text.push(if half(char).is_some_and(|half| half >= COUNT / 2) { char::REPLACEMENT_CHARACTER } else { char });
    }
}

/// `text` with lone surrogates joined or replaced.
pub fn joined(text: String) -> String {
    if !text.chars().any(|char| half(char).is_some()) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    push(&mut out, &text);
    close(&mut out);
    out
}

/// Replaces the half of a character that `text` ends with.
pub fn close(text: &mut String) {
    if open_half(text).is_some() {
        text.pop();
        text.push(char::REPLACEMENT_CHARACTER);
    }
}

/// The length of `text` without the half of a character that it ends with.
pub fn whole_len(text: &str) -> usize {
    text.len() - open_half(text).map_or(0, |_| 4)
}

/// The first half that `text` ends with.
fn open_half(text: &str) -> Option<u32> {
    half(text.chars().next_back()?).filter(|half| *half < COUNT / 2)
}

fn half(char: char) -> Option<u32> {
    u32::from(char).checked_sub(FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(json: &str) -> String {
        joined(parse(json).unwrap().as_str().unwrap().to_string())
    }

    #[test]
    fn halves_are_joined_or_replaced() {
        assert_eq!(word(r#""a\ud83d\ude00b""#), "a😀b");
        assert_eq!(word(r#""a\ud83d""#), "a\u{FFFD}");
        assert_eq!(word(r#""\ude00\ud83d\ud83d\ude00""#), "\u{FFFD}\u{FFFD}😀");
        assert_eq!(word(r#""\ud83dx""#), "\u{FFFD}x");
        // A backslash, then the letters.
        assert_eq!(word(r#""\\ud83d""#), r"\ud83d");
        assert_eq!(word(r#""\u0142""#), "ł");
        assert!(parse(r#""\ud8"#).is_err() && parse(r#""\uzzzz""#).is_err() && parse("\"\\").is_err());
    }

    #[test]
    fn options_with_halves_are_read() {
        for (json, found) in [
            (r#"{"candidate_labels":["a\ud83d","b"]}"#, "{\"candidate_labels\":[\"a\u{FFFD}\",\"b\"]}"),
            (r#""\ude00 {}""#, "\"\u{FFFD} {}\""),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            ("\"\u{10F83D}\"", "\"\u{10F83D}\""),
        ] {
            assert_eq!(replaced(json), found);
            assert!(serde_json::from_str::<Value>(&replaced(json)).is_ok());
        }
    }

    #[test]
    fn halves_may_come_apart() {
        let mut text = String::new();
        for (piece, shown) in [("a", 1), (r"\ud83d", 1), (r"\ude00", 5), (r"\ud83d", 5), ("b", 9)] {
            push(&mut text, parse(&format!("\"{piece}\"")).unwrap().as_str().unwrap());
            assert_eq!(whole_len(&text), shown, "{piece}");
        }
        assert_eq!(text, "a😀\u{FFFD}b");
    }
}
