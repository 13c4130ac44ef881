//! Texts into token ids, over the `tokenizers` crate.

mod offsets;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokenizers::ConvertError;
use tokenizers::pipeline::{EncodeOptions, Override, PipelineTokenizer};

use crate::error::{Error, Result};

/// A tokenizer as `tokenizer.json` describes it. Its own settings for padding and truncation are not
/// used: texts are padded where they are put into a batch, and cut at what the model can take.
pub struct Tokenizer {
    inner: PipelineTokenizer,
    trim_offsets: bool,
    max_length: Option<usize>,
}

/// A text as the model takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoding {
    /// The token ids, with the special tokens that the model wants around the text.
    pub input_ids: Vec<u32>,
    /// Whether the text had more tokens than the model takes, and only the first ones are here.
    pub truncated: bool,
}

/// A token and where it stands in the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// The first byte of the text that it stands for.
    pub start: usize,
    /// The byte behind its last one.
    pub end: usize,
}

/// The version of `tokenizer.json` that the `tokenizers` crate reads.
const VERSION: &str = "2.0";

/// What of `tokenizer.json` the `tokenizers` crate does not tell.
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

/// The part of `tokenizer_config.json` that is used.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    model_max_length: Option<f64>,
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    ///
    /// # Errors
    /// Invalid artefact: it is no JSON, or describes what the `tokenizers` crate does not know.
    pub fn from_json(tokenizer: &str) -> Result<Self> {
        let file: File = serde_json::from_str(tokenizer).map_err(|error| wrong("tokenizer.json", &error))?;
        let of_today = if file.version.as_deref() == Some(VERSION) {
            Ok(Cow::Borrowed(tokenizer))
        } else {
            canonical(tokenizer, file.model.and_then(|model| model.vocab)).map(Cow::Owned)
        };
        let inner = of_today
            .map_err(tokenizers::Error::from)
            .and_then(|json| tokenizers::from_json(&json))
            .map_err(|error| wrong("tokenizer.json", &error))?;
        let trim_offsets = file.post_processor.is_some_and(|processor| processor.trim_offsets);
        Ok(Self { inner, trim_offsets, max_length: None })
    }

    /// Takes from `tokenizer_config.json` how many tokens a model may be given.
    ///
    /// # Errors
    /// Invalid artefact: it is no JSON.
    pub fn configure(&mut self, config: &str) -> Result<()> {
        let config: Config = serde_json::from_str(config).map_err(|error| wrong("tokenizer_config.json", &error))?;
        // Tokenizers without a limit are published with one of 1e30.
        let max_length = config.model_max_length.filter(|length| (1.0..1e9).contains(length));
        self.max_length = max_length.map(|length| length as usize);
        Ok(())
    }

    /// The most tokens that the tokenizer's publisher wants a model to be given.
    pub fn max_length(&self) -> Option<usize> {
        self.max_length
    }

    /// Whether some token has the id `id` or, since ids are dense, a larger one.
    pub fn reaches(&self, id: usize) -> bool {
        u32::try_from(id).is_ok_and(|id| self.inner.get_model().id_to_token(id).is_some())
    }

    /// The number of special tokens that are put around a text.
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

    /// All tokens of `text`, without special ones around it, each with its place in the text.
    ///
    /// # Errors
    /// As for [`Self::encode`].
    pub fn encode_with_offsets(&self, text: &str) -> Result<Vec<Token>> {
        offsets::encode(&self.inner, self.trim_offsets, text).map_err(|error| refused(&error))
    }

    /// `ids` with the special tokens that the model wants around a text.
    pub fn wrap(&self, ids: &[u32]) -> Vec<u32> {
        let template = &self.inner.get_post_processor().single;
        let special = |run: &[(tokenizers::pipeline::PipelineToken, u8)]| {
            run.iter().map(|(token, _)| token.id()).collect::<Vec<_>>()
        };
        [special(&template.prefix), ids.to_vec(), special(&template.suffix)].concat()
    }

    /// How many special tokens stand before a text.
    pub fn prefix_tokens(&self) -> usize {
        self.inner.get_post_processor().single.prefix.len()
    }

    /// The words of token `id`; empty for an id that is none.
    pub fn token(&self, id: u32) -> String {
        self.inner.decode_tokens(&[id], false).pop().unwrap_or_default()
    }
}

/// The file `tokenizer`, which is of before the `tokenizers` crate's version 1, in the form of today. It says nothing else
/// of the words themselves, most of the file, so these are put aside meanwhile: `vocab` is where they stand in it.
fn canonical(tokenizer: &str, vocab: Option<&RawValue>) -> std::result::Result<String, ConvertError> {
    let Some(vocab) = vocab.map(RawValue::get).filter(|vocab| vocab.starts_with(['{', '['])) else {
        return tokenizers::canonicalize_str(tokenizer);
    };
    let nothing = if vocab.starts_with('{') { "{}" } else { "[]" };
    // Where it stands is known: to look for half a megabyte takes longer than to read it.
    let start = vocab.as_ptr().addr().wrapping_sub(tokenizer.as_ptr().addr());
    let (Some(before), Some(behind)) = (tokenizer.get(..start), tokenizer.get(start.saturating_add(vocab.len())..))
    else {
        return tokenizers::canonicalize_str(tokenizer);
    };
    let without = [before, nothing, behind].concat();
    let canonical = tokenizers::canonicalize_str(&without)?;
    // Between quotes these could not stand: a quote in a text is behind a backslash.
    let place = format!("\"vocab\": {nothing}");
    match canonical.matches(&place).count() {
        1 => Ok(canonical.replacen(&place, &format!("\"vocab\": {vocab}"), 1)),
        _ => tokenizers::canonicalize_str(tokenizer),
    }
}

fn wrong(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::invalid_artefact(format!("{name} is not right: {error}"))
}

fn refused(error: &dyn std::fmt::Display) -> Error {
    Error::invalid_input(format!("the text cannot be tokenised: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn files_of_before_come_into_the_form_of_today_with_their_words() {
        for file in [
            include_str!("../../tests/golden/tiny-bert-seq/tokenizer.json"),
            include_str!("../../tests/golden/tiny-roberta-seq/tokenizer.json"),
            include_str!("../../tests/golden/tiny-xlmr-seq/tokenizer.json"),
            // What looks like the words stands elsewhere, before them and behind them.
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
    fn what_is_no_tokenizer_is_refused() {
        for file in ["", "[]", "{}", r#"{"model": 3}"#, r#"{"version": "2.0"}"#, r#"{"model": {"vocab": 1}}"#] {
            assert!(Tokenizer::from_json(file).is_err(), "{file}");
        }
    }
}
