//! Byte pair encoding: the characters of a piece, joined pair by pair in the order of the merges.
//!
//! # Source
//! Sennrich et al. 2016 (1508.07909); what is done with unknown characters is as in Hugging Face's `tokenizers`.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::ops::Range;

use hashbrown::HashMap;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use super::{ModelToken, byte_tokens};
use crate::tokenizer::vocabulary::{Text, Vocabulary};

/// A merge in the file: two tokens, as one string with a space between or as a list.
pub enum Merge<'a> {
    Line(Cow<'a, str>),
    Pair(Cow<'a, str>, Cow<'a, str>),
}

/// By hand, as serde's untagged enums copy what they read: files have hundreds of thousands of merges.
impl<'de: 'a, 'a> Deserialize<'de> for Merge<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = Merge<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("two tokens, with a space between or in a list")
            }

            fn visit_borrowed_str<E>(self, line: &'de str) -> Result<Merge<'de>, E> {
                Ok(Merge::Line(line.into()))
            }

            fn visit_str<E>(self, line: &str) -> Result<Merge<'de>, E> {
                Ok(Merge::Line(line.to_owned().into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merge<'de>, A::Error> {
                match (list.next_element_seed(Text)?, list.next_element_seed(Text)?, list.next_element_seed(Text)?) {
                    (Some(left), Some(right), None) => Ok(Merge::Pair(left, right)),
                    _ => Err(serde::de::Error::custom("expected two tokens")),
                }
            }
        }

        deserializer.deserialize_any(Forms)
    }
}

/// The model.
pub struct Bpe {
    /// For two tokens, the merge's rank and the token that it makes.
    merges: HashMap<(u32, u32), (u32, u32)>,
    /// Before each character of a word but the first; often empty.
    continuing_subword_prefix: String,
    /// Behind the last character of a word; often empty.
    pub end_of_word_suffix: String,
    /// The token for what is unknown: the field is absent, or it names a token that the vocabulary may have.
    pub unknown: Option<Option<u32>>,
    /// Whether several unknown characters are one token.
    pub fuse_unknown: bool,
    /// Whether an unknown character becomes the tokens of its bytes.
    pub byte_fallback: bool,
    /// Whether a piece that is in the vocabulary is that token.
    pub ignore_merges: bool,
}

/// A token while a word is merged: a list linked in both directions.
#[derive(Clone, Copy)]
struct Symbol {
    id: u32,
    length: usize,
    previous: usize,
    next: usize,
}

/// No symbol.
const NONE: usize = usize::MAX;

impl Bpe {
    /// A model with these merges.
    ///
    /// # Errors
    /// A merge of tokens that are not in the vocabulary.
    pub fn new(
        vocabulary: &Vocabulary,
        merges: &[Merge<'_>],
        continuing_subword_prefix: String,
    ) -> Result<Self, String> {
        let mut table = HashMap::with_capacity(merges.len());
        let mut joined = String::new();
        for (rank, merge) in merges.iter().enumerate() {
            let (left, right): (&str, &str) = match merge {
                Merge::Pair(left, right) => (left, right),
                Merge::Line(line) if line.starts_with("#version") => continue,
                Merge::Line(line) => line
                    .split_once(' ')
                    .filter(|(_, right)| !right.contains(' '))
                    .ok_or_else(|| format!("model.merges: expected two tokens, got {line:?}"))?,
            };
            joined.clear();
            joined.push_str(left);
            joined.push_str(right.strip_prefix(&*continuing_subword_prefix).unwrap_or(right));
            let id = |token: &str| {
                vocabulary
                    .id(token)
                    .ok_or_else(|| format!("model.merges: the token {token:?} is not in the vocabulary"))
            };
            table.insert((id(left)?, id(right)?), (rank as u32, id(&joined)?));
        }
        Ok(Self {
            merges: table,
            continuing_subword_prefix,
            end_of_word_suffix: String::new(),
            unknown: None,
            fuse_unknown: false,
            byte_fallback: false,
            ignore_merges: false,
        })
    }

    /// Appends the tokens of `piece`; `None` if the token for what is unknown is not in the vocabulary.
    pub fn tokenize(&self, vocabulary: &Vocabulary, piece: &str, output: &mut Vec<ModelToken>) -> Option<()> {
        if self.ignore_merges
            && let Some(id) = vocabulary.id(piece)
        {
            output.push(ModelToken { id, range: 0..piece.len() });
            return Some(());
        }
        let mut symbols = self.symbols(vocabulary, piece)?;
        self.merge(&mut symbols);
        let mut end = 0;
        for symbol in symbols.iter().filter(|symbol| symbol.length > 0) {
            let start = end;
            end += symbol.length;
            output.push(ModelToken { id: symbol.id, range: start..end });
        }
        Some(())
    }

    /// The characters of `piece` as tokens.
    fn symbols(&self, vocabulary: &Vocabulary, piece: &str) -> Option<Vec<Symbol>> {
        let mut symbols: Vec<Symbol> = Vec::with_capacity(piece.len());
        let mut push = |id, length| {
            let index = symbols.len();
            if let Some(last) = symbols.last_mut() {
                last.next = index;
            }
            symbols.push(Symbol { id, length, previous: index.checked_sub(1).unwrap_or(NONE), next: NONE });
        };
        let mut unknown: Option<(u32, usize)> = None;
        let mut extended = String::new();
        for (at, letter) in piece.char_indices() {
            let Range { start, end } = at..at + letter.len_utf8();
            let mut token = piece.get(start..end)?;
            let prefix = if at > 0 { &*self.continuing_subword_prefix } else { "" };
            let suffix = if end == piece.len() { &*self.end_of_word_suffix } else { "" };
            if !prefix.is_empty() || !suffix.is_empty() {
                extended.clear();
                [prefix, token, suffix].into_iter().for_each(|part| extended.push_str(part));
                token = &extended;
            }
            let length = end - start;
            if let Some(id) = vocabulary.id(token) {
                if let Some((id, length)) = unknown.take() {
                    push(id, length);
                }
                push(id, length);
            } else if let Some(bytes) = self.byte_fallback.then(|| byte_tokens(vocabulary, token)).flatten() {
                bytes.into_iter().for_each(|id| push(id, 1));
            } else if let Some(id) = self.unknown {
                unknown = match unknown {
                    Some((id, before)) if self.fuse_unknown => Some((id, before + length)),
                    before => {
                        if let Some((id, length)) = before {
                            push(id, length);
                        }
                        Some((id?, length))
                    }
                };
            }
        }
        if let Some((id, length)) = unknown {
            push(id, length);
        }
        Some(symbols)
    }

    /// Merges pairs of neighbours, the lowest rank first and of equal ones the leftmost. What is merged into its neighbour
    /// on the left keeps the length 0.
    fn merge(&self, symbols: &mut [Symbol]) {
        let merge_of = |symbols: &[Symbol], left: usize| {
            let symbol = symbols.get(left)?;
            let (rank, id) = self.merges.get(&(symbol.id, symbols.get(symbol.next)?.id))?;
            Some(Reverse((*rank, left, *id)))
        };
        let mut queue: BinaryHeap<_> = (0..symbols.len()).filter_map(|left| merge_of(symbols, left)).collect();
        while let Some(Reverse((rank, left, id))) = queue.pop() {
            // The pair may have changed since.
            if symbols[left].length == 0 || merge_of(symbols, left) != Some(Reverse((rank, left, id))) {
                continue;
            }
            let right = symbols[symbols[left].next];
            let removed = symbols[left].next;
            symbols[left] =
                Symbol { id, length: symbols[left].length + right.length, next: right.next, ..symbols[left] };
            symbols[removed].length = 0;
            if let Some(next) = symbols.get_mut(right.next) {
                next.previous = left;
            }
            queue.extend(merge_of(symbols, symbols[left].previous));
            queue.extend(merge_of(symbols, left));
        }
    }
}
