//! Remote protocols: how a prompt becomes a request, and how its reply is read. One file for each.

pub mod built_in;
pub mod chat_completions;

use std::fmt;

use super::{Failure, Payload, Prompt, RequestOptions};
use crate::error::{Error, Result};

/// The protocols by the names that the settings of a remote model have for them. The first is the default.
pub const PROTOCOLS: &[(&str, &dyn Protocol)] =
    &[("chat-completions", &chat_completions::ChatCompletions), ("built-in", &built_in::BuiltIn)];

/// A way to ask a remote model. It does no I/O: a transport sends what it makes, and it reads what the transport gets.
pub trait Protocol: Sync {
    /// Fields of the request that the settings' `extra_body` may not replace, because reading the reply depends on them.
    fn reserved_fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// The largest number of tokens that an answer may have under `options`.
    fn max_tokens(&self, options: &RequestOptions<'_>) -> u32 {
        options.max_tokens
    }

    /// The request that puts `prompt` to a model.
    fn request(&self, options: &RequestOptions<'_>, prompt: Prompt) -> Payload;

    /// What the model said, from a reply in one piece.
    ///
    /// # Errors
    /// Refused: the server says that it failed. Invalid: it is not a reply of this protocol.
    fn read(&self, reply: Reply<'_>) -> Result<Completion, Failure>;

    /// Reads one reply that arrives in pieces.
    fn stream(&self) -> Box<dyn ReplyStream>;
}

/// A reply that arrives in pieces.
pub trait ReplyStream: fmt::Debug {
    /// The words that `bytes` bring; where the pieces begin and end makes no difference. What is wrong with them is
    /// reported by [`finish`](Self::finish).
    fn feed(&mut self, bytes: &[u8]) -> String;

    /// Whether nothing more need be read: the reply has ended, or is invalid.
    fn is_over(&self) -> bool;

    /// The whole reply, when it is over or its connection has ended.
    ///
    /// # Errors
    /// Unreachable: it broke off before the answer was whole. Else as [`Protocol::read`].
    fn finish(self: Box<Self>) -> Result<Completion, Failure>;
}

/// A reply in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The reply of a server.
    Http {
        /// The HTTP status.
        status: u16,
        /// The header of this name.
        content_type: Option<&'a str>,
        /// The body.
        body: &'a str,
    },
    /// The words of a model that is not behind a server.
    Text(&'a str),
}

/// What a model said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    /// Its words; empty where it has none.
    pub content: String,
    /// The words of a model that refuses to answer.
    pub refusal: Option<String>,
    /// Why it ended: `stop`, or `length`, `content_filter`, `error` and others for an answer that may not be whole.
    pub finish_reason: Option<String>,
    /// The tokens that it used, where the server reports them.
    pub usage: Option<super::Usage>,
    /// The tokens of its words with their probabilities, where the server gives them.
    pub logprobs: Vec<TokenLogprob>,
}

/// A token of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprob {
    /// Its bytes, which may be a part of a character.
    pub bytes: Vec<u8>,
    /// The natural logarithm of its probability.
    pub logprob: f64,
}

/// The protocol of this name.
///
/// ```
/// use pilot_light::remote::protocols::{Reply, protocol};
///
/// let chat = protocol("chat-completions")?;
/// let body = r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}]}"#;
/// let completion = chat.read(Reply::Http { status: 200, content_type: Some("application/json"), body });
/// assert_eq!(completion.unwrap().content, "hello");
/// assert!(protocol("smoke-signals").is_err());
/// # Ok::<(), pilot_light::Error>(())
/// ```
///
/// # Errors
/// Invalid input: there is no protocol of this name.
pub fn protocol(name: &str) -> Result<&'static dyn Protocol> {
    let known = PROTOCOLS.iter().find(|(known, _)| *known == name).map(|(_, protocol)| *protocol);
    known.ok_or_else(|| {
        let names: Vec<&str> = PROTOCOLS.iter().map(|(name, _)| *name).collect();
        Error::invalid_input(format!("the remote's protocol must be one of {}, got '{name}'", names.join(", ")))
    })
}

/// The name of the protocol of a remote model whose settings have none.
pub fn default_protocol() -> String {
    PROTOCOLS[0].0.to_string()
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What replies are made of, whole and broken.
    const PIECES: &[&str] = &[
        "data: ",
        "data: [DONE]",
        "event: error\n",
        ": comment\n",
        "\n\n",
        "\r\n",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\"choices\":",
        "[{\"index\":0,\"delta\":{\"content\":\"a word\"},\"finish_reason\":null}]",
        "[{\"message\":{\"content\":\"a word\"},\"finish_reason\":\"stop\"}]",
        "\"error\":{\"message\":\"overloaded\"}",
        "\"usage\":{\"prompt_tokens\":-1}",
        "null",
        "\"",
        "\\ud83d",
        "🔥",
        "1e999",
        "<html>",
    ];

    fn any_reply() -> impl Strategy<Value = String> {
        let piece = prop_oneof![4 => prop::sample::select(PIECES).prop_map(String::from), 1 => any::<char>().prop_map(String::from)];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn every_protocol_reads_or_refuses_any_reply(body in any_reply(), status in 100u16..600) {
            for (name, protocol) in PROTOCOLS {
                for content_type in [None, Some("application/json"), Some("text/event-stream")] {
                    let reply = Reply::Http { status, content_type, body: &body };
                    prop_assert!(protocol.read(reply).is_err() || (200..300).contains(&status), "{name}");
                }
                let _ = protocol.read(Reply::Text(&body));
            }
        }

        #[test]
        fn every_protocol_reads_a_stream_however_it_is_cut(body in any_reply(), cuts in prop::collection::vec(any::<usize>(), 0..4)) {
            for (name, protocol) in PROTOCOLS {
                let read = |pieces: &[&[u8]]| {
                    let mut stream = protocol.stream();
                    let words: String = pieces.iter().map(|piece| stream.feed(piece)).collect();
                    (words, format!("{:?}", stream.finish()))
                };
                let mut offsets: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
                offsets.extend([0, body.len()]);
                offsets.sort_unstable();
                let pieces: Vec<&[u8]> = offsets.windows(2).map(|pair| &body.as_bytes()[pair[0]..pair[1]]).collect();
                prop_assert_eq!(read(&[body.as_bytes()]), read(&pieces), "{}", name);
            }
        }
    }
}
