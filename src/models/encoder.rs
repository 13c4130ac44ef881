//! The encoder of the BERT family, with every tensor's shape beside it.
//!
//! # Source
//! Vaswani et al. 2017 (1706.03762), section 3, with the post-normalised layers of Devlin et al. 2018
//! (1810.04805); the names of tensors are those of the transformers library.

use burn::tensor::TensorData;

use super::config::{Config, Family};
use super::embedding::Table;
use super::output::ModelOutput;
use super::weights::Weights;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{Builder, ComputeCost, DType, Graph, GraphOptions, Operand};
use crate::kernels::Activation;
use crate::kernels::qlinear::QuantizedWeights;

/// Added to the attention scores of padding: its weight is then zero in 32 bits.
const MASKED: f32 = -1e9;

/// A BERT, DistilBERT, RoBERTa or XLM-R encoder on a device.
pub struct Encoder {
    config: Config,
    embeddings: Embeddings,
    /// From the sum of the embeddings, `[batch, seq, hidden]`, and what is added to the attention scores,
    /// `[batch, 1, 1, seq]`, to the last hidden states.
    layers: Graph,
}

/// What a token is turned into before the first layer. The tables stay with the CPU: looking rows up
/// is a copy, and the largest part of a model's weights need not go to the device.
struct Embeddings {
    /// `[vocab, hidden]`
    words: Table,
    /// `[max_positions, hidden]`
    positions: Vec<f32>,
    /// `[hidden]`: the one type that a text by itself has; zeros where there are no types.
    token_type: Vec<f32>,
}

/// How a family names the parts of an encoder.
struct Names {
    layer: &'static str,
    query: &'static str,
    key: &'static str,
    value: &'static str,
    attention_output: &'static str,
    attention_norm: &'static str,
    intermediate: &'static str,
    output: &'static str,
    output_norm: &'static str,
}

const BERT: Names = Names {
    layer: "encoder.layer",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    intermediate: "intermediate.dense",
    output: "output.dense",
    output_norm: "output.LayerNorm",
};

const DISTILBERT: Names = Names {
    layer: "transformer.layer",
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    attention_output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    intermediate: "ffn.lin1",
    output: "ffn.lin2",
    output_norm: "output_layer_norm",
};

impl Encoder {
    /// Builds an encoder on `device` out of a checkpoint's tensors, which it takes out of `weights`.
    ///
    /// # Errors
    /// Invalid artefact: a tensor is missing or has another shape than `config` asks for.
    pub fn new(config: Config, weights: &mut Weights, device: &Device) -> Result<Self> {
        weights.find_prefix("embeddings.word_embeddings.weight");
        let names = if config.family == Family::DistilBert { DISTILBERT } else { BERT };
        let mut build = Build { weights, config: &config, graph: Builder::default() };
        let embeddings = build.embeddings()?;
        let (sum, mask) = (build.graph.input("sum", DType::F32), build.graph.input("mask", DType::F32));
        let mut x = build.norm("embeddings.LayerNorm", &[sum])?;
        for index in 0..config.num_layers {
            x = build.layer(index, &names, x, mask)?;
        }
        let layers = build.graph.finish(&[("hidden_states", x)], device, &GraphOptions::default())?;
        Ok(Self { embeddings, layers, config })
    }

    /// What the encoder was built by.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The last hidden states of texts given as token ids, special tokens included. The texts may differ
    /// in length; the padding that makes them a batch does not change a result.
    ///
    /// # Errors
    /// Invalid artefact: an id that the table of words has no row for. Invalid input: more tokens than
    /// there are positions for. Device lost: the device failed.
    pub async fn forward(&self, batch: &[&[u32]]) -> Result<ModelOutput> {
        let hidden = self.config.hidden_size;
        let seq = batch.iter().map(|ids| ids.len()).max().unwrap_or(0);
        if seq == 0 {
            return Ok(ModelOutput::new(Vec::new(), (seq, hidden), ComputeCost::default()));
        }
        let sum = TensorData::new(self.embed(batch, seq)?, [batch.len(), seq, hidden]);
        let padded =
            |ids: &&[u32]| (0..seq).map(move |key| if key < ids.len() { 0.0 } else { MASKED }).collect::<Vec<_>>();
        let mask = TensorData::new(batch.iter().flat_map(padded).collect(), [batch.len(), 1, 1, seq]);
        let (outputs, cost) =
            self.layers.run_counted(vec![("sum".to_string(), sum), ("mask".to_string(), mask)]).await?;
        let states = outputs.into_iter().next().and_then(|(_, states)| states.try_into_vec::<f32>().ok());
        let data = states.ok_or_else(|| Error::internal("the layers gave no floats"))?;
        Ok(ModelOutput::new(data, (seq, hidden), cost))
    }

    /// The sum of word, position and type, `[batch, seq, hidden]`; padding is zero.
    fn embed(&self, batch: &[&[u32]], seq: usize) -> Result<Vec<f32>> {
        let Embeddings { words, positions, token_type, .. } = &self.embeddings;
        let hidden = self.config.hidden_size;
        let first = self.config.first_position();
        if seq > self.config.max_length() {
            return Err(Error::invalid_input(format!(
                "{seq} tokens are more than the {} that the model has positions for",
                self.config.max_length()
            )));
        }
        let mut sum = vec![0.0; batch.len() * seq * hidden];
        for (ids, rows) in batch.iter().zip(sum.chunks_exact_mut(seq * hidden)) {
            for ((&id, row), position) in ids.iter().zip(rows.chunks_exact_mut(hidden)).zip(first..) {
                words.read(id as usize, row).ok_or_else(|| {
                    Error::invalid_artefact(format!(
                        "the tokenizer gave the id {id}, and the model has {} words",
                        self.config.vocab_size
                    ))
                })?;
                let position = &positions[position * hidden..][..hidden];
                for ((sum, position), token_type) in row.iter_mut().zip(position).zip(token_type) {
                    *sum = *sum + position + token_type;
                }
            }
        }
        Ok(sum)
    }
}

/// Takes tensors out of a checkpoint and builds the layers of them.
struct Build<'a> {
    weights: &'a mut Weights,
    config: &'a Config,
    graph: Builder,
}

impl Build<'_> {
    fn embeddings(&mut self) -> Result<Embeddings> {
        let Config { hidden_size: hidden, vocab_size, max_position_embeddings, type_vocab_size, .. } = *self.config;
        let words = self.weights.take_table("embeddings.word_embeddings.weight", vocab_size, hidden)?;
        let mut table =
            |name: &str, rows: usize| self.weights.take(&format!("embeddings.{name}.weight"), &[rows, hidden]);
        let positions = table("position_embeddings", max_position_embeddings)?;
        let mut token_type =
            if type_vocab_size == 0 { vec![0.0; hidden] } else { table("token_type_embeddings", type_vocab_size)? };
        token_type.truncate(hidden);
        Ok(Embeddings { words, positions, token_type })
    }

    /// `x`: `[batch, seq, hidden]`
    fn layer(&mut self, index: usize, names: &Names, x: Operand, mask: Operand) -> Result<Operand> {
        let Config { hidden_size: hidden, intermediate_size: intermediate, .. } = *self.config;
        let name = |part: &str| format!("{}.{index}.{part}", names.layer);
        let qkv = [name(names.query), name(names.key), name(names.value)];
        let qkv = self.dense(&qkv, [hidden, hidden], x, None)?;
        let attended = self.attend(qkv, mask);
        let attended = self.dense(&[name(names.attention_output)], [hidden, hidden], attended, None)?;
        let x = self.norm(&name(names.attention_norm), &[attended, x])?;

        let inner = self.dense(&[name(names.intermediate)], [hidden, intermediate], x, Some(self.config.activation))?;
        let outer = self.dense(&[name(names.output)], [intermediate, hidden], inner, None)?;
        self.norm(&name(names.output_norm), &[outer, x])
    }

    /// Attention of every head, side by side: from `[batch, seq, 3 · hidden]` to `[batch, seq, hidden]`
    fn attend(&mut self, qkv: Operand, mask: Operand) -> Operand {
        let Config { hidden_size: hidden, num_heads: heads, .. } = *self.config;
        let (hidden, heads) = (hidden as i64, heads as i64);
        let parts = [0, 1, 2].map(|part| {
            let part = self.graph.slice(qkv, 2, [part * hidden, (part + 1) * hidden]);
            let part = self.graph.reshape(part, &[0, 0, heads, hidden / heads]);
            self.graph.transpose(part, &[0, 2, 1, 3])
        });
        let scale = 1.0 / ((hidden / heads) as f32).sqrt();
        let mixed = self.graph.attention(parts, mask, scale);
        let mixed = self.graph.transpose(mixed, &[0, 2, 1, 3]);
        self.graph.reshape(mixed, &[0, 0, hidden])
    }

    /// The layers `names`, each from so many inputs to so many outputs, as one whose outputs lie side by side.
    fn dense(
        &mut self,
        names: &[String],
        [inputs, outputs]: [usize; 2],
        x: Operand,
        activation: Option<Activation>,
    ) -> Result<Operand> {
        // Taken out before anything is made room for: until then the sizes are only what config.json says.
        let mut bias = Vec::new();
        for name in names {
            bias.extend(self.weights.take(&format!("{name}.bias"), &[outputs])?);
        }
        let all = bias.len();
        let packed = names.iter().map(|name| self.weights.take_packed(&format!("{name}.weight"), inputs, outputs));
        // Those that are done as one are of one type.
        if let Some(packed) = packed.collect::<Result<Option<Vec<_>>>>()? {
            let bias = self.graph.floats(&[all], bias);
            return Ok(self.graph.linear_int8(x, QuantizedWeights::beside(packed), bias, activation));
        }
        let published = names.iter().map(|name| self.weights.take(&format!("{name}.weight"), &[outputs, inputs]));
        let published = published.collect::<Result<Vec<_>>>()?;
        let mut weight = vec![0.0; inputs * all];
        for (index, published) in published.into_iter().enumerate() {
            // Published as [out, in]; the product wants [in, out].
            for (output, row) in published.chunks_exact(inputs).enumerate() {
                for (input, &number) in row.iter().enumerate() {
                    weight[input * all + index * outputs + output] = number;
                }
            }
        }
        let (weight, bias) = (self.graph.floats(&[inputs, all], weight), self.graph.floats(&[all], bias));
        Ok(self.graph.linear(x, weight, bias, activation))
    }

    /// The layer normalisation of the sum of `terms`.
    fn norm(&mut self, name: &str, terms: &[Operand]) -> Result<Operand> {
        let hidden = self.config.hidden_size;
        let weight = self.weights.take(&format!("{name}.weight"), &[hidden])?;
        let bias = self.weights.take(&format!("{name}.bias"), &[hidden])?;
        let (weight, bias) = (self.graph.floats(&[hidden], weight), self.graph.floats(&[hidden], bias));
        Ok(self.graph.layer_norm(terms, weight, bias, self.config.layer_norm_eps as f32))
    }
}
