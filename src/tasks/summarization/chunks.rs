//! Parts of a text that a model reads at once, cut at sentences.

use std::ops::Range;

use super::SummarySpan;
use super::sentences::sentences;
use crate::error::Result;
use crate::tokenizer::Token;

/// A sentence, or a part of one that is too long.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    /// Where it is.
    pub range: Range<usize>,
    /// Its tokens.
    pub tokens: usize,
}

/// The sentences of `text`, in parts of about `most` tokens where they have more.
pub(super) fn pieces(text: &str, most: usize, tokens: &dyn Fn(&str) -> Result<Vec<Token>>) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    for range in sentences(text) {
        let sentence = &text[range.clone()];
        let of_sentence = tokens(sentence)?;
        if of_sentence.len() <= most {
            pieces.push(Piece { range, tokens: of_sentence.len() });
            continue;
        }
        // A part has other tokens at its ends than the whole.
        let most = (most - most / 8).max(1);
        let mut start = 0;
        for part in of_sentence.chunks(most) {
            let is_last = part.as_ptr_range().end == of_sentence.as_ptr_range().end;
            let end = if is_last { sentence.len() } else { part.last().map_or(start, |token| token.end).max(start) };
            if start < end && sentence.is_char_boundary(end) {
                pieces.push(Piece { range: range.start + start..range.start + end, tokens: part.len() });
                start = end;
            }
        }
    }
    Ok(pieces)
}

/// Chunks of consecutive pieces with at most `most` tokens each, and about as many in each. Each has a token more than its
/// pieces, for what is between two.
pub(super) fn chunks(pieces: &[Piece], most: usize) -> Vec<Range<usize>> {
    let total: usize = pieces.iter().map(|piece| piece.tokens + 1).sum();
    let even = total.div_ceil(total.div_ceil(most.max(1)).max(1));
    let mut chunks: Vec<Range<usize>> = Vec::new();
    let mut tokens = 0;
    for piece in pieces {
        let more = piece.tokens + 1;
        match chunks.last_mut().filter(|_| tokens < even && tokens + more <= most) {
            Some(last) => {
                last.end = piece.range.end;
                tokens += more;
            }
            None => {
                chunks.push(piece.range.clone());
                tokens = more;
            }
        }
    }
    chunks
}

/// Ranges in their order, joined where there is only white space between two.
pub(super) fn joined(text: &str, ranges: impl Iterator<Item = Range<usize>>) -> Vec<SummarySpan> {
    let mut spans: Vec<SummarySpan> = Vec::new();
    for range in ranges {
        match spans.last_mut().filter(|last| text[last.end..range.start].trim().is_empty()) {
            Some(last) => last.end = range.end,
            None => spans.push(range.into()),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Vec<Token>> {
        let start = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
        let token = |word| Token { id: 0, start: start(word), end: start(word) + word.len() };
        Ok(text.split_whitespace().map(token).collect())
    }

    #[test]
    fn chunks_are_cut_at_sentences_and_have_all_of_the_text() {
        let text = "One two three. Four five. Six seven eight nine ten eleven twelve thirteen. Fourteen. Fifteen.";
        let pieces = pieces(text, 4, &words).unwrap();
        let parts: Vec<&str> = pieces.iter().map(|piece| &text[piece.range.clone()]).collect();
        let expected = [
            "One two three.",
            "Four five.",
            "Six seven eight nine",
            " ten eleven twelve thirteen.",
            "Fourteen.",
            "Fifteen.",
        ];
        assert_eq!(parts, expected);
        assert_eq!(pieces.iter().map(|piece| piece.tokens).collect::<Vec<_>>(), [3, 2, 4, 4, 1, 1]);
        for most in [1, 5, 8, 100] {
            let chunks = chunks(&pieces, most);
            assert_eq!(joined(text, chunks.iter().cloned()), [SummarySpan { start: 0, end: text.len() }], "{most}");
        }
        let halves: Vec<&str> = chunks(&pieces, 12).into_iter().map(|range| &text[range]).collect();
        assert_eq!(halves, [&text[..46], &text[46..]]);
    }
}
