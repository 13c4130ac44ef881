//! Options of a generated text.

use serde::{Deserialize, Serialize};

use super::constraint::Constraint;
use super::overflow::Overflow;
use crate::error::{Error, Result};

/// Options of a generated text. Their names are those of transformers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct GenerationOptions {
    /// The most tokens that are generated.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub max_new_tokens: usize,
    /// Whether tokens are drawn at random by their probabilities. Otherwise the likeliest is taken.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub do_sample: bool,
    /// Logits are divided by this before a token is drawn.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub temperature: f32,
    /// A token is drawn among this many of the likeliest; 0: among all.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub top_k: usize,
    /// A token is drawn among the fewest likeliest whose probabilities add up to this.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub top_p: f32,
    /// A token is drawn among those that are at least this times as likely as the likeliest.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub min_p: f32,
    /// The logits of tokens that are in the prompt or the text are divided by this where they are positive, and multiplied
    /// by it where they are negative.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub repetition_penalty: f32,
    /// Subtracted from the logits of tokens that are in the text.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub presence_penalty: f32,
    /// Subtracted from the logits of tokens as often as they are in the text.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub frequency_penalty: f32,
    /// Where random numbers begin. Equal seeds give equal texts.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub seed: u64,
    /// Texts that end the text, and are no part of it.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub stop: Vec<String>,
    /// How many of the likeliest tokens are given with each token; `None`: tokens are not given with log-probabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub logprobs: Option<usize>,
    /// The JSON schema that the text is valid under, as JSON: its properties come in the order in which it has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub json_schema: Option<String>,
    /// The regular expression that the text matches from its beginning to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub regex: Option<String>,
    /// The texts of which the text is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub choice: Vec<String>,
    /// What becomes of a prompt that leaves less room than `max_new_tokens`, or than half of the context.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub overflow: Overflow,
    /// Whether tokens that follow the same words earlier on are tried several at once. The text is the same without.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub prompt_lookup: bool,
}

/// The most stop texts.
const MAX_STOPS: usize = 64;
/// The most of the likeliest tokens that are given with each token.
const MAX_LOGPROBS: usize = 20;

impl Default for GenerationOptions {
    fn default() -> Self {
        Self {
            max_new_tokens: 256,
            do_sample: false,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: 0,
            stop: Vec::new(),
            logprobs: None,
            json_schema: None,
            regex: None,
            choice: Vec::new(),
            overflow: Overflow::Error,
            prompt_lookup: true,
        }
    }
}

impl GenerationOptions {
    /// Checks that each is within its range.
    ///
    /// # Errors
    /// Invalid input: one is not; the message names it.
    pub fn check(&self) -> Result<()> {
        let wrong = |name: &str, expected: &str, got: String| {
            Err(Error::invalid_input(format!("{name}: expected {expected}, got {got}")))
        };
        if self.max_new_tokens == 0 {
            return wrong("max_new_tokens", "at least 1", "0".to_string());
        }
        for (name, value, least, most) in [
            ("temperature", self.temperature, 0.0, 100.0),
            ("top_p", self.top_p, 0.0, 1.0),
            ("min_p", self.min_p, 0.0, 1.0),
            ("repetition_penalty", self.repetition_penalty, 0.01, 100.0),
            ("presence_penalty", self.presence_penalty, -100.0, 100.0),
            ("frequency_penalty", self.frequency_penalty, -100.0, 100.0),
        ] {
            if !(least..=most).contains(&value) {
                return wrong(name, &format!("a number from {least} to {most}"), value.to_string());
            }
        }
        if self.stop.len() > MAX_STOPS {
            return wrong("stop", &format!("at most {MAX_STOPS} texts"), self.stop.len().to_string());
        }
        if self.stop.iter().any(String::is_empty) {
            return wrong("stop", "texts that are not empty", "an empty one".to_string());
        }
        if let Some(count) = self.logprobs.filter(|count| *count > MAX_LOGPROBS) {
            return wrong("logprobs", &format!("at most {MAX_LOGPROBS}"), count.to_string());
        }
        let constraints =
            [self.json_schema.is_some(), self.regex.is_some(), !self.choice.is_empty(), !self.stop.is_empty()];
        if constraints.iter().filter(|given| **given).count() > 1 {
            return Err(Error::invalid_input("expected one of json_schema, regex, choice and stop, got several"));
        }
        Ok(())
    }

    /// What the text must be, where anything is said of it.
    ///
    /// # Errors
    /// Those of [`Constraint::json_schema`] and of [`Constraint::regex`].
    pub(super) fn constraint(&self) -> Result<Option<Constraint>> {
        if let Some(schema) = &self.json_schema {
            return Constraint::json_schema(schema).map(Some);
        }
        if let Some(pattern) = &self.regex {
            return Constraint::regex(pattern).map(Some);
        }
        if self.choice.is_empty() { Ok(None) } else { Constraint::choice(&self.choice).map(Some) }
    }

    /// Whether the likeliest token is always taken.
    pub(super) fn is_greedy(&self) -> bool {
        !self.do_sample || self.temperature == 0.0
    }

    /// Whether tokens of the text count less or more than others.
    pub(super) fn penalises(&self) -> bool {
        self.repetition_penalty != 1.0 || self.presence_penalty != 0.0 || self.frequency_penalty != 0.0
    }
}
