//! The paths of the API.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use pilot_light::generation::Reply;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::access::{self, Access};
use super::chunks::{Chunks, Writer};
use super::embeddings::{self, Embed};
use super::engine::{Engine, Load};
use super::error::{ApiError, Result};
use super::fields::Fields;
use super::generate::{Event, Generate};
use super::models::Models;
use super::reply;
use super::request::{self, Request};

/// The most bytes of a body.
const BODY_LIMIT: usize = 4 << 20;

/// What the paths share.
pub struct Server {
    pub models: Arc<Models>,
    pub engine: Engine,
}

pub fn router(server: Server, access: Access) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/completions", post(completion))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/models", get(models))
        .route("/v1/models/{*name}", get(model))
        .route("/health", get(health))
        .fallback(|| async { ApiError::not_found("there is nothing at this path", "unknown_url") })
        .method_not_allowed_fallback(|| async { ApiError::method() })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(Arc::new(access), access::check))
        .with_state(Arc::new(server))
}

type Shared = State<Arc<Server>>;
type Received = std::result::Result<Bytes, BytesRejection>;

async fn chat(State(server): Shared, body: Received) -> Result<Response> {
    answer(&server, body, request::chat).await
}

async fn completion(State(server): Shared, body: Received) -> Result<Response> {
    answer(&server, body, request::completion).await
}

async fn embeddings(State(server): Shared, body: Received) -> Result<Response> {
    let Some(embedder) = server.models.embedder.clone() else {
        let message = "this server has no model for embeddings: start it with --embedder FOLDER";
        return Err(ApiError::not_found(message, "model_not_found"));
    };
    let request = read(&server, body, |_, fields| embeddings::Request::read(fields)).await?;
    let (sender, receiver) = oneshot::channel();
    server.engine.push(Box::new(Embed::new(embedder.clone(), request.texts.clone(), sender)))?;
    let embeddings = receiver.await.map_err(|_| ApiError::internal("the texts were not embedded"))??;
    Ok(json(&request.reply(&embedder.name, &embeddings)))
}

async fn models(State(server): Shared) -> Response {
    json(&server.models.list())
}

async fn model(State(server): Shared, Path(name): Path<String>) -> Result<Response> {
    let missing = || ApiError::not_found("there is no model of this name", "model_not_found");
    Ok(json(&server.models.find(&name).ok_or_else(missing)?))
}

async fn health(State(server): Shared) -> Response {
    let Load { slots, active, queued } = server.engine.load();
    json(&json!({ "status": "ok", "slots": slots, "active": active, "queued": queued }))
}

/// Reads a request in a thread of its own, as tokenizing takes a while.
async fn read<T: Send + 'static>(
    server: &Server,
    body: Received,
    read: impl FnOnce(&Models, &Fields) -> Result<T> + Send + 'static,
) -> Result<T> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(BODY_LIMIT),
        _ => ApiError::body("the body cannot be read"),
    })?;
    let models = server.models.clone();
    let reading = tokio::task::spawn_blocking(move || read(&models, &Fields::from_body(&body)?));
    reading.await.map_err(|_| ApiError::internal("the request could not be read"))?
}

/// Generates what a request asks for. If the client leaves, this is dropped, and the engine learns of it by the channel.
async fn answer(server: &Server, body: Received, how: fn(&Models, &Fields) -> Result<Request>) -> Result<Response> {
    let Request { task, shape, stream } = read(server, body, how).await?;
    let counts @ [n, choices] = [task.n, task.choices()];
    let with_logprobs = task.options.logprobs.is_some();
    let models = &server.models;
    let (sender, events) = mpsc::unbounded_channel();
    server.engine.push(Box::new(Generate::new(models.generator.clone(), task, sender)))?;
    match stream {
        Some(with_usage) => {
            let writer = Writer::new(models.clone(), shape, counts, with_logprobs, with_usage);
            Ok(events_of(Chunks::new(events, writer)))
        }
        None => {
            let replies = collect(events, choices).await?;
            Ok(json(&reply::whole(models, shape, n, replies, with_logprobs)))
        }
    }
}

async fn collect(mut events: mpsc::UnboundedReceiver<Event>, choices: usize) -> Result<Vec<Reply>> {
    let mut replies = Vec::with_capacity(choices);
    while let Some(event) = events.recv().await {
        match event {
            Event::Piece(..) => {}
            Event::Reply(_, reply) => replies.push(reply),
            Event::Failed(error) => return Err(error),
        }
    }
    if replies.len() == choices { Ok(replies) } else { Err(ApiError::internal("the reply was not completed")) }
}

fn json(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.to_string()).into_response()
}

fn events_of(chunks: Chunks) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, Body::from_stream(chunks)).into_response()
}
