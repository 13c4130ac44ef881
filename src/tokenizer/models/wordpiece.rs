//! WordPiece: from the start of a word, the longest token of the vocabulary, again and again.
//!
//! # Source
//! Wu et al. 2016 (1609.08144), as BERT's `tokenization.py` has it.

use super::ModelToken;
use crate::tokenizer::vocabulary::Vocabulary;

/// The model.
pub struct WordPiece {
    unknown: Option<u32>,
    /// Before each token of a word but the first.
    continuing_subword_prefix: String,
    /// A longer word is unknown.
    max_chars: usize,
    /// The length in bytes of the longest token.
    longest: usize,
}

impl WordPiece {
    pub fn new(
        vocabulary: &Vocabulary,
        unknown: Option<u32>,
        continuing_subword_prefix: String,
        max_chars: usize,
    ) -> Self {
        let longest = vocabulary.iter().map(|(token, _)| token.len()).max().unwrap_or(0);
        Self { unknown, continuing_subword_prefix, max_chars, longest }
    }

    /// Appends the tokens of `piece`; `None` if it is unknown and there is no token for that.
    pub fn tokenize(&self, vocabulary: &Vocabulary, piece: &str, output: &mut Vec<ModelToken>) -> Option<()> {
        let first = output.len();
        if piece.chars().count() > self.max_chars || !self.longest_tokens(vocabulary, piece, output) {
            output.truncate(first);
            output.push(ModelToken { id: self.unknown?, range: 0..piece.len() });
        }
        Some(())
    }

    /// Appends the longest tokens; `false` where none fits.
    fn longest_tokens(&self, vocabulary: &Vocabulary, piece: &str, output: &mut Vec<ModelToken>) -> bool {
        let mut start = 0;
        let mut token = String::new();
        while start < piece.len() {
            token.clear();
            if start > 0 {
                token.push_str(&self.continuing_subword_prefix);
            }
            let prefix = token.len();
            let end = piece.floor_char_boundary(start + self.longest);
            token.push_str(piece.get(start..end).unwrap_or_default());
            let found = loop {
                if token.len() <= prefix {
                    return false;
                }
                if let Some(id) = vocabulary.id(&token) {
                    break id;
                }
                token.pop();
            };
            let end = start + token.len() - prefix;
            output.push(ModelToken { id: found, range: start..end });
            start = end;
        }
        true
    }
}
