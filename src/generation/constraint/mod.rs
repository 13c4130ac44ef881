//! Constrained decoding: replies that are valid JSON under a schema, match a regular expression, or are one of several texts,
//! whatever the model prefers and however many tokens it may write.
//!
//! A [`Constraint`] is compiled once. A [`TokenTrie`] is built once for a vocabulary. A [`Matcher`] is the state of one reply: it
//! says which tokens may follow, and is told which one did. It never allows a token after which the reply could not be completed
//! with the tokens that are left.
//!
//! ```
//! use std::sync::Arc;
//! use pilot_light::generation::constraint::{Constraint, Matcher, TokenTrie};
//!
//! # fn main() -> pilot_light::Result<()> {
//! let vocabulary: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
//! let trie = Arc::new(TokenTrie::new(vocabulary.iter().zip(0..).map(|(bytes, id)| (id, bytes)))?);
//! let schema = r#"{"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}"#;
//! let constraint = Constraint::json_schema(schema)?;
//!
//! let mut budget = constraint.minimum_budget(&trie)?;
//! let mut matcher = Matcher::new(&constraint, &trie, budget)?;
//! let mut reply: Vec<u8> = Vec::new();
//! while !matcher.must_stop() {
//!     // A model would choose one of the allowed tokens.
//!     let token = matcher.allowed(budget).iter().next().unwrap();
//!     matcher.accept(&vocabulary[token as usize])?;
//!     reply.extend(&vocabulary[token as usize]);
//!     budget -= 1;
//! }
//! assert_eq!(reply, br#"{"ok":true}"#);
//! # Ok(())
//! # }
//! ```

mod budget;
mod bytes;
mod choice;
mod derivative;
mod format;
mod grammar;
mod json;
mod matcher;
mod number;
mod path;
mod regex;
mod restrict;
mod room;
mod schema;
mod shortest;
#[cfg(test)]
mod tests;
mod trie;
mod utf8;

use std::sync::Arc;

use crate::error::{Error, Result};
use budget::MAX_NESTING;
use grammar::{Expr, Grammar};
use shortest::LONGEST;

pub(crate) use json::{Json, step};
pub use matcher::Matcher;
pub(crate) use path::Path;
pub use trie::{TokenMask, TokenTrie};

/// What replies may be.
pub struct Constraint {
    grammar: Grammar,
    root: Expr,
    /// A character of a JSON string, if replies are JSON.
    character: Option<Expr>,
    /// A character that is not special in JSON or to most patterns.
    plain: Expr,
}

impl Constraint {
    /// Replies in JSON that are valid under a schema, which is given as JSON.
    ///
    /// A reply has no spaces between its parts, and its properties are in the order in which the schema declares them. Additional
    /// properties are written if `additionalProperties` allows them, or if the schema has no `properties`.
    ///
    /// # Errors
    /// If it is no schema, has a keyword that is not supported, or cannot be met; with the JSON pointer of what is wrong.
    pub fn json_schema(schema: &str) -> Result<Self> {
        schema::compile(schema)
    }

    /// Replies that a regular expression matches from the beginning to the end, in ECMA-262's syntax without lookarounds and
    /// backreferences.
    ///
    /// # Errors
    /// If it is no regular expression or has what is not supported; with the position.
    pub fn regex(pattern: &str) -> Result<Self> {
        let mut grammar = Grammar::new();
        let root = regex::pattern(&mut grammar, pattern, utf8::Encoding::Plain)?;
        Self::new(grammar, root, None)
    }

    /// Replies that are one of `texts`.
    ///
    /// # Errors
    /// If the list is empty.
    pub fn choice(texts: &[String]) -> Result<Self> {
        let mut grammar = Grammar::new();
        let root = choice::literals(&mut grammar, texts.iter().map(|text| text.clone().into_bytes()).collect());
        if texts.is_empty() {
            return Err(Error::invalid_input("expected a text to choose, got none"));
        }
        Self::new(grammar, root, None)
    }

    /// How many tokens the shortest reply needs.
    ///
    /// # Errors
    /// If the vocabulary lacks a byte that every reply needs.
    pub fn minimum_budget(&self, trie: &Arc<TokenTrie>) -> Result<usize> {
        Ok(Matcher::unbounded(self, trie)?.minimum_budget())
    }

    /// Whether `text` is a whole reply.
    pub fn matches(&self, text: &str) -> bool {
        let mut grammar = self.grammar.clone();
        let state = text.bytes().fold(self.root, |state, byte| grammar.after(state, byte));
        grammar.is_nullable(state)
    }

    fn new(mut grammar: Grammar, root: Expr, character: Option<Expr>) -> Result<Self> {
        let bytes = grammar.shortest_bytes(root);
        if bytes > LONGEST {
            return Err(Error::unsupported(format!(
                "expected a shortest reply of at most {LONGEST} bytes, got a longer one"
            )));
        }
        let nesting = grammar.nesting(root);
        if nesting > MAX_NESTING {
            return Err(Error::unsupported(format!(
                "expected a shortest reply of at most {MAX_NESTING} levels of nesting, got {nesting}"
            )));
        }
        let plain = utf8::character(&mut grammar, &utf8::plain(), utf8::Encoding::Plain);
        grammar.classify_bytes();
        Ok(Self { grammar, root, character, plain })
    }

    /// The bytes that occur in a reply.
    fn bytes(&self) -> impl Iterator<Item = u8> {
        let sets = self.grammar.sets.iter().flat_map(|set| set.iter());
        sets.chain(self.grammar.text.iter().copied())
    }
}
