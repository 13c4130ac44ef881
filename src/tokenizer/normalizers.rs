//! Normalizers: what is done to a text before it is split.
//!
//! # Source
//! The normalizers of Hugging Face's `tokenizers` 0.23, by their names in `tokenizer.json`.

use serde::Deserialize;

use super::aligned::{AlignedText, Part};
use super::byte_level::byte_letters;
use super::characters::{is_control, is_ideograph, is_nonspacing_mark};
use super::normal_forms::normalize;
use super::pattern::Pattern;
use super::pieces::Pieces;
use super::precompiled::Precompiled;
use crate::unicode::{Form, is_mark};

/// A normalizer.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub enum Normalizer {
    #[serde(rename = "BertNormalizer", alias = "Bert")]
    Bert {
        #[serde(default = "yes")]
        clean_text: bool,
        #[serde(default = "yes")]
        handle_chinese_chars: bool,
        #[serde(default)]
        strip_accents: Option<bool>,
        #[serde(default = "yes")]
        lowercase: bool,
    },
    Strip {
        strip_left: bool,
        strip_right: bool,
    },
    StripAccents,
    #[serde(rename = "NFC")]
    Nfc,
    #[serde(rename = "NFD")]
    Nfd,
    #[serde(rename = "NFKC")]
    Nfkc,
    #[serde(rename = "NFKD")]
    Nfkd,
    Sequence {
        normalizers: Vec<Self>,
    },
    Lowercase,
    Nmt,
    Precompiled(Precompiled),
    Replace {
        pattern: Pattern,
        content: String,
    },
    Prepend {
        prepend: String,
    },
    ByteLevel,
}

fn yes() -> bool {
    true
}

impl Normalizer {
    /// Normalizes each piece that is no added token.
    ///
    /// # Errors
    /// A regular expression that the engine gave up on.
    pub fn apply(&self, pieces: &mut Pieces) -> Result<(), String> {
        match self {
            &Self::Bert { clean_text, handle_chinese_chars, strip_accents, lowercase } => {
                if clean_text {
                    pieces.rewrite(|part, output| part.filter(|letter| !is_dirt(letter), output));
                    pieces.rewrite(|part, output| {
                        part.map(|letter| [if letter.is_whitespace() { ' ' } else { letter }], output);
                    });
                }
                if handle_chinese_chars {
                    pieces.rewrite(set_ideographs_apart);
                }
                if strip_accents.unwrap_or(lowercase) {
                    pieces.rewrite(|part, output| normalize(Form::Nfd, part, output));
                    pieces.rewrite(|part, output| part.filter(|letter| !is_nonspacing_mark(letter), output));
                }
                if lowercase {
                    pieces.rewrite(|part, output| part.map(char::to_lowercase, output));
                }
            }
            &Self::Strip { strip_left, strip_right } => pieces.rewrite(|part, output| {
                let start = if strip_left { part.text.len() - part.text.trim_start().len() } else { 0 };
                let end = if strip_right { part.text.trim_end().len() } else { part.text.len() };
                output.push_part(part.part(start..end.max(start)));
            }),
            Self::StripAccents => pieces.rewrite(|part, output| {
                part.filter(|letter| !is_mark(letter), output);
            }),
            Self::Nfc => pieces.rewrite(|part, output| normalize(Form::Nfc, part, output)),
            Self::Nfd => pieces.rewrite(|part, output| normalize(Form::Nfd, part, output)),
            Self::Nfkc => pieces.rewrite(|part, output| normalize(Form::Nfkc, part, output)),
            Self::Nfkd => pieces.rewrite(|part, output| normalize(Form::Nfkd, part, output)),
            Self::Sequence { normalizers } => {
                normalizers.iter().try_for_each(|normalizer| normalizer.apply(pieces))?;
            }
            Self::Lowercase => pieces.rewrite(|part, output| part.map(char::to_lowercase, output)),
            Self::Nmt => {
                pieces.rewrite(|part, output| part.filter(|letter| !is_nmt_control(letter), output));
                pieces.rewrite(|part, output| part.map(|letter| [nmt_space(letter)], output));
            }
            Self::Precompiled(precompiled) => pieces.rewrite(|part, output| precompiled.apply(part, output)),
            Self::Replace { pattern, content } => {
                let mut result = Ok(());
                pieces.rewrite(|part, output| match pattern.matches(part.text) {
                    Ok(matches) => part.replace(&matches, content, output),
                    Err(error) => result = Err(error),
                });
                result?;
            }
            Self::Prepend { prepend } => pieces.rewrite(|part, output| part.prepend(prepend, output)),
            Self::ByteLevel => pieces.rewrite(|part, output| part.map(byte_letters, output)),
        }
        Ok(())
    }
}

/// What BERT removes: controls, and what stands for a broken character.
fn is_dirt(letter: char) -> bool {
    matches!(letter, '\0' | '\u{fffd}') || is_control(letter)
}

/// Sets ideographs between spaces.
fn set_ideographs_apart(part: Part<'_>, output: &mut AlignedText) {
    part.map(
        |letter| {
            let apart =
                if is_ideograph(letter) { [Some(' '), Some(letter), Some(' ')] } else { [Some(letter), None, None] };
            apart.into_iter().flatten()
        },
        output,
    );
}

/// What SentencePiece's rules `nmt` remove.
fn is_nmt_control(letter: char) -> bool {
    matches!(letter, '\u{1}'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{8f}' | '\u{9f}')
}

/// What SentencePiece's rules `nmt` take for a space.
fn nmt_space(letter: char) -> char {
    match letter {
        '\t'
        | '\n'
        | '\u{c}'
        | '\r'
        | '\u{1680}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{2581}'
        | '\u{feff}'
        | '\u{fffd}' => ' ',
        letter => letter,
    }
}
