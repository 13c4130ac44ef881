//! `config.json`: the fields that all architectures share, and heads for another folder's model.

mod text;

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub use text::TextConfig;

use super::ARCHITECTURES;
use super::architecture::{Architecture, Checkpoint};
use crate::error::{Error, Result};

/// The kind of head on an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// None: the hidden states are the result.
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

/// The configuration of a head that was trained on another model's embeddings.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearHeadConfig {
    /// The folder of the model that makes the embeddings, next to this one's.
    pub base_model: String,
    /// The most tokens that the embeddings are made of.
    pub max_length: usize,
    /// The labels, by index.
    pub labels: Vec<String>,
    /// How logits become scores. A head that estimates a number sees the length of the text, too.
    pub problem: Problem,
}

impl LinearHeadConfig {
    /// It as a `config.json`.
    pub fn to_json(&self) -> String {
        let labels = self.labels.iter().enumerate();
        let id2label: BTreeMap<String, String> =
            crate::sort::map(labels.map(|(index, label)| (index.to_string(), label.clone())));
        let mut config = serde_json::json!({
            "model_type": LINEAR_HEAD,
            "base_model": self.base_model,
            "max_length": self.max_length,
            "id2label": id2label,
        });
        match self.problem {
            Problem::SingleLabel => {}
            Problem::MultiLabel => config["problem_type"] = "multi_label_classification".into(),
            Problem::Regression => config["problem_type"] = "regression".into(),
        }
        format!("{config:#}\n")
    }
}

/// A `config.json`: the fields that do not depend on the architecture, and its text, of which an architecture
/// [parses](Self::parse) its own.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ConfigFile {
    #[serde(skip)]
    json: String,
    /// The name of the architecture.
    pub model_type: Option<String>,
    architectures: Option<Vec<String>>,
    vocab_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    pad_token_id: Option<u32>,
    #[serde(deserialize_with = "label_names")]
    id2label: Option<BTreeMap<String, String>>,
    num_labels: Option<usize>,
    problem_type: Option<String>,
    base_model: Option<String>,
    max_length: Option<usize>,
}

/// Beyond every published encoder; keeps a file from asking for memory without bound.
const MAX_DIMENSION: usize = 1 << 21;
/// The `model_type` of a head for another folder's model.
const LINEAR_HEAD: &str = "linear-head";

/// What a folder holds, by its `config.json`.
pub enum ModelConfig {
    /// A checkpoint of an architecture.
    Checkpoint(&'static Architecture, Box<dyn Checkpoint>),
    /// A head for another folder's model.
    LinearHead(LinearHeadConfig),
}

impl ModelConfig {
    /// Reads `config.json`.
    ///
    /// ```
    /// use pilot_light::models::ModelConfig;
    ///
    /// let json = std::fs::read_to_string("tests/golden/tiny-bert-seq/config.json").unwrap();
    /// let ModelConfig::Checkpoint(architecture, _) = ModelConfig::from_json(&json)? else { unreachable!() };
    /// assert!(architecture.model_types.contains(&"bert"));
    /// # Ok::<(), pilot_light::Error>(())
    /// ```
    ///
    /// # Errors
    /// Invalid artefact: not JSON, or a size that is missing or impossible. Unsupported: an architecture or an activation
    /// that is not known here.
    pub fn from_json(json: &str) -> Result<Self> {
        let file = ConfigFile::from_json(json)?;
        let Some(model_type) = file.model_type.as_deref() else {
            return Err(Error::invalid_artefact("config.json has no model_type"));
        };
        if model_type == LINEAR_HEAD {
            return Ok(Self::LinearHead(file.linear_head()?));
        }
        match ARCHITECTURES.iter().find(|known| known.model_types.contains(&model_type)) {
            Some(architecture) => Ok(Self::Checkpoint(architecture, (architecture.read_config)(&file)?)),
            None => {
                let known: Vec<&str> = ARCHITECTURES.iter().flat_map(|known| known.model_types).copied().collect();
                Err(unsupported("model_type", model_type, &format!("{} and {LINEAR_HEAD}", known.join(", "))))
            }
        }
    }
}

impl ConfigFile {
    /// Reads the fields that all architectures share.
    ///
    /// # Errors
    /// Invalid artefact: not JSON, or a field of another type.
    pub fn from_json(json: &str) -> Result<Self> {
        let file: Self = parse(json)?;
        Ok(Self { json: json.to_string(), ..file })
    }

    /// The fields that an architecture needs.
    ///
    /// # Errors
    /// Invalid artefact: a field of another type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        parse(&self.json)
    }

    fn linear_head(&self) -> Result<LinearHeadConfig> {
        let base_model =
            self.base_model.clone().ok_or_else(|| Error::invalid_artefact("config.json has no base_model"))?;
        // The name becomes part of a URL: it must not be a path.
        if base_model.is_empty() || base_model.contains(['/', '\\', '?', '#', ':']) || base_model.starts_with('.') {
            return Err(Error::invalid_artefact(format!(
                "config.json: base_model must be the name of a folder, not '{base_model}'"
            )));
        }
        let labels = self.labels()?;
        let problem = self.problem();
        if labels.len() < 2 && problem != Problem::Regression {
            return Err(Error::invalid_artefact("config.json: a head needs at least two labels in id2label"));
        }
        Ok(LinearHeadConfig { base_model, max_length: dimension("max_length", self.max_length)?, labels, problem })
    }

    /// The kind of head, by the names of transformers' classes.
    pub fn head(&self) -> HeadKind {
        let named = |suffix: &str| self.architectures.iter().flatten().any(|name| name.ends_with(suffix));
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

    /// The labels by index; `LABEL_0` and so on where the file names none, as in transformers.
    ///
    /// # Errors
    /// Invalid artefact: the labels are not numbered from 0.
    pub fn labels(&self) -> Result<Vec<String>> {
        let Some(map) = &self.id2label else {
            return Ok((0..self.num_labels.unwrap_or(2).min(MAX_DIMENSION))
                .map(|index| format!("LABEL_{index}"))
                .collect());
        };
        (0..map.len())
            .map(|index| {
                map.get(&index.to_string()).cloned().ok_or_else(|| {
                    Error::invalid_artefact(format!(
                        "config.json: id2label has {} labels, but not one for {index}",
                        map.len()
                    ))
                })
            })
            .collect()
    }
}

/// The names of labels, some of which are written as numbers or booleans, as Python prints them in JSON.
fn label_names<'de, D: Deserializer<'de>>(file: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    let Some(values) = Option::<BTreeMap<String, Value>>::deserialize(file)? else { return Ok(None) };
    let named = values.into_iter().map(|(index, value)| match value {
        Value::String(name) => Ok((index, name)),
        Value::Number(_) | Value::Bool(_) => Ok((index, value.to_string())),
        _ => Err(D::Error::custom(format!("id2label must have a text or a number for {index}, got {value}"))),
    });
    let named = named.collect::<Result<Vec<_>, _>>()?;
    Ok(Some(crate::sort::map(named)))
}

/// A dimension that must be there and within bounds.
pub(super) fn dimension(name: &str, size: Option<usize>) -> Result<usize> {
    match size {
        Some(size) if (1..=MAX_DIMENSION).contains(&size) => Ok(size),
        Some(size) => {
            Err(Error::invalid_artefact(format!("config.json: {name} must be from 1 to {MAX_DIMENSION}, got {size}")))
        }
        None => Err(Error::invalid_artefact(format!("config.json has no {name}"))),
    }
}

pub(super) fn unsupported(key: &str, value: &str, known: &str) -> Error {
    Error::unsupported(format!("config.json: the {key} '{value}' is not known; known are {known}"))
}

fn parse<T: DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::invalid_artefact(format!("config.json is not right: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const DISTILBERT: &str = r#"{"model_type":"distilbert","architectures":["DistilBertForSequenceClassification"],"dim":32,"n_layers":2,
        "n_heads":4,"hidden_dim":64,"vocab_size":100,"max_position_embeddings":40,"activation":"gelu","id2label":{"0":"no","1":"yes"}}"#;

    fn refusal(json: &str) -> Error {
        ModelConfig::from_json(json).err().unwrap()
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
    fn labels_may_be_written_as_numbers() {
        let labels = |map: &str| {
            ConfigFile::from_json(&DISTILBERT.replace(r#"{"0":"no","1":"yes"}"#, map)).and_then(|file| file.labels())
        };
        assert_eq!(labels(r#"{"0":0,"1":1}"#).unwrap(), ["0", "1"]);
        assert_eq!(labels(r#"{"1":4.5,"0":-1}"#).unwrap(), ["-1", "4.5"]);
        assert_eq!(labels(r#"{"0":false,"1":"yes"}"#).unwrap(), ["false", "yes"]);
        assert_eq!(labels("null").unwrap(), ["LABEL_0", "LABEL_1"]);
        for wrong in [r#"{"0":null,"1":"yes"}"#, r#"{"0":["no"],"1":"yes"}"#, r#"{"0":{},"1":"yes"}"#] {
            assert!(labels(wrong).unwrap_err().to_string().contains("id2label must have a text or a number for 0"));
        }
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
