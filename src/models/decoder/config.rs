//! The configuration of a decoder, from `config.json` or from the metadata of a GGUF file.

use serde::Deserialize;

use super::rope::{Scaling, ScalingField, yarn_magnitude};
use super::{DecoderSizes, DecoderWeights};
use crate::error::{Error, Result};
use crate::formats::gguf::Metadata;
use crate::models::ConfigFile;
use crate::models::config::{dimension, unsupported};

/// The most layers: beyond every published decoder.
const MAX_LAYERS: usize = 512;

/// What decoders have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderConfig {
    /// The sizes.
    pub sizes: DecoderSizes,
    /// Heads of queries.
    pub heads: usize,
    /// The width of the feed-forward layers.
    pub intermediate: usize,
    /// Added to the variance by the normalisation.
    pub epsilon: f32,
    /// The numbers of a head that are rotated.
    pub rotated: usize,
    /// The base of the rotary frequencies; `None`: the family's.
    pub theta: Option<f32>,
    /// Their scaling.
    pub scaling: Scaling,
    /// The tokens that a query sees, its own included, in the layers that have a window.
    pub window: Option<usize>,
    /// The layers that have a window.
    pub windowed: Windowed,
    /// Whether embeddings are the weights of the last layer as well, where the file says so.
    pub tied: Option<bool>,
    /// Scores are divided by the root of this; `None`: of the size of a head.
    pub query_scalar: Option<f32>,
    /// The base of the rotary frequencies of layers with a window, where they have one of their own.
    pub local_theta: Option<f32>,
    /// The scaling of these frequencies.
    pub local_scaling: Scaling,
    /// The activation of the feed-forward layers, where the file says it.
    pub activation: Option<String>,
    /// Whether pairs of neighbours are rotated, and not the halves of a head.
    pub interleaved: bool,
}

/// The layers that have a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Windowed {
    /// All from this one on.
    From(usize),
    /// All but every one whose number, counted from 1, is a multiple of this.
    AllBut(usize),
    /// Those for which this is `true`.
    List(Vec<bool>),
}

/// The fields of `config.json`.
#[derive(Deserialize)]
struct Fields {
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    rms_norm_eps: Option<f32>,
    rope_theta: Option<f32>,
    rope_scaling: Option<ScalingField>,
    rope_parameters: Option<ScalingField>,
    partial_rotary_factor: Option<f32>,
    sliding_window: Option<usize>,
    use_sliding_window: Option<bool>,
    max_window_layers: Option<usize>,
    layer_types: Option<Vec<String>>,
    tie_word_embeddings: Option<bool>,
    query_pre_attn_scalar: Option<f32>,
    rope_local_base_freq: Option<f32>,
    hidden_act: Option<String>,
    hidden_activation: Option<String>,
}

impl DecoderConfig {
    /// The tokens that a query of a layer sees, its own included; `None`: all before it.
    pub fn window(&self, layer: usize) -> Option<usize> {
        let has = match &self.windowed {
            Windowed::From(first) => layer >= *first,
            Windowed::AllBut(every) => !(layer + 1).is_multiple_of(*every),
            Windowed::List(layers) => layers.get(layer).copied().unwrap_or(false),
        };
        self.window.filter(|_| has)
    }

    /// Reads `config.json`.
    ///
    /// # Errors
    /// Invalid artefact: a size is missing or impossible. Unsupported: a scaling of rotary frequencies.
    pub fn from_json(file: &ConfigFile) -> Result<Self> {
        let fields: Fields = file.parse()?;
        let hidden = dimension("hidden_size", fields.hidden_size)?;
        let heads = dimension("num_attention_heads", fields.num_attention_heads)?;
        let head = dimension("head_dim", fields.head_dim.or(Some(hidden / heads)))?;
        let context = dimension("max_position_embeddings", fields.max_position_embeddings)?;
        let (scaling, local) = fields.rope_parameters.or(fields.rope_scaling).unwrap_or_default().by_layers();
        let rotated = (head as f32 * fields.partial_rotary_factor.unwrap_or(1.0)) as usize;
        let windowed = match fields.layer_types {
            Some(types) => Windowed::List(types.iter().map(|layer| layer == "sliding_attention").collect()),
            None => {
                Windowed::From(fields.max_window_layers.filter(|_| fields.use_sliding_window.is_some()).unwrap_or(0))
            }
        };
        let config = Self {
            sizes: DecoderSizes {
                layers: dimension("num_hidden_layers", fields.num_hidden_layers)?,
                hidden,
                groups: dimension("num_key_value_heads", fields.num_key_value_heads.or(Some(heads)))?,
                head,
                vocabulary: dimension("vocab_size", fields.vocab_size)?,
                context,
            },
            heads,
            intermediate: dimension("intermediate_size", fields.intermediate_size)?,
            epsilon: fields.rms_norm_eps.unwrap_or(1e-6),
            rotated,
            theta: fields.rope_theta.or(scaling.rope_theta),
            scaling: scaling.scaling(context)?,
            window: fields.sliding_window.filter(|_| fields.use_sliding_window != Some(false)),
            windowed,
            tied: fields.tie_word_embeddings,
            query_scalar: fields.query_pre_attn_scalar,
            local_theta: local.rope_theta.or(fields.rope_local_base_freq),
            local_scaling: local.scaling(context)?,
            activation: fields.hidden_activation.or(fields.hidden_act),
            interleaved: false,
        };
        config.checked()
    }

    /// Reads the metadata of a GGUF file for the architecture `name`. `weights` has its tensors.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn from_gguf(name: &str, metadata: &Metadata<'_>, weights: &mut DecoderWeights<'_>) -> Result<Self> {
        let key = |key: &str| format!("{name}.{key}");
        let number = |field: &str| metadata.get_u32(&key(field)).map(|number| number.map(|number| number as usize));
        let size = |field: &str| number(field).and_then(|size| dimension(&key(field), size));
        let float = |field: &str| metadata.get_f32(&key(field));
        let (hidden, heads) = (size("embedding_length")?, size("attention.head_count")?);
        let head = dimension(&key("attention.key_length"), number("attention.key_length")?.or(Some(hidden / heads)))?;
        let context = size("context_length")?;
        let rotated = number("rope.dimension_count")?.unwrap_or(head);
        let vocabulary = weights.rows("token_embd.weight").or(number("vocab_size")?);
        let config = Self {
            sizes: DecoderSizes {
                layers: size("block_count")?,
                hidden,
                groups: dimension(&key("attention.head_count_kv"), number("attention.head_count_kv")?.or(Some(heads)))?,
                head,
                vocabulary: dimension(&key("vocab_size"), vocabulary)?,
                context,
            },
            heads,
            intermediate: size("feed_forward_length")?,
            epsilon: float("attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5),
            rotated,
            theta: float("rope.freq_base")?,
            scaling: gguf_scaling(&key, metadata, weights, rotated, context)?,
            window: number("attention.sliding_window")?.filter(|window| *window > 0),
            windowed: Windowed::From(0),
            tied: None,
            query_scalar: None,
            local_theta: None,
            local_scaling: Scaling::None,
            activation: None,
            // llama.cpp permutes the rows of queries and keys of this architecture alone, so that pairs are neighbours.
            interleaved: name == "llama",
        };
        config.checked()
    }

    /// Checks that the activation is the one that an architecture has, by any of its `names`.
    ///
    /// # Errors
    /// Unsupported: it is another one.
    pub fn check_activation(&self, names: &[&str]) -> Result<()> {
        match self.activation.as_deref() {
            Some(other) if !names.contains(&other) => Err(unsupported("activation", other, &names.join(", "))),
            _ => Ok(()),
        }
    }

    /// Checks that the sizes fit each other.
    fn checked(self) -> Result<Self> {
        let DecoderSizes { layers, groups, head, .. } = self.sizes;
        let wrong = |what: String| Err(Error::invalid_artefact(format!("the model's configuration: {what}")));
        if layers > MAX_LAYERS {
            return wrong(format!("expected at most {MAX_LAYERS} layers, got {layers}"));
        }
        if groups == 0 || !self.heads.is_multiple_of(groups) {
            return wrong(format!("{} heads cannot share {groups} heads of keys", self.heads));
        }
        if self.rotated == 0 || self.rotated > head || !self.rotated.is_multiple_of(2) {
            return wrong(format!("expected an even number of at most {head} rotated numbers, got {}", self.rotated));
        }
        let theta = self.theta.unwrap_or(1.0);
        if self.epsilon.is_nan() || theta.is_nan() || theta <= 0.0 {
            return wrong(format!("the base of rotary frequencies is {theta}, expected a positive number"));
        }
        Ok(self)
    }
}

fn gguf_scaling(
    key: &dyn Fn(&str) -> String,
    metadata: &Metadata<'_>,
    weights: &mut DecoderWeights<'_>,
    rotated: usize,
    context: usize,
) -> Result<Scaling> {
    let float = |field: &str| metadata.get_f32(&key(field));
    if weights.contains("rope_freqs.weight") {
        return Ok(Scaling::Factors(weights.vector("rope_freqs.weight", rotated / 2)?));
    }
    let factor = float("rope.scaling.factor")?.or(float("rope.scale_linear")?).unwrap_or(1.0);
    let kind = metadata.get_str(&key("rope.scaling.type"))?;
    match kind {
        None | Some("none") if factor == 1.0 => Ok(Scaling::None),
        None | Some("linear") => Ok(Scaling::Linear(factor)),
        Some("none") => Ok(Scaling::None),
        Some("yarn") => {
            let original = metadata.get_u32(&key("rope.scaling.original_context_length"))?;
            let attention = float("rope.scaling.attn_factor")?.unwrap_or(1.0);
            Ok(Scaling::Yarn {
                factor,
                original: original.map_or(context as f32, |original| original as f32),
                fast: float("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0),
                slow: float("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0),
                magnitude: attention * yarn_magnitude(factor, 1.0),
                truncate: true,
            })
        }
        Some(other) => Err(Error::unsupported(format!(
            "{}: '{other}' is not supported; expected none, linear or yarn",
            key("rope.scaling.type")
        ))),
    }
}
