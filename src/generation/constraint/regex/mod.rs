//! Regular expressions in ECMA-262's syntax, as JSON Schema's `pattern` has them, as languages.

mod length;
mod parse;

use std::rc::Rc;

use super::grammar::{Expr, Grammar, UNBOUNDED};
use super::utf8::{self, Encoding, LAST, Ranges};
use crate::error::Result;

pub use length::with_length;
pub use parse::{parse, parse_search};

/// How many characters a pattern has at most once its repetitions are written out.
const MAX_POSITIONS: u32 = 10_000;

/// A regular expression over characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Regex {
    Class(Ranges),
    Sequence(Vec<Rc<Regex>>),
    Alternation(Vec<Rc<Regex>>),
    Repeat(Rc<Regex>, u32, u32),
}

impl Regex {
    /// The empty text.
    fn empty() -> Self {
        Self::Sequence(Vec::new())
    }

    /// Any character.
    fn any() -> Self {
        Self::Class(vec![(0, LAST)])
    }

    fn is_nullable(&self) -> bool {
        match self {
            Self::Class(_) => false,
            Self::Sequence(parts) => parts.iter().all(|part| part.is_nullable()),
            Self::Alternation(options) => options.iter().any(|option| option.is_nullable()),
            Self::Repeat(item, min, _) => *min == 0 || item.is_nullable(),
        }
    }

    /// How many characters it has once its repetitions are written out.
    fn positions(&self) -> u32 {
        let sum = |parts: &[Rc<Self>]| parts.iter().fold(0, |sum: u32, part| sum.saturating_add(part.positions()));
        match self {
            Self::Class(_) => 1,
            Self::Sequence(parts) | Self::Alternation(parts) => sum(parts),
            Self::Repeat(item, min, UNBOUNDED) => item.positions().saturating_mul((*min).max(1)),
            Self::Repeat(item, _, max) => item.positions().saturating_mul(*max),
        }
    }
}

/// The language of `regex`.
pub fn language(grammar: &mut Grammar, regex: &Regex, encoding: Encoding) -> Expr {
    let mut all =
        |parts: &[Rc<Regex>]| -> Vec<Expr> { parts.iter().map(|part| language(grammar, part, encoding)).collect() };
    match regex {
        Regex::Class(ranges) => utf8::character(grammar, ranges, encoding),
        Regex::Sequence(parts) => {
            let parts = all(parts);
            grammar.sequence_of(&parts)
        }
        Regex::Alternation(options) => {
            let options = all(options);
            grammar.choice(&options)
        }
        Regex::Repeat(item, min, max) => {
            let is_any = **item == Regex::any() && *min == 0 && *max == UNBOUNDED;
            let item = language(grammar, item, encoding);
            if is_any { grammar.any_text(item) } else { grammar.repeat(item, *min, *max) }
        }
    }
}

/// The language of a pattern that the whole text must match.
///
/// # Errors
/// If the pattern is no regular expression, or has what is not supported; with the position.
pub fn pattern(grammar: &mut Grammar, pattern: &str, encoding: Encoding) -> Result<Expr> {
    Ok(language(grammar, &parse(pattern)?, encoding))
}
