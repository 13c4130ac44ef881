//! `/v1/embeddings`.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pilot_light::tasks::{FeatureExtraction, FeatureExtractionOptions, Pooling};
use serde_json::{Value, json};
use tokio::sync::oneshot::Sender;

use super::engine::Work;
use super::error::{ApiError, Result};
use super::fields::Fields;
use super::models::Embedder;

/// The texts of a request, and how their vectors are written.
pub struct Request {
    pub texts: Vec<String>,
    is_base64: bool,
}

/// Vectors of equal length.
#[derive(Default)]
pub struct Embeddings {
    rows: Vec<Vec<f32>>,
    tokens: usize,
}

/// The texts as the engine embeds them.
pub struct Embed {
    embedder: Arc<Embedder>,
    texts: Vec<String>,
    done: Embeddings,
    /// `None` once the result was sent.
    result: Option<Sender<Result<Embeddings>>>,
}

/// As many as OpenAI's API takes.
const MAX_TEXTS: usize = 2048;
/// Texts of a step.
const BATCH: usize = 16;

impl Request {
    pub fn read(fields: &Fields) -> Result<Self> {
        let texts = fields.texts("input")?;
        if texts.is_empty() || texts.len() > MAX_TEXTS {
            return Err(ApiError::invalid("input", format!("expected 1 to {MAX_TEXTS} texts, got {}", texts.len())));
        }
        if fields.get("dimensions").is_some() {
            return Err(ApiError::unsupported("dimensions", "the vectors have the length that the model gives"));
        }
        let is_base64 = match fields.text("encoding_format")? {
            None | Some("float") => false,
            Some("base64") => true,
            Some(_) => return Err(ApiError::invalid("encoding_format", "expected 'float' or 'base64'")),
        };
        Ok(Self { texts, is_base64 })
    }

    /// The body of the response.
    pub fn reply(&self, model: &str, Embeddings { rows, tokens }: &Embeddings) -> Value {
        let data = rows.iter().enumerate().map(|(index, row)| {
            let bytes = || row.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
            let embedding = if self.is_base64 { BASE64_STANDARD.encode(bytes()).into() } else { json!(row) };
            json!({ "object": "embedding", "index": index, "embedding": embedding })
        });
        json!({
            "object": "list",
            "data": data.collect::<Vec<_>>(),
            "model": model,
            "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
        })
    }
}

impl Embed {
    pub fn new(embedder: Arc<Embedder>, texts: Vec<String>, result: Sender<Result<Embeddings>>) -> Self {
        Self { embedder, texts, done: Embeddings::default(), result: Some(result) }
    }

    /// Embeds the next few texts.
    fn advance(&mut self) -> Result<()> {
        let from = self.done.rows.len();
        let batch = &self.texts[from..self.texts.len().min(from + BATCH)];
        let model = &self.embedder.model;
        let options = FeatureExtractionOptions { pooling: Pooling::Mean, normalize: true, ..Default::default() };
        let features = pollster::block_on(model.run::<FeatureExtraction>(batch, &options))?;
        let width = features.data.len() / batch.len();
        self.done.rows.extend(features.data.chunks_exact(width.max(1)).map(<[f32]>::to_vec));
        for text in batch {
            self.done.tokens += model.count_tokens(text)?;
        }
        match self.done.rows.len() == from + batch.len() {
            true => Ok(()),
            false => Err(ApiError::internal("the model did not give a vector for each text")),
        }
    }
}

impl Work for Embed {
    fn is_abandoned(&self) -> bool {
        self.result.as_ref().is_none_or(Sender::is_closed)
    }

    fn step(&mut self) -> bool {
        if self.is_abandoned() {
            return false;
        }
        let result = match self.advance() {
            Ok(()) if self.done.rows.len() < self.texts.len() => return true,
            Ok(()) => Ok(std::mem::take(&mut self.done)),
            Err(error) => Err(error),
        };
        let _ = self.result.take().map(|sender| sender.send(result));
        false
    }
}
