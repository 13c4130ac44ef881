//! Aligned text: a text that is normalised step by step, each byte with the span of the original that it came from.
//!
//! Offsets follow from this by construction: no stage searches for its output in its input.
//!
//! # Source
//! The alignment rules are those of `NormalizedString` in Hugging Face's `tokenizers` 0.23, so that offsets are equal to its.

use std::ops::Range;

/// A span of the original text, in bytes.
pub type Span = (u32, u32);

/// A text and, for each of its bytes, the span of the original that it stands for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlignedText {
    text: String,
    spans: Vec<Span>,
}

impl AlignedText {
    /// The text before any change: each byte stands for its character.
    pub fn original(text: &str) -> Self {
        let mut spans = Vec::with_capacity(text.len());
        for (at, letter) in text.char_indices() {
            spans.resize(spans.len() + letter.len_utf8(), (at as u32, (at + letter.len_utf8()) as u32));
        }
        Self { text: text.into(), spans }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The span of the original that the bytes `range` stand for.
    pub fn span(&self, range: Range<usize>) -> Range<usize> {
        // Not by a part: a token may be some bytes of a character.
        hull(self.spans.get(range).unwrap_or_default())
    }

    /// A part of the text.
    pub fn part(&self, range: Range<usize>) -> Part<'_> {
        match (self.text.get(range.clone()), self.spans.get(range)) {
            (Some(text), Some(spans)) => Part { text, spans },
            _ => Part { text: "", spans: &[] },
        }
    }

    /// Appends a character.
    pub fn push(&mut self, letter: char, span: Span) {
        self.text.push(letter);
        self.spans.resize(self.text.len(), span);
    }

    /// Appends a part of another text as it is.
    pub fn push_part(&mut self, part: Part<'_>) {
        self.text.push_str(part.text);
        self.spans.extend_from_slice(part.spans);
    }
}

/// A part of an aligned text.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub text: &'a str,
    spans: &'a [Span],
}

impl<'a> Part<'a> {
    /// The bytes `range` of the part.
    pub fn part(self, range: Range<usize>) -> Part<'a> {
        match (self.text.get(range.clone()), self.spans.get(range)) {
            (Some(text), Some(spans)) => Part { text, spans },
            _ => Part { text: "", spans: &[] },
        }
    }

    /// The span of the original that the part stands for.
    pub fn span(self) -> Range<usize> {
        hull(self.spans)
    }

    /// The offset in the original at which the part begins.
    pub fn start(self) -> u32 {
        self.spans.first().map_or(0, |span| span.0)
    }

    /// The span of the byte before `at`, which an inserted character shares; no width at the start.
    fn before(self, at: usize) -> Span {
        let found = at.checked_sub(1).and_then(|before| self.spans.get(before));
        found.copied().unwrap_or((self.start(), self.start()))
    }

    /// Appends to `output` the characters `changes`, which replace this part after its first `removed` characters.
    ///
    /// Each character has a count: 1 for one that is inserted, 0 for one that replaces a character, `-n` for one that
    /// replaces a character and the `n` behind it.
    pub fn transform(self, changes: impl IntoIterator<Item = (char, isize)>, removed: usize, output: &mut AlignedText) {
        let mut letters = self.text.chars();
        let mut skip = |count: usize| letters.by_ref().take(count).map(char::len_utf8).sum::<usize>();
        let mut at = skip(removed);
        for (letter, change) in changes {
            if change > 0 {
                output.push(letter, self.before(at));
            } else {
                output.push(letter, self.spans.get(at).copied().unwrap_or(self.before(at)));
                at += skip(1 + change.unsigned_abs());
            }
        }
    }

    /// Appends the characters that `keep` accepts.
    pub fn filter(self, keep: impl Fn(char) -> bool, output: &mut AlignedText) {
        for (at, letter) in self.text.char_indices().filter(|&(_, letter)| keep(letter)) {
            output.push(letter, self.spans[at]);
        }
    }

    /// Appends each character as the characters that `map` makes of it.
    pub fn map<I: IntoIterator<Item = char>>(self, map: impl Fn(char) -> I, output: &mut AlignedText) {
        for (at, letter) in self.text.char_indices() {
            for mapped in map(letter) {
                output.push(mapped, self.spans[at]);
            }
        }
    }

    /// Appends the part with `content` for each match.
    pub fn replace(self, matches: &[Match], content: &str, output: &mut AlignedText) {
        for found in matches {
            if found.matched {
                content.chars().for_each(|letter| output.push(letter, self.before(found.range.end)));
            } else {
                output.push_part(self.part(found.range.clone()));
            }
        }
    }

    /// Appends `prefix`, which shares the span of the first character, and the part. An empty part stays empty.
    pub fn prepend(self, prefix: &str, output: &mut AlignedText) {
        if let Some(&first) = self.spans.first() {
            prefix.chars().for_each(|letter| output.push(letter, first));
        }
        output.push_part(self);
    }
}

/// What lies between the first and the last of `spans`.
fn hull(spans: &[Span]) -> Range<usize> {
    match spans {
        [first, .., last] => first.0 as usize..(last.1 as usize).max(first.0 as usize),
        [only] => only.0 as usize..only.1 as usize,
        [] => 0..0,
    }
}

/// A range of a text that a pattern matches, or one between two matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    pub range: Range<usize>,
    pub matched: bool,
}

/// The whole of a text of `length` bytes as matches and what is between them, from the ranges that match.
pub fn cover(found: impl IntoIterator<Item = Range<usize>>, length: usize) -> Vec<Match> {
    let mut matches = Vec::new();
    let mut end = 0;
    for range in found {
        if end < range.start {
            matches.push(Match { range: end..range.start, matched: false });
        }
        end = range.end;
        matches.push(Match { range, matched: true });
    }
    if end < length {
        matches.push(Match { range: end..length, matched: false });
    }
    matches
}

/// The ranges of the characters that `matches` accepts.
pub fn letters(text: &str, matches: impl Fn(char) -> bool) -> impl Iterator<Item = Range<usize>> {
    text.char_indices().filter(move |&(_, letter)| matches(letter)).map(|(at, letter)| at..at + letter.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_has_the_span_of_what_it_replaces() {
        let text = AlignedText::original("a\u{308}bc");
        let mut output = AlignedText::default();
        // The letter and its mark become one letter, which has the letter's span; `b` goes, and `x` is inserted behind `c`.
        text.part(0..5).transform([('\u{e4}', -2), ('c', 0), ('x', 1)], 0, &mut output);
        assert_eq!(output.text(), "\u{e4}cx");
        assert_eq!([output.span(0..2), output.span(2..3), output.span(3..4)], [0..1, 4..5, 4..5]);
    }

    #[test]
    fn no_change_is_out_of_range() {
        let text = AlignedText::original("ab");
        let mut output = AlignedText::default();
        text.part(0..2).transform([('x', 1), ('y', -9), ('z', 0), ('z', 1)], 9, &mut output);
        assert_eq!(output.text(), "xyzz");
        assert_eq!(text.span(1..9), 0..0);
        assert_eq!(text.part(1..9).text, "");
    }

    #[test]
    fn matches_cover_the_text() {
        let matches = cover(letters("a-b", |letter| letter == '-'), 3);
        assert_eq!(
            matches.iter().map(|found| (found.range.clone(), found.matched)).collect::<Vec<_>>(),
            [(0..1, false), (1..2, true), (2..3, false)]
        );
        assert_eq!(cover([], 0), []);
    }
}
