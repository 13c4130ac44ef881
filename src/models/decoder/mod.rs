//! Decoders: from token ids to the logits of the token behind each.

mod build;
mod config;
mod imported;
mod layers;
mod rope;
mod weights;

use std::future::ready;

use super::config::unsupported;
use super::{ConfigFile, DECODERS, Weights};
use crate::device::Device;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::gguf;
use crate::graph::{ComputeCost, GoOn, Graph, Session};
use imported::ImportedDecoder;

pub(in crate::models) use build::{AttentionNames, Build};
pub use config::{DecoderConfig, Windowed};
pub(in crate::models) use layers::{Embeddings, Layers};
use layers::{new_state, state};
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

/// A decoder on a device: of an [architecture](super::DecoderArchitecture) that is known here, or from an ONNX file.
pub struct Decoder(Form);

enum Form {
    Layers(Box<Layers>),
    Imported(Box<ImportedDecoder>),
}

/// The logits of a pass, row by row, and its cost.
type Pass = (Vec<f32>, ComputeCost);

/// A token that was chosen and its log-probability; `None` where no logit was a number.
pub type Chosen = Option<(u32, f32)>;

/// An architecture of decoders. Each is a file of its own, and a row of [`DECODERS`](super::DECODERS).
pub struct DecoderArchitecture {
    /// The values of `model_type` in `config.json` that name it.
    pub model_types: &'static [&'static str],
    /// The values of `general.architecture` in a GGUF file that name it.
    pub gguf: &'static [&'static str],
    /// Builds it of its weights.
    pub build: fn(DecoderConfig, &mut DecoderWeights<'_>, &Device) -> Result<Decoder>,
}

impl DecoderArchitecture {
    /// The architecture that `config.json` names.
    ///
    /// # Errors
    /// Unsupported: one that is not known here.
    pub fn of_config(config: &ConfigFile) -> Result<&'static Self> {
        let name = config.model_type.as_deref().unwrap_or_default();
        DECODERS.iter().find(|decoder| decoder.model_types.contains(&name)).ok_or_else(|| {
            let known: Vec<_> = DECODERS.iter().flat_map(|decoder| decoder.model_types).copied().collect();
            unsupported("model_type", name, &known.join(", "))
        })
    }
}

/// Which logits are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logits {
    /// Those behind so many of the last tokens. An ONNX file may compute those behind the others all the same.
    Last(usize),
    /// Those behind each.
    All,
}

impl Logits {
    /// The tokens, of `tokens`, behind which logits are asked for.
    fn count(self, tokens: usize) -> usize {
        match self {
            Self::Last(count) => count.min(tokens),
            Self::All => tokens,
        }
    }
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
        let architecture = DecoderArchitecture::of_config(config)?;
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

    /// The decoder that `graph` is, as exporters write them: it takes token ids and the keys and values of the tokens before
    /// them, and gives logits and the keys and values with the new ones. `config` has what the graph does not say.
    ///
    /// # Errors
    /// Invalid artefact: an input or an output is missing, or they do not fit each other or `config`. Unsupported: an unknown
    /// input, or keys and values in another form.
    pub fn from_graph(graph: Graph, config: &ConfigFile) -> Result<Self> {
        Ok(Self(Form::Imported(Box::new(ImportedDecoder::new(graph, config)?))))
    }

    /// The ids of tokens are below this.
    pub fn vocabulary(&self) -> usize {
        match &self.0 {
            Form::Layers(layers) => layers.sizes.vocabulary,
            Form::Imported(graph) => graph.vocabulary,
        }
    }

    /// The most tokens that it reads.
    pub fn context(&self) -> usize {
        match &self.0 {
            Form::Layers(layers) => layers.sizes.context,
            Form::Imported(graph) => graph.context,
        }
    }

    /// Whether the logits behind a token are the same to the last bit however many tokens are read at once. They are not in
    /// ONNX files that quantise the activations of all tokens by one scale. On a GPU they are for up to four tokens, and else but
    /// for the rounding of sums.
    pub fn is_batch_invariant(&self) -> bool {
        match &self.0 {
            Form::Layers(_) => true,
            Form::Imported(graph) => graph.is_batch_invariant(),
        }
    }

    /// Whether weights are on a GPU alone, so that it can only be run there.
    pub fn needs_gpu(&self) -> bool {
        match &self.0 {
            Form::Layers(layers) => layers.graph.needs_gpu(),
            Form::Imported(_) => false,
        }
    }

    /// A cache without tokens.
    ///
    /// # Errors
    /// Internal, or invalid input: the graph does not have the states of its layers.
    pub fn cache(&self) -> Result<KeyValueCache> {
        let token_bytes = match &self.0 {
            Form::Layers(layers) => layers.token_bytes(),
            Form::Imported(graph) => graph.token_bytes(),
        };
        Ok(KeyValueCache { session: self.session()?, ids: Vec::new(), token_bytes })
    }

    fn session(&self) -> Result<Session> {
        match &self.0 {
            Form::Layers(layers) => layers.session(),
            Form::Imported(graph) => graph.session(),
        }
    }

    /// Reads the tokens `ids` behind those of `cache`, and gives the logits that are asked for, row by row, and the cost.
    /// After an error the cache is empty.
    ///
    /// # Errors
    /// Invalid input: there are no tokens, an id is not of the vocabulary, the tokens exceed the context, or there is not
    /// enough memory. Invalid artefact: an ONNX file gives something else than it says. Device lost.
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
    /// has the tokens that it had, or none where those were lost on the way.
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
        self.check(before, ids)?;
        let session = &mut cache.session;
        let outcome = match &self.0 {
            Form::Layers(layers) => layers.run(session, before, ids, wanted, go_on).await,
            Form::Imported(graph) => match graph.run(session, before, ids, wanted, go_on).await {
                Err(error) if before > 0 && ids.len() > 1 && error.kind() == ErrorKind::InvalidInput => {
                    // The mask of some graphs takes several tokens only where there is no past.
                    graph.read_one_at_a_time();
                    *session = self.session()?;
                    match graph.run(session, 0, &cache.ids, Logits::Last(0), go_on).await? {
                        Some(_) => graph.run(session, before, ids, wanted, go_on).await,
                        None => Ok(None),
                    }
                }
                outcome => outcome,
            },
        };
        let is_whole = match (&self.0, &outcome) {
            (_, Err(_)) => false,
            (Form::Imported(graph), Ok(None)) => graph.is_whole(session),
            _ => true,
        };
        if !is_whole {
            self.empty(cache)?;
        } else if let Ok(Some(_)) = outcome {
            cache.ids.extend_from_slice(ids);
        }
        outcome
    }

    /// How many tokens [`Self::choose_while`] is best asked for; none where a caller does better to read logits.
    pub fn tokens_at_once(&self) -> usize {
        match &self.0 {
            // A build without GPUs need not have what chooses there.
            _ if !cfg!(feature = "gpu") => 0,
            Form::Layers(layers) => layers.tokens_at_once(),
            Form::Imported(_) => 0,
        }
    }

    /// Reads the tokens `ids` behind those of `cache`, and chooses the likeliest token behind them, then the likeliest behind that
    /// one, and so on: at least one and at most `count`, which must fit the context. On a GPU nothing is read back in between; it
    /// chooses one where the embeddings are not there. The cache has all of them but the last.
    ///
    /// # Errors
    /// As [`Self::forward`]. Unsupported: an ONNX file.
    pub async fn choose_while(
        &self,
        cache: &mut KeyValueCache,
        ids: &[u32],
        count: usize,
        go_on: &GoOn<'_>,
    ) -> Result<Option<(Vec<Chosen>, ComputeCost)>> {
        let Form::Layers(layers) = &self.0 else {
            return Err(Error::unsupported("an ONNX file gives logits, and chooses nothing"));
        };
        let before = cache.ids.len();
        self.check(before, ids)?;
        if before + ids.len() + count > self.context() + 1 {
            return Err(Error::invalid_input(format!("the model reads at most {} tokens", self.context())));
        }
        let outcome = layers.choose(&mut cache.session, before, ids, count, go_on).await;
        match &outcome {
            Ok(Some((chosen, _))) => {
                cache.ids.extend_from_slice(ids);
                let read = chosen.split_last().map_or(&[][..], |(_, read)| read);
                cache.ids.extend(read.iter().map_while(|chosen| chosen.map(|(id, _)| id)));
            }
            Ok(None) => {}
            Err(_) => self.empty(cache)?,
        }
        outcome
    }

    /// Forgets all that a cache has, which may be lost.
    fn empty(&self, cache: &mut KeyValueCache) -> Result<()> {
        cache.ids.clear();
        cache.session = self.session()?;
        Ok(())
    }

    /// Checks that `ids` can be read at the positions from `before` on.
    fn check(&self, before: usize, ids: &[u32]) -> Result<()> {
        let (vocabulary, context) = (self.vocabulary(), self.context());
        if ids.is_empty() {
            return Err(Error::invalid_input("there are no tokens to read"));
        }
        if before + ids.len() > context {
            return Err(Error::invalid_input(format!(
                "the model reads at most {context} tokens, got {}",
                before + ids.len()
            )));
        }
        match ids.iter().find(|id| **id as usize >= vocabulary) {
            Some(id) => Err(unknown_token(*id, vocabulary)),
            None => Ok(()),
        }
    }
}

fn unknown_token(id: u32, vocabulary: usize) -> Error {
    Error::invalid_input(format!("the token {id} is not one of the model's {vocabulary}"))
}
