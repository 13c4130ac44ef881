//! Guards: what keeps a text of the messages from becoming a control token.
//!
//! A template writes control tokens as text, so a rendered prompt does not show whether `<|im_end|>` is the template's or a
//! user's. Before a template is rendered, a character that nothing else contains is put into every special token in the
//! messages. In the rendered text a special token without it is the template's. The others are encoded as plain text once the
//! guards are taken out.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};

/// A token with a meaning of its own, such as `<|im_end|>`.
#[derive(Clone, Debug, PartialEq)]
pub struct SpecialToken {
    /// Its text.
    pub text: String,
    /// Its id.
    pub id: u32,
}

/// What a rendered prompt consists of.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// A special token that the template wrote.
    Token(u32),
    /// A text between two of them, in which special tokens are plain text.
    Text(String),
}

/// Marks special tokens in texts, and tells them from those of a template.
pub struct Guard<'a> {
    character: char,
    /// What comes after a special token of one character, which has no inside.
    after: char,
    /// The special tokens by their first character, longest first.
    tokens: BTreeMap<char, Vec<&'a SpecialToken>>,
}

impl<'a> Guard<'a> {
    /// A guard for `tokens` that occurs nowhere in `texts`: the template, and what it is given.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the texts contain every character that could serve.
    pub fn new<'t>(tokens: &'a [SpecialToken], texts: impl Iterator<Item = &'t str>) -> Result<Self> {
        let mut by_first: BTreeMap<char, Vec<&SpecialToken>> = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for token in tokens {
            if let Some(first) = token.text.chars().next() {
                by_first.entry(first).or_default().push(token);
            }
            taken.extend(token.text.chars().filter(|&letter| could_guard(letter)));
        }
        for tokens in by_first.values_mut() {
            crate::sort::sort_by(tokens, |a, b| b.text.len().cmp(&a.text.len()));
        }
        for text in texts {
            taken.extend(text.chars().filter(|&letter| could_guard(letter)));
            taken.extend(escaped_letters(text).filter(|&letter| could_guard(letter)));
        }
        // Noncharacters first, which no text should contain, then those for private use.
        let mut candidates = ('\u{fdd0}'..='\u{fdef}').chain('\u{e000}'..='\u{f8ff}');
        let mut untaken = || {
            candidates.find(|letter| !taken.contains(letter)).ok_or_else(|| {
                let message = "messages: expected two private-use characters that they do not contain, got all of them";
                Error::invalid_input(message)
            })
        };
        Ok(Self { character: untaken()?, after: untaken()?, tokens: by_first })
    }

    /// `text` with a guard after the first character of each special token in it, and of each beginning of one at its end,
    /// which the template's own text could complete.
    pub fn mark(&self, text: &str) -> String {
        let mut marked = String::with_capacity(text.len());
        for (start, letter) in text.char_indices() {
            marked.push(letter);
            let rest = &text[start..];
            let tokens = self.tokens.get(&letter).map_or(&[][..], Vec::as_slice);
            if tokens.iter().any(|token| rest.starts_with(&token.text) || token.text.starts_with(rest)) {
                marked.push(self.character);
            }
            // The shortest is the last one.
            if tokens.last().is_some_and(|token| token.text.len() == letter.len_utf8()) {
                marked.push(self.after);
            }
        }
        marked
    }

    /// The same for a text that a template may put next to any other: what could complete a special token that the template
    /// begins is marked as well.
    pub fn mark_joined(&self, text: &str) -> String {
        let mut marked = self.mark(text);
        let Some(first) = text.chars().next() else { return marked };
        let mut shared = self.tokens.values().flatten().filter_map(|token| ends_within(&token.text, text)).peekable();
        if shared.peek().is_some() {
            // A guard behind the first character is of no use where that alone completes the token.
            let place = if shared.any(|letters| letters == 1) { 0 } else { first.len_utf8() };
            marked.insert(place, self.character);
        }
        marked
    }

    /// Whether `text` has a special token in it.
    pub fn finds(&self, text: &str) -> bool {
        text.char_indices().any(|(start, letter)| self.token_at(letter, &text[start..]).is_some())
    }

    /// A rendered text as the template's special tokens and the texts between them.
    pub fn pieces(&self, rendered: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let (mut from, mut at) = (0, 0);
        while let Some(letter) = rendered[at..].chars().next() {
            let found = self.token_at(letter, &rendered[at..]);
            match found.filter(|token| !self.is_marked(&rendered[at + token.text.len()..])) {
                Some(token) => {
                    self.push_text(&rendered[from..at], &mut pieces);
                    pieces.push(Piece::Token(token.id));
                    at += token.text.len();
                    from = at;
                }
                None => at += letter.len_utf8(),
            }
        }
        self.push_text(&rendered[from..], &mut pieces);
        pieces
    }

    /// `text` as it was before it was marked.
    pub fn unmark(&self, text: &str) -> String {
        // A template that writes JSON in ASCII escapes the guard.
        let escapes = [self.character, self.after].map(escape);
        text.replace([self.character, self.after], "").replace(&escapes[0], "").replace(&escapes[1], "")
    }

    /// The special tokens whose texts are in `text`.
    pub fn tokens_in<'t>(&'t self, text: &'t str) -> impl Iterator<Item = &'a SpecialToken> + 't {
        self.tokens.values().flatten().copied().filter(|token| text.contains(&token.text))
    }

    /// Whether a token of one character that comes before `rest` is of the messages.
    fn is_marked(&self, rest: &str) -> bool {
        rest.strip_prefix(self.character).unwrap_or(rest).starts_with(self.after)
    }

    fn push_text(&self, text: &str, pieces: &mut Vec<Piece>) {
        let text = self.unmark(text);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
    }

    /// The longest special token that `rest`, which begins with `letter`, begins with.
    fn token_at(&self, letter: char, rest: &str) -> Option<&'a SpecialToken> {
        self.tokens.get(&letter)?.iter().copied().find(|token| rest.starts_with(&token.text))
    }
}

/// How many characters of `text` are within `token` if the token begins before the text. The least, if there are several.
fn ends_within(token: &str, text: &str) -> Option<usize> {
    let inner = token.char_indices().rev().filter(|&(start, _)| start > 0);
    inner
        .map(|(start, _)| &token[start..])
        .find(|end| text.starts_with(end) || end.starts_with(text))
        .map(|end| end.chars().count().min(text.chars().count()))
}

fn could_guard(letter: char) -> bool {
    matches!(letter, '\u{fdd0}'..='\u{fdef}' | '\u{e000}'..='\u{f8ff}')
}

/// `letter`, of 16 bits, as JSON escapes it.
fn escape(letter: char) -> String {
    format!("\\u{:04x}", u32::from(letter))
}

/// The characters that a text has as JSON's escapes.
fn escaped_letters(text: &str) -> impl Iterator<Item = char> {
    text.match_indices("\\u").filter_map(|(start, _)| {
        let digits = text.get(start + 2..start + 6)?;
        char::from_u32(u32::from_str_radix(digits, 16).ok()?)
    })
}
