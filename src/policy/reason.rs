//! Reasons: why an answer is a local or a remote one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why the answer is this one. All reasons but `Confident` are of a question whose local answer is below the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The confidence of the local model is at or above its threshold.
    Confident,
    /// The confidence is below the threshold, and a remote model answered.
    Unsure,
    /// There is no remote model.
    NoRemote,
    /// The caller said that this text must not leave the device.
    MustStayLocal,
    /// The policy lets nothing leave the device.
    LocalOnly,
    /// Personal data could not be looked for, so that nothing was sent.
    RedactorUnavailable,
    /// The text is too long to be sent.
    TooLong,
    /// The remote model could not be reached.
    RemoteUnreachable,
    /// The remote model took too long.
    RemoteTimeout,
    /// The remote model refused.
    RemoteRefused,
    /// The reply of the remote model is not an answer.
    RemoteInvalid,
    /// The remote model failed too often in a row, and is not asked for a while.
    BreakerOpen,
    /// Too many recent attempts were retries.
    RetryBudget,
    /// Too many questions wait already.
    QueueFull,
    /// The cap on requests a minute is reached.
    RequestsPerMinute,
    /// The cap on tokens a minute is reached.
    TokensPerMinute,
    /// The budget of requests a day is spent.
    RequestsPerDay,
    /// The cap on money a day is reached.
    UsdPerDay,
    /// The budget of energy a day is spent.
    JoulesPerDay,
    /// The remote models are likely to take longer than the budget allows.
    Latency,
    /// What was spent under a cap cannot be looked up.
    SpendingUnknown,
}

impl Reason {
    /// Whether a cap was reached, or may have been: the caller's budget is spent, and the remote model has not failed.
    ///
    /// ```
    /// use pilot_light::policy::Reason;
    ///
    /// assert!(Reason::UsdPerDay.is_cap() && !Reason::RemoteTimeout.is_cap());
    /// ```
    pub fn is_cap(self) -> bool {
        match self {
            Self::RequestsPerMinute
            | Self::TokensPerMinute
            | Self::RequestsPerDay
            | Self::UsdPerDay
            | Self::JoulesPerDay
            | Self::Latency
            // What a cap still allows cannot be known.
            | Self::SpendingUnknown => true,
            Self::Confident
            | Self::Unsure
            | Self::NoRemote
            | Self::MustStayLocal
            | Self::LocalOnly
            | Self::RedactorUnavailable
            | Self::TooLong
            | Self::RemoteUnreachable
            | Self::RemoteTimeout
            | Self::RemoteRefused
            | Self::RemoteInvalid
            | Self::BreakerOpen
            | Self::RetryBudget
            | Self::QueueFull => false,
        }
    }

    /// Whether a cap was reached that is free again within a minute.
    pub fn is_cap_on_minute(self) -> bool {
        matches!(self, Self::RequestsPerMinute | Self::TokensPerMinute)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Confident => "the local model is confident",
            Self::Unsure => "the local model is not confident, and the remote answered",
            Self::NoRemote => "there is no remote",
            Self::MustStayLocal => "this text must stay local",
            Self::LocalOnly => "the policy lets nothing leave the device",
            Self::RedactorUnavailable => "personal data could not be looked for",
            Self::TooLong => "the text is too long to be sent",
            Self::RemoteUnreachable => "the remote could not be reached",
            Self::RemoteTimeout => "the remote took too long",
            Self::RemoteRefused => "the remote refused",
            Self::RemoteInvalid => "the remote's reply is not an answer",
            Self::BreakerOpen => "the remote failed too often in a row and is not asked for a while",
            Self::RetryBudget => "too many recent attempts were retries",
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
