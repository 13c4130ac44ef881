//! What a generation gives.

use serde::{Deserialize, Serialize};

use super::overflow::Dropped;
use super::sampler::TokenProbability;
use crate::graph::ComputeCost;

/// Why a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum FinishReason {
    /// By itself, or by a stop text.
    Stop,
    /// It had as many tokens as it may have, or as the model reads.
    Length,
    /// The caller stopped it.
    Aborted,
}

/// What a step added to a reply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Piece {
    /// Characters that are complete and belong to the text for certain; often none.
    pub text: String,
    /// The tokens that were chosen.
    pub tokens: Vec<GeneratedToken>,
}

/// A token of a reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct GeneratedToken {
    /// Its bytes, which may be a part of a character; none for a token that ends the text.
    pub bytes: Vec<u8>,
    /// The token, with its log-probability.
    #[serde(flatten)]
    pub token: TokenProbability,
    /// The likeliest tokens, as many as were asked for.
    pub top: Vec<TokenProbability>,
    /// Whether a constraint left no choice of it, so that the model was not asked and its log-probability is 0.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub forced: bool,
}

/// Tokens and passes of a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct ReplyUsage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Those of them whose keys and values were there from another text.
    pub cached_tokens: usize,
    /// Tokens that were generated, with the one that ended the text.
    pub completion_tokens: usize,
    /// Those of them that a constraint left no choice of, and the model was not asked about.
    pub forced_tokens: usize,
    /// Passes of the model that these took; fewer than tokens where some were forced, or prompt lookup found drafts.
    pub passes: usize,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Reply {
    /// The text.
    pub text: String,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Tokens and passes.
    pub usage: ReplyUsage,
    /// The JSON pointers of the fields that were cut short, so that the text is complete within its limit. Of a text that is not
    /// JSON, one that is empty.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub truncated: Vec<String>,
    /// What was left out of the prompt, so that it fits the context; `None` where nothing was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub dropped: Option<Dropped>,
    /// The geometric mean of the probabilities of its tokens, from 0 to 1.
    pub confidence: f32,
    /// Its tokens, where log-probabilities were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tokens: Vec<GeneratedToken>,
    /// What it took.
    pub cost: ComputeCost,
}
