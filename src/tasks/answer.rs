//! The one answer to a text, as a cascade wants it.

use serde::{Deserialize, Serialize};

use super::EntityGroup;
use crate::models::Work;

/// One text's answer, and how sure the model is of it.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalAnswer {
    /// What it found.
    pub output: AnswerOutput,
    /// From 0 to 1, as it comes from the model. For labels, the probability of the likeliest; for labels that the model
    /// was not trained on, how far it is ahead of the second; for entities, that of the least certain token.
    pub confidence: f64,
    /// Whether the model read only the beginning of the text.
    pub truncated: bool,
    /// What it took; of texts that went through the model together, an equal part.
    pub work: Work,
}

/// What an answer is: a label, or the entities of the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(untagged)]
pub enum AnswerOutput {
    /// Of a classification.
    Label(Answer),
    /// Of `token-classification`.
    Entities(Vec<EntityGroup>),
}

/// A label as an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Answer {
    /// The label.
    pub label: String,
    /// Its score as it comes from the model; a remote model gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub score: Option<f64>,
}
