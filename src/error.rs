//! The error type of the crate: a kind, a message, and whether a retry may help.

use std::fmt;

/// The kind of an error, to match on.
///
/// `Remote`, `Timeout`, `Cancelled` and `BudgetExhausted` are not made by this crate: they are the kinds of errors that the
/// JavaScript package adds to these. They are here so that both sides share one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument, an option or an input is invalid.
    InvalidInput,
    /// A file of a model is missing or corrupt, or does not fit the others.
    InvalidArtefact,
    /// Valid, but not supported: an architecture, a number type, a task.
    Unsupported,
    /// The requested device is not available.
    BackendUnavailable,
    /// The device was lost while it was in use.
    DeviceLost,
    /// The remote model failed. Made in JavaScript only.
    Remote,
    /// A timeout expired. Made in JavaScript only.
    Timeout,
    /// The caller aborted the call. Made in JavaScript only.
    Cancelled,
    /// A spending cap was reached. Made in JavaScript only.
    BudgetExhausted,
    /// The crate was built without the Cargo feature that this needs.
    FeatureDisabled,
    /// A bug in this crate.
    Internal,
}

/// The error of every function in this crate.
///
/// The message names what was wrong, what was expected and what was found.
///
/// ```
/// use pilot_light::{ErrorKind, Task};
///
/// let error = "poetry".parse::<Task>().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Unsupported);
/// assert!(error.to_string().starts_with("unknown task 'poetry'"));
/// assert!(!error.is_retryable());
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    retryable: bool,
    index: Option<usize>,
}

/// A result with the error of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Its kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed on a retry.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Which of the inputs of a call it is about, from 0, where it is about one of several.
    pub fn index(&self) -> Option<usize> {
        self.0.index
    }

    /// The same error, about the input number `index`.
    #[must_use]
    pub(crate) fn at(mut self, index: usize) -> Self {
        self.0.index = Some(index);
        self
    }

    /// The same error of a longer call, in which so many inputs came before those that it knows.
    #[must_use]
    pub fn behind(mut self, inputs: usize) -> Self {
        self.0.index = self.0.index.map(|index| index + inputs);
        self
    }

    /// The message without the number of the input.
    #[cfg(feature = "web")]
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The same error, with what it is about before its message: `"{what}: {message}"`.
    #[must_use]
    pub(crate) fn context(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner { kind, message, retryable: kind == ErrorKind::DeviceLost, index: None }))
    }

    /// There is not enough memory for `what`, which says nothing about it: the same call may succeed later.
    pub(crate) fn no_memory(what: impl fmt::Display) -> Self {
        let mut error = Self::invalid_input(format!("not enough memory for {what}"));
        error.0.retryable = true;
        error
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
        if let Some(index) = self.0.index {
            write!(f, "input {index}: ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_one_of_several_inputs_names_it() {
        let error = Error::invalid_input("it is too long");
        assert_eq!((error.index(), error.to_string().as_str()), (None, "it is too long"));
        let error = error.at(3).context("text").behind(32);
        assert_eq!((error.index(), error.to_string().as_str()), (Some(35), "input 35: text: it is too long"));
        assert_eq!(format!("{error:?}"), "InvalidInput: input 35: text: it is too long");
        assert_eq!(Error::internal("a bug").behind(32).index(), None);
    }
}
