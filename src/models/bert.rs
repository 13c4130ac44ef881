//! BERT, and what differs from it only in names and positions: DistilBERT, RoBERTa and XLM-R.
//!
//! For a text of `seq` tokens, with the embedding tables `W` (words), `P` (positions) and `T` (token types), and `L` the
//! layer normalisation:
//!
//! ```text
//! x       = L(W[ids] + P[first + 0, 1, …] + T[0])                [seq, hidden]
//! q, k, v = x Wqᵀ + bq, x Wkᵀ + bk, x Wvᵀ + bv                   [seq, hidden]; W: [hidden, hidden]
//! aₕ      = softmax(qₕ kₕᵀ / √(hidden / heads) + mask) vₕ         [seq, hidden / heads], for each head h
//! y       = L([a₁ … a_heads] Woᵀ + bo + x)                       [seq, hidden]
//! x'      = L(f(y W₁ᵀ + b₁) W₂ᵀ + b₂ + y)                        W₁: [intermediate, hidden], W₂: [hidden, intermediate]
//! ```
//!
//! The last three lines are a layer, whose `x'` is the `x` of the next; `f` is GELU or ReLU.
//!
//! # Source
//! Vaswani et al. 2017 (1706.03762), section 3, with the post-normalised layers of Devlin et al. 2018 (1810.04805); the
//! names of tensors are those of the transformers library.

use burn::tensor::TensorData;
use serde::Deserialize;

use super::architecture::{Architecture, Checkpoint};
use super::config::{ConfigFile, HeadKind, dimension, unsupported};
use super::embedding::Table;
use super::encoder::{Encoder, attention_mask};
use super::head::{Head, Linear};
use super::weights::{Quantisation, Weights};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{Builder, DType, GraphOptions, LinearEpilogue, Operand};
use crate::kernels::Activation;
use crate::kernels::qlinear::{Precision, QuantizedWeights};

pub const ARCHITECTURE: Architecture =
    Architecture { model_types: &["bert", "distilbert", "roberta", "xlm-roberta"], read_config, quantisation };

/// The members of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// Devlin et al. 2018 (1810.04805).
    Bert,
    /// Sanh et al. 2019 (1910.01108): BERT without token types and pooler.
    DistilBert,
    /// Liu et al. 2019 (1907.11692), and XLM-R, Conneau et al. 2019 (1911.02116): BERT whose positions begin behind the
    /// padding token's id.
    Roberta,
}

/// The fields of `config.json`, each family's names for the same thing as aliases.
#[derive(Deserialize)]
struct File {
    #[serde(alias = "dim")]
    hidden_size: Option<usize>,
    #[serde(alias = "n_layers")]
    num_hidden_layers: Option<usize>,
    #[serde(alias = "n_heads")]
    num_attention_heads: Option<usize>,
    #[serde(alias = "hidden_dim")]
    intermediate_size: Option<usize>,
    vocab_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    type_vocab_size: Option<usize>,
    layer_norm_eps: Option<f64>,
    #[serde(alias = "activation")]
    hidden_act: Option<String>,
    position_embedding_type: Option<String>,
}

/// The dimensions of a checkpoint, and its head.
#[derive(Clone, Debug, PartialEq)]
struct Config {
    family: Family,
    head: HeadKind,
    hidden_size: usize,
    num_layers: usize,
    num_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    /// Rows of the table of positions.
    max_position_embeddings: usize,
    /// Rows of the table of token types; 0 without a table.
    type_vocab_size: usize,
    layer_norm_eps: f64,
    activation: Activation,
    /// The position of a text's first token.
    first_position: usize,
    label_count: usize,
}

/// More layers than in any published encoder; keeps a file from asking for memory without bound.
const MAX_LAYERS: usize = 256;

fn read_config(file: &ConfigFile) -> Result<Box<dyn Checkpoint>> {
    config(file).map(|config| Box::new(config) as Box<dyn Checkpoint>)
}

fn config(common: &ConfigFile) -> Result<Config> {
    let file: File = common.parse()?;
    let family = match common.model_type.as_deref() {
        Some("distilbert") => Family::DistilBert,
        Some("roberta" | "xlm-roberta") => Family::Roberta,
        _ => Family::Bert,
    };
    if let Some(kind) = file.position_embedding_type.as_deref().filter(|&kind| kind != "absolute") {
        return Err(unsupported("position_embedding_type", kind, "absolute"));
    }
    let activation = match file.hidden_act.as_deref().unwrap_or("gelu") {
        "gelu" => Activation::Gelu,
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Activation::GeluTanh,
        "relu" => Activation::Relu,
        other => return Err(unsupported("hidden_act", other, "gelu, gelu_new, gelu_pytorch_tanh and relu")),
    };
    let config = Config {
        family,
        head: common.head(),
        hidden_size: dimension("hidden_size", file.hidden_size)?,
        num_layers: dimension("num_hidden_layers", file.num_hidden_layers)?,
        num_heads: dimension("num_attention_heads", file.num_attention_heads)?,
        intermediate_size: dimension("intermediate_size", file.intermediate_size)?,
        vocab_size: dimension("vocab_size", file.vocab_size)?,
        max_position_embeddings: dimension("max_position_embeddings", file.max_position_embeddings)?,
        type_vocab_size: match family {
            Family::DistilBert => 0,
            _ => dimension("type_vocab_size", file.type_vocab_size.or(Some(2)))?,
        },
        layer_norm_eps: file.layer_norm_eps.unwrap_or(1e-12),
        activation,
        first_position: if family == Family::Roberta { (common.pad_token() as usize).saturating_add(1) } else { 0 },
        label_count: common.labels()?.len(),
    };
    let Config { hidden_size, num_heads, num_layers, .. } = config;
    if !hidden_size.is_multiple_of(num_heads) {
        return Err(Error::invalid_artefact(format!(
            "config.json: hidden_size must be a multiple of num_attention_heads, got {hidden_size} and {num_heads}"
        )));
    }
    if num_layers > MAX_LAYERS {
        return Err(Error::invalid_artefact(format!(
            "config.json: num_hidden_layers must be at most {MAX_LAYERS}, got {num_layers}"
        )));
    }
    if config.max_length() == 0 {
        return Err(Error::invalid_artefact("config.json: max_position_embeddings leaves no room for a token"));
    }
    Ok(config)
}

/// The names of the table of words and of the matrices of the layers; heads and positions are small, and stay floats.
fn quantisation(name: &str) -> Option<Quantisation> {
    match name {
        _ if name.contains(".layer.") && name.ends_with(".weight") => Some(Quantisation::Linear),
        _ if name.ends_with(WORDS) => Some(Quantisation::Rows),
        _ => None,
    }
}

/// The names of the tensors of a layer.
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

/// What checkpoints have before the names of the encoder's tensors, depending on the head.
const PREFIXES: [&str; 6] = ["", "bert.", "distilbert.", "roberta.", "model.", "0.auto_model."];
const WORDS: &str = "embeddings.word_embeddings.weight";

/// The embedding tables.
struct Embeddings {
    /// `[vocab, hidden]`
    words: Table,
    /// `[max_positions, hidden]`, without the rows before the position of a text's first token.
    positions: Vec<f32>,
    /// `[hidden]`: the type of a single text; zeros where there are no types.
    token_type: Vec<f32>,
    hidden: usize,
    vocab: usize,
}

impl Config {
    /// The most tokens that there are positions for.
    fn max_length(&self) -> usize {
        self.max_position_embeddings.saturating_sub(self.first_position)
    }
}

impl Checkpoint for Config {
    fn encoder(&self, weights: &mut Weights, device: &Device) -> Result<Encoder> {
        let prefix = PREFIXES.iter().find(|prefix| weights.contains(&format!("{prefix}{WORDS}"))).unwrap_or(&"");
        let names = if self.family == Family::DistilBert { DISTILBERT } else { BERT };
        let mut build = Build { weights, prefix, config: self, graph: Builder::default() };
        let embeddings = build.embeddings()?;
        let (sum, mask) = (build.graph.input("sum", DType::F32), build.graph.input("mask", DType::F32));
        let mut x = build.norm("embeddings.LayerNorm", &[sum])?;
        for index in 0..self.num_layers {
            x = build.layer(index, &names, x, mask)?;
        }
        let layers = build.graph.finish(&[("hidden_states", x)], device, &GraphOptions::default())?;
        let inputs = move |batch: &[&[u32]], seq: usize| {
            let sum = embeddings.sum(batch, seq)?;
            Ok(vec![("sum".to_string(), sum), ("mask".to_string(), attention_mask(batch, seq))])
        };
        let (hidden_size, max_length) = (self.hidden_size, self.max_length());
        let layers = layers.in_units_of(hidden_size);
        Ok(Encoder { inputs: Box::new(inputs), layers, hidden_size, max_length })
    }

    fn head(&self, weights: &mut Weights) -> Result<Option<Head>> {
        let (hidden, labels) = (self.hidden_size, self.label_count);
        let mut sequence = |dense: &str, activation: Activation, classifier: &str| -> Result<Head> {
            Ok(Head::Sequence {
                dense: Linear::take(weights, dense, hidden, hidden)?,
                activation,
                classifier: Linear::take(weights, classifier, labels, hidden)?,
            })
        };
        let head = match (self.head, self.family) {
            (HeadKind::None, _) => return Ok(None),
            (HeadKind::Token, _) => Head::Token(Linear::take(weights, "classifier", labels, hidden)?),
            (HeadKind::Sequence, Family::Bert) => sequence("bert.pooler.dense", Activation::Tanh, "classifier")?,
            (HeadKind::Sequence, Family::DistilBert) => sequence("pre_classifier", Activation::Relu, "classifier")?,
            (HeadKind::Sequence, Family::Roberta) => {
                sequence("classifier.dense", Activation::Tanh, "classifier.out_proj")?
            }
        };
        Ok(Some(head))
    }
}

impl Embeddings {
    /// The sum of word, position and type, `[batch, seq, hidden]`; zeros for padding.
    fn sum(&self, batch: &[&[u32]], seq: usize) -> Result<TensorData> {
        let hidden = self.hidden;
        let mut sum = vec![0.0; batch.len() * seq * hidden];
        for (ids, rows) in batch.iter().zip(sum.chunks_exact_mut(seq * hidden)) {
            let positions = self.positions.chunks_exact(hidden);
            for ((&id, row), position) in ids.iter().zip(rows.chunks_exact_mut(hidden)).zip(positions) {
                self.words.read(id as usize, row).ok_or_else(|| {
                    let words = self.vocab;
                    Error::invalid_artefact(format!("the tokenizer gave the id {id}, and the model has {words} words"))
                })?;
                for ((sum, position), token_type) in row.iter_mut().zip(position).zip(&self.token_type) {
                    *sum = *sum + position + token_type;
                }
            }
        }
        Ok(TensorData::new(sum, [batch.len(), seq, hidden]))
    }
}

/// Takes tensors out of a checkpoint and builds the layers of them.
struct Build<'a> {
    weights: &'a mut Weights,
    prefix: &'static str,
    config: &'a Config,
    graph: Builder,
}

impl Build<'_> {
    fn embeddings(&mut self) -> Result<Embeddings> {
        let &Config {
            hidden_size: hidden,
            vocab_size: vocab,
            max_position_embeddings,
            first_position,
            type_vocab_size,
            ..
        } = self.config;
        let words = self.weights.take_table(&self.name(WORDS), vocab, hidden)?;
        let mut positions = self.take("embeddings.position_embeddings.weight", &[max_position_embeddings, hidden])?;
        positions.drain(..first_position * hidden);
        let mut token_type = match type_vocab_size {
            0 => vec![0.0; hidden],
            types => self.take("embeddings.token_type_embeddings.weight", &[types, hidden])?,
        };
        token_type.truncate(hidden);
        Ok(Embeddings { words, positions, token_type, hidden, vocab })
    }

    /// The name of the encoder's tensor `name` in this checkpoint.
    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let name = self.name(name);
        self.weights.take(&name, shape)
    }

    /// One layer, from `x`, `[batch, seq, hidden]`, to the same shape.
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

    /// The attention of all heads: from `[batch, seq, 3 · hidden]` to `[batch, seq, hidden]`
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

    /// The linear layers `names`, each of `[outputs, inputs]`, as one layer whose outputs are concatenated.
    fn dense(
        &mut self,
        names: &[String],
        [inputs, outputs]: [usize; 2],
        x: Operand,
        activation: Option<Activation>,
    ) -> Result<Operand> {
        // Taken out before any memory is reserved: until then the sizes are only those of config.json.
        let mut bias = Vec::new();
        for name in names {
            bias.extend(self.take(&format!("{name}.bias"), &[outputs])?);
        }
        let all = bias.len();
        let names: Vec<String> = names.iter().map(|name| self.name(&format!("{name}.weight"))).collect();
        let packed = names.iter().map(|name| self.weights.take_packed(name, inputs, outputs));
        // Matrices that become one are of one type.
        if let Some(packed) = packed.collect::<Result<Option<Vec<_>>>>()? {
            let bias = self.graph.floats(&[all], bias);
            return Ok(self.graph.linear_int8(
                x,
                QuantizedWeights::concat(packed),
                bias,
                LinearEpilogue { activation, ..LinearEpilogue::default() },
                Precision::Normal,
            ));
        }
        let published = names.iter().map(|name| self.weights.take(name, &[outputs, inputs]));
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
        // The first checkpoints, converted from TensorFlow, have other names.
        let is_old = self.weights.contains(&self.name(&format!("{name}.gamma")));
        let [weight, bias] = if is_old { ["gamma", "beta"] } else { ["weight", "bias"] };
        let weight = self.take(&format!("{name}.{weight}"), &[hidden])?;
        let bias = self.take(&format!("{name}.{bias}"), &[hidden])?;
        let (weight, bias) = (self.graph.floats(&[hidden], weight), self.graph.floats(&[hidden], bias));
        Ok(self.graph.layer_norm(terms, weight, bias, self.config.layer_norm_eps as f32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISTILBERT: &str = r#"{"model_type":"distilbert","architectures":["DistilBertForSequenceClassification"],"dim":32,"n_layers":2,
        "n_heads":4,"hidden_dim":64,"vocab_size":100,"max_position_embeddings":40,"activation":"gelu","id2label":{"0":"no","1":"yes"}}"#;

    #[test]
    fn the_names_of_distilbert_are_read() {
        let config = config(&ConfigFile::from_json(DISTILBERT).unwrap()).unwrap();
        assert_eq!(
            (config.hidden_size, config.num_layers, config.intermediate_size, config.type_vocab_size),
            (32, 2, 64, 0)
        );
        assert_eq!((config.head, config.label_count), (HeadKind::Sequence, 2));
    }

    #[test]
    fn layers_and_words_are_quantised() {
        for name in ["bert.encoder.layer.0.output.dense.weight", "transformer.layer.1.ffn.lin1.weight"] {
            assert_eq!(quantisation(name), Some(Quantisation::Linear));
        }
        assert_eq!(quantisation("embeddings.word_embeddings.weight"), Some(Quantisation::Rows));
        for name in ["embeddings.position_embeddings.weight", "classifier.weight", "encoder.layer.0.output.dense.bias"]
        {
            assert_eq!(quantisation(name), None);
        }
    }
}
