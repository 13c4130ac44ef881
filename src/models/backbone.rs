//! The backbone of a model for texts: token ids to hidden states or logits.

use super::encoder::Encoder;
use super::output::{ModelOutput, OutputKind};
use super::text_graph::TextGraph;
use crate::error::Result;

/// A model up to its head.
pub enum Backbone {
    /// An [architecture](super::ARCHITECTURES) of this crate, from a checkpoint.
    Encoder(Box<Encoder>),
    /// Any other, from an ONNX file; its head is part of it.
    Graph(Box<TextGraph>),
}

impl Backbone {
    /// Hidden states or logits of texts given as token ids, special tokens included. The texts may differ in length; the
    /// padding that makes them a batch does not change a result.
    ///
    /// # Errors
    /// As [`Encoder::forward`] and [`TextGraph::forward`].
    pub async fn forward(&self, batch: &[&[u32]]) -> Result<ModelOutput> {
        match self {
            Self::Encoder(encoder) => encoder.forward(batch).await,
            Self::Graph(graph) => graph.forward(batch).await,
        }
    }

    /// What [`Self::forward`] gives.
    pub fn output(&self) -> OutputKind {
        match self {
            Self::Encoder(_) => OutputKind::HiddenStates,
            Self::Graph(graph) => graph.kind(),
        }
    }

    /// Numbers in a row of the output, where they are known.
    pub fn width(&self) -> Option<usize> {
        match self {
            Self::Encoder(encoder) => Some(encoder.hidden_size),
            Self::Graph(graph) => graph.width(),
        }
    }

    /// Whether it takes several texts at once.
    pub fn batches(&self) -> bool {
        match self {
            Self::Encoder(_) => true,
            Self::Graph(graph) => graph.batches(),
        }
    }

    /// The most tokens of a text, where the model limits them.
    pub fn max_length(&self) -> Option<usize> {
        match self {
            Self::Encoder(encoder) => Some(encoder.max_length),
            Self::Graph(graph) => graph.max_length(),
        }
    }
}
