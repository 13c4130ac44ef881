//! Decoders in ONNX files, with the inputs and outputs that exporters name: `input_ids`, `attention_mask`, `position_ids`,
//! `past_key_values.0.key` and so on, and `logits`, `present.0.key` and so on.
//!
//! The keys and values of a pass are those of its past with the new ones behind them. They are the past of the next one.
//!
//! # Source
//! `decoder_forward` and `getPastKeyValues` of transformers.js 4, `models/modeling_utils.js`; `OnnxConfigWithPast` of
//! optimum; the model builder of onnxruntime-genai.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{DType, TensorData, f16};
use serde::Deserialize;

use super::{Logits, Pass};
use crate::error::{Error, Result};
use crate::graph::{ComputeCost, Dim, GoOn, Graph, Port, Session, State, to_floats};
use crate::models::ConfigFile;
use crate::models::config::dimension;

const LOGITS: &str = "logits";
/// The dimension of keys and values that is the number of tokens: they are `[batch, heads, tokens, size]`.
const TOKENS: usize = 2;
/// What the name of a past begins with.
const PASTS: [&str; 2] = ["past_key_values", "past"];
/// What the name of a present begins with.
const PRESENTS: [&str; 2] = ["present_key_values", "present"];

/// A decoder in an ONNX file.
pub(super) struct ImportedDecoder {
    graph: Graph,
    inputs: Vec<(String, DType, Role)>,
    caches: Vec<Cache>,
    /// Whether tokens behind a past are read one at a time.
    one_at_a_time: AtomicBool,
    pub vocabulary: usize,
    pub context: usize,
}

/// What an input is fed.
#[derive(Clone, Copy)]
enum Role {
    /// The tokens.
    Ids,
    /// 1 for each token, those of the past included.
    Mask,
    /// The positions of the tokens.
    Positions,
    /// For how many of the last tokens logits are computed; 0: for all.
    LogitsToKeep,
}

/// The keys or the values of a layer.
struct Cache {
    past: String,
    present: String,
    heads: usize,
    size: usize,
    dtype: DType,
}

/// A layer's keys or its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Key,
    Value,
}

/// The fields of `config.json`, by the names that the families have for them.
#[derive(Deserialize)]
struct Fields {
    vocab_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    n_positions: Option<usize>,
    max_seq_len: Option<usize>,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    hidden_size: Option<usize>,
    num_attention_heads: Option<usize>,
}

impl Fields {
    /// The size of a head, which some exporters leave to `config.json`.
    fn head(&self) -> Option<usize> {
        let by_heads = || self.hidden_size?.checked_div(self.num_attention_heads?);
        self.head_dim.or_else(by_heads)
    }
}

impl ImportedDecoder {
    /// Finds the inputs and outputs of `graph`, and checks that they fit each other and `config`.
    ///
    /// # Errors
    /// Invalid artefact: an input or an output is missing, or has another shape or type than the others or `config` say.
    /// Unsupported: an unknown input, no past, or keys and values in another form.
    pub fn new(graph: Graph, config: &ConfigFile) -> Result<Self> {
        let fields: Fields = config.parse()?;
        let mut inputs = Vec::new();
        let mut pasts = BTreeMap::new();
        for port in graph.inputs() {
            match cached(&port.name, &PASTS) {
                Some(at) => insert(&mut pasts, at, port)?,
                None => inputs.push((port.name.clone(), port.dtype, role(port)?)),
            }
        }
        if !inputs.iter().any(|(_, _, role)| matches!(role, Role::Ids)) {
            return Err(missing("input", "input_ids", graph.inputs()));
        }
        let mut presents = BTreeMap::new();
        for port in graph.outputs() {
            if let Some(at) = cached(&port.name, &PRESENTS) {
                insert(&mut presents, at, port)?;
            }
        }
        let caches = caches(&pasts, &presents, &fields)?;
        let vocabulary = vocabulary(graph.outputs(), fields.vocab_size)?;
        let context = fields.max_position_embeddings.or(fields.n_positions).or(fields.max_seq_len);
        let context = dimension("max_position_embeddings", context)?;
        Ok(Self { graph, inputs, caches, one_at_a_time: AtomicBool::new(false), vocabulary, context })
    }

    /// The bytes of the keys and values of a token.
    pub fn token_bytes(&self) -> usize {
        self.caches.iter().map(|cache| cache.heads * cache.size * size_of::<f32>()).sum()
    }

    /// The keys and values of no tokens.
    ///
    /// # Errors
    /// Invalid input: the graph does not have these inputs and outputs.
    pub fn session(&self) -> Result<Session> {
        let state = |cache: &'_ Cache| {
            let shape = [1, cache.heads, 0, cache.size];
            let initial = match cache.dtype {
                DType::F16 => TensorData::new(Vec::<f16>::new(), shape),
                _ => TensorData::new(Vec::<f32>::new(), shape),
            };
            (cache.past.clone(), cache.present.clone(), initial)
        };
        let states: Vec<_> = self.caches.iter().map(state).collect();
        let states = states.iter().map(|(input, output, initial)| State { input, output, initial: initial.clone() });
        self.graph.session(states.collect())
    }

    /// Whether `session` has all keys and values: a run that was stopped may have lost some.
    pub fn is_whole(&self, session: &Session) -> bool {
        self.caches.iter().all(|cache| session.shape(&cache.past).is_ok())
    }

    /// See [`Decoder::is_batch_invariant`](super::Decoder::is_batch_invariant).
    pub fn is_batch_invariant(&self) -> bool {
        !self.graph.shares_scales()
    }

    /// From now on tokens behind a past are read one at a time.
    pub fn read_one_at_a_time(&self) {
        self.one_at_a_time.store(true, Ordering::Relaxed);
    }

    /// Reads `ids` behind the first `before` tokens of `session`.
    ///
    /// # Errors
    /// As [`Self::pass`].
    pub async fn run(
        &self,
        session: &mut Session,
        before: usize,
        ids: &[u32],
        wanted: Logits,
        go_on: &GoOn<'_>,
    ) -> Result<Option<Pass>> {
        let alone = before > 0 && self.one_at_a_time.load(Ordering::Relaxed);
        let (mut rows, mut total) = (Vec::new(), ComputeCost::default());
        let first = ids.len() - wanted.count(ids.len());
        for (at, chunk) in ids.chunks(if alone { 1 } else { ids.len().max(1) }).enumerate() {
            // Of tokens that are read one at a time.
            let wanted = if alone { Logits::Last(usize::from(at >= first)) } else { wanted };
            let Some((logits, cost)) = self.pass(session, before + at, chunk, wanted, go_on).await? else {
                return Ok(None);
            };
            rows.extend(logits);
            total += cost;
        }
        Ok(Some((rows, total)))
    }

    /// Reads `ids` behind the first `before` tokens of `session`, all at once.
    ///
    /// # Errors
    /// Those of [`Graph::run_session`]. Invalid artefact: an output has another shape than it should.
    async fn pass(
        &self,
        session: &mut Session,
        before: usize,
        ids: &[u32],
        wanted: Logits,
        go_on: &GoOn<'_>,
    ) -> Result<Option<Pass>> {
        for cache in &self.caches {
            session.truncate(&cache.past, TOKENS, before).await?;
        }
        let inputs = self.inputs.iter().map(|(name, dtype, role)| {
            let (numbers, shape) = role.numbers(before, ids, wanted);
            (name.clone(), integers(numbers, shape, *dtype))
        });
        let inputs = inputs.collect();
        let Some((outputs, cost)) = self.graph.run_session_while(session, inputs, go_on).await? else {
            return Ok(None);
        };
        for cache in &self.caches {
            let (found, expected) = (session.shape(&cache.past)?, [1, cache.heads, before + ids.len(), cache.size]);
            if found != expected {
                return Err(wrong_shape(&cache.present, found, &expected));
            }
        }
        let logits = outputs.into_iter().find(|(name, _)| name == LOGITS);
        let (_, logits) = logits.ok_or_else(|| Error::internal("the graph gave no logits"))?;
        Ok(Some((self.rows(logits, ids.len(), wanted)?, cost)))
    }

    /// The logits that are asked for, of those for `count` tokens.
    fn rows(&self, logits: TensorData, count: usize, wanted: Logits) -> Result<Vec<f32>> {
        let shape = logits.shape().to_vec();
        let wanted = wanted.count(count);
        match shape[..] {
            [1, rows, width] if width == self.vocabulary && (rows == count || rows == wanted.max(1)) => {}
            _ => return Err(wrong_shape(LOGITS, &shape, &[1, count, self.vocabulary])),
        }
        let mut numbers = to_floats(logits);
        numbers.drain(..numbers.len() - wanted * self.vocabulary);
        Ok(numbers)
    }
}

impl Role {
    /// What the input is fed for `ids` behind `before` tokens, with its shape.
    fn numbers(self, before: usize, ids: &[u32], wanted: Logits) -> (Vec<i64>, Vec<usize>) {
        let total = before + ids.len();
        match self {
            Self::Ids => (ids.iter().map(|id| i64::from(*id)).collect(), vec![1, ids.len()]),
            Self::Mask => (vec![1; total], vec![1, total]),
            Self::Positions => ((before..total).map(|at| at as i64).collect(), vec![1, ids.len()]),
            // 0 would be all.
            Self::LogitsToKeep => (vec![wanted.count(ids.len()).max(1) as i64], Vec::new()),
        }
    }
}

/// What an input is fed that is not a past.
fn role(port: &Port) -> Result<Role> {
    let role = match port.name.as_str() {
        "input_ids" => Role::Ids,
        "attention_mask" => Role::Mask,
        "position_ids" => Role::Positions,
        "num_logits_to_keep" => Role::LogitsToKeep,
        other => {
            return Err(Error::unsupported(format!(
                "unknown input '{other}' of the decoder; known are input_ids, attention_mask, position_ids, \
                 num_logits_to_keep and past_key_values.N.key and .value"
            )));
        }
    };
    let rank = if matches!(role, Role::LogitsToKeep) { 0 } else { 2 };
    if let Some(dims) = port.dims.as_ref().filter(|dims| dims.len() != rank) {
        return Err(rank_error(port, dims.len(), rank));
    }
    if !matches!(port.dtype, DType::I64 | DType::I32) {
        return Err(Error::unsupported(format!(
            "the input '{}' has the type {:?}, expected I64 or I32",
            port.name, port.dtype
        )));
    }
    Ok(role)
}

/// The layer and the kind in the name of a past or a present, which begins with one of `prefixes`; `None` for another name.
fn cached(name: &str, prefixes: &[&str]) -> Option<(usize, Kind)> {
    let rest = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix))?;
    let mut parts = rest.split(['.', '_']).filter(|part| !part.is_empty());
    let (first, second, end) = (parts.next()?, parts.next()?, parts.next());
    // `.0.key` of most exporters, and `_key_0` of some.
    let (layer, kind) = if first.starts_with(|c: char| c.is_ascii_digit()) { (first, second) } else { (second, first) };
    let kind = match kind {
        "key" | "keys" => Kind::Key,
        "value" | "values" => Kind::Value,
        _ => return None,
    };
    end.is_none().then_some(())?;
    Some((layer.parse().ok()?, kind))
}

/// Adds the port of a layer's keys or values.
fn insert<'a>(ports: &mut BTreeMap<(usize, Kind), &'a Port>, at: (usize, Kind), port: &'a Port) -> Result<()> {
    match ports.insert(at, port) {
        None => Ok(()),
        Some(other) => {
            Err(Error::invalid_artefact(format!("'{}' and '{}' are of the same layer", other.name, port.name)))
        }
    }
}

/// The keys and values of all layers, each with its past and its present.
fn caches(
    pasts: &BTreeMap<(usize, Kind), &Port>,
    presents: &BTreeMap<(usize, Kind), &Port>,
    fields: &Fields,
) -> Result<Vec<Cache>> {
    if pasts.is_empty() {
        return Err(Error::unsupported(
            "the decoder has no past: expected inputs past_key_values.N.key and .value, got none",
        ));
    }
    let name = |what: &str, (layer, kind): (usize, Kind)| {
        format!("{what}.{layer}.{}", if kind == Kind::Key { "key" } else { "value" })
    };
    for at @ (layer, kind) in pasts.keys().copied() {
        let other = (layer, if kind == Kind::Key { Kind::Value } else { Kind::Key });
        if !pasts.contains_key(&other) {
            return Err(Error::invalid_artefact(format!(
                "the decoder has no input '{}' next to '{}'",
                name(PASTS[0], other),
                pasts[&at].name
            )));
        }
    }
    if let Some((_, present)) = presents.iter().find(|(at, _)| !pasts.contains_key(at)) {
        return Err(Error::invalid_artefact(format!("the decoder has no past for the output '{}'", present.name)));
    }
    let cache = |(at, past): (&(usize, Kind), &&Port)| {
        let Some(present) = presents.get(at) else {
            return Err(Error::invalid_artefact(format!(
                "the decoder has no output '{}' for the input '{}'",
                name("present", *at),
                past.name
            )));
        };
        let ([past_heads, past_size], [heads, size]) = (heads(past)?, heads(present)?);
        let one = |what: &str, declared: [Option<usize>; 2], field: &str, configured: Option<usize>| match declared {
            [Some(past_size), Some(size)] if past_size != size => Err(Error::invalid_artefact(format!(
                "the input '{}' has {past_size} {what}, and the output '{}' has {size}",
                past.name, present.name
            ))),
            [past_size, size] => dimension(field, past_size.or(size).or(configured)),
        };
        let of_config = fields.num_key_value_heads.or(fields.num_attention_heads);
        let heads = one("heads", [past_heads, heads], "num_key_value_heads", of_config)?;
        let size = one("numbers in a head", [past_size, size], "head_dim", fields.head())?;
        if let Some(expected) = fields.num_key_value_heads.filter(|expected| *expected != heads) {
            return Err(Error::invalid_artefact(format!(
                "the input '{}' has {heads} heads, and num_key_value_heads of config.json is {expected}",
                past.name
            )));
        }
        if !matches!(past.dtype, DType::F32 | DType::F16) || past.dtype != present.dtype {
            return Err(Error::unsupported(format!(
                "the input '{}' has the type {:?} and the output '{}' {:?}, expected F32 or F16 for both",
                past.name, past.dtype, present.name, present.dtype
            )));
        }
        let (past, present, dtype) = (past.name.clone(), present.name.clone(), past.dtype);
        Ok(Cache { past, present, heads, size, dtype })
    };
    pasts.iter().map(cache).collect()
}

/// The heads and the numbers in a head of keys or values, where the file fixes them.
fn heads(port: &Port) -> Result<[Option<usize>; 2]> {
    let Some(dims) = &port.dims else { return Ok([None, None]) };
    let [batch, heads, tokens, size] = &dims[..] else { return Err(rank_error(port, dims.len(), 4)) };
    let fixed = |dim: &Dim| match dim {
        Dim::Fixed(size) => Some(*size),
        Dim::Free(_) => None,
    };
    if fixed(batch).is_some_and(|batch| batch != 1) || fixed(tokens).is_some() {
        return Err(Error::unsupported(format!(
            "'{}' has a fixed number of texts or of tokens, expected [batch, heads, tokens, size] with any",
            port.name
        )));
    }
    Ok([fixed(heads), fixed(size)])
}

/// The size of the vocabulary, by the logits and by `config.json`.
fn vocabulary(outputs: &[Port], configured: Option<usize>) -> Result<usize> {
    let port = outputs.iter().find(|port| port.name == LOGITS);
    let port = port.ok_or_else(|| missing("output", LOGITS, outputs))?;
    let declared = match port.dims.as_deref() {
        None => None,
        Some([_, _, Dim::Fixed(size)]) => Some(*size),
        Some([_, _, Dim::Free(_)]) => None,
        Some(dims) => return Err(rank_error(port, dims.len(), 3)),
    };
    match (declared, configured) {
        (Some(declared), Some(configured)) if declared != configured => Err(Error::invalid_artefact(format!(
            "the output '{LOGITS}' has {declared} numbers for each token, and vocab_size of config.json is {configured}"
        ))),
        _ => dimension("vocab_size", declared.or(configured)),
    }
}

fn missing(what: &str, name: &str, ports: &[Port]) -> Error {
    let names: Vec<_> = ports.iter().map(|port| port.name.as_str()).collect();
    Error::invalid_artefact(format!("the decoder has no {what} '{name}'; it has {}", names.join(", ")))
}

fn rank_error(port: &Port, found: usize, expected: usize) -> Error {
    Error::invalid_artefact(format!("'{}' has {found} dimensions, expected {expected}", port.name))
}

fn wrong_shape(name: &str, found: &[usize], expected: &[usize]) -> Error {
    Error::invalid_artefact(format!("the output '{name}' has the shape {found:?}, expected {expected:?}"))
}

/// Integers of the type `dtype`.
fn integers(numbers: Vec<i64>, shape: Vec<usize>, dtype: DType) -> TensorData {
    if dtype == DType::I32 {
        TensorData::new(numbers.into_iter().map(|number| number as i32).collect::<Vec<_>>(), shape)
    } else {
        TensorData::new(numbers, shape)
    }
}
