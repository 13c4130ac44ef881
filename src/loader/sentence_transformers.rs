//! What a folder of sentence-transformers says of its embeddings: how the tokens' vectors are pooled, and how long a text is.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::tasks::Pooling;

/// The most tokens of a text.
pub const SENTENCE_BERT_CONFIG: &str = "sentence_bert_config.json";
/// How vectors are pooled.
pub const POOLING_CONFIG: &str = "1_Pooling/config.json";

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

/// The pooling of `1_Pooling/config.json`.
///
/// # Errors
/// Invalid artefact: it is not JSON. Unsupported: several poolings, whose vectors would be joined, or one that is not known.
///
/// # Source
/// `Pooling.py` of sentence-transformers.
pub fn pooling(config: &str) -> Result<Pooling> {
    #[derive(Deserialize)]
    #[serde(default)]
    struct Config {
        /// In place of the flags, in newer files.
        pooling_mode: Option<Modes>,
        pooling_mode_cls_token: bool,
        pooling_mode_max_tokens: bool,
        pooling_mode_mean_tokens: bool,
        pooling_mode_mean_sqrt_len_tokens: bool,
        pooling_mode_weightedmean_tokens: bool,
        pooling_mode_lasttoken: bool,
    }
    impl Default for Config {
        fn default() -> Self {
            Self {
                pooling_mode: None,
                pooling_mode_cls_token: false,
                pooling_mode_max_tokens: false,
                // As there.
                pooling_mode_mean_tokens: true,
                pooling_mode_mean_sqrt_len_tokens: false,
                pooling_mode_weightedmean_tokens: false,
                pooling_mode_lasttoken: false,
            }
        }
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Modes {
        One(String),
        Several(Vec<String>),
    }
    let config: Config = serde_json::from_str(config).map_err(|error| wrong(POOLING_CONFIG, &error))?;
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
        .filter(|(wanted, _)| *wanted)
        .map(|(_, mode)| mode.to_string())
        .collect(),
    };
    match modes.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["cls"] => Ok(Pooling::Cls),
        ["max"] => Ok(Pooling::Max),
        // Of the same direction: embeddings are scaled to length 1.
        ["mean" | "mean_sqrt_len_tokens"] => Ok(Pooling::Mean),
        ["weightedmean"] => Ok(Pooling::WeightedMean),
        ["lasttoken"] => Ok(Pooling::LastToken),
        other => Err(Error::unsupported(format!("{POOLING_CONFIG}: the pooling {other:?} is not supported"))),
    }
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
            ("{}", Pooling::Mean),
        ] {
            assert_eq!(pooling(config).unwrap(), expected, "{config}");
        }
        for config in
            [r#"{"pooling_mode_cls_token": true}"#, r#"{"pooling_mode": "median"}"#, r#"{"pooling_mode": []}"#]
        {
            assert_eq!(pooling(config).unwrap_err().kind(), ErrorKind::Unsupported, "{config}");
        }
        assert_eq!(pooling("3").unwrap_err().kind(), ErrorKind::InvalidArtefact);
    }

    #[test]
    fn lengths_are_read() {
        assert_eq!(max_length(r#"{"max_seq_length": 256, "do_lower_case": false}"#).unwrap(), Some(256));
        assert_eq!(max_length(r#"{"max_seq_length": null}"#).unwrap(), None);
        assert!(max_length(r#"{"max_seq_length": -1}"#).is_err());
    }
}
