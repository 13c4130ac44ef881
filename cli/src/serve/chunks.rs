//! Replies as streams of server-sent events, in the shapes of OpenAI's API.
//!
//! For each choice: a chunk with the role, chunks of text, and an empty one with the reason why it ended. Then, if it is asked
//! for, a chunk without choices that has the usage, and `[DONE]`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use futures_core::Stream;
use pilot_light::generation::{GeneratedToken, Piece, Reply};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::error::ApiError;
use super::generate::Event;
use super::logprobs;
use super::models::Models;
use super::reply::{Head, Shape, Totals, finish_reason, tool_call, with_dropped};
use super::tool_text::ToolText;

/// A response's body.
pub struct Chunks {
    events: UnboundedReceiver<Event>,
    writer: Writer,
    ready: VecDeque<String>,
}

/// What makes chunks of events.
pub struct Writer {
    models: Arc<Models>,
    head: Head,
    shape: Shape,
    n: usize,
    choices: usize,
    with_logprobs: bool,
    with_usage: bool,
    totals: Totals,
    /// Choices that are complete.
    complete: usize,
    /// The one that has begun.
    open: Option<Open>,
    is_ended: bool,
}

/// A choice that has begun.
#[derive(Default)]
struct Open {
    tools: ToolText,
    /// Characters of its tokens so far.
    offset: usize,
}

impl Chunks {
    pub fn new(events: UnboundedReceiver<Event>, writer: Writer) -> Self {
        Self { events, writer, ready: VecDeque::new() }
    }
}

impl Stream for Chunks {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(chunk) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(format!("data: {chunk}\n\n").into())));
            }
            if this.writer.is_ended {
                return Poll::Ready(None);
            }
            let event = ready!(this.events.poll_recv(context));
            this.ready.extend(this.writer.write(event));
        }
    }
}

impl Writer {
    /// For a response with `n` choices for each prompt.
    pub fn new(
        models: Arc<Models>,
        shape: Shape,
        [n, choices]: [usize; 2],
        with_logprobs: bool,
        with_usage: bool,
    ) -> Self {
        Self {
            head: Head::new(&models, shape),
            models,
            shape,
            n,
            choices,
            with_logprobs,
            with_usage,
            totals: Totals::default(),
            complete: 0,
            open: None,
            is_ended: false,
        }
    }

    /// The data of the chunks for an event; `None` where no more will come.
    fn write(&mut self, event: Option<Event>) -> Vec<String> {
        let mut chunks = Vec::new();
        match event {
            Some(Event::Piece(index, piece)) => self.piece(index, piece, &mut chunks),
            Some(Event::Reply(index, reply)) => self.reply(index, &reply, &mut chunks),
            Some(Event::Failed(error)) => self.fail(&error, &mut chunks),
            None => self.fail(&ApiError::internal("the reply was not completed"), &mut chunks),
        }
        chunks
    }

    fn piece(&mut self, index: usize, piece: Piece, chunks: &mut Vec<String>) {
        let mut open = self.open(index, chunks);
        let text = match self.shape {
            Shape::Chat { has_tools: true } => open.tools.push(&piece.text),
            _ => piece.text,
        };
        let logprobs = self.logprobs(&mut open, &piece.tokens);
        if !text.is_empty() || logprobs.is_some() {
            chunks.push(self.text(index, text, logprobs));
        }
        self.open = Some(open);
    }

    fn reply(&mut self, index: usize, reply: &Reply, chunks: &mut Vec<String>) {
        let open = self.open(index, chunks);
        let mut calls_tools = false;
        if self.shape == (Shape::Chat { has_tools: true }) {
            let (rest, calls) = open.tools.finish();
            if !rest.is_empty() {
                chunks.push(self.text(index, rest, None));
            }
            calls_tools = !calls.is_empty();
            for (at, call) in calls.into_iter().enumerate() {
                let mut call = tool_call(call);
                call["index"] = at.into();
                chunks.push(self.delta(index, json!({ "tool_calls": [call] }), None, None));
            }
        }
        let reason = Some(finish_reason(reply.finish_reason, calls_tools));
        let last = match self.shape {
            Shape::Chat { .. } => chat_choice(index, json!({}), None, reason),
            Shape::Completion => completion_choice(index, "", None, reason),
        };
        chunks.push(self.chunk(vec![with_dropped(last, reply.dropped)], None));
        self.totals.add(index, self.n, &reply.usage);
        self.complete += 1;
        if self.complete == self.choices {
            if self.with_usage {
                chunks.push(self.chunk(Vec::new(), Some(self.totals.to_json())));
            }
            chunks.push("[DONE]".to_string());
            self.is_ended = true;
        }
    }

    fn fail(&mut self, error: &ApiError, chunks: &mut Vec<String>) {
        chunks.push(error.to_json().to_string());
        self.is_ended = true;
    }

    /// The choice that has begun, or a new one, with the chunk that begins it.
    fn open(&mut self, index: usize, chunks: &mut Vec<String>) -> Open {
        self.open.take().unwrap_or_else(|| {
            if let Shape::Chat { has_tools } = self.shape {
                // A reply of calls alone has no content, which an empty text would be.
                let content = if has_tools { Value::Null } else { "".into() };
                let first = json!({ "role": "assistant", "content": content, "refusal": null });
                chunks.push(self.delta(index, first, None, None));
            }
            Open::default()
        })
    }

    fn logprobs(&self, open: &mut Open, tokens: &[GeneratedToken]) -> Option<Value> {
        let generator = &self.models.generator;
        let is_written = self.with_logprobs && tokens.iter().any(|token| !token.bytes.is_empty());
        is_written.then(|| match self.shape {
            Shape::Chat { .. } => logprobs::chat(generator, tokens),
            Shape::Completion => {
                let (logprobs, offset) = logprobs::completion(generator, tokens, open.offset);
                open.offset = offset;
                logprobs
            }
        })
    }

    fn text(&self, index: usize, text: String, logprobs: Option<Value>) -> String {
        match self.shape {
            Shape::Chat { .. } => self.delta(index, json!({ "content": text }), logprobs, None),
            Shape::Completion => self.chunk(vec![completion_choice(index, &text, logprobs, None)], None),
        }
    }

    fn delta(&self, index: usize, delta: Value, logprobs: Option<Value>, reason: Option<&str>) -> String {
        self.chunk(vec![chat_choice(index, delta, logprobs, reason)], None)
    }

    fn chunk(&self, choices: Vec<Value>, usage: Option<Value>) -> String {
        let object = if self.shape == Shape::Completion { "text_completion" } else { "chat.completion.chunk" };
        let mut fields = self.head.fields(object, choices);
        if self.with_usage {
            fields.insert("usage".to_string(), usage.into());
        }
        Value::Object(fields).to_string()
    }
}

fn chat_choice(index: usize, delta: Value, logprobs: Option<Value>, reason: Option<&str>) -> Value {
    json!({ "index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason })
}

fn completion_choice(index: usize, text: &str, logprobs: Option<Value>, reason: Option<&str>) -> Value {
    json!({ "index": index, "text": text, "logprobs": logprobs, "finish_reason": reason })
}
