//! Embeddings of texts as sentence-transformers makes them: a prompt before the text, pooling, and modules behind it.

use std::collections::BTreeMap;

use super::pooling::{Pooling, to_unit_length};
use crate::error::{Error, Result};
use crate::models::Dense;

/// How a folder makes an embedding of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct SentenceEmbedding {
    /// How the tokens' vectors become one.
    pub pooling: Pooling,
    /// Whether the prompt's tokens are pooled with the others.
    pub include_prompt: bool,
    /// What is done with that vector, in order.
    pub modules: Vec<SentenceModule>,
    /// The prompts.
    pub prompts: Prompts,
}

/// A module behind the pooling.
#[derive(Clone, Debug, PartialEq)]
pub enum SentenceModule {
    /// A layer.
    Dense(Dense),
    /// Scaling to length 1.
    Normalize,
}

/// Texts that are put before a text, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompts {
    texts: BTreeMap<String, String>,
    default: Option<String>,
}

impl Default for SentenceEmbedding {
    /// The mean, where a folder says nothing.
    fn default() -> Self {
        Self { pooling: Pooling::Mean, include_prompt: true, modules: Vec::new(), prompts: Prompts::default() }
    }
}

impl SentenceEmbedding {
    /// How many numbers an embedding has, of hidden states of `hidden`.
    pub fn width(&self, hidden: usize) -> usize {
        let last = self.modules.iter().rev().find_map(|module| match module {
            SentenceModule::Dense(dense) => Some(dense.outputs()),
            SentenceModule::Normalize => None,
        });
        last.unwrap_or(hidden)
    }

    /// The modules' result for a pooled vector.
    pub(super) fn modules(&self, pooled: Vec<f32>) -> Vec<f32> {
        self.modules.iter().fold(pooled, |mut row, module| match module {
            SentenceModule::Dense(dense) => dense.forward(&row),
            SentenceModule::Normalize => {
                to_unit_length(&mut row);
                row
            }
        })
    }
}

impl Prompts {
    /// `texts` by name; `default` is the name of the one that is used where none is chosen.
    ///
    /// # Errors
    /// Invalid artefact: no prompt has that name.
    pub fn new(texts: BTreeMap<String, String>, default: Option<String>) -> Result<Self> {
        let prompts = Self { texts, default };
        match &prompts.default {
            Some(name) if !prompts.texts.contains_key(name) => {
                Err(Error::invalid_artefact(format!("default_prompt_name: {}", prompts.unknown(name))))
            }
            _ => Ok(prompts),
        }
    }

    /// The prompt for a text: `prompt` itself, else that of the name `name`, else the default.
    ///
    /// # Errors
    /// Invalid input: no prompt has that name, or both are given.
    pub(super) fn choose<'a>(&'a self, prompt: Option<&'a str>, name: Option<&str>) -> Result<&'a str> {
        match (prompt, name) {
            (Some(_), Some(_)) => Err(Error::invalid_input("expected prompt or prompt_name, got both")),
            (Some(prompt), None) => Ok(prompt),
            (None, Some(name)) => {
                let found = self.texts.get(name).map(String::as_str);
                found.ok_or_else(|| Error::invalid_input(format!("prompt_name: {}", self.unknown(name))))
            }
            (None, None) => Ok(self.default_prompt()),
        }
    }

    /// The prompt that is used where none is chosen; empty where the folder names no default.
    pub(super) fn default_prompt(&self) -> &str {
        self.default.as_ref().and_then(|name| self.texts.get(name)).map_or("", String::as_str)
    }

    fn unknown(&self, name: &str) -> String {
        let known: Vec<&str> = self.texts.keys().map(String::as_str).collect();
        format!("expected the name of a prompt, one of [{}], got '{name}'", known.join(", "))
    }
}
