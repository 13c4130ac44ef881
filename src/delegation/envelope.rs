//! The one answer.

use serde::{Deserialize, Serialize};

use crate::device::DeviceReport;
use crate::remote::Usage;
use crate::remote::limits::Denied;
use crate::remote::redaction::Replaced;
use crate::tasks::AnswerOutput;

/// The one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Envelope {
    /// What was found: a label, or the text's entities.
    pub output: AnswerOutput,
    /// Whose answer it is.
    pub route: Route,
    /// How sure the local model is of its own answer, from 0 to 1, at its temperature if it was calibrated.
    pub confidence: f64,
    /// The confidence from which on the local answer is the answer.
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
    /// How long the local model took; its texts' mean where several went through it together.
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
    /// The day on which that was the price.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub prices_as_of: Option<String>,
    /// What was taken out of the text before it was sent: kinds and numbers, never values.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub replaced: Option<Vec<Replaced>>,
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

/// Why it is this answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The local model is sure.
    Confident,
    /// It is not, and the remote answered.
    Unsure,
    /// It is not, and there is no remote.
    NoRemote,
    /// It is not, and the policy lets nothing leave.
    LocalOnly,
    /// It is not, and personal data could not be looked for, so that nothing was sent.
    RedactorUnavailable,
    /// It is not, and the text is too long to be sent.
    TooLong,
    /// It is not, and the remote could not be reached.
    RemoteUnreachable,
    /// It is not, and the remote took too long.
    RemoteTimeout,
    /// It is not, and the remote refused.
    RemoteRefused,
    /// It is not, and the remote's reply is no answer.
    RemoteInvalid,
    /// It is not, and the remote is left alone because it failed too often.
    BreakerOpen,
    /// It is not, and too many attempts of late were second ones.
    RetryBudget,
    /// It is not, and too many questions wait already.
    QueueFull,
    /// It is not, and the cap on requests a minute is reached.
    RequestsPerMinute,
    /// It is not, and the cap on tokens a minute is reached.
    TokensPerMinute,
    /// It is not, and the cap on money a day is reached.
    UsdPerDay,
    /// It is not, and what was spent under a cap cannot be looked up.
    SpendingUnknown,
}

impl From<Denied> for Reason {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::BreakerOpen => Self::BreakerOpen,
            Denied::RetryBudget => Self::RetryBudget,
            Denied::QueueFull => Self::QueueFull,
            Denied::RequestsPerMinute => Self::RequestsPerMinute,
            Denied::TokensPerMinute => Self::TokensPerMinute,
            Denied::UsdPerDay => Self::UsdPerDay,
        }
    }
}
