//! SentencePiece's BPE: the characters of a piece, joined pair by pair to the token of the highest score.
//!
//! # Source
//! SentencePiece's `bpe_model.cc`, as llama.cpp's `llm_tokenizer_spm` has it. It is not Unigram, whose scores are
//! logarithms of probabilities and which maximises their sum.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{ModelToken, byte_tokens};
use crate::tokenizer::vocabulary::Vocabulary;

/// The model.
pub struct ScoreBpe {
    /// The score of each token, by id; NaN for one that no text becomes, such as a control token.
    scores: Vec<f32>,
    /// For a character without tokens of its bytes.
    unknown: Option<u32>,
}

/// A token while a piece is merged: a list linked in both directions. One that was merged into its neighbour has no length.
#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    length: usize,
    previous: usize,
    next: usize,
}

/// A pair that may be merged: the highest score first, and of equal ones the leftmost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    score: Score,
    left: Reverse<usize>,
    length: usize,
}

/// Ordered, as none is NaN.
#[derive(Clone, Copy, PartialEq)]
struct Score(f32);

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// No symbol.
const NONE: usize = usize::MAX;

impl ScoreBpe {
    /// A model with these scores.
    pub fn new(scores: Vec<f32>, unknown: Option<u32>) -> Self {
        // So that the two zeros are equal.
        Self { scores: scores.into_iter().map(|score| score + 0.0).collect(), unknown }
    }

    /// Appends the tokens of `piece`; `None` if a character is unknown and there is no token for that.
    pub fn tokenize(&self, vocabulary: &Vocabulary, piece: &str, output: &mut Vec<ModelToken>) -> Option<()> {
        let mut symbols: Vec<Symbol> = piece
            .char_indices()
            .enumerate()
            .map(|(at, (start, letter))| Symbol {
                start,
                length: letter.len_utf8(),
                previous: at.checked_sub(1).unwrap_or(NONE),
                next: at + 1,
            })
            .collect();
        self.merge(vocabulary, piece, &mut symbols);
        for &Symbol { start, length, .. } in symbols.iter().filter(|symbol| symbol.length > 0) {
            let text = piece.get(start..start + length)?;
            if let Some((id, _)) = self.token(vocabulary, text) {
                output.push(ModelToken { id, range: start..start + length });
            } else if let Some(bytes) = byte_tokens(vocabulary, text) {
                output.extend((start..).zip(bytes).map(|(at, id)| ModelToken { id, range: at..at + 1 }));
            } else {
                output.push(ModelToken { id: self.unknown?, range: start..start + length });
            }
        }
        Some(())
    }

    fn merge(&self, vocabulary: &Vocabulary, piece: &str, symbols: &mut [Symbol]) {
        let pair = |symbols: &[Symbol], left: usize| {
            let symbol = symbols.get(left)?;
            let length = symbol.length + symbols.get(symbol.next)?.length;
            let (_, score) = self.token(vocabulary, piece.get(symbol.start..symbol.start + length)?)?;
            Some(Pair { score: Score(score), left: Reverse(left), length })
        };
        let mut queue: BinaryHeap<Pair> = (0..symbols.len()).filter_map(|left| pair(symbols, left)).collect();
        while let Some(Pair { left: Reverse(left), length, .. }) = queue.pop() {
            let Symbol { length: before, next, previous, .. } = symbols[left];
            // The pair may have changed since.
            let Some(&right) = symbols.get(next).filter(|right| before > 0 && before + right.length == length) else {
                continue;
            };
            (symbols[left].length, symbols[left].next) = (length, right.next);
            symbols[next].length = 0;
            if let Some(behind) = symbols.get_mut(right.next) {
                behind.previous = left;
            }
            queue.extend(pair(symbols, previous));
            queue.extend(pair(symbols, left));
        }
    }

    /// The token that is `text`, and its score.
    fn token(&self, vocabulary: &Vocabulary, text: &str) -> Option<(u32, f32)> {
        let id = vocabulary.id(text)?;
        self.scores.get(id as usize).filter(|score| !score.is_nan()).map(|score| (id, *score))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(words: &[(&str, f32)], text: &str) -> Option<Vec<u32>> {
        let mut vocabulary = Vocabulary::default();
        words.iter().zip(0..).for_each(|((word, _), id)| assert!(vocabulary.insert(word, id)));
        let model = ScoreBpe::new(words.iter().map(|(_, score)| *score).collect(), None);
        let mut output = Vec::new();
        model.tokenize(&vocabulary, text, &mut output)?;
        let ranges = output.iter().map(|token| token.range.clone());
        assert_eq!(ranges.fold(0, |end, range| if range.start == end { range.end } else { panic!() }), text.len());
        Some(output.into_iter().map(|token| token.id).collect())
    }

    #[test]
    fn the_highest_score_is_merged_first() {
        let words =
            [("a", -9.0), ("b", -9.0), ("c", -9.0), ("ab", -2.0), ("bc", -1.0), ("abc", -3.0), ("<0xC3>", f32::NAN)];
        assert_eq!(tokens(&words, "abc").unwrap(), [5]);
        assert_eq!(tokens(&words, "ababcc").unwrap(), [3, 5, 2]);
        assert!(tokens(&words, "").unwrap().is_empty());
        // Of equal scores the leftmost pair: Unigram would not care.
        let equal = [("a", 0.0), ("aa", -0.0), ("aaa", f32::NAN)];
        assert_eq!(tokens(&equal, "aaa").unwrap(), [1, 0]);
        // No text is a token without a score, and there is no token for the second byte.
        assert_eq!(tokens(&words, "\u{e9}"), None);
    }

    #[test]
    fn what_is_unknown_becomes_bytes() {
        let words = [("<0xC3>", f32::NAN), ("<0xA9>", f32::NAN), ("<", -1.0), ("<0", -1.0)];
        assert_eq!(tokens(&words, "<0\u{e9}").unwrap(), [3, 0, 1]);
    }
}
