//! Asking a remote model, without I/O: what to send, and how a reply is read. No module here reads a clock, draws a
//! random number or opens a connection.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`protocols`] | how a prompt becomes a request and a reply becomes words, one file for each protocol |
//! | [`attempts`] | retries: which attempts are made for one question, when, and how it ends |
//! | [`limits`] | caps, prices, the circuit breaker, the retry budget and the queue |
//! | [`sse`] | server-sent events |

mod answer;
pub mod attempts;
mod content_json;
mod error_text;
mod label_probability;
pub mod limits;
pub(crate) mod lone_surrogates;
mod prompt;
pub mod protocols;
mod retry_after;
pub mod sse;

use serde::{Deserialize, Serialize};

pub use answer::{Unread, read_answer};
pub(crate) use error_text::quote;
pub use prompt::{AnswerForm, Message, Prompt, Question, RequestOptions};
pub use retry_after::retry_after_ms;

/// One attempt for the transport to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct RemoteRequest {
    /// The number of the question that it belongs to.
    pub call: u32,
    /// The index of the remote model that it is for.
    pub remote: usize,
    /// What is sent.
    pub payload: Payload,
    /// Whether the reply is to be fed in pieces, where it arrives in pieces.
    pub stream: bool,
    /// How long to wait before it is sent, in milliseconds.
    pub delay_ms: f64,
    /// How long it may take, in milliseconds.
    pub deadline_ms: f64,
}

/// What is sent to a remote model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// To a server.
    Http(HttpRequest),
    /// To a model that takes the prompt as it is.
    Prompt(Prompt),
}

/// A POST request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct HttpRequest {
    /// Appended to the base address of the server.
    pub path: String,
    /// The headers by their names, without that of the key.
    pub headers: Vec<(String, String)>,
    /// The header that carries the key; only the transport knows the key.
    pub key_header: KeyHeader,
    /// The body.
    pub body: String,
}

/// How a request carries a key, where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct KeyHeader {
    /// The name of the header.
    pub name: String,
    /// What is before the key in its value.
    pub prefix: String,
}

impl Payload {
    /// How many bytes of text are sent: an estimate of tokens rests on it.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Http(request) => request.body.len(),
            Self::Prompt(Prompt { messages, schema, .. }) => {
                let words: usize = messages.iter().map(|message| message.content.len()).sum();
                words + schema.to_string().len()
            }
        }
    }
}

/// Tokens that a remote model used, as its server reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Usage {
    /// Tokens of the question.
    #[serde(default)]
    pub prompt_tokens: u32,
    /// Tokens of the answer.
    #[serde(default)]
    pub completion_tokens: u32,
    /// Tokens of both.
    #[serde(default)]
    pub total_tokens: u32,
}

impl Usage {
    /// The sum of both.
    pub fn plus(self, other: Self) -> Self {
        Self {
            prompt_tokens: self.prompt_tokens.saturating_add(other.prompt_tokens),
            completion_tokens: self.completion_tokens.saturating_add(other.completion_tokens),
            total_tokens: self.total_tokens.saturating_add(other.total_tokens),
        }
    }
}

/// The result of an attempt.
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
    /// A model that is not behind a server replied.
    Text {
        /// Its words.
        text: String,
        /// How long the attempt took.
        elapsed_ms: f64,
    },
    /// The reply arrived in pieces, which were fed, and has ended.
    Streamed {
        /// How long the attempt took.
        elapsed_ms: f64,
    },
    /// There was no reply.
    Fault {
        /// What failed.
        fault: RemoteFault,
        /// A message about it.
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
    /// The page could not provide a token.
    Token,
    /// The reply is longer than an answer can be.
    TooLarge,
    /// The server redirects. That is not followed: the text and the token are for the address that was named.
    Redirect,
    /// The model is not available here.
    Unavailable,
}

/// Why a reply is not a completion.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// It broke off.
    Unreachable(String),
    /// The server says that it failed: by its HTTP status, or in a reply whose status is a success.
    Refused {
        /// The status.
        status: u16,
        /// The server's message.
        words: String,
    },
    /// It is not a reply of the protocol, or has no answer.
    Invalid(String),
}

/// Whether a request that was refused with this status may succeed when it is made again.
///
/// # Source
/// The official `openai` client.
pub fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 409 | 429 | 500..=599)
}
