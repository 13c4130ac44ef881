//! Tokenizer models: a piece of text into tokens of a vocabulary.

mod bpe;
mod score_bpe;
mod unigram;
mod wordpiece;

use std::ops::Range;

use serde::Deserialize;

use super::vocabulary::{Vocabulary, VocabularyField};
pub use bpe::{Bpe, Merge};
pub use score_bpe::ScoreBpe;
use unigram::Unigram;
use wordpiece::WordPiece;

/// A token of a piece: its id, and its bytes in the piece.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelToken {
    pub id: u32,
    pub range: Range<usize>,
}

/// A model.
pub struct Model {
    vocabulary: Vocabulary,
    kind: Kind,
}

enum Kind {
    Bpe(Bpe),
    ScoreBpe(ScoreBpe),
    Unigram(Unigram),
    WordPiece(WordPiece),
    /// Each piece is one token; the id of the unknown one, if there is any.
    WordLevel(Option<u32>),
}

/// The field `model` of `tokenizer.json`.
#[derive(Deserialize)]
pub struct ModelField<'a> {
    #[serde(rename = "type", default)]
    kind: Option<ModelType>,
    vocab: VocabularyField,
    #[serde(borrow, default)]
    merges: Option<Vec<Merge<'a>>>,
    #[serde(default)]
    unk_token: Option<String>,
    #[serde(default)]
    unk_id: Option<usize>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    fuse_unk: Option<bool>,
    #[serde(default)]
    byte_fallback: Option<bool>,
    #[serde(default)]
    ignore_merges: Option<bool>,
    #[serde(default)]
    max_input_chars_per_word: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
enum ModelType {
    #[serde(rename = "BPE")]
    Bpe,
    Unigram,
    WordPiece,
    WordLevel,
}

impl ModelField<'_> {
    /// The type; files from before it was written have the fields of one.
    fn kind(&self) -> ModelType {
        self.kind.unwrap_or(if self.merges.is_some() {
            ModelType::Bpe
        } else if self.vocab.scores.is_some() {
            ModelType::Unigram
        } else if self.continuing_subword_prefix.is_some() {
            ModelType::WordPiece
        } else {
            ModelType::WordLevel
        })
    }

    /// The model of these fields.
    ///
    /// # Errors
    /// Fields that do not fit one another, each named.
    pub fn build(self) -> Result<Model, String> {
        let kind = self.kind();
        let VocabularyField { vocabulary, scores } = self.vocab;
        let byte_fallback = self.byte_fallback == Some(true);
        if scores.is_some() != (kind == ModelType::Unigram) {
            let form = if scores.is_some() { "a list" } else { "an object" };
            return Err(format!("model.vocab: {form} does not fit the type {kind:?}"));
        }
        let unknown = |default: &str| vocabulary.id(self.unk_token.as_deref().unwrap_or(default));
        let kind = match kind {
            ModelType::Bpe => {
                let merges = self.merges.ok_or("model.merges is missing")?;
                let unknown = self.unk_token.as_deref().map(|token| vocabulary.id(token));
                let mut bpe = Bpe::new(&vocabulary, &merges, self.continuing_subword_prefix.unwrap_or_default())?;
                bpe.end_of_word_suffix = self.end_of_word_suffix.unwrap_or_default();
                bpe.unknown = unknown;
                bpe.fuse_unknown = self.fuse_unk == Some(true);
                bpe.byte_fallback = byte_fallback;
                bpe.ignore_merges = self.ignore_merges == Some(true);
                Kind::Bpe(bpe)
            }
            ModelType::Unigram => {
                Kind::Unigram(Unigram::new(&vocabulary, scores.unwrap_or_default(), self.unk_id, byte_fallback)?)
            }
            ModelType::WordPiece => {
                let unknown = unknown("[UNK]");
                let prefix = self.continuing_subword_prefix.unwrap_or_else(|| "##".into());
                Kind::WordPiece(WordPiece::new(
                    &vocabulary,
                    unknown,
                    prefix,
                    self.max_input_chars_per_word.unwrap_or(100),
                ))
            }
            ModelType::WordLevel => Kind::WordLevel(unknown("<unk>")),
        };
        Ok(Model { vocabulary, kind })
    }
}

impl Model {
    /// BPE with merges.
    pub fn bpe(vocabulary: Vocabulary, model: Bpe) -> Self {
        Self { vocabulary, kind: Kind::Bpe(model) }
    }

    /// SentencePiece's BPE.
    pub fn score_bpe(vocabulary: Vocabulary, model: ScoreBpe) -> Self {
        Self { vocabulary, kind: Kind::ScoreBpe(model) }
    }

    /// Appends the tokens of `piece`.
    ///
    /// # Errors
    /// A part is not in the vocabulary, and the vocabulary has no token for what is unknown.
    pub fn tokenize(&self, piece: &str, output: &mut Vec<ModelToken>) -> Result<(), String> {
        let vocabulary = &self.vocabulary;
        let known = match &self.kind {
            Kind::Bpe(model) => model.tokenize(vocabulary, piece, output),
            Kind::ScoreBpe(model) => model.tokenize(vocabulary, piece, output),
            Kind::Unigram(model) => model.tokenize(vocabulary, piece, output),
            Kind::WordPiece(model) => model.tokenize(vocabulary, piece, output),
            Kind::WordLevel(unknown) => {
                vocabulary.id(piece).or(*unknown).map(|id| output.push(ModelToken { id, range: 0..piece.len() }))
            }
        };
        known.ok_or_else(|| "the vocabulary has no token for what it does not know, and a word is not in it".into())
    }

    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }
}

/// The tokens `<0x00>` to `<0xFF>` of the bytes of `text`, if the vocabulary has all that it needs.
fn byte_tokens(vocabulary: &Vocabulary, text: &str) -> Option<Vec<u32>> {
    text.bytes().map(|byte| vocabulary.id(&format!("<0x{byte:02X}>"))).collect()
}
