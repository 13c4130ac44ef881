//! Added tokens: texts that are one token wherever they stand, such as `[MASK]`.
//!
//! # Source
//! `added_vocabulary.rs` of Hugging Face's `tokenizers` 0.23.

use std::collections::HashMap;
use std::ops::Range;

use serde::Deserialize;

use super::aligned::Part;
use super::characters::is_word;
use super::pieces::Piece;
use super::vocabulary::Vocabulary;

/// An entry of `added_tokens` in `tokenizer.json`. Its id is not read: it follows from the vocabulary and the order.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct AddedToken {
    pub content: String,
    /// Only where no character of a word is next to it.
    #[serde(default)]
    pub single_word: bool,
    /// With the white space before it.
    #[serde(default)]
    pub lstrip: bool,
    /// With the white space behind it.
    #[serde(default)]
    pub rstrip: bool,
    /// Found in the normalised text, in its own normal form.
    #[serde(default)]
    pub normalized: bool,
    /// It controls the model, and is no part of a text.
    #[serde(default)]
    pub special: bool,
}

/// The added tokens of a tokenizer.
#[derive(Default)]
pub struct AddedTokens {
    by_id: HashMap<u32, AddedToken>,
    by_content: HashMap<String, u32>,
    /// Those that are found in the original text.
    original: Finder,
    /// Those that are found in the normalised text.
    normalized: Finder,
}

/// Finds the longest of several texts.
#[derive(Default)]
struct Finder {
    texts: Vocabulary,
    /// The lengths of those that begin with a byte, the longest first.
    lengths: HashMap<u8, Vec<usize>>,
}

/// Tokens with their ids: those of the vocabulary, and behind it one after the other. Empty ones are left out.
pub fn with_ids(tokens: Vec<AddedToken>, vocabulary: &Vocabulary) -> Vec<(u32, AddedToken)> {
    let mut ids: HashMap<String, u32> = HashMap::new();
    let mut next = vocabulary.len() as u32;
    let mut numbered = Vec::with_capacity(tokens.len());
    for token in tokens.into_iter().filter(|token| !token.content.is_empty()) {
        let known = ids.get(&token.content).copied().or_else(|| vocabulary.id(&token.content));
        let id = known.unwrap_or_else(|| {
            next += 1;
            next - 1
        });
        ids.insert(token.content.clone(), id);
        numbered.push((id, token));
    }
    numbered
}

impl AddedTokens {
    /// The added tokens of a file, none of them empty; `normalize` is the tokenizer's normalizer.
    ///
    /// # Errors
    /// Those of `normalize`.
    pub fn new(
        tokens: Vec<(u32, AddedToken)>,
        normalize: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        let mut added = Self::default();
        for (id, token) in tokens {
            added.by_content.insert(token.content.clone(), id);
            added.by_id.insert(id, token);
        }
        for (&id, token) in &added.by_id {
            if token.normalized {
                added.normalized.insert(&normalize(&token.content)?, id);
            } else {
                added.original.insert(&token.content, id);
            }
        }
        Ok(added)
    }

    /// The token `id`, if it is an added one.
    pub fn get(&self, id: u32) -> Option<&AddedToken> {
        self.by_id.get(&id)
    }

    /// The ids of the special ones, in no order.
    pub fn special(&self) -> impl Iterator<Item = u32> {
        self.by_id.iter().filter(|(_, token)| token.special).map(|(id, _)| *id)
    }

    /// Takes a token for a special one, if it is an added one.
    pub fn make_special(&mut self, id: u32) {
        if let Some(token) = self.by_id.get_mut(&id) {
            token.special = true;
        }
    }

    /// One more than the largest id.
    pub fn ids(&self) -> u32 {
        self.by_id.keys().max().map_or(0, |id| id + 1)
    }

    /// The id of the added token `content`.
    pub fn id(&self, content: &str) -> Option<u32> {
        self.by_content.get(content).copied()
    }

    /// Splits a part of the original text at the added tokens in it; at special ones only where `allowed` accepts their
    /// span of the text.
    pub fn split_original(&self, part: Part<'_>, allowed: &dyn Fn(Range<usize>) -> bool) -> Vec<Piece> {
        self.split(part, &self.original, allowed)
    }

    /// The same for a part of the normalised text.
    pub fn split_normalized(&self, part: Part<'_>, allowed: &dyn Fn(Range<usize>) -> bool) -> Vec<Piece> {
        self.split(part, &self.normalized, allowed)
    }

    fn split(&self, part: Part<'_>, finder: &Finder, allowed: &dyn Fn(Range<usize>) -> bool) -> Vec<Piece> {
        let text = part.text;
        let accepts = |range: &Range<usize>, id: u32| {
            !self.by_id.get(&id).is_some_and(|token| token.special) || allowed(part.part(range.clone()).span())
        };
        let mut pieces = Vec::new();
        let mut end = 0;
        let mut at = 0;
        while let Some((found, id)) = finder.find(text, at, &accepts) {
            at = found.end;
            let Some(token) = self.by_id.get(&id) else { continue };
            let (before, behind) = (&text[..found.start], &text[found.end..]);
            let touches = before.chars().next_back().is_some_and(is_word) || behind.chars().next().is_some_and(is_word);
            if token.single_word && touches {
                continue;
            }
            // The white space before it may be part of the token before, which strips on the right.
            let start = if token.lstrip { before.trim_end().len().max(end) } else { found.start };
            let stop = if token.rstrip { text.len() - behind.trim_start().len() } else { found.end };
            if end < start {
                pieces.push(Piece { range: end..start, added: None });
            }
            pieces.push(Piece { range: start..stop, added: Some(id) });
            end = stop;
        }
        if end < text.len() {
            pieces.push(Piece { range: end..text.len(), added: None });
        }
        pieces
    }
}

impl Finder {
    fn insert(&mut self, text: &str, id: u32) {
        let Some(&first) = text.as_bytes().first() else { return };
        self.texts.insert(text, id);
        let lengths = self.lengths.entry(first).or_default();
        if let Err(index) = lengths.binary_search_by(|length| text.len().cmp(length)) {
            lengths.insert(index, text.len());
        }
    }

    /// The first text from `at` on that `accepts` accepts, of several there the longest.
    fn find(&self, text: &str, at: usize, accepts: &dyn Fn(&Range<usize>, u32) -> bool) -> Option<(Range<usize>, u32)> {
        if self.lengths.is_empty() {
            return None;
        }
        text.bytes().enumerate().skip(at).find_map(|(start, byte)| {
            self.lengths.get(&byte)?.iter().find_map(|length| {
                let end = start + length;
                let id = self.texts.id(text.get(start..end)?)?;
                accepts(&(start..end), id).then_some((start..end, id))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::aligned::AlignedText;
    use super::*;

    fn split(flags: &str, text: &str) -> Vec<(String, bool)> {
        let aligned = AlignedText::original(text);
        let token = format!(r#"{{"content": "<a>" {flags}}}"#);
        let longer = r#"{"content": "<a><b>"}"#;
        let tokens = serde_json::from_str(&format!("[{token}, {longer}]")).unwrap();
        let tokens = with_ids(tokens, &Vocabulary::default());
        let added = AddedTokens::new(tokens, |text| Ok(text.into())).unwrap();
        let pieces = added.split_original(aligned.part(0..text.len()), &|span| span.start < 6);
        pieces.into_iter().map(|piece| (text[piece.range].into(), piece.added.is_some())).collect()
    }

    #[test]
    fn flags_are_honoured() {
        let pieces =
            |parts: &[(&str, bool)]| parts.iter().map(|&(text, added)| (text.into(), added)).collect::<Vec<_>>();
        assert_eq!(split("", "x <a> y"), pieces(&[("x ", false), ("<a>", true), (" y", false)]));
        assert_eq!(split(r#", "lstrip": true"#, "x <a> y"), pieces(&[("x", false), (" <a>", true), (" y", false)]));
        assert_eq!(split(r#", "rstrip": true"#, "<a> <a>"), pieces(&[("<a> ", true), ("<a>", true)]));
        assert_eq!(split(r#", "single_word": true"#, "x<a> <a>"), pieces(&[("x<a> ", false), ("<a>", true)]));
        assert_eq!(split("", "<a><b><a>"), pieces(&[("<a><b>", true), ("<a>", true)]));
        assert_eq!(split("", ""), pieces(&[]));
        // Special ones only where they are allowed: before the sixth byte.
        let expected = pieces(&[("x ", false), ("<a>", true), ("y <a>", false)]);
        assert_eq!(split(r#", "special": true"#, "x <a>y <a>"), expected);
        assert_eq!(split("", "x <a>y <a>").len(), 4);
    }
}
