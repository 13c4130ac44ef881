//! The one error type of the crate.

use std::fmt;

/// What went wrong, to be matched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// What the caller passed makes no sense.
    InvalidInput,
    /// A model's file is missing, broken, or is not what it says.
    InvalidArtefact,
    /// It makes sense, but is not known here: an architecture, a number type, a task.
    Unsupported,
    /// The device that was asked for cannot be had.
    BackendUnavailable,
    /// The device was lost while it was in use.
    DeviceLost,
    /// The remote model failed.
    Remote,
    /// It took longer than it was allowed to.
    Timeout,
    /// The caller aborted it.
    Cancelled,
    /// A cap on spending was reached.
    BudgetExhausted,
    /// The crate was built without the Cargo feature that this needs.
    FeatureDisabled,
    /// A fault of this crate.
    Internal,
}

/// Every error of this crate: a kind, a message that names what is wrong, and whether a retry may help.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    retryable: bool,
}

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed when it is made again.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner { kind, message, retryable: kind == ErrorKind::DeviceLost }))
    }

    pub(crate) fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    pub(crate) fn invalid_artefact(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArtefact, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)
    }
}

impl std::error::Error for Error {}
