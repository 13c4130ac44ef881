//! Asking a general model, without I/O: what to send, and what to make of a reply. No module here reads
//! a clock, draws a random number or knows a network.

mod answer;
pub mod attempts;
mod chat;
mod completion;
mod error_text;
pub mod limits;
mod retry_after;
pub mod sse;
pub mod stream;

use serde::{Deserialize, Serialize};

pub use answer::{Unread, read_answer};
pub use chat::{ChatOptions, Question, request_body};
pub use completion::{Completion, Usage, read_completion};
pub(crate) use error_text::quote;
pub use retry_after::retry_after_ms;

/// One attempt for the transport to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct RemoteRequest {
    /// Which question it belongs to.
    pub call: u32,
    /// Which of the general models it is for, by its place in their order.
    pub remote: usize,
    /// What is put behind the address of the general model.
    pub path: String,
    /// The body, JSON.
    pub body: String,
    /// Whether the reply is to be fed in pieces, where it comes as events.
    pub stream: bool,
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
    /// The server replied in pieces, which were fed, and which have ended.
    Streamed {
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
    /// The server sends elsewhere. That is not followed: the text and the token are for the address that was named.
    Redirect,
    /// The model is not to be had here.
    Unavailable,
}

/// Why a reply is no completion.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// It broke off.
    Unreachable(String),
    /// The server says that it failed, with a status of HTTP or, where it was cheerful about that, in the reply.
    Refused {
        /// The status.
        status: u16,
        /// In words.
        words: String,
    },
    /// It is something else, or of no use.
    Invalid(String),
}
