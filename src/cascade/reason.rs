//! Why the answer is this one.

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
    /// It is not, and the cap on money a day is reached.
    UsdPerDay,
    /// It is not, and what was spent under a cap cannot be looked up.
    SpendingUnknown,
}
