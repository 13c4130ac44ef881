//! Patterns of tokenizers: plain strings and regular expressions.
//!
//! Regular expressions are Oniguruma's, which the reference uses. Natively the `fancy-regex` crate runs them; in a page the
//! browser's own engine does, which costs no download.

mod classes;
mod engine;
#[cfg(any(test, target_family = "wasm"))]
pub mod javascript;

use std::ops::Range;

use serde::Deserialize;

use super::aligned::{Match, cover};
use engine::Regex;

/// A pattern.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Field")]
pub enum Pattern {
    Text(String),
    Regex(Regex),
}

/// A pattern in `tokenizer.json`.
#[derive(Deserialize)]
enum Field {
    String(String),
    Regex(String),
}

impl TryFrom<Field> for Pattern {
    type Error = String;

    fn try_from(field: Field) -> Result<Self, String> {
        match field {
            Field::String(text) => Ok(Self::Text(text)),
            Field::Regex(source) => Self::regex(&source),
        }
    }
}

impl Pattern {
    /// A regular expression.
    ///
    /// # Errors
    /// The engine refuses it.
    pub fn regex(source: &str) -> Result<Self, String> {
        match Regex::new(source) {
            Ok(regex) => Ok(Self::Regex(regex)),
            Err(error) => Err(format!("the regular expression {source:?} cannot be used: {error}")),
        }
    }

    /// The whole of `text` as matches and what is between them.
    ///
    /// # Errors
    /// The engine gave up, e.g. after too many steps.
    pub fn matches(&self, text: &str) -> Result<Vec<Match>, String> {
        let found: Vec<Range<usize>> = match self {
            Self::Text(pattern) => text.match_indices(&**pattern).map(|(at, found)| at..at + found.len()).collect(),
            Self::Regex(regex) => regex.find(text)?,
        };
        Ok(cover(found, text.len()))
    }
}
