//! Tokenizers: texts into token ids with their offsets, from `tokenizer.json` or a GGUF file.
//!
//! A text goes through the stages of Hugging Face's `tokenizers`: added tokens, normalizer, pre-tokenizer, model,
//! post-processor. Each byte of the text keeps its span of the original through all of them, so the offsets of a token follow
//! by construction. The `tokenizers` crate itself is 0.38 MB larger in a page, and its release candidate has no offsets.

mod added_tokens;
mod aligned;
mod byte_level;
mod characters;
mod decoders;
mod gguf;
mod models;
mod normal_forms;
mod normalizers;
mod pattern;
mod pieces;
mod post_processors;
mod pre_tokenizers;
mod precompiled;
mod prompts;
mod special_tokens;
mod vocabulary;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use added_tokens::{AddedToken, AddedTokens, with_ids};
use decoders::Decoder;
use models::{Model, ModelField};
use normalizers::Normalizer;
use pieces::Pieces;
use post_processors::{Framing, PostProcessor};
use pre_tokenizers::PreTokenizer;
pub use special_tokens::SpecialIds;

/// A tokenizer from `tokenizer.json`, or from a GGUF file. Its own settings for padding are not used: texts are padded when they are put into a
/// batch.
///
/// ```
/// use pilot_light::tokenizer::Tokenizer;
///
/// let json = std::fs::read_to_string("tests/golden/tiny-bert-seq/tokenizer.json").unwrap();
/// let tokenizer = Tokenizer::from_json(&json)?;
/// let text = "rain and snow";
/// let encoding = tokenizer.encode(text, 16)?;
/// assert!(!encoding.truncated);
///
/// let tokens = tokenizer.encode_with_offsets(text)?;
/// assert_eq!(encoding.input_ids.len(), tokens.len() + tokenizer.special_tokens());
/// assert_eq!(tokens[0].start, 0);
/// # Ok::<(), pilot_light::Error>(())
/// ```
pub struct Tokenizer {
    added: AddedTokens,
    normalizer: Option<Normalizer>,
    pre_tokenizer: Option<PreTokenizer>,
    model: Model,
    framing: Framing,
    decoder: Option<Decoder>,
    special_ids: SpecialIds,
    /// The ids of tokens that are no part of a text: they control the model, or nothing.
    special: HashSet<u32>,
    /// The most tokens of a text, and whether those at its end are kept.
    truncation: Truncation,
}

#[derive(Clone, Copy, Debug, Default)]
struct Truncation {
    max_length: Option<usize>,
    keeps_end: bool,
}

/// A text as token ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoding {
    /// The token ids, with special tokens around the text.
    pub input_ids: Vec<u32>,
    /// Whether the text had more tokens than this.
    pub truncated: bool,
}

/// A token and its offsets in the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// The offset of its first byte.
    pub start: usize,
    /// The offset behind its last byte.
    pub end: usize,
}

/// The version of `tokenizer.json` that is read, which is the only one that is published.
const VERSION: &str = "1.0";

/// `tokenizer.json`. Each stage is parsed by itself, so that an error can name it.
#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow, default)]
    version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    truncation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    added_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    normalizer: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pre_tokenizer: Option<&'a RawValue>,
    #[serde(borrow, default)]
    post_processor: Option<&'a RawValue>,
    #[serde(borrow, default)]
    decoder: Option<&'a RawValue>,
    #[serde(borrow)]
    model: &'a RawValue,
}

/// The field `truncation`.
#[derive(Deserialize)]
struct TruncationField {
    max_length: usize,
    #[serde(default)]
    direction: Direction,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
enum Direction {
    #[serde(alias = "left")]
    Left,
    #[default]
    #[serde(alias = "right")]
    Right,
}

/// The fields of `tokenizer_config.json` that are used.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    model_max_length: Option<f64>,
    #[serde(default)]
    truncation_side: Option<Direction>,
    #[serde(default)]
    bos_token: Option<ConfigToken>,
    #[serde(default)]
    eos_token: Option<ConfigToken>,
    #[serde(default)]
    add_bos_token: Option<bool>,
}

/// A token, by itself or with the fields of an added token.
#[derive(Deserialize)]
#[serde(untagged)]
enum ConfigToken {
    Text(String),
    Added { content: String },
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    ///
    /// # Errors
    /// Invalid artefact: it is not JSON, or it has a stage that is not known or cannot be built; the message names it.
    pub fn from_json(tokenizer: &str) -> Result<Self> {
        let file: File = serde_json::from_str(tokenizer).map_err(|error| wrong(&error))?;
        if let Some(version) = file.version.filter(|version| version != VERSION) {
            return Err(wrong(&format!("version: expected {VERSION}, got {version}")));
        }
        let model: ModelField = read("model", file.model)?;
        let model = model.build().map_err(|error| wrong(&error))?;
        let normalizer: Option<Normalizer> = optional("normalizer", file.normalizer)?;
        let tokens: Option<Vec<AddedToken>> = optional("added_tokens", file.added_tokens)?;
        let normal_form = |text: &str| {
            let mut pieces = Pieces::new(text);
            normalizer.iter().try_for_each(|normalizer| normalizer.apply(&mut pieces))?;
            Ok(pieces.text.text().into())
        };
        let tokens = with_ids(tokens.unwrap_or_default(), model.vocabulary());
        let added = AddedTokens::new(tokens, normal_form).map_err(|error| wrong(&format!("added_tokens: {error}")))?;
        let mut framing = Framing::default();
        if let Some(processor) = optional::<PostProcessor>("post_processor", file.post_processor)? {
            processor.extend(&mut framing).map_err(|error| wrong(&error))?;
        }
        let truncation = optional::<TruncationField>("truncation", file.truncation)?;
        let mut tokenizer = Self {
            added,
            normalizer,
            pre_tokenizer: optional("pre_tokenizer", file.pre_tokenizer)?,
            model,
            framing,
            decoder: optional("decoder", file.decoder)?,
            special_ids: SpecialIds::default(),
            special: HashSet::new(),
            truncation: truncation.map_or_else(Truncation::default, |field| Truncation {
                max_length: Some(field.max_length),
                keeps_end: field.direction == Direction::Left,
            }),
        };
        tokenizer.find_special_ids();
        Ok(tokenizer)
    }

    /// Looks up by name which tokens have a role, and takes those for special ones.
    fn find_special_ids(&mut self) {
        let mut ids = std::mem::take(&mut self.special_ids);
        ids.look_up(|name| self.id_of(name));
        ids.all().into_iter().for_each(|id| self.added.make_special(id));
        self.special = self.added.special().collect();
        self.special_ids = ids;
    }

    /// Reads how texts are truncated and where they begin and end from `tokenizer_config.json`, which goes before
    /// `tokenizer.json`.
    ///
    /// # Errors
    /// Invalid artefact: it is not JSON.
    pub fn configure(&mut self, config: &str) -> Result<()> {
        let config: Config = serde_json::from_str(config)
            .map_err(|error| Error::invalid_artefact(format!("tokenizer_config.json is not right: {error}")))?;
        // Tokenizers without a limit are published with 1e30.
        let max_length = config.model_max_length.filter(|length| (1.0..1e9).contains(length));
        self.truncation.max_length = max_length.map(|length| length as usize).or(self.truncation.max_length);
        if let Some(side) = config.truncation_side {
            self.truncation.keeps_end = side == Direction::Left;
        }
        let id = |token: Option<ConfigToken>| {
            token.and_then(|(ConfigToken::Text(content) | ConfigToken::Added { content })| self.id_of(&content))
        };
        let (bos, eos) = (id(config.bos_token), id(config.eos_token));
        self.special_ids.bos = bos.or(self.special_ids.bos);
        self.special_ids.eos = eos.or(self.special_ids.eos);
        let frames = bos.is_some() && self.framing.prefix.first() == bos.as_ref();
        self.special_ids.adds_bos = bos.is_some() && config.add_bos_token.unwrap_or(frames);
        self.find_special_ids();
        Ok(())
    }

    /// Limits texts to `max_length` tokens, special tokens included, in place of what the tokenizer's files say.
    pub fn limit(&mut self, max_length: Option<usize>) {
        self.truncation.max_length = max_length.or(self.truncation.max_length);
    }

    /// The most tokens of a text, special tokens included, where the tokenizer's files limit them.
    pub fn max_length(&self) -> Option<usize> {
        self.truncation.max_length
    }

    /// Whether some token of the model has the id `id` or, since ids are dense, a larger one.
    pub fn reaches(&self, id: usize) -> bool {
        u32::try_from(id).is_ok_and(|id| self.model.vocabulary().token(id).is_some())
    }

    /// The number of special tokens around a text.
    pub fn special_tokens(&self) -> usize {
        self.framing.prefix.len() + self.framing.suffix.len()
    }

    /// `text` as at most `max_length` tokens.
    ///
    /// # Errors
    /// Invalid input: a text that the tokenizer refuses, e.g. for a character that its vocabulary does not have.
    pub fn encode(&self, text: &str, max_length: usize) -> Result<Encoding> {
        let tokens = self.encode_with_offsets(text)?;
        let room = max_length.saturating_sub(self.special_tokens());
        let truncated = tokens.len() > room;
        let skipped = if self.truncation.keeps_end { tokens.len().saturating_sub(room) } else { 0 };
        let ids: Vec<u32> = tokens.iter().skip(skipped).take(room).map(|token| token.id).collect();
        Ok(Encoding { input_ids: self.wrap(&ids), truncated })
    }

    /// All tokens of `text` with their offsets, without special tokens around it.
    ///
    /// # Errors
    /// As for [`Self::encode`].
    pub fn encode_with_offsets(&self, text: &str) -> Result<Vec<Token>> {
        self.tokens(text, &|_| true)
    }

    /// The same, with special tokens only at spans of `text` that `allowed` accepts.
    fn tokens(&self, text: &str, allowed: &dyn Fn(Range<usize>) -> bool) -> Result<Vec<Token>> {
        self.try_tokens(text, allowed)
            .map_err(|error| Error::invalid_input(format!("the tokenizer refuses the text: {error}")))
    }

    fn try_tokens(
        &self,
        text: &str,
        allowed: &dyn Fn(Range<usize>) -> bool,
    ) -> std::result::Result<Vec<Token>, String> {
        let mut pieces = Pieces::new(text);
        pieces.split_pieces(|part| self.added.split_original(part, allowed));
        self.normalizer.iter().try_for_each(|normalizer| normalizer.apply(&mut pieces))?;
        pieces.split_pieces(|part| self.added.split_normalized(part, allowed));
        self.pre_tokenizer.iter().try_for_each(|pre_tokenizer| pre_tokenizer.apply(&mut pieces))?;
        let (mut tokens, mut of_piece) = (Vec::new(), Vec::new());
        for piece in &pieces.pieces {
            let part = pieces.text.part(piece.range.clone());
            let mut push = |id: u32, range: Range<usize>, words: &str| {
                let span = pieces.text.span(piece.range.start + range.start..piece.range.start + range.end);
                let span = self.trimmed(text, span, words, tokens.is_empty());
                tokens.push(Token { id, start: span.start, end: span.end });
            };
            if let Some(id) = piece.added {
                push(id, 0..part.text.len(), part.text);
                continue;
            }
            of_piece.clear();
            self.model.tokenize(part.text, &mut of_piece)?;
            for token in of_piece.drain(..) {
                push(token.id, token.range, self.model.vocabulary().token(token.id).unwrap_or_default());
            }
        }
        Ok(tokens)
    }

    /// The span of a token without the white space at the ends of its name `words`, where the post-processor trims it.
    fn trimmed(&self, text: &str, mut span: Range<usize>, words: &str, first: bool) -> Range<usize> {
        let is_space = |letter: &char| *letter == BYTE_LEVEL_SPACE || letter.is_whitespace();
        for &inserts_space in &self.framing.trims {
            let mut leading = words.chars().take_while(is_space).count();
            let trailing = words.chars().rev().take_while(is_space).count();
            if inserts_space && leading == 1 && (first || span.start == 0) {
                // It was inserted, and is not in the text.
                leading = 0;
            }
            let letters = |range: Range<usize>| text.get(range).unwrap_or_default().char_indices();
            if leading > 0 {
                span.start = letters(span.clone()).nth(leading).map_or(span.end, |(at, _)| span.start + at);
            }
            if trailing > 0 {
                let end = letters(0..span.end).rev().nth(trailing - 1).map_or(span.end, |(at, _)| at);
                span.end = end.max(span.start);
            }
        }
        span
    }

    /// `ids` with the special tokens around a text.
    pub fn wrap(&self, ids: &[u32]) -> Vec<u32> {
        [&*self.framing.prefix, ids, &self.framing.suffix].concat()
    }

    /// The number of special tokens before a text.
    pub fn prefix_tokens(&self) -> usize {
        self.framing.prefix.len()
    }

    /// The text of the token `id`; empty for an unknown id.
    pub fn token(&self, id: u32) -> String {
        let Some(token) = self.content(id) else { return String::new() };
        match &self.decoder {
            Some(decoder) => decoder.decode(vec![token.into()]).concat(),
            None => token.into(),
        }
    }

    /// The token `id` as the vocabulary has it.
    fn content(&self, id: u32) -> Option<&str> {
        let added = self.added.get(id).map(|token| &*token.content);
        added.or_else(|| self.model.vocabulary().token(id))
    }
}

/// A space in the tokens of byte-level BPE.
const BYTE_LEVEL_SPACE: char = '\u{120}';

/// Parses the field `name`, which may be absent or null.
fn optional<'a, T: Deserialize<'a>>(name: &str, field: Option<&'a RawValue>) -> Result<Option<T>> {
    field.filter(|field| field.get() != "null").map(|field| read(name, field)).transpose()
}

fn read<'a, T: Deserialize<'a>>(name: &str, field: &'a RawValue) -> Result<T> {
    serde_json::from_str(field.get()).map_err(|error| wrong(&format!("{name}: {error}")))
}

fn wrong(error: &dyn std::fmt::Display) -> Error {
    Error::invalid_artefact(format!("tokenizer.json is not right: {error}"))
}

#[cfg(test)]
mod tests;
