//! What a folder of sentence-transformers says of its embeddings: how long a text is, how the tokens' vectors are pooled, which
//! modules follow, and which prompts there are.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::files::{Files, is_plain};
use crate::error::{Error, Result};
use crate::models::Dense;
use crate::tasks::{Pooling, Prompts, SentenceEmbedding, SentenceModule};

/// The most tokens of a text.
pub const SENTENCE_BERT_CONFIG: &str = "sentence_bert_config.json";
/// How vectors are pooled, where `modules.json` names no other folder.
pub const POOLING_CONFIG: &str = "1_Pooling/config.json";
/// The encoder and what follows it.
pub const MODULES: &str = "modules.json";
/// The prompts.
pub const PROMPTS: &str = "config_sentence_transformers.json";

/// The most modules: none that is published has half as many.
const MAX_MODULES: usize = 16;

/// The modules behind the encoder.
#[derive(Debug, Default, PartialEq)]
pub struct Modules {
    /// The configuration of the pooling, where a folder is named.
    pooling: Option<String>,
    behind: Vec<Module>,
}

/// A module behind the pooling.
#[derive(Debug, PartialEq)]
enum Module {
    /// The folder of a layer.
    Dense(String),
    Normalize,
}

impl Modules {
    /// Reads `modules.json`.
    ///
    /// # Errors
    /// Invalid artefact: it is not JSON, or leads out of the folder. Unsupported: a module that is not known here, or in another
    /// order than encoder, pooling, and what follows.
    pub fn from_json(json: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Entry {
            #[serde(default)]
            path: String,
            r#type: String,
        }
        let entries: Vec<Entry> = serde_json::from_str(json).map_err(|error| wrong(MODULES, &error))?;
        if entries.len() > MAX_MODULES {
            let found = entries.len();
            return Err(Error::invalid_artefact(format!(
                "{MODULES} names {found} modules, expected at most {MAX_MODULES}"
            )));
        }
        let mut modules = Self::default();
        for (index, Entry { path, r#type }) in entries.into_iter().enumerate() {
            // Classes have moved between packages, and models bring some of their own.
            let class = r#type.rsplit('.').next().unwrap_or_default();
            if class != "Transformer" && !is_plain(&path) {
                return Err(Error::invalid_artefact(format!("{MODULES}: '{path}' is not the name of a folder")));
            }
            match (index, class) {
                (0, "Transformer") => {}
                (1, "Pooling") => modules.pooling = Some(format!("{path}/config.json")),
                (2.., "Dense") => modules.behind.push(Module::Dense(path)),
                (2.., "Normalize") => modules.behind.push(Module::Normalize),
                // It does nothing but while a model is trained.
                (2.., "Dropout") => {}
                _ => {
                    let place = index + 1;
                    return Err(Error::unsupported(format!(
                        "{MODULES}: '{}' is not supported in place {place}",
                        r#type
                    )));
                }
            }
        }
        Ok(modules)
    }

    /// The names of the modules' files.
    pub fn files(&self) -> impl Iterator<Item = String> {
        let dense = self.behind.iter().filter_map(|module| match module {
            Module::Dense(folder) => Some([config_of(folder), weights_of(folder)]),
            Module::Normalize => None,
        });
        dense.flatten().chain(self.pooling.clone())
    }

    /// How an embedding is made of hidden states of `hidden` numbers; the files of the folder are `base` and their names.
    ///
    /// # Errors
    /// Invalid artefact: a file is not right, or does not fit another. Unsupported: a pooling or a layer that is not known here,
    /// or a layer where the width of the hidden states is not known.
    pub(super) fn sentence_embedding(
        self,
        files: &mut Files,
        base: impl Fn(&str) -> String,
        hidden: Option<usize>,
    ) -> Result<SentenceEmbedding> {
        let mut embedding = SentenceEmbedding::default();
        let pooling_config = self.pooling.unwrap_or_else(|| POOLING_CONFIG.to_string());
        if let Some(config) = files.text(&base(&pooling_config)) {
            (embedding.pooling, embedding.include_prompt) = pooling(&pooling_config, &config)?;
        }
        if let Some(config) = files.text(&base(PROMPTS)) {
            embedding.prompts = prompts(&config)?;
        }
        for module in self.behind {
            let Module::Dense(folder) = module else {
                embedding.modules.push(SentenceModule::Normalize);
                continue;
            };
            let Some(hidden) = hidden else {
                return Err(Error::unsupported(format!("{folder} needs hidden states of a known width")));
            };
            let config = files.take_text(&base(&config_of(&folder)))?;
            let mut weights = files.take_module(&base(&weights_of(&folder)));
            let dense = Dense::from_json(&config, &mut weights, embedding.width(hidden));
            embedding.modules.push(SentenceModule::Dense(dense.map_err(|error| error.context(&folder))?));
        }
        Ok(embedding)
    }
}

fn config_of(folder: &str) -> String {
    format!("{folder}/config.json")
}

fn weights_of(folder: &str) -> String {
    format!("{folder}/model.safetensors")
}

/// The prompts of `config_sentence_transformers.json`.
fn prompts(config: &str) -> Result<Prompts> {
    #[derive(Deserialize)]
    struct Config {
        prompts: Option<BTreeMap<String, Option<String>>>,
        default_prompt_name: Option<String>,
    }
    let config: Config = serde_json::from_str(config).map_err(|error| wrong(PROMPTS, &error))?;
    let texts = config.prompts.unwrap_or_default().into_iter().map(|(name, text)| (name, text.unwrap_or_default()));
    Prompts::new(crate::sort::map(texts), config.default_prompt_name).map_err(|error| error.context(PROMPTS))
}

/// `max_seq_length` of `sentence_bert_config.json`, which goes before what the tokenizer's files say.
///
/// # Errors
/// Invalid artefact: it is not JSON, or the length is not a number of tokens.
pub fn max_length(config: &str) -> Result<Option<usize>> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(default)]
        max_seq_length: Option<usize>,
    }
    let config: Config = serde_json::from_str(config).map_err(|error| wrong(SENTENCE_BERT_CONFIG, &error))?;
    Ok(config.max_seq_length)
}

/// The pooling of the file `name`, and whether the tokens of a prompt are pooled.
///
/// # Errors
/// Invalid artefact: it is not JSON. Unsupported: several poolings, whose vectors would be joined, or one that is not known.
///
/// # Source
/// `Pooling.py` of sentence-transformers.
fn pooling(name: &str, config: &str) -> Result<(Pooling, bool)> {
    #[derive(Deserialize)]
    struct Config {
        /// In place of the flags, in newer files.
        pooling_mode: Option<Modes>,
        pooling_mode_cls_token: Option<bool>,
        pooling_mode_max_tokens: Option<bool>,
        pooling_mode_mean_tokens: Option<bool>,
        pooling_mode_mean_sqrt_len_tokens: Option<bool>,
        pooling_mode_weightedmean_tokens: Option<bool>,
        pooling_mode_lasttoken: Option<bool>,
        include_prompt: Option<bool>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Modes {
        One(String),
        Several(Vec<String>),
    }
    let config: Config = serde_json::from_str(config).map_err(|error| wrong(name, &error))?;
    let given = config.pooling_mode.is_some();
    let modes: Vec<String> = match config.pooling_mode {
        Some(Modes::One(mode)) => vec![mode],
        Some(Modes::Several(modes)) => modes,
        None => [
            (config.pooling_mode_cls_token, "cls"),
            (config.pooling_mode_max_tokens, "max"),
            (config.pooling_mode_mean_tokens, "mean"),
            (config.pooling_mode_mean_sqrt_len_tokens, "mean_sqrt_len_tokens"),
            (config.pooling_mode_weightedmean_tokens, "weightedmean"),
            (config.pooling_mode_lasttoken, "lasttoken"),
        ]
        .into_iter()
        .filter(|(wanted, _)| wanted.unwrap_or(false))
        .map(|(_, mode)| mode.to_string())
        .collect(),
    };
    // Without a mode of either form it is the mean.
    let pooling = match modes.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["cls"] => Pooling::Cls,
        ["max"] => Pooling::Max,
        ["mean"] => Pooling::Mean,
        [] if !given => Pooling::Mean,
        ["mean_sqrt_len_tokens"] => Pooling::MeanSqrtLen,
        ["weightedmean"] => Pooling::WeightedMean,
        ["lasttoken"] => Pooling::LastToken,
        other => return Err(Error::unsupported(format!("{name}: the pooling {other:?} is not supported"))),
    };
    Ok((pooling, config.include_prompt.unwrap_or(true)))
}

fn wrong(name: &str, error: &serde_json::Error) -> Error {
    Error::invalid_artefact(format!("{name} is not right: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn poolings_are_read_in_both_forms() {
        for (config, expected) in [
            (r#"{"word_embedding_dimension": 384, "pooling_mode_mean_tokens": true}"#, Pooling::Mean),
            (r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#, Pooling::Cls),
            (r#"{"pooling_mode_max_tokens": true, "pooling_mode_mean_tokens": false}"#, Pooling::Max),
            (r#"{"pooling_mode_lasttoken": true, "pooling_mode_mean_tokens": false}"#, Pooling::LastToken),
            (r#"{"pooling_mode_weightedmean_tokens": true, "pooling_mode_mean_tokens": false}"#, Pooling::WeightedMean),
            (r#"{"pooling_mode": "cls"}"#, Pooling::Cls),
            (r#"{"pooling_mode": ["mean"]}"#, Pooling::Mean),
            (r#"{"pooling_mode": null, "pooling_mode_cls_token": null}"#, Pooling::Mean),
            (r#"{"pooling_mode_mean_sqrt_len_tokens": true}"#, Pooling::MeanSqrtLen),
            (r#"{"pooling_mode_cls_token": true}"#, Pooling::Cls),
            ("{}", Pooling::Mean),
        ] {
            assert_eq!(pooling(POOLING_CONFIG, config).unwrap(), (expected, true), "{config}");
        }
        assert_eq!(pooling(POOLING_CONFIG, r#"{"include_prompt": false}"#).unwrap(), (Pooling::Mean, false));
        for config in [
            r#"{"pooling_mode_cls_token": true, "pooling_mode_max_tokens": true}"#,
            r#"{"pooling_mode": "median"}"#,
            r#"{"pooling_mode": []}"#,
        ] {
            assert_eq!(pooling(POOLING_CONFIG, config).unwrap_err().kind(), ErrorKind::Unsupported, "{config}");
        }
        assert_eq!(pooling(POOLING_CONFIG, "3").unwrap_err().kind(), ErrorKind::InvalidArtefact);
    }

    #[test]
    fn modules_are_read_and_others_refused() {
        let entry = |path: &str, class: &str| format!(r#"{{"idx":0,"path":"{path}","type":"{class}"}}"#);
        let read = |entries: &[String]| Modules::from_json(&format!("[{}]", entries.join(",")));
        let encoder = || entry("", "sentence_transformers.models.Transformer");
        let pooling = || entry("1_Pool", "sentence_transformers.sentence_transformer.modules.Pooling");
        let modules = read(&[
            encoder(),
            pooling(),
            entry("2_Dense", "sentence_transformers.models.Dense"),
            entry("3_Dropout", "sentence_transformers.models.Dropout"),
            entry("4_Normalize", "sentence_transformers.models.Normalize"),
        ]);
        let behind = vec![Module::Dense("2_Dense".into()), Module::Normalize];
        assert_eq!(modules.unwrap(), Modules { pooling: Some("1_Pool/config.json".into()), behind });
        assert_eq!(read(&[]).unwrap(), Modules::default());
        for (entries, kind) in [
            (vec![encoder(), pooling(), entry("2_CNN", "sentence_transformers.models.CNN")], ErrorKind::Unsupported),
            (vec![encoder(), entry("1_Dense", "pylate.models.Dense.Dense")], ErrorKind::Unsupported),
            (vec![entry("0_Words", "sentence_transformers.models.WordEmbeddings")], ErrorKind::Unsupported),
            (vec![encoder(), entry("../1_Pooling", "models.Pooling")], ErrorKind::InvalidArtefact),
            (vec![encoder(), pooling(), entry("", "models.Dense")], ErrorKind::InvalidArtefact),
            (vec![encoder(); 17], ErrorKind::InvalidArtefact),
        ] {
            assert_eq!(read(&entries).unwrap_err().kind(), kind, "{entries:?}");
        }
        assert_eq!(Modules::from_json("{}").unwrap_err().kind(), ErrorKind::InvalidArtefact);
    }

    #[test]
    fn a_default_prompt_must_be_one() {
        assert_eq!(prompts("{}").unwrap(), Prompts::default());
        assert_eq!(prompts(r#"{"prompts": null, "default_prompt_name": null}"#).unwrap(), Prompts::default());
        let error = prompts(r#"{"prompts": {"query": "q: "}, "default_prompt_name": "document"}"#).unwrap_err();
        assert!(error.to_string().contains("default_prompt_name") && error.to_string().contains("[query]"), "{error}");
    }

    #[test]
    fn lengths_are_read() {
        assert_eq!(max_length(r#"{"max_seq_length": 256, "do_lower_case": false}"#).unwrap(), Some(256));
        assert_eq!(max_length(r#"{"max_seq_length": null}"#).unwrap(), None);
        assert!(max_length(r#"{"max_seq_length": -1}"#).is_err());
    }
}
