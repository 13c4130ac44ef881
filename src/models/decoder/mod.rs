//! Decoders: from token ids to the logits of the token behind each.

mod build;
mod config;
mod rope;
mod weights;

use std::future::ready;

use burn::tensor::TensorData;

use super::config::unsupported;
use super::embedding::Table;
use super::{ConfigFile, DECODERS, Weights};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::formats::gguf;
use crate::graph::{Blocks, ComputeCost, GoOn, Graph, Session, State};

pub(in crate::models) use build::{AttentionNames, Build};
pub use config::{DecoderConfig, Windowed};
pub use rope::Rope;
pub(in crate::models) use weights::Matrix;
pub use weights::{DecoderWeights, Name, PackedTensors};

/// The key of a GGUF file's architecture.
const ARCHITECTURE_KEY: &str = "general.architecture";

/// The sizes of a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoderSizes {
    /// Layers.
    pub layers: usize,
    /// Numbers in a hidden state.
    pub hidden: usize,
    /// Heads of keys and values.
    pub groups: usize,
    /// The size of a head.
    pub head: usize,
    /// The ids of tokens are below this.
    pub vocabulary: usize,
    /// The most tokens that it reads.
    pub context: usize,
}

/// A decoder on a device, of any [architecture](super::DecoderArchitecture).
pub struct Decoder {
    pub(super) sizes: DecoderSizes,
    pub(super) embeddings: Embeddings,
    /// The factor of embeddings.
    pub(super) embedding_scale: f32,
    /// The position embeddings of its layers. The graph has the inputs `cos.0`, `sin.0` and so on for them.
    pub(super) ropes: Vec<Rope>,
    /// From embeddings to the logits of the rows that are asked for.
    pub(super) layers: Graph,
}

/// The embeddings of tokens, `[vocabulary, hidden]`.
pub(in crate::models) enum Embeddings {
    /// A table.
    Table(Table),
    /// The weights of the last layer, which are the embeddings as well.
    Tied(Box<Blocks>),
    /// Rows of a GGUF file's tensor, as they are there.
    Packed(weights::PackedRows),
}

/// An architecture of decoders. Each is a file of its own, and a row of [`DECODERS`](super::DECODERS).
pub struct DecoderArchitecture {
    /// The values of `model_type` in `config.json` that name it.
    pub model_types: &'static [&'static str],
    /// The values of `general.architecture` in a GGUF file that name it.
    pub gguf: &'static [&'static str],
    /// Builds it of its weights.
    pub build: fn(DecoderConfig, &mut DecoderWeights<'_>, &Device) -> Result<Decoder>,
}

/// Which logits are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logits {
    /// Those behind the last token.
    Last,
    /// Those behind each.
    All,
}

/// The keys and values of the tokens that a decoder has read. A copy shares their memory until one of both reads on.
#[derive(Clone)]
pub struct KeyValueCache {
    session: Session,
    ids: Vec<u32>,
    /// Bytes of the keys and values of a token.
    token_bytes: usize,
}

impl KeyValueCache {
    /// The tokens.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Forgets the tokens from the index `count` on.
    pub fn truncate(&mut self, count: usize) {
        self.ids.truncate(count);
    }

    /// The bytes of the keys and values of its tokens.
    pub fn bytes(&self) -> usize {
        self.ids.len() * self.token_bytes
    }
}

impl Decoder {
    /// The decoder of a checkpoint, as its `config.json` describes it. Takes its tensors out of `weights`.
    ///
    /// # Errors
    /// Invalid artefact: a field or a tensor is missing, or they do not fit each other. Unsupported: an architecture or a
    /// scaling of rotary frequencies that is not known here.
    pub fn from_checkpoint(config: &ConfigFile, weights: &mut Weights, device: &Device) -> Result<Self> {
        let name = config.model_type.as_deref().unwrap_or_default();
        let known = |decoder: &&DecoderArchitecture| decoder.model_types.contains(&name);
        let Some(architecture) = DECODERS.iter().find(known) else {
            let known: Vec<_> = DECODERS.iter().flat_map(|decoder| decoder.model_types).copied().collect();
            return Err(unsupported("model_type", name, &known.join(", ")));
        };
        (architecture.build)(DecoderConfig::from_json(config)?, &mut DecoderWeights::Checkpoint(weights), device)
    }

    /// The decoder in a GGUF file with these metadata and tensors.
    ///
    /// # Errors
    /// As [`Self::from_checkpoint`]. Unsupported: an encoding that is not read here; the message names its tensor.
    pub fn from_gguf(metadata: &gguf::Metadata<'_>, tensors: PackedTensors, device: &Device) -> Result<Self> {
        let Some(name) = metadata.get_str(ARCHITECTURE_KEY)? else {
            return Err(gguf::Metadata::missing(ARCHITECTURE_KEY));
        };
        let Some(architecture) = DECODERS.iter().find(|decoder| decoder.gguf.contains(&name)) else {
            let known: Vec<_> = DECODERS.iter().flat_map(|decoder| decoder.gguf).copied().collect();
            return Err(Error::unsupported(format!(
                "{ARCHITECTURE_KEY}: the architecture '{name}' is not known; known are {}",
                known.join(", ")
            )));
        };
        let mut weights = DecoderWeights::Gguf(tensors);
        let config = DecoderConfig::from_gguf(name, metadata, &mut weights)?;
        (architecture.build)(config, &mut weights, device)
    }

    /// The sizes.
    pub fn sizes(&self) -> &DecoderSizes {
        &self.sizes
    }

    /// A cache without tokens.
    ///
    /// # Errors
    /// Internal: the graph does not have the states of its layers.
    pub fn cache(&self) -> Result<KeyValueCache> {
        let DecoderSizes { layers, groups, head, .. } = self.sizes;
        Ok(KeyValueCache {
            session: self.session()?,
            ids: Vec::new(),
            token_bytes: 2 * layers * groups * head * size_of::<f32>(),
        })
    }

    fn session(&self) -> Result<Session> {
        let DecoderSizes { layers, groups, head, .. } = self.sizes;
        let names: Vec<_> = (0..layers)
            .flat_map(|layer| ["keys", "values"].map(|name| (state(name, layer), new_state(name, layer))))
            .collect();
        let states = names.iter().map(|(input, output)| State {
            input,
            output,
            initial: TensorData::new(Vec::<f32>::new(), [groups, 0, head]),
        });
        self.layers.session(states.collect())
    }

    /// Reads the tokens `ids` behind those of `cache`, and gives the logits that are asked for, row by row, and the cost.
    /// After an error the cache is empty.
    ///
    /// # Errors
    /// Invalid input: there are no tokens, an id is not of the vocabulary, the tokens exceed the context, or there is not
    /// enough memory. Device lost.
    pub async fn forward(
        &self,
        cache: &mut KeyValueCache,
        ids: &[u32],
        wanted: Logits,
    ) -> Result<(Vec<f32>, ComputeCost)> {
        let outcome = self.forward_while(cache, ids, wanted, &|| Box::pin(ready(true))).await?;
        outcome.ok_or_else(|| Error::internal("the layers ended before the last one"))
    }

    /// As [`Self::forward`], with `go_on` asked some times in each layer whether to go on. `None` where it said no: the cache
    /// has the tokens that it had.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub async fn forward_while(
        &self,
        cache: &mut KeyValueCache,
        ids: &[u32],
        wanted: Logits,
        go_on: &GoOn<'_>,
    ) -> Result<Option<(Vec<f32>, ComputeCost)>> {
        let before = cache.ids.len();
        let inputs = self.inputs(before, ids, wanted)?;
        let (outputs, cost) = match self.layers.run_session_while(&mut cache.session, inputs, go_on).await {
            Ok(Some(outcome)) => outcome,
            // Some layers have keys and values of the new tokens. The next pass overwrites them.
            Ok(None) => return Ok(None),
            Err(error) => {
                cache.ids.clear();
                cache.session = self.session()?;
                return Err(error);
            }
        };
        cache.ids.extend_from_slice(ids);
        let logits = outputs.into_iter().next().and_then(|(_, logits)| logits.try_into_vec::<f32>().ok());
        let logits = logits.ok_or_else(|| Error::internal("the layers gave no floats"))?;
        Ok(Some((logits, cost)))
    }

    /// The inputs of the graph for `ids` at the positions from `before` on.
    fn inputs(&self, before: usize, ids: &[u32], wanted: Logits) -> Result<Vec<(String, TensorData)>> {
        let DecoderSizes { hidden, vocabulary, context, .. } = self.sizes;
        let count = ids.len();
        if count == 0 {
            return Err(Error::invalid_input("there are no tokens to read"));
        }
        if before + count > context {
            return Err(Error::invalid_input(format!(
                "the model reads at most {context} tokens, got {}",
                before + count
            )));
        }
        let mut x = vec![0.0; count * hidden];
        for (id, row) in ids.iter().zip(x.chunks_exact_mut(hidden)) {
            self.embeddings.read(*id as usize, row).ok_or_else(|| {
                Error::invalid_input(format!("the token {id} is not one of the model's {vocabulary}"))
            })?;
            if self.embedding_scale != 1.0 {
                row.iter_mut().for_each(|x| *x *= self.embedding_scale);
            }
        }
        let rows: Vec<i64> = match wanted {
            Logits::Last => vec![count as i64 - 1],
            Logits::All => (0..count as i64).collect(),
        };
        let rows_count = rows.len();
        let mut inputs = vec![
            ("x".to_string(), TensorData::new(x, [1, count, hidden])),
            ("before".to_string(), TensorData::new(vec![before as i64], [1])),
            ("rows".to_string(), TensorData::new(rows, [rows_count])),
        ];
        for (index, rope) in self.ropes.iter().enumerate() {
            let (cos, sin) = rope.tables(before, count);
            let shape = [count, rope.half()];
            inputs.push((format!("cos.{index}"), TensorData::new(cos, shape)));
            inputs.push((format!("sin.{index}"), TensorData::new(sin, shape)));
        }
        Ok(inputs)
    }
}

impl Embeddings {
    /// Reads the embedding of a token into `row`; `None` where it does not exist.
    fn read(&self, id: usize, row: &mut [f32]) -> Option<()> {
        match self {
            Self::Table(table) => table.read(id, row),
            Self::Tied(blocks) => blocks.read_output(id, row),
            Self::Packed(rows) => rows.read(id, row),
        }
    }
}

/// The name of a state of a layer, as an input of the graph.
fn state(name: &str, layer: usize) -> String {
    format!("{name}.{layer}")
}

/// The name of the output that becomes that input.
fn new_state(name: &str, layer: usize) -> String {
    format!("new_{name}.{layer}")
}
