//! Why the answer is this one.

use std::fmt;

use serde::{Deserialize, Serialize};

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
    /// It is not, and whoever asked said that this text must not leave the device.
    MustStayLocal,
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
    /// It is not, and the budget of requests a day is spent.
    RequestsPerDay,
    /// It is not, and the cap on money a day is reached.
    UsdPerDay,
    /// It is not, and the budget of energy a day is spent.
    JoulesPerDay,
    /// It is not, and the general models are likely to take longer than the budget allows.
    Latency,
    /// It is not, and what was spent under a cap cannot be looked up.
    SpendingUnknown,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Confident => "the local model is sure",
            Self::Unsure => "the local model is not sure, and the remote answered",
            Self::NoRemote => "there is no remote",
            Self::MustStayLocal => "this text must stay local",
            Self::LocalOnly => "the policy lets nothing leave the device",
            Self::RedactorUnavailable => "personal data could not be looked for",
            Self::TooLong => "the text is too long to be sent",
            Self::RemoteUnreachable => "the remote could not be reached",
            Self::RemoteTimeout => "the remote took too long",
            Self::RemoteRefused => "the remote refused",
            Self::RemoteInvalid => "the remote's reply is no answer",
            Self::BreakerOpen => "the remote failed too often in a row and is left alone for a while",
            Self::RetryBudget => "too many attempts of late were retries",
            Self::QueueFull => "too many requests wait for the remote",
            Self::RequestsPerMinute => "the cap on requests a minute is reached",
            Self::TokensPerMinute => "the cap on tokens a minute is reached",
            Self::RequestsPerDay => "the budget of requests a day is spent",
            Self::UsdPerDay => "the cap on money a day is reached",
            Self::JoulesPerDay => "the budget of energy a day is spent",
            Self::Latency => "the remote is likely to take longer than the budget allows",
            Self::SpendingUnknown => "it is not known what was spent",
        })
    }
}
