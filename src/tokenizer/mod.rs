//! Tokenizers: texts into token ids, with the `tokenizers` crate.

mod offsets;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokenizers::ConvertError;
use tokenizers::pipeline::{EncodeOptions, Override, PipelineTokenizer};

use crate::error::{Error, Result};

/// A tokenizer from `tokenizer.json`. Its own settings for padding and truncation are not used: texts are padded when they
/// are put into a batch, and truncated to what the model takes.
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
    inner: PipelineTokenizer,
    trim_offsets: bool,
    max_length: Option<usize>,
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

/// The version of `tokenizer.json` that the `tokenizers` crate reads.
const VERSION: &str = "2.0";

/// The fields of `tokenizer.json` that the `tokenizers` crate does not expose.
#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow, default)]
    version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    model: Option<Model<'a>>,
    #[serde(default)]
    post_processor: Option<PostProcessor>,
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(borrow, default)]
    vocab: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct PostProcessor {
    #[serde(default)]
    trim_offsets: bool,
}

/// The fields of `tokenizer_config.json` that are used.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    model_max_length: Option<f64>,
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    ///
    /// # Errors
    /// Invalid artefact: it is not JSON, or the `tokenizers` crate does not support it.
    pub fn from_json(tokenizer: &str) -> Result<Self> {
        let file: File = serde_json::from_str(tokenizer).map_err(|error| wrong("tokenizer.json", &error))?;
        let current = if file.version.as_deref() == Some(VERSION) {
            Ok(Cow::Borrowed(tokenizer))
        } else {
            canonical(tokenizer, file.model.and_then(|model| model.vocab)).map(Cow::Owned)
        };
        let inner = current
            .map_err(tokenizers::Error::from)
            .and_then(|json| tokenizers::from_json(&json))
            .map_err(|error| wrong("tokenizer.json", &error))?;
        let trim_offsets = file.post_processor.is_some_and(|processor| processor.trim_offsets);
        Ok(Self { inner, trim_offsets, max_length: None })
    }

    /// Reads the maximum length from `tokenizer_config.json`.
    ///
    /// # Errors
    /// Invalid artefact: it is not JSON.
    pub fn configure(&mut self, config: &str) -> Result<()> {
        let config: Config = serde_json::from_str(config).map_err(|error| wrong("tokenizer_config.json", &error))?;
        // Tokenizers without a limit are published with 1e30.
        let max_length = config.model_max_length.filter(|length| (1.0..1e9).contains(length));
        self.max_length = max_length.map(|length| length as usize);
        Ok(())
    }

    /// The most tokens of a text, special tokens included, where `tokenizer_config.json` limits them.
    pub fn max_length(&self) -> Option<usize> {
        self.max_length
    }

    /// Whether some token has the id `id` or, since ids are dense, a larger one.
    pub fn reaches(&self, id: usize) -> bool {
        u32::try_from(id).is_ok_and(|id| self.inner.get_model().id_to_token(id).is_some())
    }

    /// The number of special tokens around a text.
    pub fn special_tokens(&self) -> usize {
        self.inner.get_post_processor().single.n_special()
    }

    /// `text` as at most `max_length` tokens.
    ///
    /// # Errors
    /// Invalid input: a text that the tokenizer refuses, e.g. for its length.
    pub fn encode(&self, text: &str, max_length: usize) -> Result<Encoding> {
        let options = EncodeOptions {
            add_special_tokens: false,
            padding: Override::Off,
            truncation: Override::Off,
            ..Default::default()
        };
        let mut tokens = Vec::new();
        self.inner.encode_into(text, &options, &mut tokens).map_err(|error| refused(&error))?;
        let room = max_length.saturating_sub(self.special_tokens());
        let ids: Vec<u32> = tokens.iter().take(room).map(|token| token.id()).collect();
        Ok(Encoding { input_ids: self.wrap(&ids), truncated: tokens.len() > room })
    }

    /// All tokens of `text` with their offsets, without special tokens around it.
    ///
    /// # Errors
    /// As for [`Self::encode`].
    pub fn encode_with_offsets(&self, text: &str) -> Result<Vec<Token>> {
        offsets::encode(&self.inner, self.trim_offsets, text).map_err(|error| refused(&error))
    }

    /// `ids` with the special tokens around a text.
    pub fn wrap(&self, ids: &[u32]) -> Vec<u32> {
        let template = &self.inner.get_post_processor().single;
        let special = |run: &[(tokenizers::pipeline::PipelineToken, u8)]| {
            run.iter().map(|(token, _)| token.id()).collect::<Vec<_>>()
        };
        [special(&template.prefix), ids.to_vec(), special(&template.suffix)].concat()
    }

    /// The number of special tokens before a text.
    pub fn prefix_tokens(&self) -> usize {
        self.inner.get_post_processor().single.prefix.len()
    }

    /// The text of the token `id`; empty for an unknown id.
    pub fn token(&self, id: u32) -> String {
        self.inner.decode_tokens(&[id], false).pop().unwrap_or_default()
    }
}

/// Converts the file `tokenizer` from the form before version 1 of the `tokenizers` crate. The vocabulary, most of the
/// file, is the same in both forms, so it is cut out meanwhile: `vocab` is a slice of `tokenizer`.
fn canonical(tokenizer: &str, vocab: Option<&RawValue>) -> std::result::Result<String, ConvertError> {
    let Some(vocab) = vocab.map(RawValue::get).filter(|vocab| vocab.starts_with(['{', '['])) else {
        return tokenizers::canonicalize_str(tokenizer);
    };
    let empty = if vocab.starts_with('{') { "{}" } else { "[]" };
    // The offset follows from the addresses: to search for half a megabyte takes longer than to parse it.
    let start = vocab.as_ptr().addr().wrapping_sub(tokenizer.as_ptr().addr());
    let (Some(before), Some(behind)) = (tokenizer.get(..start), tokenizer.get(start.saturating_add(vocab.len())..))
    else {
        return tokenizers::canonicalize_str(tokenizer);
    };
    let without = [before, empty, behind].concat();
    let canonical = tokenizers::canonicalize_str(&without)?;
    // This cannot occur inside a string, where a quote is behind a backslash.
    let field = format!("\"vocab\": {empty}");
    match canonical.matches(&field).count() {
        1 => Ok(canonical.replacen(&field, &format!("\"vocab\": {vocab}"), 1)),
        _ => tokenizers::canonicalize_str(tokenizer),
    }
}

fn wrong(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::invalid_artefact(format!("{name} is not right: {error}"))
}

fn refused(error: &dyn std::fmt::Display) -> Error {
    Error::invalid_input(format!("the tokenizer refuses the text: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn old_files_are_converted_with_their_vocabulary() {
        for file in [
            include_str!("../../tests/golden/tiny-bert-seq/tokenizer.json"),
            include_str!("../../tests/golden/tiny-roberta-seq/tokenizer.json"),
            include_str!("../../tests/golden/tiny-xlmr-seq/tokenizer.json"),
            // What looks like the vocabulary is elsewhere as well, before and behind it.
            r#"{"a": {"vocab": {}}, "model": {"type": "WordLevel", "vocab": {"\"vocab\": {}": 0}, "unk_token": "b"}}"#,
            r#"{"model": {"type": "WordLevel", "vocab": {}, "unk_token": "\"vocab\": {}"}, "normalizer": {"vocab": {}}}"#,
            r#"{"a": {"vocab": {"b": 0}}, "model": {"type": "WordLevel", "vocab": {"b": 0}, "unk_token": "b"}}"#,
        ] {
            let vocab = serde_json::from_str::<File<'_>>(file).unwrap().model.unwrap().vocab;
            let [fast, plain] = [canonical(file, vocab).unwrap(), tokenizers::canonicalize_str(file).unwrap()]
                .map(|json| serde_json::from_str::<Value>(&json).unwrap());
            assert_eq!(fast, plain);
        }
    }

    #[test]
    fn other_files_are_refused() {
        for file in ["", "[]", "{}", r#"{"model": 3}"#, r#"{"version": "2.0"}"#, r#"{"model": {"vocab": 1}}"#] {
            assert!(Tokenizer::from_json(file).is_err(), "{file}");
        }
    }
}
