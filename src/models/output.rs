//! What a backbone gives for a batch of texts.

use crate::graph::ComputeCost;

/// What the rows of a [`ModelOutput`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// A hidden state for each token: `[batch, seq, hidden]`.
    HiddenStates,
    /// The logits of each text: `[batch, 1, labels]`.
    TextLogits,
    /// The logits of each token: `[batch, seq, labels]`.
    TokenLogits,
}

impl OutputKind {
    /// What a model with this output is called in a message.
    pub fn model_name(self) -> &'static str {
        match self {
            Self::HiddenStates => "a bare encoder",
            Self::TextLogits => "a classifier of whole texts",
            Self::TokenLogits => "a classifier of tokens",
        }
    }
}

/// Hidden states or logits of a batch, on the CPU.
pub struct ModelOutput {
    /// `[batch, seq, width]`, row-major.
    data: Vec<f32>,
    /// Rows of a text, padding included.
    seq: usize,
    width: usize,
    cost: ComputeCost,
}

impl ModelOutput {
    /// The output `[batch, seq, width]` of a batch. `data` is as long as that makes it, and `width` not 0.
    pub(super) fn new(data: Vec<f32>, (seq, width): (usize, usize), cost: ComputeCost) -> Self {
        Self { data, seq, width, cost }
    }

    /// What the batch cost.
    pub fn cost(&self) -> ComputeCost {
        self.cost
    }

    /// Numbers in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The rows of the text `index` of the batch, which has `length` tokens: `[length, width]`.
    pub fn rows(&self, index: usize, length: usize) -> &[f32] {
        &self.data[index * self.seq * self.width..][..length.min(self.seq) * self.width]
    }
}
