//! ONNX graphs for texts, with the inputs and outputs that exporters name.

use burn::tensor::{DType, TensorData};

use super::output::{ModelOutput, OutputKind};
use crate::error::{Error, Result};
use crate::graph::{Dim, Graph, Port, to_floats};

/// Names of an output that is hidden states, the likeliest first.
const HIDDEN: [&str; 2] = ["last_hidden_state", "token_embeddings"];
const LOGITS: &str = "logits";

/// A model for texts from an ONNX file.
pub struct TextGraph {
    graph: Graph,
    /// What each input is fed.
    inputs: Vec<Input>,
    /// The name of the output that is read.
    output: String,
    kind: OutputKind,
    /// The size of the output's last dimension, where the file fixes it.
    width: Option<usize>,
    pad_token_id: u32,
    /// Whether it takes several texts at once.
    batches: bool,
    /// The tokens that every text must have, where the file fixes them.
    seq: Option<usize>,
}

/// An input, and what it is fed for a token and for padding.
struct Input {
    name: String,
    dtype: DType,
    role: Role,
}

#[derive(Clone, Copy)]
enum Role {
    Ids,
    Mask,
    Types,
}

impl TextGraph {
    /// Finds the inputs and the output of `graph`: hidden states if `hidden`, else logits, or hidden states where it has no
    /// logits.
    ///
    /// # Errors
    /// Unsupported: an unknown input, or no such output.
    pub fn new(graph: Graph, pad_token_id: u32, hidden: bool) -> Result<Self> {
        let inputs = graph.inputs().iter().map(input).collect::<Result<Vec<_>>>()?;
        let fixed = |dim: usize| {
            graph.inputs().iter().find_map(|port| match port.dims.as_ref()?.get(dim)? {
                Dim::Fixed(size) => Some(*size),
                Dim::Free(_) => None,
            })
        };
        let (batches, seq) = match (fixed(0), fixed(1)) {
            (None, seq) => (true, seq),
            (Some(1), seq) => (false, seq),
            (Some(size), _) => {
                return Err(Error::unsupported(format!(
                    "the model takes batches of exactly {size} texts, which is not supported"
                )));
            }
        };
        let (output, kind) = output(graph.outputs(), hidden)?;
        let width = output.dims.as_ref().and_then(|dims| match dims.last() {
            Some(Dim::Fixed(size)) => Some(*size),
            _ => None,
        });
        let output = output.name.clone();
        Ok(Self { inputs, output, kind, width, pad_token_id, batches, seq, graph })
    }

    /// What its output is.
    pub fn kind(&self) -> OutputKind {
        self.kind
    }

    /// Numbers in a hidden state, or labels, where the file fixes it.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// Whether it takes several texts at once.
    pub fn batches(&self) -> bool {
        self.batches
    }

    /// The most tokens of a text, where the file fixes it.
    pub fn max_length(&self) -> Option<usize> {
        self.seq
    }

    /// The output for texts given as token ids, special tokens included: a row for each token or, of a classifier of texts,
    /// one for each text.
    ///
    /// # Errors
    /// Those of [`Graph::run_counted`]. Invalid artefact: the output has another shape than it should.
    pub async fn forward(&self, batch: &[&[u32]]) -> Result<ModelOutput> {
        let longest = batch.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let seq = self.seq.unwrap_or(longest);
        if longest == 0 || longest > seq {
            return Err(Error::invalid_input(format!("the model takes 1 to {seq} tokens, got {longest}")));
        }
        let feeds = self.inputs.iter().map(|input| (input.name.clone(), self.feed(input, batch, seq))).collect();
        let (outputs, cost) = self.graph.run_counted(feeds).await?;
        let Some((_, data)) = outputs.into_iter().find(|(name, _)| *name == self.output) else {
            return Err(Error::internal(format!("the graph has no output {}", self.output)));
        };
        let shape = data.shape().to_vec();
        let (seq, width) = match *shape.as_slice() {
            [rows, width] if rows == batch.len() && self.kind == OutputKind::TextLogits => (1, width),
            [rows, tokens, width] if rows == batch.len() && tokens == seq => (seq, width),
            _ => (seq, 0),
        };
        if width == 0 || self.width.is_some_and(|known| known != width) {
            return Err(Error::invalid_artefact(format!(
                "the output {} has the shape {shape:?} for {} texts of {seq} tokens",
                self.output,
                batch.len()
            )));
        }
        Ok(ModelOutput::new(to_floats(data), (seq, width), cost))
    }

    /// `[batch, seq]` for one input.
    fn feed(&self, input: &Input, batch: &[&[u32]], seq: usize) -> TensorData {
        let pad = match input.role {
            Role::Ids => self.pad_token_id,
            Role::Mask | Role::Types => 0,
        };
        let number = |id: u32| match input.role {
            Role::Ids => id,
            Role::Mask => 1,
            Role::Types => 0,
        };
        let numbers = batch.iter().flat_map(|ids| {
            let padding = std::iter::repeat_n(pad, seq - ids.len());
            ids.iter().map(|&id| number(id)).chain(padding)
        });
        let shape = [batch.len(), seq];
        if input.dtype == DType::I32 {
            TensorData::new(numbers.map(|number| number as i32).collect::<Vec<_>>(), shape)
        } else {
            TensorData::new(numbers.map(i64::from).collect::<Vec<_>>(), shape)
        }
    }
}

fn input(port: &Port) -> Result<Input> {
    let role = match port.name.as_str() {
        "input_ids" => Role::Ids,
        "attention_mask" => Role::Mask,
        "token_type_ids" => Role::Types,
        other => {
            return Err(Error::unsupported(format!(
                "unknown input '{other}' of the model; known are input_ids, attention_mask and token_type_ids"
            )));
        }
    };
    if !matches!(port.dtype, DType::I64 | DType::I32) {
        return Err(Error::unsupported(format!("the input {} must be of integers, got {:?}", port.name, port.dtype)));
    }
    if port.dims.as_ref().is_some_and(|dims| dims.len() != 2) {
        return Err(Error::unsupported(format!("the input {} must have the shape [batch, seq]", port.name)));
    }
    Ok(Input { name: port.name.clone(), dtype: port.dtype, role })
}

/// The output that is read, and what it is.
fn output(ports: &[Port], hidden: bool) -> Result<(&Port, OutputKind)> {
    let is_float = |port: &&Port| matches!(port.dtype, DType::F32 | DType::F16 | DType::F64);
    let rank = |port: &Port| port.dims.as_ref().map(Vec::len);
    let floats = || ports.iter().filter(is_float);
    let named = |name: &str| floats().find(|port| port.name == name);
    let states = || {
        let named = HIDDEN.iter().find_map(|name| named(name));
        named.filter(|port| rank(port).is_none_or(|rank| rank == 3))
    };
    let found = if hidden {
        let other = || floats().find(|port| rank(port) == Some(3) && port.name != LOGITS);
        states().or_else(other).map(|port| (port, OutputKind::HiddenStates))
    } else {
        let logits = named(LOGITS).or_else(|| match states() {
            Some(_) => None,
            None => floats().find(|port| matches!(rank(port), Some(2 | 3))),
        });
        let logits = logits.and_then(|port| match rank(port) {
            Some(2) => Some((port, OutputKind::TextLogits)),
            Some(3) => Some((port, OutputKind::TokenLogits)),
            _ => None,
        });
        logits.or_else(|| states().map(|port| (port, OutputKind::HiddenStates)))
    };
    found.ok_or_else(|| {
        let names = ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>().join(", ");
        let wanted = if hidden { "hidden states" } else { "logits" };
        Error::unsupported(format!("the model has no output of {wanted}; its outputs are {names}"))
    })
}
