//! Token offsets: the spans of tokens in their text.
//!
//! The `tokenizers` crate 1.0.0-rc.3 gives ids only. Its stages are public, so the ids are made here by the same stages, and
//! each token is located in the normalised text, which is aligned with the original by normalising it in small pieces. The
//! golden tests compare both with a release of the crate that has offsets. A release without this gap replaces this module.

use std::ops::Range;

use tokenizers::pipeline::{
    Model, PipelineModel, PipelineToken, PipelineTokenizer, PreTokenizer, PreTokenizerScratch, Segment,
    SpecialSegmentIterator, normalize_all,
};

use super::Token;

/// A space in SentencePiece's tokens.
const META_SPACE: &str = "\u{2581}";
/// A space in the tokens of byte-level BPE.
const BYTE_SPACE: char = '\u{120}';
/// WordPiece's prefix of a token that continues a word.
const CONTINUATION: &str = "##";

type Result<T> = std::result::Result<T, tokenizers::Error>;

/// The tokens of `text`. With `trim`, the spaces in the tokens of byte-level BPE are not part of their spans, as with
/// RoBERTa's post-processor.
pub fn encode(tokenizer: &PipelineTokenizer, trim: bool, text: &str) -> Result<Vec<Token>> {
    let added = tokenizer.get_added_vocabulary();
    let mut tokens = Vec::new();
    let mut at = 0;
    for segment in SpecialSegmentIterator::new(text, added, false, false) {
        match segment {
            Segment::SpecialToken(id) => {
                let end = at + special_length(tokenizer, id, &text[at..]);
                tokens.push(Token { id, start: at, end });
                at = end;
            }
            Segment::Text { text: chunk, input_offset } => {
                chunk_tokens(tokenizer, trim, chunk, input_offset, &mut tokens)?;
                at = input_offset + chunk.len();
            }
        }
    }
    Ok(tokens)
}

/// The length of the added token `id` at the start of `text`; spaces around it may belong to it.
fn special_length(tokenizer: &PipelineTokenizer, id: u32, text: &str) -> usize {
    let words = tokenizer.decode_tokens(&[id], false).pop().unwrap_or_default();
    let start = text.len() - text.trim_start().len();
    // A token that is matched in its normal form may have another length than its name.
    let end = if text[start..].starts_with(&words) { start + words.len() } else { words.len() };
    text.ceil_char_boundary(end)
}

/// The tokens of a piece of text that has no added token before normalisation.
fn chunk_tokens(
    tokenizer: &PipelineTokenizer,
    trim: bool,
    chunk: &str,
    offset: usize,
    tokens: &mut Vec<Token>,
) -> Result<()> {
    let normalized = normalize_all(tokenizer.get_normalizers(), chunk, offset)?;
    let alignment = align(tokenizer, chunk, offset, &normalized)?;
    let mut at = 0;
    for segment in SpecialSegmentIterator::new(&normalized, tokenizer.get_added_vocabulary(), true, false) {
        match segment {
            Segment::SpecialToken(id) => {
                let end = at + special_length(tokenizer, id, &normalized[at..]);
                let span = alignment.of(at..end);
                tokens.push(Token { id, start: span.start, end: span.end });
                at = end;
            }
            Segment::Text { text, input_offset } => {
                let mut spans = Vec::new();
                tokenizer.get_pre_tokenizer().pre_tokenize(text, &mut PreTokenizerScratch::default(), &mut spans)?;
                let mut words = Words {
                    model: tokenizer.get_model(),
                    trim,
                    normalized: &normalized,
                    alignment: &alignment,
                    tokens,
                };
                let mut scratch = words.model.init_scratch();
                let mut ids = Vec::new();
                for span in spans {
                    let span = span.range();
                    ids.clear();
                    words.model.tokenize_pipeline(&text[span.clone()], &mut scratch, &mut ids)?;
                    words.locate(input_offset + span.start..input_offset + span.end, &ids);
                }
                at = input_offset + text.len();
            }
        }
    }
    Ok(())
}

/// Locates the tokens of one word after another.
struct Words<'a> {
    model: &'a PipelineModel,
    trim: bool,
    normalized: &'a str,
    alignment: &'a Alignment<'a>,
    tokens: &'a mut Vec<Token>,
}

impl Words<'_> {
    /// Adds the tokens `ids` of the word at `span` of the normalised text.
    fn locate(&mut self, span: Range<usize>, ids: &[PipelineToken]) {
        let byte_level = matches!(self.model, PipelineModel::BPE(bpe) if bpe.is_byte_level());
        let mut at = span.start;
        for (index, id) in ids.iter().enumerate() {
            let id = id.id();
            let token = self.model.id_to_token(id).unwrap_or_default();
            let start = at;
            at = if byte_level {
                // One character of the token's name for each byte of the text.
                span.end.min(at + token.chars().count())
            } else {
                match self.found(&token, index, at, &span) {
                    Some(span) => span.end,
                    // An unknown token: up to the start of the next known one.
                    None => ids[index + 1..]
                        .iter()
                        .find_map(|next| {
                            self.model.id_to_token(next.id()).and_then(|next| self.next_at(&next, at, &span))
                        })
                        .unwrap_or(span.end),
                }
            };
            let span =
                if byte_level && self.trim { self.trimmed(&token, start..at) } else { self.whole(start..at, &span) };
            self.tokens.push(Token { id, start: span.start, end: span.end });
        }
    }

    /// The span of `token`, if it is at `at`.
    fn found(&self, token: &str, index: usize, at: usize, span: &Range<usize>) -> Option<Range<usize>> {
        let rest = &self.normalized[at..span.end];
        let span_of = |words: &str| (!words.is_empty() && rest.starts_with(words)).then(|| at..at + words.len());
        let continued = (index > 0).then(|| token.strip_prefix(CONTINUATION)).flatten();
        continued.and_then(span_of).or_else(|| span_of(token))
    }

    /// The start of `token` behind `at`; the character at `at` is another token's.
    fn next_at(&self, token: &str, at: usize, span: &Range<usize>) -> Option<usize> {
        let rest = &self.normalized[at..span.end];
        let first = rest.chars().next()?.len_utf8();
        let words = token.strip_prefix(CONTINUATION).unwrap_or(token);
        rest[first..].find(words).map(|found| at + first + found)
    }

    /// The span of a whole token. The mark for the space before a word belongs to its first letter.
    fn whole(&self, range: Range<usize>, span: &Range<usize>) -> Range<usize> {
        // As bytes: a token of byte-level BPE may end inside a character.
        if !self.normalized.as_bytes()[range.clone()].starts_with(META_SPACE.as_bytes()) {
            return self.alignment.of(range);
        }
        let letter = range.start + META_SPACE.len();
        let next = self.normalized[letter..].chars().next().map_or(0, char::len_utf8);
        if letter < span.end || next > 0 && range.end == letter {
            return self.alignment.of(letter..range.end.max(letter + next));
        }
        self.alignment.of(range)
    }

    /// The span of a byte-level token without the spaces at its ends.
    fn trimmed(&self, token: &str, range: Range<usize>) -> Range<usize> {
        let is_space = |letter: &char| *letter == BYTE_SPACE || letter.is_whitespace();
        let leading = token.chars().take_while(is_space).count();
        let trailing = token.chars().rev().take_while(is_space).count();
        let span = self.alignment.of(range);
        // A space may come from a wider one, which is not cut.
        let start = self.alignment.ceil(span.start + leading).min(span.end);
        start..self.alignment.floor(span.end.saturating_sub(trailing)).max(start)
    }
}

/// The alignment of a normalised text with the original.
struct Alignment<'a> {
    chunk: &'a str,
    /// The offset of `chunk` in the text.
    offset: usize,
    /// The original range of each byte of the normal form; `None` where the chunk is normal already.
    ranges: Option<Vec<(u32, u32)>>,
}

impl Alignment<'_> {
    /// The first character boundary of the text from `at` on.
    fn ceil(&self, at: usize) -> usize {
        self.offset + self.chunk.ceil_char_boundary(at.saturating_sub(self.offset))
    }

    /// The last character boundary of the text up to `at`.
    fn floor(&self, at: usize) -> usize {
        self.offset + self.chunk.floor_char_boundary(at.saturating_sub(self.offset))
    }

    /// The original bytes of the normalised bytes `range`, whole characters.
    fn of(&self, range: Range<usize>) -> Range<usize> {
        let (start, end) = match &self.ranges {
            None => (self.chunk.floor_char_boundary(range.start), self.chunk.ceil_char_boundary(range.end)),
            Some(ranges) => match ranges.get(range) {
                Some([first, .., last]) => (first.0 as usize, last.1.max(first.1) as usize),
                Some([only]) => (only.0 as usize, only.1 as usize),
                _ => (self.chunk.len(), self.chunk.len()),
            },
        };
        self.offset + start..self.offset + end
    }
}

/// Aligns `normalized` with `chunk`, which is at `offset` of the text.
fn align<'a>(tokenizer: &PipelineTokenizer, chunk: &'a str, offset: usize, normalized: &str) -> Result<Alignment<'a>> {
    if normalized == chunk {
        return Ok(Alignment { chunk, offset, ranges: None });
    }
    let mut ranges: Vec<(u32, u32)> = Vec::with_capacity(normalized.len());
    // Not at the start of the text, where some normalisers put a space before it.
    let alone = |range: &Range<usize>| {
        normalize_all(tokenizer.get_normalizers(), &chunk[range.clone()], offset + range.start + 1)
    };
    for piece in pieces(chunk) {
        let whole = alone(&piece)?;
        // A mark that is removed has no range; one that is composed with its letter shares the letter's.
        let letters = chunk[piece.clone()]
            .char_indices()
            .map(|(at, letter)| piece.start + at..piece.start + at + letter.len_utf8());
        let letters = letters.map(|letter| Ok((alone(&letter)?, letter))).collect::<Result<Vec<_>>>()?;
        let apart = letters.iter().map(|(words, _)| words.as_ref()).collect::<String>() == whole;
        for (words, range) in if apart { letters } else { vec![(whole, piece)] } {
            let length = matched(&normalized[ranges.len()..], &words);
            ranges.resize(ranges.len() + length, (range.start as u32, range.end as u32));
        }
    }
    // Anything added at the end belongs to the last letter.
    let last = ranges.last().copied().unwrap_or((0, chunk.len() as u32));
    ranges.resize(normalized.len(), last);
    Ok(Alignment { chunk, offset, ranges: Some(ranges) })
}

/// The length at the start of `rest` of a piece whose normal form by itself is `alone`.
fn matched(rest: &str, alone: &str) -> usize {
    if rest.starts_with(alone) {
        return alone.len();
    }
    // Only one of both has the mark for the start of a word.
    let bare = alone.strip_prefix(META_SPACE).unwrap_or(alone);
    if !bare.is_empty() && rest.starts_with(bare) {
        return bare.len();
    }
    if let Some(behind) = rest.strip_prefix(META_SPACE)
        && !bare.is_empty()
        && behind.starts_with(bare)
    {
        return META_SPACE.len() + bare.len();
    }
    // It was removed: a space at an end, one of several spaces.
    0
}

/// `text` in pieces that normalise independently: a character with the marks that combine with it.
fn pieces(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut letters = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, first) = letters.next()?;
        let mut end = start + first.len_utf8();
        while let Some((at, mark)) = letters.next_if(|&(_, letter)| combines(letter)) {
            end = at + mark.len_utf8();
        }
        Some(start..end)
    })
}

/// Whether `letter` changes the one before it: combining marks, joiners, Hangul vowels and finals.
fn combines(letter: char) -> bool {
    matches!(letter,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}'
        | '\u{93c}' | '\u{93e}'..='\u{94d}' | '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}'
        | '\u{1161}'..='\u{11ff}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{200d}' | '\u{20d0}'..='\u{20ff}'
        | '\u{3099}'..='\u{309a}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}')
}
