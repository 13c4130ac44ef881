//! The one answer.

use serde::{Deserialize, Serialize};

use crate::device::DeviceReport;
use crate::graph::ComputeCost;
use crate::policy::{Decision, Reason};
use crate::redaction::Replaced;
use crate::remote::Usage;
use crate::tasks::AnswerOutput;
use crate::usage::energy::Energy;

/// The one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Envelope {
    /// What was found: a label, or the text's entities.
    pub output: AnswerOutput,
    /// Whose answer it is.
    pub route: Route,
    /// Which of the local models looked at the text last, from 0; it is the one that answers where the route is local.
    pub tier: usize,
    /// How sure that model is of its own answer, from 0 to 1, at its temperature if it was calibrated.
    pub confidence: f64,
    /// The confidence from which on its answer is the answer.
    pub threshold: f64,
    /// Whether the threshold comes from a calibration, and so promises anything.
    pub calibrated: bool,
    /// Why it is this answer.
    pub reason: Reason,
    /// The same in words, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub detail: Option<String>,
    /// Whether this is an answer that the local model is not sure of, for want of the remote's.
    pub degraded: bool,
    /// Whether the local model read only the beginning of the text.
    pub truncated: bool,
    /// Where the local model ran.
    pub device: DeviceReport,
    /// How long it all took.
    pub latency_ms: f64,
    /// How long the local models took; the texts' mean where several went through one together.
    pub local_latency_ms: f64,
    /// How long personal data was looked for in the text; the first time with the load of what finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub redaction_latency_ms: Option<f64>,
    /// How long the attempts to ask a general model took.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub remote_latency_ms: Option<f64>,
    /// How many attempts that were.
    pub attempts: u32,
    /// The name of the general model whose answer it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub model: Option<String>,
    /// Tokens that the general models say they used, of all attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub usage: Option<Usage>,
    /// What these tokens cost, where the price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub cost_usd: Option<f64>,
    /// What the local models computed for it.
    pub work: ComputeCost,
    /// What the answer took in energy.
    pub energy_j: Energy,
    /// The day on which that was the price.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub prices_as_of: Option<String>,
    /// What was taken out of the text before it was sent: kinds and numbers, never values.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub replaced: Option<Vec<Replaced>>,
    /// What all that was decided from.
    pub decision: Decision,
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// The specialised model's.
    Local,
    /// The general model's.
    Remote,
}
