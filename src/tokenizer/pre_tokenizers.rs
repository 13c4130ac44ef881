//! Pre-tokenizers: where a normalised text is split before the model sees it.
//!
//! # Source
//! The pre-tokenizers of Hugging Face's `tokenizers` 0.23, by their names in `tokenizer.json`.

use std::ops::RangeInclusive;

use serde::Deserialize;

use super::aligned::{AlignedText, Match, Part, cover, letters};
use super::byte_level::{byte_letters, words};
use super::characters::{is_punctuation, is_word};
use super::pattern::Pattern;
use super::pieces::{Behavior, Piece, Pieces};
use crate::unicode::script;

/// A pre-tokenizer.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub enum PreTokenizer {
    #[serde(rename = "BertPreTokenizer")]
    Bert,
    ByteLevel {
        #[serde(default = "yes")]
        add_prefix_space: bool,
        #[serde(default = "yes")]
        use_regex: bool,
    },
    #[serde(alias = "Delimiter")]
    CharDelimiterSplit {
        delimiter: char,
    },
    Metaspace(Metaspace),
    Whitespace,
    WhitespaceSplit,
    Sequence {
        pretokenizers: Vec<Self>,
    },
    Split {
        pattern: Pattern,
        behavior: Behavior,
        #[serde(default)]
        invert: bool,
    },
    Punctuation {
        #[serde(default = "isolated")]
        behavior: Behavior,
    },
    Digits {
        #[serde(default)]
        individual_digits: bool,
    },
    UnicodeScripts,
    FixedLength {
        #[serde(default = "five")]
        length: usize,
    },
}

/// SentencePiece's mark for a space, and where one is put before a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "MetaspaceField")]
pub struct Metaspace {
    pub replacement: char,
    pub prepend_scheme: PrependScheme,
    split: bool,
}

/// Where [`Metaspace`] puts a mark before a text.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrependScheme {
    First,
    Never,
    Always,
}

#[derive(Deserialize)]
struct MetaspaceField {
    replacement: char,
    #[serde(default)]
    add_prefix_space: Option<bool>,
    #[serde(default)]
    prepend_scheme: Option<PrependScheme>,
    #[serde(default)]
    split: Option<bool>,
}

impl TryFrom<MetaspaceField> for Metaspace {
    type Error = &'static str;

    fn try_from(field: MetaspaceField) -> Result<Self, Self::Error> {
        let prepend_scheme = match (field.add_prefix_space, field.prepend_scheme) {
            (Some(false), None | Some(PrependScheme::Never)) => PrependScheme::Never,
            (Some(false), Some(_)) => return Err("Metaspace: add_prefix_space does not fit prepend_scheme"),
            (_, scheme) => scheme.unwrap_or(PrependScheme::Always),
        };
        Ok(Self { replacement: field.replacement, prepend_scheme, split: field.split.unwrap_or(true) })
    }
}

fn yes() -> bool {
    true
}

fn isolated() -> Behavior {
    Behavior::Isolated
}

fn five() -> usize {
    5
}

impl PreTokenizer {
    /// Splits each piece that is no added token.
    ///
    /// # Errors
    /// A regular expression that the engine gave up on.
    pub fn apply(&self, pieces: &mut Pieces) -> Result<(), String> {
        match self {
            Self::Bert => {
                split_at(pieces, Behavior::Removed, char::is_whitespace);
                split_at(pieces, Behavior::Isolated, is_punctuation);
            }
            &Self::ByteLevel { add_prefix_space, use_regex } => {
                if add_prefix_space {
                    pieces.rewrite(|part, output| {
                        part.prepend(if part.text.starts_with(' ') { "" } else { " " }, output)
                    });
                }
                if use_regex {
                    pieces.split(Behavior::Isolated, |text| cover(words(text), text.len()));
                }
                pieces.rewrite(|part, output| part.map(byte_letters, output));
            }
            &Self::CharDelimiterSplit { delimiter } => {
                split_at(pieces, Behavior::Removed, |letter| letter == delimiter);
            }
            Self::Metaspace(metaspace) => metaspace.apply(pieces),
            Self::Whitespace => pieces.split(Behavior::Removed, |text| {
                let matches = cover(letters(text, char::is_whitespace), text.len());
                matches.into_iter().flat_map(|found| at_word_ends(text, found)).collect()
            }),
            Self::WhitespaceSplit => split_at(pieces, Behavior::Removed, char::is_whitespace),
            Self::Sequence { pretokenizers } => {
                pretokenizers.iter().try_for_each(|pre_tokenizer| pre_tokenizer.apply(pieces))?;
            }
            Self::Split { pattern, behavior, invert } => {
                let mut result = Ok(());
                pieces.split_pieces(|part| match pattern.matches(part.text) {
                    Ok(mut matches) => {
                        matches.iter_mut().for_each(|found| found.matched ^= invert);
                        behavior.pieces(matches)
                    }
                    Err(error) => {
                        result = Err(error);
                        Vec::new()
                    }
                });
                result?;
            }
            &Self::Punctuation { behavior } => split_at(pieces, behavior, is_punctuation),
            &Self::Digits { individual_digits } => {
                let behavior = if individual_digits { Behavior::Isolated } else { Behavior::Contiguous };
                split_at(pieces, behavior, char::is_numeric);
            }
            Self::UnicodeScripts => pieces.split_pieces(|part| scripts(part.text)),
            &Self::FixedLength { length } => pieces.split_pieces(|part| {
                let starts = part.text.char_indices().map(|(at, _)| at).step_by(length.max(1));
                ranges(starts, part.text.len())
            }),
        }
        Ok(())
    }
}

/// Splits at the characters that `matches` accepts.
fn split_at(pieces: &mut Pieces, behavior: Behavior, matches: impl Fn(char) -> bool) {
    pieces.split(behavior, |text| cover(letters(text, &matches), text.len()));
}

/// What is between two runs of white space, split where words and other characters meet: `\w+|[^\w\s]+`.
fn at_word_ends(text: &str, found: Match) -> Vec<Match> {
    if found.matched {
        return vec![found];
    }
    let mut parts: Vec<Match> = Vec::new();
    let mut before = None;
    for (at, letter) in text.get(found.range.clone()).unwrap_or_default().char_indices() {
        let start = found.range.start + at;
        let of_word = Some(is_word(letter));
        match parts.last_mut() {
            Some(last) if of_word == before => last.range.end = start + letter.len_utf8(),
            _ => parts.push(Match { range: start..start + letter.len_utf8(), matched: false }),
        }
        before = of_word;
    }
    parts
}

impl Metaspace {
    fn apply(&self, pieces: &mut Pieces) {
        let mark = self.replacement.to_string();
        let replace = |part: Part<'_>, output: &mut AlignedText| {
            part.map(|letter| [if letter == ' ' { self.replacement } else { letter }], output);
        };
        pieces.rewrite(replace);
        pieces.rewrite(|part, output| {
            let wanted = match self.prepend_scheme {
                PrependScheme::Always => true,
                PrependScheme::First => part.start() == 0,
                PrependScheme::Never => false,
            };
            part.prepend(if wanted && !part.text.starts_with(self.replacement) { &mark } else { "" }, output);
        });
        if self.split {
            split_at(pieces, Behavior::MergedWithNext, |letter| letter == self.replacement);
        }
    }
}

/// The pieces of a text that begin at `starts`.
fn ranges(starts: impl Iterator<Item = usize>, length: usize) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for start in starts {
        if let Some(last) = pieces.last_mut() {
            last.range.end = start;
        }
        pieces.push(Piece { range: start..length, added: None });
    }
    pieces
}

/// Emoji that are newer than the reference's table of scripts, where they have none.
const NEWER_EMOJI: [RangeInclusive<char>; 14] = [
    '\u{1f6d3}'..='\u{1f6df}',
    '\u{1f6f7}'..='\u{1f6fc}',
    '\u{1f7d5}'..='\u{1f7f0}',
    '\u{1f8b0}'..='\u{1f90f}',
    '\u{1f91f}'..='\u{1f91f}',
    '\u{1f928}'..='\u{1f92f}',
    '\u{1f931}'..='\u{1f932}',
    '\u{1f93f}'..='\u{1f93f}',
    '\u{1f94c}'..='\u{1f94f}',
    '\u{1f95f}'..='\u{1f97f}',
    '\u{1f992}'..='\u{1f9bf}',
    '\u{1f9c1}'..='\u{1fbf9}',
    '\u{1f16c}'..='\u{1f16f}',
    '\u{1f260}'..='\u{1f265}',
];

/// The pieces of `text` of one script each, as SentencePiece has them: Japanese is one, and a space fits all.
fn scripts(text: &str) -> Vec<Piece> {
    let (han, kana, unknown) = (script('\u{4e00}'), ['\u{3042}', '\u{30a2}'].map(script), script(char::MAX));
    let script_of = |letter: char| match script(letter) {
        _ if letter == ' ' || NEWER_EMOJI.iter().any(|range| range.contains(&letter)) => None,
        _ if letter == '\u{30fc}' => Some(han),
        found if kana.contains(&found) => Some(han),
        found => Some(found).filter(|&found| found != unknown),
    };
    let mut last: Option<Option<u8>> = None;
    let mut starts = Vec::new();
    for (at, letter) in text.char_indices() {
        let script = script_of(letter);
        if script.is_some() && last != Some(script) {
            starts.push(at);
        }
        if script.is_some() {
            last = Some(script);
        }
    }
    ranges(starts.into_iter(), text.len())
}
