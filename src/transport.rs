//! Asking general models natively. What the page's `js/src/transport.ts` is for the browser this is for programs:
//! the same [`Transport`] under the same machine, which says what to send and is told what came of it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ureq::http::HeaderMap;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::cascade::{Delegation, Envelope, Marked, Moment, Step, Turn};
use crate::error::{Error, Result};
use crate::remote::{RemoteEvent, RemoteFault, RemoteRequest};

/// A reply to a classification is short; a longer one than this is not one.
const MAX_REPLY_BYTES: u64 = 1 << 20;
/// In pieces it has a frame around each word, and comments that keep the connection open.
const MAX_STREAM_BYTES: u64 = 8 << 20;
/// Bytes of a stream that are read at once.
const PIECE: usize = 16 << 10;

/// A way to a general model.
pub trait Transport {
    /// Makes one attempt, and tells what came of it; whatever goes wrong is an event. A reply in pieces goes to `feed`
    /// piece by piece, with `true` once there are no more, until that says that it has enough.
    fn attempt(&self, request: &RemoteRequest, feed: &mut dyn FnMut(&[u8], bool) -> bool) -> RemoteEvent;
}

/// The way to an OpenAI-compatible server by HTTP.
pub struct Http {
    base_url: String,
    key: Option<String>,
    agent: Agent,
}

impl Http {
    /// The way to the server whose `/chat/completions` is under `base_url`, with `key` as a bearer token.
    ///
    /// # Errors
    /// Invalid input: the address is none of http or https, or has a user in it.
    pub fn new(base_url: &str, key: Option<String>) -> Result<Self> {
        let uri: Option<ureq::http::Uri> = base_url.parse().ok();
        let host = uri.as_ref().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        // Not repeated in words: what is in there is a secret, or may be one.
        if host.and_then(|uri| uri.authority()).is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(Error::invalid_input(
                "the general model's address must be one of http or https, without a user",
            ));
        }
        // The system's certificates, so that a company's own are known.
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            // A redirect would carry the text and the key to an address that nobody named.
            .max_redirects(0)
            .build();
        Ok(Self { base_url: base_url.trim_end_matches('/').to_string(), key, agent: config.new_agent() })
    }

    fn ask(&self, request: &RemoteRequest, feed: &mut dyn FnMut(&[u8], bool) -> bool) -> Result<Reply, ureq::Error> {
        let mut asked = self
            .agent
            .post(format!("{}{}", self.base_url, request.path))
            .header("accept", "application/json")
            .header("content-type", "application/json");
        if let Some(key) = &self.key {
            asked = asked.header("authorization", format!("Bearer {key}"));
        }
        let deadline = Duration::from_secs_f64(request.deadline_ms.max(0.0) / 1000.0);
        let response = asked.config().timeout_global(Some(deadline)).build().send(request.body.as_str())?;
        let (parts, body) = response.into_parts();
        let content_type = header(&parts.headers, "content-type");
        let is_stream = content_type.as_deref().is_some_and(|value| value.starts_with("text/event-stream"));
        if request.stream && parts.status.is_success() && is_stream {
            pump(body, feed)?;
            return Ok(Reply::Streamed);
        }
        let mut text = Vec::new();
        body.into_with_config().limit(MAX_REPLY_BYTES).reader().read_to_end(&mut text)?;
        let (status, retry_after) = (parts.status.as_u16(), header(&parts.headers, "retry-after"));
        Ok(Reply::Whole { status, retry_after, content_type, body: self.scrub(&String::from_utf8_lossy(&text)) })
    }

    /// A server may repeat the key; nobody else is to read it.
    fn scrub(&self, words: &str) -> String {
        match self.key.as_deref().filter(|key| !key.is_empty()) {
            Some(key) => words.replace(key, "[TOKEN]"),
            None => words.to_string(),
        }
    }
}

enum Reply {
    Whole { status: u16, retry_after: Option<String>, content_type: Option<String>, body: String },
    Streamed,
}

impl Transport for Http {
    fn attempt(&self, request: &RemoteRequest, feed: &mut dyn FnMut(&[u8], bool) -> bool) -> RemoteEvent {
        let started = Instant::now();
        let asked = self.ask(request, feed);
        let elapsed_ms = started.elapsed().as_secs_f64() * 1000.0;
        match asked {
            Ok(Reply::Streamed) => RemoteEvent::Streamed { elapsed_ms },
            Ok(Reply::Whole { status, retry_after, content_type, body }) => {
                RemoteEvent::Response { status, retry_after, content_type, body, elapsed_ms }
            }
            Err(error) => {
                RemoteEvent::Fault { fault: fault_of(&error), message: self.scrub(&error.to_string()), elapsed_ms }
            }
        }
    }
}

/// Hands a body over piece by piece.
fn pump(body: Body, feed: &mut dyn FnMut(&[u8], bool) -> bool) -> io::Result<()> {
    let mut reader = body.into_with_config().limit(MAX_STREAM_BYTES).reader();
    let mut piece = vec![0; PIECE];
    loop {
        let bytes = reader.read(&mut piece)?;
        if bytes == 0 || feed(&piece[..bytes], false) {
            feed(&[], true);
            return Ok(());
        }
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(String::from)
}

fn fault_of(error: &ureq::Error) -> RemoteFault {
    match error {
        ureq::Error::Timeout(_) => RemoteFault::Timeout,
        ureq::Error::BodyExceedsLimit(_) => RemoteFault::TooLarge,
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => RemoteFault::Timeout,
        // An error that went through a reader comes wrapped in one of it.
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
            Some(inner) => fault_of(inner),
            None => RemoteFault::Network,
        },
        _ => RemoteFault::Network,
    }
}

/// Goes from step to step until the answer is there; `transports` are those of the general models, in their order.
/// `marked` is the personal data that was found in the text. `stream` is given the general model's words as they come,
/// where they are wanted. It blocks while it waits.
///
/// # Errors
/// Invalid input: the step is another delegation's, or a general model has no transport.
pub fn answer(
    delegation: &mut Delegation,
    first: Step,
    marked: Option<&Marked>,
    transports: &[&dyn Transport],
    mut stream: Option<&mut dyn FnMut(&str)>,
) -> Result<Envelope> {
    let mut step = first;
    loop {
        let turn: Turn = match step {
            Step::Done(envelope) => return Ok(*envelope),
            Step::Delegate { call, .. } => delegation.begin(call, stream.is_some(), marked, moment())?,
            Step::Wait { call, for_ms } => {
                pause(for_ms);
                delegation.begin(call, stream.is_some(), marked, moment())?
            }
            Step::Send(request) => {
                let transport = transports
                    .get(request.remote)
                    .ok_or_else(|| Error::invalid_input(format!("there is no way to remote {}", request.remote)))?;
                pause(request.delay_ms);
                let mut feed = |bytes: &[u8], last: bool| match delegation.feed(request.call, bytes, last, moment()) {
                    Ok(fed) => {
                        if let Some(stream) = stream.as_deref_mut().filter(|_| !fed.text.is_empty()) {
                            stream(&fed.text);
                        }
                        fed.over
                    }
                    Err(_) => true,
                };
                let event = transport.attempt(&request, &mut feed);
                delegation.resume(request.call, &event, moment())?
            }
        };
        step = turn.step;
    }
}

fn pause(ms: f64) {
    thread::sleep(Duration::from_secs_f64(ms.max(0.0) / 1000.0));
}

/// The time, and a number that is random enough to spread retries.
pub fn moment() -> Moment {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let random = RandomState::new().hash_one(now) >> 11;
    Moment { now_ms: now.as_secs_f64() * 1000.0, random: random as f64 / (1_u64 << 53) as f64 }
}
