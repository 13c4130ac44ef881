//! Decoders: tokens back into text.
//!
//! # Source
//! The decoders of Hugging Face's `tokenizers` 0.23, by their names in `tokenizer.json`.

use serde::Deserialize;

use super::byte_level::letter_byte;
use super::pattern::Pattern;
use super::pre_tokenizers::{Metaspace, PrependScheme};

/// A decoder.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub enum Decoder {
    #[serde(rename = "BPEDecoder", alias = "BPE")]
    Bpe {
        #[serde(default = "end_of_word")]
        suffix: String,
    },
    ByteLevel,
    WordPiece {
        #[serde(default = "continuation")]
        prefix: String,
        #[serde(default = "yes")]
        cleanup: bool,
    },
    Metaspace(Metaspace),
    #[serde(rename = "CTC")]
    Ctc {
        pad_token: String,
        word_delimiter_token: String,
        cleanup: bool,
    },
    Sequence {
        decoders: Vec<Self>,
    },
    Replace {
        pattern: Pattern,
        content: String,
    },
    Fuse,
    Strip {
        content: char,
        start: usize,
        stop: usize,
    },
    ByteFallback,
}

fn end_of_word() -> String {
    "</w>".into()
}

fn continuation() -> String {
    "##".into()
}

fn yes() -> bool {
    true
}

impl Decoder {
    /// The parts of the text that `tokens` are, to be joined.
    pub fn decode(&self, tokens: Vec<String>) -> Vec<String> {
        match self {
            Self::Bpe { suffix } => {
                let last = tokens.len().saturating_sub(1);
                let space = |index| if index == last { "" } else { " " };
                tokens.iter().enumerate().map(|(index, token)| token.replace(suffix, space(index))).collect()
            }
            Self::ByteLevel => {
                let bytes: Vec<u8> = tokens.iter().flat_map(|token| level_bytes(token)).collect();
                vec![String::from_utf8_lossy(&bytes).into()]
            }
            Self::WordPiece { prefix, cleanup } => {
                let join = |(index, token): (usize, String)| match token.strip_prefix(&**prefix) {
                    _ if index == 0 => token,
                    Some(rest) => rest.into(),
                    None => format!(" {token}"),
                };
                let tidy = |token: String| if *cleanup { clean_up(&token) } else { token };
                tokens.into_iter().enumerate().map(join).map(tidy).collect()
            }
            Self::Metaspace(Metaspace { replacement, prepend_scheme, .. }) => {
                let space = |index| if index == 0 && *prepend_scheme != PrependScheme::Never { "" } else { " " };
                tokens.iter().enumerate().map(|(index, token)| token.replace(*replacement, space(index))).collect()
            }
            Self::Ctc { pad_token, word_delimiter_token, cleanup } => {
                let mut tokens = tokens;
                tokens.dedup();
                let read = |token: String| {
                    let token = token.replace(pad_token, "");
                    if *cleanup { clean_up(&token).replace(word_delimiter_token, " ") } else { token }
                };
                tokens.into_iter().map(read).filter(|token| !token.is_empty()).collect()
            }
            Self::Sequence { decoders } => decoders.iter().fold(tokens, |tokens, decoder| decoder.decode(tokens)),
            Self::Replace { pattern, content } => {
                tokens.iter().map(|token| replaced(token, pattern, content)).collect()
            }
            Self::Fuse => vec![tokens.concat()],
            &Self::Strip { content, start, stop } => {
                tokens.iter().map(|token| stripped(token, content, start, stop)).collect()
            }
            Self::ByteFallback => bytes_joined(tokens),
        }
    }

    /// Whether a space at the start of a text is removed.
    pub fn strips_space(&self) -> bool {
        match self {
            Self::Metaspace(metaspace) => metaspace.prepend_scheme != PrependScheme::Never,
            Self::Strip { content: ' ', start, .. } => *start > 0,
            Self::Sequence { decoders } => decoders.iter().any(Self::strips_space),
            _ => false,
        }
    }

    /// The bytes that `token` contributes to a text, wherever it stands: `decode` gives the text of those of all tokens, but
    /// for a space that it strips at the start. Of decoders of WordPiece and the like, which look at a token's neighbours,
    /// the bytes are those of a token that stands alone.
    pub fn token_bytes(&self, token: &str) -> Vec<u8> {
        match self {
            Self::ByteLevel => level_bytes(token),
            Self::Metaspace(Metaspace { replacement, .. }) => token.replace(*replacement, " ").into_bytes(),
            Self::Bpe { suffix } => token.replace(suffix, " ").into_bytes(),
            Self::ByteFallback => byte_of(token).map_or_else(|| token.into(), |byte| vec![byte]),
            Self::Fuse => token.into(),
            Self::Sequence { decoders } => {
                // Behind it, what is stripped is stripped from the whole text.
                let fuse = decoders.iter().position(|decoder| matches!(decoder, Self::Fuse)).unwrap_or(decoders.len());
                let is_text = |decoder: &Self| !matches!(decoder, Self::ByteLevel | Self::ByteFallback);
                let mut token = token.to_owned();
                for (at, decoder) in decoders.iter().enumerate() {
                    match decoder {
                        Self::Strip { .. } if at > fuse => {}
                        decoder if is_text(decoder) => {
                            token = String::from_utf8_lossy(&decoder.token_bytes(&token)).into()
                        }
                        // What follows does not change bytes.
                        decoder => return decoder.token_bytes(&token),
                    }
                }
                token.into_bytes()
            }
            Self::Replace { pattern, content } => replaced(token, pattern, content).into_bytes(),
            &Self::Strip { content, start, stop } => stripped(token, content, start, stop).into_bytes(),
            Self::WordPiece { .. } | Self::Ctc { .. } => self.decode(vec![token.into()]).concat().into_bytes(),
        }
    }
}

/// The bytes that the letters of `token` stand for, or, where one stands for none, its own.
fn level_bytes(token: &str) -> Vec<u8> {
    let bytes: Option<Vec<u8>> = token.chars().map(letter_byte).collect();
    bytes.unwrap_or_else(|| token.into())
}

/// The byte of a token such as `<0x41>`.
fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 2)
}

/// Removes the spaces that WordPiece leaves before punctuation and in contractions.
fn clean_up(text: &str) -> String {
    [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" do not", " don't"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ]
    .into_iter()
    .fold(text.into(), |text: String, (from, to)| text.replace(from, to))
}

fn replaced(token: &str, pattern: &Pattern, content: &str) -> String {
    // A pattern that the engine gives up on replaces nothing.
    let matches = pattern.matches(token).unwrap_or_default();
    if matches.is_empty() {
        return token.into();
    }
    matches.into_iter().map(|found| if found.matched { content } else { &token[found.range] }).collect()
}

/// `token` without up to `start` of `content` before it and `stop` behind it.
fn stripped(token: &str, content: char, start: usize, stop: usize) -> String {
    let mut token = token;
    for _ in 0..start {
        token = token.strip_prefix(content).unwrap_or(token);
    }
    for _ in 0..stop {
        token = token.strip_suffix(content).unwrap_or(token);
    }
    token.into()
}

/// Joins tokens of bytes such as `<0x41>` to characters; a byte that is part of no character becomes U+FFFD.
fn bytes_joined(tokens: Vec<String>) -> Vec<String> {
    let mut joined = Vec::new();
    let mut bytes: Vec<u8> = Vec::new();
    let flush = |bytes: &mut Vec<u8>, joined: &mut Vec<String>| match String::from_utf8(std::mem::take(bytes)) {
        Ok(text) if text.is_empty() => {}
        Ok(text) => joined.push(text),
        Err(error) => joined.extend(error.as_bytes().iter().map(|_| "\u{fffd}".into())),
    };
    for token in tokens {
        match byte_of(&token) {
            Some(byte) => bytes.push(byte),
            None => {
                flush(&mut bytes, &mut joined);
                joined.push(token);
            }
        }
    }
    flush(&mut bytes, &mut joined);
    joined
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_bytes_of_tokens_are_the_text() {
        let tokens = [
            "\u{2581}a",
            "<0xC3>",
            "<0xA9>",
            "\u{120}b",
            "\u{c3}",
            "\u{a9}",
            "\u{4e2d}",
            "<0xFF>",
            "<0xfg>",
            "\u{2581}",
        ];
        let replace = json!({ "type": "Replace", "pattern": { "String": "\u{2581}" }, "content": " " });
        let strip = |start: usize| json!({ "type": "Strip", "content": " ", "start": start, "stop": 0 });
        for (decoder, strips) in [
            (json!({ "type": "ByteLevel" }), false),
            (json!({ "type": "Fuse" }), false),
            (replace.clone(), false),
            (json!({ "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "never" }), false),
            (json!({ "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always" }), true),
            (
                json!({ "type": "Sequence", "decoders": [replace, { "type": "ByteFallback" }, { "type": "Fuse" }] }),
                false,
            ),
            (
                json!({ "type": "Sequence", "decoders": [replace, { "type": "ByteFallback" }, { "type": "Fuse" }, strip(1)] }),
                true,
            ),
            // Before the tokens are joined, each is stripped.
            (json!({ "type": "Sequence", "decoders": [replace, strip(2), { "type": "ByteLevel" }] }), true),
        ] {
            let read: Decoder = serde_json::from_value(decoder.clone()).unwrap();
            let text = read.decode(tokens.map(String::from).to_vec()).concat();
            let bytes: Vec<u8> = tokens.iter().flat_map(|token| read.token_bytes(token)).collect();
            let bytes = String::from_utf8_lossy(&bytes).into_owned();
            let is_last = decoder["decoders"][1]["type"] == "Strip";
            let space = if strips && !is_last { " " } else { "" };
            assert_eq!(bytes, format!("{space}{text}"), "{decoder}");
            assert_eq!(read.strips_space(), strips, "{decoder}");
        }
    }
}
