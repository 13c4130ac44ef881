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
                let bytes_of = |token: &String| {
                    let bytes: Option<Vec<u8>> = token.chars().map(letter_byte).collect();
                    bytes.unwrap_or_else(|| token.as_bytes().into())
                };
                let bytes: Vec<u8> = tokens.iter().flat_map(bytes_of).collect();
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
        let byte =
            token.strip_prefix("<0x").and_then(|token| token.strip_suffix('>')).filter(|digits| digits.len() == 2);
        match byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
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
