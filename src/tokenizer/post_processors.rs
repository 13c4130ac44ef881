//! Post-processors: special tokens around a text, and offsets without white space.
//!
//! # Source
//! The post-processors of Hugging Face's `tokenizers` 0.23, by their names in `tokenizer.json`.

use std::collections::HashMap;

use serde::Deserialize;

/// A post-processor.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub enum PostProcessor {
    BertProcessing {
        sep: (String, u32),
        cls: (String, u32),
    },
    RobertaProcessing {
        sep: (String, u32),
        cls: (String, u32),
        #[serde(default = "yes")]
        trim_offsets: bool,
        #[serde(default = "yes")]
        add_prefix_space: bool,
    },
    ByteLevel {
        #[serde(default = "yes")]
        trim_offsets: bool,
        #[serde(default = "yes")]
        add_prefix_space: bool,
    },
    TemplateProcessing {
        single: Vec<TemplatePiece>,
        #[serde(default)]
        special_tokens: HashMap<String, SpecialToken>,
    },
    Sequence {
        processors: Vec<Self>,
    },
}

/// A piece of a template: the text, or a special token.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum TemplatePiece {
    Tagged(TaggedPiece),
    /// As in `[CLS] $A [SEP]`, with a type behind a colon.
    Text(String),
}

#[derive(Debug, Deserialize)]
pub enum TaggedPiece {
    Sequence {},
    SpecialToken { id: String },
}

#[derive(Debug, Deserialize)]
pub struct SpecialToken {
    ids: Vec<u32>,
}

fn yes() -> bool {
    true
}

/// What all post-processors of a tokenizer do to a text.
#[derive(Debug, Default, PartialEq)]
pub struct Framing {
    /// The special tokens before the text.
    pub prefix: Vec<u32>,
    /// The special tokens behind the text.
    pub suffix: Vec<u32>,
    /// Trims white space off the offsets of each token; once for each `true` or `false`, which says whether one space before
    /// the first word was inserted.
    pub trims: Vec<bool>,
}

impl PostProcessor {
    /// Adds what this does to `framing`, around what is there.
    ///
    /// # Errors
    /// A template that names a special token which is not listed, or that has not one text.
    pub fn extend(&self, framing: &mut Framing) -> Result<(), String> {
        match self {
            Self::BertProcessing { sep, cls } => framing.wrap(&[cls.1], &[sep.1]),
            Self::RobertaProcessing { sep, cls, trim_offsets, add_prefix_space } => {
                framing.trims.extend(trim_offsets.then_some(*add_prefix_space));
                framing.wrap(&[cls.1], &[sep.1]);
            }
            Self::ByteLevel { trim_offsets, add_prefix_space } => {
                framing.trims.extend(trim_offsets.then_some(*add_prefix_space));
            }
            Self::TemplateProcessing { single, special_tokens } => {
                let (mut prefix, mut suffix, mut texts) = (Vec::new(), Vec::new(), 0);
                for piece in single {
                    let Some(name) = piece.special_token() else {
                        texts += 1;
                        continue;
                    };
                    let token = special_tokens.get(name).ok_or_else(|| {
                        format!("post_processor.single names the token {name:?}, which special_tokens does not have")
                    })?;
                    if texts == 0 { &mut prefix } else { &mut suffix }.extend(&token.ids);
                }
                if texts != 1 {
                    return Err(format!("post_processor.single: expected the text once, got it {texts} times"));
                }
                framing.wrap(&prefix, &suffix);
            }
            Self::Sequence { processors } => {
                processors.iter().try_for_each(|processor| processor.extend(framing))?;
            }
        }
        Ok(())
    }
}

impl Framing {
    fn wrap(&mut self, prefix: &[u32], suffix: &[u32]) {
        self.prefix.splice(0..0, prefix.iter().copied());
        self.suffix.extend(suffix);
    }
}

impl TemplatePiece {
    /// The name of the special token that this is; `None` for the text.
    fn special_token(&self) -> Option<&str> {
        match self {
            Self::Tagged(TaggedPiece::Sequence {}) => None,
            Self::Tagged(TaggedPiece::SpecialToken { id }) => Some(id),
            Self::Text(text) if text.starts_with('$') => None,
            Self::Text(text) => Some(text.rsplit_once(':').map_or(text, |(name, _)| name)),
        }
    }
}
