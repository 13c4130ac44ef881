//! `config.json`, in the forms that the BERT family is published in.

mod text;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use text::TextConfig;

use crate::error::{Error, Result};
use crate::kernels::Activation;

/// The architectures that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Devlin et al. 2018 (1810.04805).
    Bert,
    /// Sanh et al. 2019 (1910.01108): BERT without token types and pooler.
    DistilBert,
    /// Liu et al. 2019 (1907.11692), and XLM-R, Conneau et al. 2019 (1911.02116): BERT whose positions
    /// begin behind the padding token's id.
    Roberta,
}

/// What stands on the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// Nothing: the hidden states are the result.
    None,
    /// Logits for a text.
    Sequence,
    /// Logits for each token.
    Token,
}

/// How logits become scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Problem {
    /// One label is right: softmax.
    #[default]
    SingleLabel,
    /// Each label is right or not by itself: sigmoid.
    MultiLabel,
    /// A number is estimated: the logit itself.
    Regression,
}

/// An encoder's dimensions and what its checkpoint holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Its architecture.
    pub family: Family,
    /// What stands on it.
    pub head: HeadKind,
    /// Numbers in a hidden state.
    pub hidden_size: usize,
    /// Transformer layers.
    pub num_layers: usize,
    /// Attention heads of a layer.
    pub num_heads: usize,
    /// Numbers between the two layers of a feed-forward block.
    pub intermediate_size: usize,
    /// Rows of the table of words.
    pub vocab_size: usize,
    /// Rows of the table of positions.
    pub max_position_embeddings: usize,
    /// Rows of the table of token types; 0 where there is none.
    pub type_vocab_size: usize,
    /// What keeps layer normalisation from dividing by zero.
    pub layer_norm_eps: f64,
    /// The activation between the two layers of a feed-forward block.
    pub activation: Activation,
    /// The padding token.
    pub pad_token_id: u32,
    /// The labels of the head, by index.
    pub labels: Vec<String>,
    /// How the head's logits become scores.
    pub problem: Problem,
}

/// The configuration of a head that was trained on another model's embeddings.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearHeadConfig {
    /// The folder of the model that makes the embeddings, beside this one's.
    pub base_model: String,
    /// The most tokens that the embeddings are made of.
    pub max_length: usize,
    /// The labels, by index.
    pub labels: Vec<String>,
    /// How logits become scores. One that estimates a number sees the length of the text, too.
    pub problem: Problem,
}

/// The keys of `config.json`, each family's names for the same thing as aliases.
#[derive(Deserialize)]
struct File {
    model_type: Option<String>,
    #[serde(default)]
    architectures: Vec<String>,
    #[serde(alias = "dim")]
    hidden_size: Option<usize>,
    #[serde(alias = "n_layers")]
    num_hidden_layers: Option<usize>,
    #[serde(alias = "n_heads")]
    num_attention_heads: Option<usize>,
    #[serde(alias = "hidden_dim")]
    intermediate_size: Option<usize>,
    vocab_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    type_vocab_size: Option<usize>,
    layer_norm_eps: Option<f64>,
    #[serde(alias = "activation")]
    hidden_act: Option<String>,
    position_embedding_type: Option<String>,
    pad_token_id: Option<u32>,
    id2label: Option<BTreeMap<String, String>>,
    num_labels: Option<usize>,
    problem_type: Option<String>,
    base_model: Option<String>,
    max_length: Option<usize>,
}

/// Beyond every published encoder; keeps a file from asking for memory without bound.
const MAX_DIMENSION: usize = 1 << 21;
const MAX_LAYERS: usize = 256;

/// What a folder is, by its `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelConfig {
    /// A model of its own.
    Encoder(Config),
    /// A head on another folder's model.
    LinearHead(LinearHeadConfig),
}

impl ModelConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// Invalid artefact: no JSON, or a size that is missing or impossible. Unsupported: an architecture
    /// or a function that is not known here.
    pub fn from_json(json: &str) -> Result<Self> {
        let file = File::from_json(json)?;
        match file.model_type.as_deref() {
            Some("linear-head") => Ok(Self::LinearHead(file.linear_head()?)),
            _ => Ok(Self::Encoder(file.encoder()?)),
        }
    }
}

impl File {
    fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json)
            .map_err(|error| Error::invalid_artefact(format!("config.json is not right: {error}")))
    }

    fn encoder(&self) -> Result<Config> {
        let family = match self.model_type.as_deref() {
            Some("bert") => Family::Bert,
            Some("distilbert") => Family::DistilBert,
            Some("roberta" | "xlm-roberta") => Family::Roberta,
            Some(other) => {
                return Err(unsupported("model_type", other, "bert, distilbert, roberta, xlm-roberta and linear-head"));
            }
            None => return Err(Error::invalid_artefact("config.json has no model_type")),
        };
        if let Some(kind) = self.position_embedding_type.as_deref().filter(|&kind| kind != "absolute") {
            return Err(unsupported("position_embedding_type", kind, "absolute"));
        }
        let activation = match self.hidden_act.as_deref().unwrap_or("gelu") {
            "gelu" => Activation::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            "relu" => Activation::Relu,
            other => return Err(unsupported("hidden_act", other, "gelu, gelu_new, gelu_pytorch_tanh and relu")),
        };
        let config = Config {
            family,
            head: self.head(),
            hidden_size: dimension("hidden_size", self.hidden_size)?,
            num_layers: dimension("num_hidden_layers", self.num_hidden_layers)?,
            num_heads: dimension("num_attention_heads", self.num_attention_heads)?,
            intermediate_size: dimension("intermediate_size", self.intermediate_size)?,
            vocab_size: dimension("vocab_size", self.vocab_size)?,
            max_position_embeddings: dimension("max_position_embeddings", self.max_position_embeddings)?,
            type_vocab_size: if family == Family::DistilBert {
                0
            } else {
                dimension("type_vocab_size", self.type_vocab_size.or(Some(2)))?
            },
            layer_norm_eps: self.layer_norm_eps.unwrap_or(1e-12),
            activation,
            pad_token_id: self.pad_token(),
            labels: self.labels()?,
            problem: self.problem(),
        };
        if !config.hidden_size.is_multiple_of(config.num_heads) {
            return Err(Error::invalid_artefact(format!(
                "config.json: hidden_size {} is no multiple of num_attention_heads {}",
                config.hidden_size, config.num_heads
            )));
        }
        if config.num_layers > MAX_LAYERS {
            return Err(Error::invalid_artefact(format!(
                "config.json: num_hidden_layers {} is more than {MAX_LAYERS}",
                config.num_layers
            )));
        }
        if config.max_length() == 0 {
            return Err(Error::invalid_artefact("config.json: max_position_embeddings leaves no room for a token"));
        }
        Ok(config)
    }

    fn linear_head(&self) -> Result<LinearHeadConfig> {
        let base_model =
            self.base_model.clone().ok_or_else(|| Error::invalid_artefact("config.json has no base_model"))?;
        // The name becomes part of an address: it must stay a name.
        if base_model.is_empty() || base_model.contains(['/', '\\', '?', '#', ':']) || base_model.starts_with('.') {
            return Err(Error::invalid_artefact(format!(
                "config.json: base_model must be the name of a folder, not '{base_model}'"
            )));
        }
        let labels = self.labels()?;
        let regression = self.problem_type.as_deref() == Some("regression");
        if labels.len() < 2 && !regression {
            return Err(Error::invalid_artefact("config.json: a head needs at least two labels in id2label"));
        }
        let problem = if regression { Problem::Regression } else { Problem::SingleLabel };
        Ok(LinearHeadConfig { base_model, max_length: dimension("max_length", self.max_length)?, labels, problem })
    }

    fn head(&self) -> HeadKind {
        let named = |suffix: &str| self.architectures.iter().any(|name| name.ends_with(suffix));
        if named("ForSequenceClassification") {
            HeadKind::Sequence
        } else if named("ForTokenClassification") {
            HeadKind::Token
        } else {
            HeadKind::None
        }
    }

    fn label_count(&self) -> Option<usize> {
        self.id2label.as_ref().map(BTreeMap::len).or(self.num_labels)
    }

    /// The labels by index; `LABEL_0` and so on where the file names none, as transformers has it.
    fn labels(&self) -> Result<Vec<String>> {
        let Some(map) = &self.id2label else {
            return Ok((0..self.num_labels.unwrap_or(2).min(MAX_DIMENSION))
                .map(|index| format!("LABEL_{index}"))
                .collect());
        };
        (0..map.len())
            .map(|index| {
                map.get(&index.to_string()).cloned().ok_or_else(|| {
                    Error::invalid_artefact(format!(
                        "config.json: id2label has {} labels and none for {index}",
                        map.len()
                    ))
                })
            })
            .collect()
    }
}

impl Config {
    /// The position of a text's first token.
    pub fn first_position(&self) -> usize {
        match self.family {
            Family::Roberta => self.pad_token_id as usize + 1,
            Family::Bert | Family::DistilBert => 0,
        }
    }

    /// The most tokens that there are positions for.
    pub fn max_length(&self) -> usize {
        self.max_position_embeddings.saturating_sub(self.first_position())
    }
}

fn dimension(name: &str, size: Option<usize>) -> Result<usize> {
    match size {
        Some(size) if (1..=MAX_DIMENSION).contains(&size) => Ok(size),
        Some(size) => Err(Error::invalid_artefact(format!(
            "config.json: {name} is {size}, which is not from 1 to {MAX_DIMENSION}"
        ))),
        None => Err(Error::invalid_artefact(format!("config.json has no {name}"))),
    }
}

fn unsupported(key: &str, value: &str, known: &str) -> Error {
    Error::unsupported(format!("config.json: the {key} '{value}' is not known; known are {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const DISTILBERT: &str = r#"{"model_type":"distilbert","architectures":["DistilBertForSequenceClassification"],"dim":32,"n_layers":2,
        "n_heads":4,"hidden_dim":64,"vocab_size":100,"max_position_embeddings":40,"activation":"gelu","id2label":{"0":"no","1":"yes"}}"#;

    fn refusal(json: &str) -> Error {
        ModelConfig::from_json(json).unwrap_err()
    }

    #[test]
    fn the_names_of_distilbert_are_read() {
        let ModelConfig::Encoder(config) = ModelConfig::from_json(DISTILBERT).unwrap() else { panic!("no encoder") };
        assert_eq!(
            (config.hidden_size, config.num_layers, config.intermediate_size, config.type_vocab_size),
            (32, 2, 64, 0)
        );
        assert_eq!((config.head, config.labels), (HeadKind::Sequence, vec!["no".to_string(), "yes".to_string()]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(refusal("<!doctype html>").to_string().contains("config.json"));
        assert_eq!(refusal(r#"{"model_type":"gpt2"}"#).kind(), ErrorKind::Unsupported);
        assert!(refusal(&DISTILBERT.replace("\"dim\":32,", "")).to_string().contains("hidden_size"));
        assert!(refusal(&DISTILBERT.replace("\"dim\":32", "\"dim\":33")).to_string().contains("multiple"));
        assert!(
            refusal(&DISTILBERT.replace("\"n_layers\":2", "\"n_layers\":2000000"))
                .to_string()
                .contains("num_hidden_layers")
        );
        assert!(refusal(&DISTILBERT.replace("\"1\":\"yes\"", "\"7\":\"yes\"")).to_string().contains("id2label"));
        assert_eq!(refusal(&DISTILBERT.replace("\"gelu\"", "\"swish\"")).kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn a_head_names_its_base_by_a_plain_name() {
        let head = |base: &str| {
            format!(
                r#"{{"model_type":"linear-head","base_model":"{base}","max_length":256,"id2label":{{"0":"ham","1":"spam"}}}}"#
            )
        };
        assert!(matches!(ModelConfig::from_json(&head("all-MiniLM-L6-v2")), Ok(ModelConfig::LinearHead(_))));
        for wrong in ["", "..", "../x", "a/b", "https://host", "a?b"] {
            assert_eq!(refusal(&head(wrong)).kind(), ErrorKind::InvalidArtefact, "{wrong}");
        }
    }
}
