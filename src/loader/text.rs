//! Models that read texts: published checkpoints, heads that stand on another folder's encoder, and ONNX
//! files where a folder has no checkpoint.

use std::collections::{BTreeSet, HashMap, VecDeque};

use serde::Deserialize;

use super::files::{Files, Kind, is_plain};
use super::{DType, MANIFEST};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{Graph, GraphOptions};
use crate::models::{
    Backbone, Config, Encoder, Head, HeadKind, LinearHeadConfig, ModelConfig, Problem, TextConfig, TextGraph,
};
use crate::tasks::{Pipeline, Task};
use crate::tokenizer::Tokenizer;

/// A checkpoint in more parts than this is not one for a page.
const MAX_SHARDS: usize = 64;

pub const CONFIG: &str = "config.json";
pub const TOKENIZER: &str = "tokenizer.json";
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub const WEIGHTS: &str = "model.safetensors";
pub const INDEX: &str = "model.safetensors.index.json";
const HEAD: &str = "head.safetensors";

/// A model that reads texts, as far as its files have come.
pub(super) struct TextModel {
    task: Task,
    /// What was asked for.
    dtype: Option<DType>,
    stage: Stage,
    head: Option<LinearHeadConfig>,
    text: TextConfig,
    encoder: Option<Config>,
    tokenizer: Option<Tokenizer>,
    /// Why `config.json` is none of an encoder's; an ONNX file does without.
    refused: Option<Error>,
    /// ONNX files to be looked for yet.
    graphs: VecDeque<DType>,
    /// The one asked for in this round, or taken in the end.
    graph: Option<DType>,
    /// Whether weights of 32-bit floats are quantised to 8 bits: asked for, and not in the folder as such.
    quantise: bool,
}

/// What the files of the present round are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    /// What the folder is.
    Config,
    /// What the folder is that a head stands on.
    Base,
    /// Tokenizer and weights.
    Model,
    /// The list of a sharded checkpoint's parts.
    Index,
    Shards,
    /// An ONNX file.
    Graph,
    Done,
}

impl TextModel {
    pub(super) fn new(task: Task, dtype: Option<DType>) -> Self {
        Self {
            task,
            dtype,
            stage: Stage::Start,
            head: None,
            text: TextConfig::default(),
            encoder: None,
            tokenizer: None,
            refused: None,
            graphs: dtype.map_or(DType::PREFERRED.into(), |dtype| [dtype].into()),
            graph: None,
            quantise: false,
        }
    }

    /// The type of its weights.
    pub(super) fn dtype(&self, files: &Files) -> DType {
        let found = self.graph.or_else(|| files.weights.is_quantised().then_some(DType::Int8));
        self.dtype.filter(|_| self.quantise).or(found).unwrap_or_default()
    }

    /// Reads what the last round brought, and asks for what it shows to be needed; whether that is nothing.
    pub(super) fn advance(&mut self, files: &mut Files) -> Result<bool> {
        match self.stage {
            Stage::Start => {
                files.ask(CONFIG, Kind::Text, false);
                files.ask(MANIFEST, Kind::Text, true);
                self.stage = Stage::Config;
            }
            Stage::Config => {
                files.read_manifest(MANIFEST)?;
                let config = files.take_text(CONFIG)?;
                match ModelConfig::from_json(&config) {
                    Ok(ModelConfig::LinearHead(head)) => {
                        files.ask(HEAD, Kind::HeadWeights, false);
                        files.ask(&format!("../{}/{CONFIG}", head.base_model), Kind::Text, false);
                        self.head = Some(head);
                        self.stage = Stage::Base;
                    }
                    read => self.ask_for_model(&config, read, files)?,
                }
            }
            Stage::Base => {
                let config = files.take_text(&self.base(CONFIG))?;
                self.ask_for_model(&config, ModelConfig::from_json(&config), files)?;
            }
            Stage::Model if files.weights.is_empty() => {
                files.ask(&self.base(INDEX), Kind::Text, true);
                self.stage = Stage::Index;
            }
            Stage::Index => match files.text(&self.base(INDEX)) {
                Some(index) => {
                    for shard in shards(&index)? {
                        files.ask(&self.base(&shard), Kind::Weights, false);
                    }
                    self.stage = Stage::Shards;
                }
                None => self.ask_for_graph(files)?,
            },
            Stage::Graph if !self.graph.is_some_and(|graph| files.has_bytes(&self.base(&graph.onnx_file()))) => {
                self.ask_for_graph(files)?;
            }
            Stage::Model | Stage::Shards | Stage::Graph | Stage::Done => {
                if self.dtype == Some(DType::Fp32) && files.weights.is_quantised() {
                    let refused = format!("the model cannot be had as fp32: {} is of 8 bits", self.base(WEIGHTS));
                    return Err(Error::unsupported(refused));
                }
                self.stage = Stage::Done;
            }
        }
        Ok(self.stage == Stage::Done)
    }

    /// Makes of the file `name`, which is whole, what can be made of it by itself, while others are on their way.
    pub(super) fn take(&mut self, name: &str, files: &mut Files) -> Result<()> {
        if name == self.base(TOKENIZER) {
            self.tokenizer = Some(Tokenizer::from_json(&files.take_text(name)?)?);
        }
        Ok(())
    }

    /// Builds the model.
    pub(super) fn finish(mut self, files: &mut Files, device: &Device) -> Result<Pipeline> {
        let weights = self.calibrated_weights();
        let (calibration, digest) = (files.calibration(&weights)?, files.digest(&weights));
        let tokenizer_config = files.text(&self.base(TOKENIZER_CONFIG));
        let mut tokenizer = self.tokenizer.take().ok_or_else(|| Error::internal("the loader has no tokenizer"))?;
        if let Some(config) = tokenizer_config {
            tokenizer.configure(&config)?;
        }
        let needs_hidden =
            self.head.is_some() || matches!(self.task, Task::FeatureExtraction | Task::ZeroShotClassification);
        let name = self.graph.map(|graph| self.base(&graph.onnx_file()));
        let (backbone, own_head, hidden) = match (name, self.encoder) {
            (Some(name), _) => {
                let bytes = files.take_bytes(&name)?;
                let options = GraphOptions { int8: self.quantise, ..GraphOptions::default() };
                let graph = Graph::load(bytes, HashMap::new(), device, &options)
                    .map_err(|error| Error::new(error.kind(), format!("{name}: {error}")))?;
                let graph = TextGraph::new(graph, self.text.pad_token_id, needs_hidden)?;
                let (head, hidden) = (graph.head(), graph.width());
                (Backbone::Graph(Box::new(graph)), head, hidden)
            }
            (None, Some(config)) => {
                let own_head = if self.head.is_some() { Head::None } else { Head::new(&config, &mut files.weights)? };
                let hidden = config.hidden_size;
                let encoder = Encoder::new(config, &mut files.weights, device)?;
                (Backbone::Encoder(Box::new(encoder)), own_head, Some(hidden))
            }
            (None, None) => return Err(Error::internal("the loader has no configuration")),
        };
        let (head, text, max_length) = match self.head {
            Some(LinearHeadConfig { labels, max_length, problem, .. }) => {
                let Some(hidden) = hidden else {
                    return Err(Error::unsupported("a head cannot stand on a graph of unknown width"));
                };
                let head = match problem {
                    Problem::Regression => {
                        Head::on_embeddings_and_length(&mut files.head_weights, labels.len(), hidden)?
                    }
                    _ => Head::on_embeddings(&mut files.head_weights, labels.len(), hidden)?,
                };
                (head, TextConfig { labels: Some(labels), problem, ..self.text }, Some(max_length))
            }
            None => (own_head, self.text, None),
        };
        Ok(Pipeline::new(self.task, tokenizer, backbone, head, text, max_length)?.with_calibration(calibration, digest))
    }

    /// The file that makes this model another than all others: of a head, the head's.
    fn calibrated_weights(&self) -> String {
        match (&self.head, self.graph) {
            (Some(_), _) => HEAD.to_string(),
            (None, Some(graph)) => graph.onnx_file(),
            (None, None) => WEIGHTS.to_string(),
        }
    }

    /// Asks for what the folder of `config` should have. Where it is not the configuration of an encoder
    /// that is known here, an ONNX file is all that helps.
    fn ask_for_model(&mut self, config: &str, read: Result<ModelConfig>, files: &mut Files) -> Result<()> {
        self.text = TextConfig::from_json(config)?;
        match read {
            Ok(ModelConfig::LinearHead(_)) => return Err(Error::unsupported("a head cannot stand on another head")),
            Ok(ModelConfig::Encoder(config)) if self.head.is_some() => {
                self.encoder = Some(Config { head: HeadKind::None, ..config });
            }
            Ok(ModelConfig::Encoder(config)) => self.encoder = Some(config),
            Err(error) => self.refused = Some(error),
        }
        files.ask(&self.base(TOKENIZER), Kind::Text, false);
        files.ask(&self.base(TOKENIZER_CONFIG), Kind::Text, true);
        if matches!(self.dtype, None | Some(DType::Fp32)) && self.ask_for_checkpoint(files) {
            return Ok(());
        }
        self.ask_for_graph(files)
    }

    /// Asks for the checkpoint of an encoder that is known here; whether there may be one.
    fn ask_for_checkpoint(&mut self, files: &mut Files) -> bool {
        let may_be = self.encoder.is_some() && files.may_have(&self.base(WEIGHTS), HEAD);
        if may_be {
            files.ask(&self.base(WEIGHTS), Kind::Weights, true);
            self.stage = Stage::Model;
        }
        may_be
    }

    /// Asks for the next ONNX file that there may be.
    fn ask_for_graph(&mut self, files: &mut Files) -> Result<()> {
        self.stage = Stage::Graph;
        self.graph = None;
        while let Some(dtype) = self.graphs.pop_front() {
            let name = self.base(&dtype.onnx_file());
            if files.may_have(&name, HEAD) {
                files.ask(&name, Kind::Bytes, true);
                self.graph = Some(dtype);
                return Ok(());
            }
        }
        if matches!(self.dtype, Some(DType::Int8 | DType::Q8)) && !self.quantise {
            // Nobody has quantised it yet.
            self.quantise = true;
            files.weights.quantise();
            self.graphs.push_back(DType::Fp32);
            if self.ask_for_checkpoint(files) {
                return Ok(());
            }
            return self.ask_for_graph(files);
        }
        Err(self.no_weights())
    }

    fn no_weights(&mut self) -> Error {
        match (self.dtype, self.refused.take()) {
            (Some(dtype), _) if dtype != DType::Fp32 => Error::unsupported(format!(
                "the model cannot be had as {}: there is no {}",
                dtype.name(),
                self.base(&dtype.onnx_file())
            )),
            (_, Some(refused)) => refused,
            _ => Error::invalid_artefact(format!(
                "the model's weights are missing: there is no {WEIGHTS}, no {INDEX} and no {}",
                DType::Fp32.onnx_file()
            )),
        }
    }

    /// The name of a file of the folder that the encoder is in.
    fn base(&self, name: &str) -> String {
        match &self.head {
            Some(head) => format!("../{}/{name}", head.base_model),
            None => name.to_string(),
        }
    }
}

/// The names of a sharded checkpoint's parts.
pub fn shards(index: &str) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: HashMap<String, String>,
    }
    let wrong = |what: String| Error::invalid_artefact(format!("{INDEX} is not right: {what}"));
    let index: Index = serde_json::from_str(index).map_err(|error| wrong(error.to_string()))?;
    let shards: BTreeSet<String> = index.weight_map.into_values().collect();
    if shards.is_empty() || shards.len() > MAX_SHARDS {
        return Err(wrong(format!("it names {} files, not 1 to {MAX_SHARDS}", shards.len())));
    }
    match shards.iter().find(|name| !is_plain(name) || !name.ends_with(".safetensors")) {
        Some(name) => Err(wrong(format!("'{name}' is not the name of a part"))),
        None => Ok(shards),
    }
}
