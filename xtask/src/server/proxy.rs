//! The way through to a remote model, so that its key stays out of the page.

use std::env;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::RequestExt;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::{self, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task;
use tokio_stream::wrappers::ReceiverStream;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Error};

use super::host;

/// A model may think for a while; the page gives up by its own deadline.
const TIMEOUT: Duration = Duration::from_secs(120);
/// More than any answer that a page can use.
const LARGEST_ANSWER: u64 = 64 << 20;
/// Bytes that are handed on at once, and how many such pieces may lie on the way.
const PIECE: usize = 16 << 10;
const PIECES: usize = 4;
/// The headers of an answer that matter to a page.
const ANSWER_HEADERS: [HeaderName; 2] = [header::CONTENT_TYPE, header::RETRY_AFTER];

/// A remote model behind an OpenAI-compatible address.
pub struct Remote {
    /// The address that `/chat/completions` is appended to.
    pub url: String,
    /// What is sent as a bearer token.
    pub key: Option<String>,
    /// The model's name there.
    pub model: String,
    /// Whether this machine computes what it says, so that nothing leaves it.
    pub on_this_machine: bool,
}

impl Remote {
    /// The one that the environment names, in `PILOT_LIGHT_REMOTE_URL`, `_KEY` and `_MODEL`.
    pub fn from_environment() -> Option<Self> {
        let variable =
            |name: &str| env::var(format!("PILOT_LIGHT_REMOTE_{name}")).ok().filter(|value| !value.is_empty());
        let model = variable("MODEL").unwrap_or_else(|| "default".to_owned());
        Some(Self { url: variable("URL")?, key: variable("KEY"), model, on_this_machine: false })
    }
}

/// Where `/v1/` leads. It may change while the page is served.
#[derive(Clone, Default)]
pub struct Way(Arc<Mutex<Destination>>);

/// Where `/v1/` leads at the moment.
#[derive(Clone, Default)]
enum Destination {
    #[default]
    Nowhere,
    /// To a model of this name, which is not there yet.
    Preparing(String),
    To(Arc<Proxy>),
}

impl Way {
    /// Forwards to `remote` from now on.
    pub fn lead_to(&self, remote: Remote) {
        self.set(Destination::To(Arc::new(Proxy::new(remote))));
    }

    /// Says that a model of this name will be there.
    pub fn prepare(&self, model: &str) {
        self.set(Destination::Preparing(model.to_owned()));
    }

    /// Says that there is no remote.
    pub fn close(&self) {
        self.set(Destination::Nowhere);
    }

    /// What the page is told of it, as JSON.
    pub fn describe(&self) -> Value {
        match self.get() {
            Destination::Nowhere => json!({ "remote": null }),
            Destination::Preparing(model) => json!({ "remote": null, "preparing": model }),
            Destination::To(proxy) => {
                let Remote { model, on_this_machine, .. } = &proxy.remote;
                json!({ "remote": { "baseURL": "/v1", "model": model, "onThisMachine": on_this_machine } })
            }
        }
    }

    fn set(&self, destination: Destination) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = destination;
    }

    fn get(&self) -> Destination {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Answers a request to `/v1/`: what the remote says, or why it was not asked.
pub async fn answer(way: Way, request: Request) -> Response {
    // The key is for the page that is served here.
    if is_foreign(request.headers()) {
        return error(StatusCode::FORBIDDEN, "forbidden", "Only the page that is served here may ask.");
    }
    let proxy = match way.get() {
        Destination::To(proxy) => proxy,
        Destination::Preparing(model) => {
            let message = format!("{model} is being prepared on this machine.");
            return error(StatusCode::SERVICE_UNAVAILABLE, "remote_is_prepared", &message);
        }
        Destination::Nowhere => {
            let message = "No remote model is known. Name one in PILOT_LIGHT_REMOTE_URL, as in https://example.org/v1.";
            return error(StatusCode::SERVICE_UNAVAILABLE, "no_remote", message);
        }
    };
    let (method, address) = (request.method().clone(), proxy.address(request.uri()));
    let headers = request.headers().clone();
    let body = match request.extract::<Bytes, _>().await {
        Ok(body) => body,
        Err(rejection) => return error(rejection.status(), "invalid_request", &rejection.body_text()),
    };
    let asked = task::spawn_blocking(move || proxy.ask(method, &address, &headers, &body)).await;
    match asked {
        Ok(Ok(response)) => response,
        Ok(Err(failure)) => {
            error(StatusCode::BAD_GATEWAY, "remote_unreachable", &format!("The remote was not reached: {failure}."))
        }
        Err(panic) => error(StatusCode::INTERNAL_SERVER_ERROR, "internal", &panic.to_string()),
    }
}

/// Whether a page of another site is asking.
fn is_foreign(headers: &HeaderMap) -> bool {
    let own = host(headers).map(|host| format!("http://{host}"));
    headers.get(header::ORIGIN).is_some_and(|origin| own.is_none_or(|own| origin != own.as_str()))
}

/// An error in the form that chat-completions servers have for theirs.
fn error(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = json!({ "error": { "type": kind, "message": message } });
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Forwards requests to a remote.
struct Proxy {
    remote: Remote,
    agent: Agent,
}

impl Proxy {
    fn new(remote: Remote) -> Self {
        // The system's certificates, so that a company's own are known.
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            // What the remote says is for the page to judge; and its redirections must not carry the key elsewhere.
            .http_status_as_error(false)
            .max_redirects(0)
            .build();
        Self { remote, agent: config.new_agent() }
    }

    /// The remote's address for one that begins with `/v1` here.
    fn address(&self, uri: &Uri) -> String {
        let here = uri.path_and_query().map_or("", |path| path.as_str());
        format!("{}{}", self.remote.url.trim_end_matches('/'), here.strip_prefix("/v1").unwrap_or(here))
    }

    fn ask(&self, method: Method, address: &str, headers: &HeaderMap, body: &[u8]) -> Result<Response, Error> {
        let mut question = http::Request::builder().method(&method).uri(address);
        for name in [header::CONTENT_TYPE, header::ACCEPT] {
            if let Some(value) = headers.get(&name) {
                question = question.header(name, value);
            }
        }
        if let Some(key) = &self.remote.key {
            question = question.header(header::AUTHORIZATION, format!("Bearer {key}"));
        } else if let Some(token) = headers.get(header::AUTHORIZATION) {
            question = question.header(header::AUTHORIZATION, token);
        }
        let asked = match method {
            Method::POST => self.agent.run(question.body(body)?)?,
            _ => self.agent.run(question.body(())?)?,
        };
        let (parts, body) = asked.into_parts();
        let headers = parts.headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
        let headers: HeaderMap = headers.filter(|(name, _)| ANSWER_HEADERS.contains(name)).collect();
        let reader = body.into_with_config().limit(LARGEST_ANSWER).reader();
        Ok((parts.status, headers, in_pieces(reader)).into_response())
    }
}

/// What `reader` gives, handed on as it comes: an answer may be a stream that somebody watches.
fn in_pieces(mut reader: impl Read + Send + 'static) -> Body {
    let (sender, receiver) = mpsc::channel(PIECES);
    task::spawn_blocking(move || {
        let mut piece = vec![0; PIECE];
        loop {
            let read = reader.read(&mut piece).map(|bytes| Bytes::copy_from_slice(&piece[..bytes]));
            let last = !matches!(&read, Ok(bytes) if !bytes.is_empty());
            // An answer that breaks off breaks off for the page as well; a page that has left gets nothing.
            if read.as_ref().is_ok_and(Bytes::is_empty) || sender.blocking_send(read).is_err() || last {
                return;
            }
        }
    });
    Body::from_stream(ReceiverStream::new(receiver))
}
