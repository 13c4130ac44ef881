//! Asking a general model, without I/O: what to send, and what to make of a reply. No module here reads
//! a clock, draws a random number or knows a network.

pub mod attempts;
mod chat;
pub mod limits;
pub mod redaction;
mod retry_after;
pub mod sse;
pub mod stream;
mod words;

use serde::{Deserialize, Serialize};

pub use chat::{Question, Reply, Usage, read_reply, request_body};

/// One attempt for the transport to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct RemoteRequest {
    /// Which question it belongs to.
    pub call: u32,
    /// What is put behind the address of the general model.
    pub path: String,
    /// The body, JSON.
    pub body: String,
    /// How long to wait before it is sent, in milliseconds.
    pub delay_ms: f64,
    /// How long it may take, in milliseconds.
    pub deadline_ms: f64,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum RemoteEvent {
    /// The server replied.
    Response {
        /// The HTTP status.
        status: u16,
        /// The header of this name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "web", tsify(optional))]
        retry_after: Option<String>,
        /// The header of this name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "web", tsify(optional))]
        content_type: Option<String>,
        /// The body.
        body: String,
        /// How long the attempt took.
        elapsed_ms: f64,
    },
    /// It did not.
    Fault {
        /// What failed.
        fault: RemoteFault,
        /// In words.
        message: String,
        /// How long the attempt took.
        elapsed_ms: f64,
    },
}

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum RemoteFault {
    /// The server could not be reached, or the connection broke.
    Network,
    /// It took too long.
    Timeout,
    /// The page could not give a token.
    Token,
    /// The reply is longer than an answer can be.
    TooLarge,
}

/// Why a remote's answer is not used.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// There was no reply.
    Unreachable(String),
    /// There was none in time.
    TimedOut(String),
    /// The server refused, with a status or an error in its reply.
    Refused(String),
    /// The reply is not an answer to the question.
    Invalid(String),
}
