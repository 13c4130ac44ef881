//! How tasks that read texts are run, and what they give.

use serde::{Deserialize, Serialize};

use super::{Aggregation, Classification, Entity, EntityGroup, Features, Pooling, ZeroShot};

/// How a task is run; each task reads its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct RunOptions {
    /// `feature-extraction`: how a text's vectors become one; `none` by default, as in transformers.js.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub pooling: Option<Pooling>,
    /// `feature-extraction`: whether vectors are scaled to length 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub normalize: Option<bool>,
    /// `text-classification`: how many labels; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional, type = "number | null"))]
    pub top_k: Option<usize>,
    /// `token-classification`: whether neighbouring tokens of one entity are joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub aggregation_strategy: Option<Aggregation>,
    /// `zero-shot-classification`: the labels to choose from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub candidate_labels: Option<Vec<String>>,
    /// `zero-shot-classification`: a sentence with `{}` where the label goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub hypothesis_template: Option<String>,
    /// `zero-shot-classification`: whether several labels may be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub multi_label: Option<bool>,
}

/// The results of a run, one for each text, in the shape of its task.
#[derive(Clone, Debug, PartialEq)]
pub enum RunOutput {
    /// Of `feature-extraction`.
    Features(Features),
    /// Of `text-classification`: each text's labels, the likeliest first.
    Classifications(Vec<Vec<Classification>>),
    /// Of `token-classification` without aggregation.
    Entities(Vec<Vec<Entity>>),
    /// Of `token-classification` with it.
    EntityGroups(Vec<Vec<EntityGroup>>),
    /// Of `zero-shot-classification`.
    ZeroShots(Vec<ZeroShot>),
}
