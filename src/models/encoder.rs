//! The encoder of the BERT family, with every tensor's shape beside it.
//!
//! # Source
//! Vaswani et al. 2017 (1706.03762), section 3, with the post-normalised layers of Devlin et al. 2018
//! (1810.04805); the names of tensors are those of the transformers library.

use burn::tensor::module::{attention, layer_norm, linear};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Tensor, TensorData, activation};

use super::config::{Activation, Config, Family};
use super::weights::Weights;
use crate::error::{Error, ErrorKind, Result};
use crate::ops;

/// Added to the attention scores of padding: its weight is then zero in 32 bits.
const MASKED: f32 = -1e9;

/// A BERT, DistilBERT, RoBERTa or XLM-R encoder on a device.
pub struct Encoder {
    config: Config,
    embeddings: Embeddings,
    layers: Vec<Layer>,
    device: Device,
}

/// The hidden states of a batch, back from the device; or, from a model that gives those itself, logits.
pub struct Hidden {
    /// `[batch, seq, hidden]`, row-major.
    data: Vec<f32>,
    seq: usize,
    hidden: usize,
}

/// What a token is turned into before the first layer. The tables stay with the CPU: looking rows up
/// is a copy, and the largest part of a model's weights need not go to the device.
struct Embeddings {
    /// `[vocab, hidden]`
    words: Vec<f32>,
    /// `[max_positions, hidden]`
    positions: Vec<f32>,
    /// `[hidden]`: the one type that a text by itself has; zeros where there are no types.
    token_type: Vec<f32>,
    norm: Norm,
}

struct Layer {
    /// Queries, keys and values at once: `[hidden, 3 · hidden]`
    qkv: Dense,
    /// `[hidden, hidden]`
    attention_output: Dense,
    attention_norm: Norm,
    /// `[hidden, intermediate]`
    intermediate: Dense,
    /// `[intermediate, hidden]`
    output: Dense,
    output_norm: Norm,
}

struct Dense {
    /// `[in, out]`
    weight: Tensor<2>,
    /// `[out]`
    bias: Tensor<1>,
}

struct Norm {
    /// `[hidden]`
    weight: Tensor<1>,
    /// `[hidden]`
    bias: Tensor<1>,
    epsilon: f64,
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
        let mut build = Build { weights, config: &config, device };
        let embeddings = build.embeddings()?;
        let layers = (0..config.num_layers).map(|index| build.layer(index, &names)).collect::<Result<_>>()?;
        Ok(Self { embeddings, layers, device: device.clone(), config })
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
    pub async fn forward(&self, batch: &[&[u32]]) -> Result<Hidden> {
        let hidden = self.config.hidden_size;
        let seq = batch.iter().map(|ids| ids.len()).max().unwrap_or(0);
        if seq == 0 {
            return Ok(Hidden { data: Vec::new(), seq, hidden });
        }
        let embedded = TensorData::new(self.embed(batch, seq)?, [batch.len(), seq, hidden]);
        let bias = self.padding_bias(batch, seq);

        let x = Tensor::<3>::from_data(embedded, &self.device);
        let mut x = self.embeddings.norm.forward(x);
        for layer in &self.layers {
            x = layer.forward(x, bias.clone(), &self.config);
        }

        let data = x.into_data_async().await;
        let data = data.map_err(|error| Error::new(ErrorKind::DeviceLost, format!("the device failed: {error}")))?;
        let data = data
            .try_into_vec::<f32>()
            .map_err(|error| Error::internal(format!("the device gave other numbers than f32: {error:?}")))?;
        Ok(Hidden { data, seq, hidden })
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
                let word = words.chunks_exact(hidden).nth(id as usize).ok_or_else(|| {
                    Error::invalid_artefact(format!(
                        "the tokenizer gave the id {id}, and the model has {} words",
                        self.config.vocab_size
                    ))
                })?;
                let position = &positions[position * hidden..][..hidden];
                for (((sum, word), position), token_type) in row.iter_mut().zip(word).zip(position).zip(token_type) {
                    *sum = word + position + token_type;
                }
            }
        }
        Ok(sum)
    }

    /// What is added to the attention scores, `[batch, 1, seq, seq]`; nothing where all are equally long.
    fn padding_bias(&self, batch: &[&[u32]], seq: usize) -> Option<Tensor<4>> {
        if batch.iter().all(|ids| ids.len() == seq) {
            return None;
        }
        let mut bias = Vec::with_capacity(batch.len() * seq * seq);
        for ids in batch {
            for _ in 0..seq {
                bias.extend((0..seq).map(|key| if key < ids.len() { 0.0 } else { MASKED }));
            }
        }
        Some(Tensor::from_data(TensorData::new(bias, [batch.len(), 1, seq, seq]), &self.device))
    }
}

impl Layer {
    /// `x`: `[batch, seq, hidden]`
    fn forward(&self, x: Tensor<3>, bias: Option<Tensor<4>>, config: &Config) -> Tensor<3> {
        let attended = self.attention_output.forward(self.attend(x.clone(), bias, config));
        let x = self.attention_norm.forward(attended + x);

        let inner = self.intermediate.forward(x.clone());
        let inner = match config.activation {
            Activation::Gelu => ops::gelu(inner),
            Activation::GeluTanh => activation::gelu_approximate(inner),
            Activation::Relu => activation::relu(inner),
        };
        self.output_norm.forward(self.output.forward(inner) + x)
    }

    /// Attention of every head, side by side: `[batch, seq, hidden]`
    fn attend(&self, x: Tensor<3>, bias: Option<Tensor<4>>, config: &Config) -> Tensor<3> {
        let [batch, seq, hidden] = x.dims();
        let heads = config.num_heads;
        let qkv = self.qkv.forward(x);
        let part = |index: usize| -> Tensor<4> {
            let part = qkv.clone().narrow(2, index * hidden, hidden);
            part.reshape([batch, seq, heads, hidden / heads]).swap_dims(1, 2)
        };
        let mixed = attention(part(0), part(1), part(2), None, bias, AttentionModuleOptions::default());
        mixed.swap_dims(1, 2).reshape([batch, seq, hidden])
    }
}

impl Dense {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        linear(x, self.weight.clone(), Some(self.bias.clone()))
    }
}

impl Norm {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        layer_norm(x, self.weight.clone(), Some(self.bias.clone()), self.epsilon)
    }
}

impl Hidden {
    /// The states `[batch, seq, hidden]` of a batch. `data` is as long as that makes it, and `hidden` not 0.
    pub(super) fn new(data: Vec<f32>, seq: usize, hidden: usize) -> Self {
        Self { data, seq, hidden }
    }

    /// Tokens of a row, padding included.
    pub fn seq(&self) -> usize {
        self.seq
    }

    /// Numbers in a state.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// The states of the text `index` of the batch, which has `length` tokens: `[length, hidden]`.
    pub fn states(&self, index: usize, length: usize) -> &[f32] {
        &self.data[index * self.seq * self.hidden..][..length.min(self.seq) * self.hidden]
    }
}

/// Takes tensors out of a checkpoint and brings them to a device.
struct Build<'a> {
    weights: &'a mut Weights,
    config: &'a Config,
    device: &'a Device,
}

impl Build<'_> {
    fn embeddings(&mut self) -> Result<Embeddings> {
        let Config { hidden_size: hidden, vocab_size, max_position_embeddings, type_vocab_size, .. } = *self.config;
        let mut table =
            |name: &str, rows: usize| self.weights.take(&format!("embeddings.{name}.weight"), &[rows, hidden]);
        let words = table("word_embeddings", vocab_size)?;
        let positions = table("position_embeddings", max_position_embeddings)?;
        let mut token_type =
            if type_vocab_size == 0 { vec![0.0; hidden] } else { table("token_type_embeddings", type_vocab_size)? };
        token_type.truncate(hidden);
        Ok(Embeddings { words, positions, token_type, norm: self.norm("embeddings.LayerNorm")? })
    }

    fn layer(&mut self, index: usize, names: &Names) -> Result<Layer> {
        let Config { hidden_size: hidden, intermediate_size: intermediate, .. } = *self.config;
        let name = |part: &str| format!("{}.{index}.{part}", names.layer);
        Ok(Layer {
            qkv: self.dense(&[name(names.query), name(names.key), name(names.value)], hidden, hidden)?,
            attention_output: self.dense(&[name(names.attention_output)], hidden, hidden)?,
            attention_norm: self.norm(&name(names.attention_norm))?,
            intermediate: self.dense(&[name(names.intermediate)], hidden, intermediate)?,
            output: self.dense(&[name(names.output)], intermediate, hidden)?,
            output_norm: self.norm(&name(names.output_norm))?,
        })
    }

    /// The layers `names`, each from `inputs` to `outputs`, as one whose outputs lie side by side.
    fn dense(&mut self, names: &[String], inputs: usize, outputs: usize) -> Result<Dense> {
        // Taken out before anything is made room for: until then the sizes are only what config.json says.
        let mut published = Vec::with_capacity(names.len());
        let mut bias = Vec::new();
        for name in names {
            published.push(self.weights.take(&format!("{name}.weight"), &[outputs, inputs])?);
            bias.extend(self.weights.take(&format!("{name}.bias"), &[outputs])?);
        }
        let all = bias.len();
        let mut weight = vec![0.0; inputs * all];
        for (index, published) in published.into_iter().enumerate() {
            // Published as [out, in]; the product wants [in, out].
            for (output, row) in published.chunks_exact(inputs).enumerate() {
                for (input, &number) in row.iter().enumerate() {
                    weight[input * all + index * outputs + output] = number;
                }
            }
        }
        Ok(Dense {
            weight: Tensor::from_data(TensorData::new(weight, [inputs, all]), self.device),
            bias: self.vector(bias),
        })
    }

    fn norm(&mut self, name: &str) -> Result<Norm> {
        let hidden = self.config.hidden_size;
        let weight = self.weights.take(&format!("{name}.weight"), &[hidden])?;
        let bias = self.weights.take(&format!("{name}.bias"), &[hidden])?;
        Ok(Norm { weight: self.vector(weight), bias: self.vector(bias), epsilon: self.config.layer_norm_eps })
    }

    fn vector(&self, data: Vec<f32>) -> Tensor<1> {
        let length = data.len();
        Tensor::from_data(TensorData::new(data, [length]), self.device)
    }
}
