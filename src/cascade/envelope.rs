//! The answer to a question: an envelope around a local or a remote answer, or a consultation of remote models alone.

use serde::{Deserialize, Serialize};

use super::learning::Learned;
use super::records;
use crate::device::DeviceReport;
use crate::graph::ComputeCost;
use crate::policy::{Decision, Reason, Tier};
use crate::redaction::Replaced;
use crate::remote::Usage;
use crate::tasks::AnswerOutput;
use crate::usage::energy::{self, Energy, Joules};

/// The answer to a question, with how it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Envelope {
    /// The answer: a label, all labels that apply, the text's entities, or a record, which says what of it was delegated.
    pub output: AnswerOutput,
    /// Whether a local or a remote model gave it; of a record, whether a remote model gave some of it.
    pub route: Route,
    /// The index of the last local model that was asked; where the route is local, it gave the answer.
    pub tier: usize,
    /// The confidence of that model in its own answer, in [0, 1], at its temperature if it was calibrated.
    pub confidence: f64,
    /// The confidence at which its answer is accepted.
    pub threshold: f64,
    /// Whether the threshold comes from a calibration, and so keeps a guarantee.
    pub calibrated: bool,
    /// What it rests on, where the cascade learns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub learning: Option<Learned>,
    /// Why it is this answer.
    pub reason: Reason,
    /// A message about the reason, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub detail: Option<String>,
    /// Whether this is a local answer below the threshold, because no remote answer was to be had; of a record, whether one of
    /// its fields is.
    pub degraded: bool,
    /// Whether the local model read only the beginning of the text.
    pub truncated: bool,
    /// The device that the local models ran on.
    pub device: DeviceReport,
    /// How long it all took, in milliseconds.
    pub latency_ms: f64,
    /// How long the local models took; the mean of the texts that were run together.
    pub local_latency_ms: f64,
    /// How long the search for personal data took; the first time, loading its model is included.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub redaction_latency_ms: Option<f64>,
    /// How long the attempts to ask remote models took.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub remote_latency_ms: Option<f64>,
    /// How many attempts there were.
    pub attempts: u32,
    /// The name of the remote model that gave the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub model: Option<String>,
    /// Tokens that the remote models used, of all attempts, as they report them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub usage: Option<Usage>,
    /// What these tokens cost, where the price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub cost_usd: Option<f64>,
    /// What the local models computed for it.
    pub work: ComputeCost,
    /// The energy that the answer took.
    pub energy_j: Energy,
    /// The day at which that was the price.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub prices_as_of: Option<String>,
    /// What was replaced in the text before it was sent: labels and counts, never values.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub replaced: Option<Vec<Replaced>>,
    /// What all that was decided from.
    pub decision: Decision,
}

/// Whether a local or a remote model gave an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// A local model.
    Local,
    /// A remote model.
    Remote,
}

/// What asking the remote models about one question came to, whatever the local models say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Consultation {
    /// The answer; absent where no remote model gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub output: Option<AnswerOutput>,
    /// Why there is this answer, or none.
    pub reason: Reason,
    /// A message about the reason, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub detail: Option<String>,
    /// How long it all took, in milliseconds.
    pub latency_ms: f64,
    /// How long the search for personal data took.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub redaction_latency_ms: Option<f64>,
    /// How long the attempts took.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub remote_latency_ms: Option<f64>,
    /// How many attempts there were.
    pub attempts: u32,
    /// The name of the remote model that gave the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub model: Option<String>,
    /// Tokens that the remote models used, of all attempts, as they report them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub usage: Option<Usage>,
    /// What these tokens cost, where the price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub cost_usd: Option<f64>,
    /// The energy of these tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub energy_j: Option<Joules>,
    /// The day at which that was the price.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub prices_as_of: Option<String>,
    /// What was replaced in the text before it was sent: labels and counts, never values.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub replaced: Option<Vec<Replaced>>,
    /// What all that was decided from.
    pub decision: Decision,
}

impl Consultation {
    /// That of a question that was not sent yet; `reason` holds as long as nothing else does.
    pub(super) fn new(decision: Decision, reason: Reason) -> Self {
        Self {
            output: None,
            reason,
            detail: None,
            latency_ms: 0.0,
            redaction_latency_ms: None,
            remote_latency_ms: None,
            attempts: 0,
            model: None,
            usage: None,
            cost_usd: None,
            energy_j: None,
            prices_as_of: None,
            replaced: None,
            decision,
        }
    }
}

/// The answer of the local models, which a question falls back to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fallback {
    pub output: AnswerOutput,
    pub truncated: bool,
    /// The tier of the model that gave it: the last one.
    pub tier: Tier,
    /// Where the cascade learns.
    pub learned: Option<Learned>,
}

impl Envelope {
    /// The answer to a question with the local answer `local`, after remote models were asked or not.
    pub(super) fn new(local: Fallback, remote: Consultation, device: DeviceReport) -> Self {
        let Consultation { decision, .. } = &remote;
        let asked = decision.tiers.iter().map(|tier| (tier.work, tier.latency_ms));
        let asked = asked.chain(decision.routing.map(|routing| (routing.work, routing.latency_ms)));
        let (work, local_latency_ms) =
            asked.fold((ComputeCost::default(), 0.0), |(work, ms), (more, more_ms)| (work + more, ms + more_ms));
        let Fallback { output, truncated, tier, learned } = local;
        let route = if remote.output.is_some() { Route::Remote } else { Route::Local };
        let is_partial = records::is_partial(remote.output.as_ref().unwrap_or(&output));
        Self {
            route,
            tier: decision.tiers.len().saturating_sub(1),
            confidence: tier.confidence,
            threshold: tier.threshold,
            calibrated: tier.calibrated,
            learning: learned,
            degraded: is_partial || route == Route::Local && !tier.is_sure(),
            output: remote.output.unwrap_or(output),
            reason: remote.reason,
            detail: remote.detail,
            truncated,
            device,
            latency_ms: local_latency_ms + remote.latency_ms,
            local_latency_ms,
            redaction_latency_ms: remote.redaction_latency_ms,
            remote_latency_ms: remote.remote_latency_ms,
            attempts: remote.attempts,
            model: remote.model,
            usage: remote.usage,
            cost_usd: remote.cost_usd,
            work,
            energy_j: Energy { local: energy::of_work(work.operations, work.bytes), remote: remote.energy_j },
            prices_as_of: remote.prices_as_of,
            replaced: remote.replaced,
            decision: remote.decision,
        }
    }
}
