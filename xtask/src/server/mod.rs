//! A small static server for development, on loopback: the page, the package, the models, and a way
//! through to a remote model.

mod proxy;

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::handler::HandlerWithoutStateExt;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::project::Project;
pub use proxy::{Remote, Way};

/// Headers of every answer. The first three make the page cross-origin isolated, which gives it exact
/// clocks and shared memory; the last lets it see every change.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-embedder-policy"), HeaderValue::from_static("require-corp")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
];

/// More than any question that a page asks of a remote.
const LARGEST_REQUEST: usize = 16 << 20;
/// How many ports from the preferred one on are tried.
const ALTERNATIVES: u16 = 100;

/// Which port to listen on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Port {
    /// This one, or the next that is free.
    Preferred(u16),
    /// This one alone; 0 is any that is free.
    Exact(u16),
}

/// A running server; it ends with the process.
pub struct Server {
    address: String,
    serving: JoinHandle<Result<()>>,
}

impl Server {
    /// Starts to serve what `project` has, and forwards `/v1/` on `way`.
    pub fn start(project: &Project, port: Port, way: &Way) -> Result<Self> {
        let listener = listen(port)?;
        let address = format!("http://{}/", listener.local_addr()?);
        let serving = serve(listener, router(project, way))?;
        Ok(Self { address, serving })
    }

    /// Its address, for a browser.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Serves until the process is stopped.
    pub fn wait(self) -> Result<()> {
        self.serving.join().unwrap_or_else(|_| Err(anyhow!("the server has panicked")))
    }
}

fn listen(port: Port) -> Result<TcpListener> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    match port {
        Port::Exact(port) => bind(port).with_context(|| format!("port {port} cannot be listened on")),
        Port::Preferred(first) => {
            let mut ports = first..first.saturating_add(ALTERNATIVES);
            let free = ports.find_map(|port| bind(port).ok());
            free.with_context(|| format!("no port from {first} on is free; name one with --port"))
        }
    }
}

/// Serves in a thread of its own.
fn serve(listener: TcpListener, router: Router) -> Result<JoinHandle<Result<()>>> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(thread::spawn(move || {
        runtime.block_on(async { Ok(axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await?) })
    }))
}

fn router(project: &Project, way: &Way) -> Router {
    let (described, asked) = (way.clone(), way.clone());
    let demo = move || async move { ([(header::CONTENT_TYPE, "application/json")], described.describe().to_string()) };
    let ask = move |request| async move { proxy::answer(asked, request).await };
    // Only the page has addresses of folders: anywhere else a folder's name is no file's.
    let files = |path: PathBuf| ServeDir::new(path).append_index_html_on_directories(false);
    let folder = |path| files(path).fallback(missing.into_service());
    // The project's own models, or else those that were fetched.
    let models = files(project.root.join("models")).fallback(folder(project.models()));
    let page = ServeDir::new(project.root.join("www")).fallback(missing.into_service());

    let router = Router::new()
        .nest_service("/pilot-light", folder(project.dist()))
        .nest_service("/models", models)
        .nest_service("/bench/files", folder(project.bench_files()))
        .nest_service("/bench/golden", folder(project.root.join("tests").join("golden").join("onnx")))
        .nest_service("/bench/samples", folder(project.samples()))
        .nest_service("/bench", folder(project.benches()))
        .nest_service("/conformance", folder(project.conformance()))
        .nest_service("/examples", folder(project.root.join("examples")))
        .route("/demo.json", get(demo))
        .route("/v1/{*path}", any(ask))
        .fallback_service(page)
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .layer(middleware::from_fn(guard));
    HEADERS
        .into_iter()
        .fold(router, |router, (name, value)| router.layer(SetResponseHeaderLayer::overriding(name, value)))
}

async fn missing() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, "There is no such file.\n")
}

/// Answers only those who come by a name of this machine: another site's name may have been pointed
/// here, to read what is served as its own.
async fn guard(request: Request, next: Next) -> Response {
    match host(request.headers()) {
        Some(host) if is_loopback(host) => next.run(request).await,
        _ => (StatusCode::FORBIDDEN, "This server answers to localhost alone.\n").into_response(),
    }
}

/// The name and the port that a request was sent to.
fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

fn is_loopback(host: &str) -> bool {
    let name = host.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    matches!(name.as_deref(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

#[cfg(test)]
mod tests;
