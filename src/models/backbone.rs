//! What turns token ids into hidden states or logits.

use super::encoder::{Encoder, Hidden};
use super::text_graph::TextGraph;
use crate::error::Result;

/// A model up to its head.
pub enum Backbone {
    /// One whose architecture is known here, from a checkpoint.
    Encoder(Box<Encoder>),
    /// Any other, from an ONNX file; its head is part of it.
    Graph(Box<TextGraph>),
}

impl Backbone {
    /// What it makes of texts given as token ids, special tokens included. The texts may differ in length;
    /// the padding that makes them a batch does not change a result.
    ///
    /// # Errors
    /// As of [`Encoder::forward`] and [`TextGraph::forward`].
    pub async fn forward(&self, batch: &[&[u32]]) -> Result<Hidden> {
        match self {
            Self::Encoder(encoder) => encoder.forward(batch).await,
            Self::Graph(graph) => graph.forward(batch).await,
        }
    }

    /// Whether it takes several texts at once.
    pub fn batches(&self) -> bool {
        match self {
            Self::Encoder(_) => true,
            Self::Graph(graph) => graph.batches(),
        }
    }

    /// The most tokens that it takes, as far as it tells itself.
    pub fn max_length(&self) -> Option<usize> {
        match self {
            Self::Encoder(encoder) => Some(encoder.config().max_length()),
            Self::Graph(graph) => graph.max_length(),
        }
    }
}
