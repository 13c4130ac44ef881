//! Native transport: asks remote models over HTTP. It is for programs what `js/src/cascade/transport.ts` is for the
//! page: the same [`Transport`] under the same [`Cascade`], which says what to send and is given the result.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{self, Read};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ureq::http::HeaderMap;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::cascade::{Cascade, Clock, Consultation, Envelope, Now, PiiFindings, Step, Turn};
use crate::error::{Error, Result};
use crate::remote::{HttpRequest, Payload, RemoteEvent, RemoteFault, RemoteRequest};

/// A reply to a classification is short; a longer one than this is not one.
const MAX_REPLY_BYTES: u64 = 1 << 20;
/// A reply in pieces has a frame around each word, and comments that keep the connection open.
const MAX_STREAM_BYTES: u64 = 8 << 20;
/// Bytes of a stream that are read at once.
const PIECE: usize = 16 << 10;

/// A way to a remote model.
pub trait Transport {
    /// Makes one attempt, and returns its result; whatever goes wrong is an event. A reply in pieces goes to `feed`
    /// piece by piece, with `true` once there are no more, until it returns that it has enough.
    fn attempt(&self, request: &RemoteRequest, feed: &mut dyn FnMut(&[u8], bool) -> bool) -> RemoteEvent;
}

/// The transport to a server by HTTP.
pub struct Http {
    base_url: String,
    key: Option<String>,
    agent: Agent,
}

impl Http {
    /// The transport to the server at `base_url`, with `key` in the header that the protocol has for it.
    ///
    /// # Errors
    /// Invalid input: the address is not one of http or https, or has a user in it.
    pub fn new(base_url: &str, key: Option<String>) -> Result<Self> {
        let uri: Option<ureq::http::Uri> = base_url.parse().ok();
        let host = uri.as_ref().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        // The address is not repeated in the message: a part of it may be a secret.
        if host.and_then(|uri| uri.authority()).is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(Error::invalid_input(
                "the remote model's address must be one of http or https, without a user",
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

    fn post(
        &self,
        http: &HttpRequest,
        request: &RemoteRequest,
        feed: &mut dyn FnMut(&[u8], bool) -> bool,
    ) -> Result<Reply, ureq::Error> {
        let mut post = self.agent.post(format!("{}{}", self.base_url, http.path));
        for (name, value) in &http.headers {
            post = post.header(name, value);
        }
        if let Some(key) = &self.key {
            post = post.header(&http.key_header.name, format!("{}{key}", http.key_header.prefix));
        }
        let deadline = Duration::from_secs_f64(request.deadline_ms.max(0.0) / 1000.0);
        let response = post.config().timeout_global(Some(deadline)).build().send(http.body.as_str())?;
        let (parts, body) = response.into_parts();
        let content_type = header(&parts.headers, "content-type");
        let is_stream = content_type.as_deref().is_some_and(|value| value.starts_with("text/event-stream"));
        if request.stream && parts.status.is_success() && is_stream {
            pump(body, feed)?;
            return Ok(Reply::Streamed);
        }
        let mut text = Vec::new();
        body.into_with_config().limit(MAX_REPLY_BYTES).reader().read_to_end(&mut text)?;
        let (status, retry_after) = (parts.status.as_u16(), retry_after(&parts.headers));
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
        let Payload::Http(http) = &request.payload else {
            let message = "the protocol makes no HTTP request".to_string();
            return RemoteEvent::Fault { fault: RemoteFault::Unavailable, message, elapsed_ms: 0.0 };
        };
        let started = Instant::now();
        let reply = self.post(http, request, feed);
        let elapsed_ms = started.elapsed().as_secs_f64() * 1000.0;
        match reply {
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

/// The seconds that the server asks to wait, or the date: OpenAI and Azure have a header in milliseconds as well.
fn retry_after(headers: &HeaderMap) -> Option<String> {
    let ms =
        header(headers, "retry-after-ms").and_then(|ms| ms.parse::<f64>().ok()).filter(|ms| (0.0..1e15).contains(ms));
    ms.map(|ms| format!("{:.3}", ms / 1000.0)).or_else(|| header(headers, "retry-after"))
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
        // An error that went through a reader is wrapped in one of it.
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
            Some(inner) => fault_of(inner),
            None => RemoteFault::Network,
        },
        _ => RemoteFault::Network,
    }
}

/// Performs the steps of a question, from its `first` one, until its answer is there; `transports` are those of the
/// remote models, in their order. `found` is the personal data in the text. `stream` receives the words of the remote
/// model as they arrive, where they are wanted. It blocks while it waits.
///
/// # Errors
/// Invalid input: the step is another cascade's, or of a question without a local answer; a remote model has no transport.
pub fn answer(
    cascade: &Cascade,
    first: Step,
    found: Option<&PiiFindings>,
    transports: &[&dyn Transport],
    stream: Option<&mut dyn FnMut(&str)>,
) -> Result<Envelope> {
    match perform(cascade, first, found, transports, stream)? {
        Step::Done(envelope) => Ok(*envelope),
        _ => Err(Error::invalid_input("the question has no local answer: it was one to the remote models alone")),
    }
}

/// The same for a question to the remote models alone.
///
/// # Errors
/// Invalid input: the step is another cascade's, or of a question with a local answer; a remote model has no transport.
pub fn consult(
    cascade: &Cascade,
    first: Step,
    found: Option<&PiiFindings>,
    transports: &[&dyn Transport],
) -> Result<Consultation> {
    match perform(cascade, first, found, transports, None)? {
        Step::Consulted(consultation) => Ok(*consultation),
        _ => Err(Error::invalid_input("the question has a local answer: it was not one to the remote models alone")),
    }
}

/// The last step.
fn perform(
    cascade: &Cascade,
    first: Step,
    found: Option<&PiiFindings>,
    transports: &[&dyn Transport],
    mut stream: Option<&mut dyn FnMut(&str)>,
) -> Result<Step> {
    let mut step = first;
    loop {
        let turn: Turn = match step {
            Step::Done(_) | Step::Consulted(_) => return Ok(step),
            Step::Delegate { call, .. } => cascade.enqueue(call, stream.is_some(), found)?,
            Step::Wait { call, for_ms } => {
                pause(for_ms);
                cascade.resume(call)?
            }
            Step::Send(request) => {
                let transport = transports.get(request.remote);
                let transport = transport.ok_or_else(|| {
                    Error::invalid_input(format!(
                        "remote {} has no transport among {}",
                        request.remote,
                        transports.len()
                    ))
                })?;
                pause(request.delay_ms);
                let mut feed = |bytes: &[u8], last: bool| match cascade.feed(request.call, bytes, last) {
                    Ok(fed) => {
                        if let Some(stream) = stream.as_deref_mut().filter(|_| !fed.text.is_empty()) {
                            stream(&fed.text);
                        }
                        fed.over
                    }
                    Err(_) => true,
                };
                let event = transport.attempt(&request, &mut feed);
                cascade.receive(request.call, &event)?
            }
        };
        step = turn.step;
    }
}

fn pause(ms: f64) {
    thread::sleep(Duration::from_secs_f64(ms.max(0.0) / 1000.0));
}

/// The clocks of this computer.
pub fn clock() -> Clock {
    Clock { now, monotonic_ms }
}

/// The time, and a number that is random enough to spread retries.
fn now() -> Now {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let random = RandomState::new().hash_one(now) >> 11;
    Now { now_ms: now.as_secs_f64() * 1000.0, random: random as f64 / (1_u64 << 53) as f64 }
}

fn monotonic_ms() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_come_before_seconds() {
        let of = |headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| {
                (ureq::http::HeaderName::from_static(name), ureq::http::HeaderValue::from_static(value))
            });
            retry_after(&headers.collect())
        };
        let seconds = ("retry-after", "7");
        assert_eq!(of(&[seconds, ("retry-after-ms", "1500")]).as_deref(), Some("1.500"));
        assert_eq!(of(&[seconds, ("retry-after-ms", "0")]).as_deref(), Some("0.000"));
        for nonsense in ["", "-1", "soon", "NaN", "inf"] {
            assert_eq!(of(&[seconds, ("retry-after-ms", nonsense)]).as_deref(), Some("7"), "{nonsense}");
        }
        assert_eq!(of(&[]), None);
    }
}
