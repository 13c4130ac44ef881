//! Unigram: of all ways to split a piece into tokens, the one of the highest score (Viterbi).
//!
//! # Source
//! Kudo 2018 (1804.10959); SentencePiece's `unigram_model.cc`, `EncodeOptimized`, as Hugging Face's `tokenizers` has it.

use super::{ModelToken, byte_tokens};
use crate::tokenizer::vocabulary::Vocabulary;

/// How much lower than the lowest score of the vocabulary an unknown character scores.
const UNKNOWN_PENALTY: f64 = 10.0;

/// The model.
pub struct Unigram {
    /// The score of each token, by id.
    scores: Vec<f64>,
    unknown: Option<u32>,
    unknown_score: f64,
    byte_fallback: bool,
    /// The length in bytes of the longest token that begins with each byte.
    longest: Box<[usize; 256]>,
}

/// The best way to reach an offset of a piece.
#[derive(Clone, Copy)]
struct Best {
    score: f64,
    /// Where its last token begins, and the token; `None` for an unknown character.
    last: Option<(usize, Option<u32>)>,
}

impl Unigram {
    /// A model with these scores.
    ///
    /// # Errors
    /// `unk_id` is not in the vocabulary.
    pub fn new(
        vocabulary: &Vocabulary,
        scores: Vec<f64>,
        unk_id: Option<usize>,
        byte_fallback: bool,
    ) -> Result<Self, String> {
        if let Some(id) = unk_id.filter(|&id| id >= scores.len()) {
            return Err(format!("model.unk_id: expected an id below {}, got {id}", scores.len()));
        }
        let mut longest = Box::new([0; 256]);
        for (token, _) in vocabulary.iter() {
            if let Some(&first) = token.as_bytes().first() {
                let longest = &mut longest[usize::from(first)];
                *longest = token.len().max(*longest);
            }
        }
        let lowest = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let unknown = unk_id.map(|id| id as u32);
        Ok(Self { scores, unknown, unknown_score: lowest - UNKNOWN_PENALTY, byte_fallback, longest })
    }

    /// Appends the tokens of `piece`; `None` if a character is unknown and there is no token for that.
    pub fn tokenize(&self, vocabulary: &Vocabulary, piece: &str, output: &mut Vec<ModelToken>) -> Option<()> {
        let best = self.best_paths(vocabulary, piece)?;
        // From the end to the start; neighbouring unknown characters are one token.
        let mut tokens: Vec<ModelToken> = Vec::new();
        let mut end = piece.len();
        let mut unknown_before = false;
        while end > 0 {
            let (start, id) = best.get(end)?.last?;
            let is_unknown = id.is_none() || id == self.unknown;
            match tokens.last_mut() {
                Some(token) if is_unknown && unknown_before => token.range.start = start,
                _ => tokens.push(ModelToken { id: id.or(self.unknown)?, range: start..end }),
            }
            unknown_before = is_unknown;
            end = start;
        }
        for token in tokens.into_iter().rev() {
            let text = piece.get(token.range.clone())?;
            match vocabulary.id(text) {
                Some(id) => output.push(ModelToken { id, ..token }),
                None => match self.byte_fallback.then(|| byte_tokens(vocabulary, text)).flatten() {
                    Some(ids) => output.extend(ids.into_iter().map(|id| ModelToken { id, range: token.range.clone() })),
                    None => output.push(ModelToken { id: self.unknown?, ..token }),
                },
            }
        }
        Some(())
    }

    /// The best way to reach each offset of `piece`.
    fn best_paths(&self, vocabulary: &Vocabulary, piece: &str) -> Option<Vec<Best>> {
        let mut best = vec![Best { score: 0.0, last: None }; piece.len() + 1];
        for (start, letter) in piece.char_indices() {
            let reached = best[start].score;
            let mut offer = |end: usize, score: f64, id: Option<u32>| {
                let target = &mut best[end];
                if target.last.is_none() || reached + score > target.score {
                    *target = Best { score: reached + score, last: Some((start, id)) };
                }
            };
            let longest = self.longest[usize::from(piece.as_bytes()[start])];
            let rest = &piece[start..];
            let mut is_known = false;
            for (at, letter) in rest.char_indices().take_while(|&(at, _)| at < longest) {
                let length = at + letter.len_utf8();
                if let Some(id) = vocabulary.id(&rest[..length]) {
                    offer(start + length, self.scores.get(id as usize).copied().unwrap_or(0.0), Some(id));
                    is_known |= at == 0;
                }
            }
            if !is_known {
                self.unknown?;
                offer(start + letter.len_utf8(), self.unknown_score, None);
            }
        }
        Some(best)
    }
}
