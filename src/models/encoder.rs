//! Encoders: texts as token ids to hidden states, with the graph that an architecture builds.

use burn::tensor::TensorData;

use super::output::ModelOutput;
use crate::error::{Error, Result};
use crate::graph::{ComputeCost, Graph};

/// Added to the attention scores of padding: its weight is then zero in 32 bits.
const MASKED: f32 = -1e9;

/// The inputs of an encoder's graph for a batch of texts, each padded to `seq` tokens.
pub type EncoderInputs = dyn Fn(&[&[u32]], usize) -> Result<Vec<(String, TensorData)>> + Send + Sync;

/// An encoder on a device, of any [architecture](super::Architecture).
pub struct Encoder {
    /// What the graph is given. Embedding tables stay on the CPU: a look-up is a copy, and the largest part of a model's
    /// weights need not go to the device.
    pub inputs: Box<EncoderInputs>,
    /// From the inputs to the last hidden states, `[batch, seq, hidden]`, its one output.
    pub layers: Graph,
    /// Numbers in a hidden state.
    pub hidden_size: usize,
    /// The most tokens of a text.
    pub max_length: usize,
}

impl Encoder {
    /// The last hidden states of texts given as token ids, special tokens included. The texts may differ in length; the
    /// padding that makes them a batch does not change a result.
    ///
    /// # Errors
    /// Invalid artefact: an id without an embedding. Invalid input: more tokens than the model takes. Device lost: the
    /// device failed.
    pub async fn forward(&self, batch: &[&[u32]]) -> Result<ModelOutput> {
        let seq = batch.iter().map(|ids| ids.len()).max().unwrap_or(0);
        if seq == 0 {
            return Ok(ModelOutput::new(Vec::new(), (seq, self.hidden_size), ComputeCost::default()));
        }
        if seq > self.max_length {
            return Err(Error::invalid_input(format!("the model takes at most {} tokens, got {seq}", self.max_length)));
        }
        let (outputs, cost) = self.layers.run_counted((self.inputs)(batch, seq)?).await?;
        let states = outputs.into_iter().next().and_then(|(_, states)| states.try_into_vec::<f32>().ok());
        let data = states.ok_or_else(|| Error::internal("the layers gave no floats"))?;
        if data.len() != batch.len() * seq * self.hidden_size {
            return Err(Error::internal(format!(
                "the layers gave {} numbers for {} x {seq} tokens",
                data.len(),
                batch.len()
            )));
        }
        Ok(ModelOutput::new(data, (seq, self.hidden_size), cost))
    }
}

/// What is added to attention scores, `[batch, 1, 1, seq]`: zeros, and for padding a number that makes its weight zero.
pub fn attention_mask(batch: &[&[u32]], seq: usize) -> TensorData {
    let of_text =
        |ids: &&[u32]| (0..seq).map(move |key| if key < ids.len() { 0.0 } else { MASKED }).collect::<Vec<f32>>();
    TensorData::new(batch.iter().flat_map(of_text).collect(), [batch.len(), 1, 1, seq])
}
