//! Models for texts: published checkpoints, heads for another folder's encoder, and ONNX files where a folder has no
//! checkpoint.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use super::files::{Files, Kind, is_plain};
use super::onnx_files::{OnnxFiles, no_weights};
use super::sentence_transformers::{self, MODULES, Modules, POOLING_CONFIG, PROMPTS, SENTENCE_BERT_CONFIG};
use super::{DType, MANIFEST};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{Graph, GraphOptions, Limits};
use crate::models::{
    Architecture, Backbone, Checkpoint, Head, LinearHeadConfig, ModelConfig, OutputKind, Problem, TextConfig, TextGraph,
};
use crate::tasks::{EncoderSource, SentenceEmbedding, Task, TextModel};
use crate::tokenizer::Tokenizer;

/// The most parts of a sharded checkpoint; one with more is too large for a page.
const MAX_SHARDS: usize = 64;

pub const CONFIG: &str = "config.json";
pub const TOKENIZER: &str = "tokenizer.json";
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub const WEIGHTS: &str = "model.safetensors";
pub const INDEX: &str = "model.safetensors.index.json";
const HEAD: &str = "head.safetensors";

/// The files of a model for texts, as far as they were supplied.
pub(super) struct TextFiles {
    task: Task,
    /// What the task needs of the model.
    output: OutputKind,
    /// The type that was requested.
    dtype: Option<DType>,
    stage: Stage,
    /// The head, where the folder holds one for another folder's model.
    head: Option<LinearHeadConfig>,
    text: TextConfig,
    /// The checkpoint, where its architecture is one of this crate's.
    checkpoint: Option<(&'static Architecture, Box<dyn Checkpoint>)>,
    /// Why `config.json` is not that of a known architecture; an ONNX file works without one.
    config_error: Option<Error>,
    tokenizer: Option<Tokenizer>,
    /// What follows the encoder, in a folder of sentence-transformers.
    modules: Modules,
    graphs: OnnxFiles,
    /// Whether 32-bit floats are quantised to 8 bits: this was requested, and the folder has no such file.
    quantise: bool,
}

/// What the files of the current round are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    /// The folder's configuration.
    Config,
    /// The configuration of the folder that a head is for.
    BaseConfig,
    /// The tokenizer and a checkpoint in one file.
    Checkpoint,
    /// The list of a sharded checkpoint's parts.
    Index,
    Shards,
    /// An ONNX file.
    Graph,
    Done,
}

impl TextFiles {
    pub(super) fn new(task: Task, output: OutputKind, dtype: Option<DType>) -> Self {
        Self {
            task,
            output,
            dtype,
            stage: Stage::Start,
            head: None,
            text: TextConfig::default(),
            checkpoint: None,
            config_error: None,
            tokenizer: None,
            modules: Modules::default(),
            graphs: OnnxFiles::new(dtype),
            quantise: false,
        }
    }

    pub(super) fn task(&self) -> Task {
        self.task
    }

    /// The name of the type of its weights.
    pub(super) fn dtype(&self, files: &Files) -> &'static str {
        let found = self.dtype.filter(|_| self.quantise).or(self.graphs.dtype());
        found.map_or_else(|| files.checkpoint_type(), DType::name)
    }

    /// The type of the ONNX file.
    pub(super) fn onnx_dtype(&self) -> Option<DType> {
        self.graphs.dtype()
    }

    /// Reads the files of the last round and requests those of the next. `true` once nothing is needed.
    pub(super) fn advance(&mut self, files: &mut Files) -> Result<bool> {
        if let Some(modules) = files.text(&self.base(MODULES)) {
            self.modules = Modules::from_json(&modules)?;
            let wanted: Vec<String> = self.modules.files().filter(|name| name != POOLING_CONFIG).collect();
            for name in &wanted {
                let is_weights = name.ends_with(".safetensors");
                let kind = if is_weights { Kind::ModuleWeights } else { Kind::Text };
                files.request(&self.base(name), kind, false);
            }
            if !wanted.is_empty() {
                return Ok(false);
            }
        }
        match self.stage {
            Stage::Start => {
                files.request(CONFIG, Kind::Text, false);
                files.request(MANIFEST, Kind::Text, true);
                self.stage = Stage::Config;
            }
            Stage::Config => {
                files.read_manifest(MANIFEST)?;
                let config = files.take_text(CONFIG)?;
                match ModelConfig::from_json(&config) {
                    Ok(ModelConfig::LinearHead(head)) => {
                        files.request(HEAD, Kind::HeadWeights, false);
                        files.request(&format!("../{}/{CONFIG}", head.base_model), Kind::Text, false);
                        self.head = Some(head);
                        self.stage = Stage::BaseConfig;
                    }
                    read => self.request_model(&config, read, files)?,
                }
            }
            Stage::BaseConfig => {
                let config = files.take_text(&self.base(CONFIG))?;
                self.request_model(&config, ModelConfig::from_json(&config), files)?;
            }
            Stage::Checkpoint => {
                if files.weights.is_empty() {
                    files.request(&self.base(INDEX), Kind::Text, true);
                    self.stage = Stage::Index;
                } else {
                    self.complete(files)?;
                }
            }
            Stage::Index => match files.text(&self.base(INDEX)) {
                Some(index) => {
                    for shard in shards(&index)? {
                        files.request(&self.base(&shard), Kind::Weights, false);
                    }
                    self.stage = Stage::Shards;
                }
                None => self.request_graph(files)?,
            },
            Stage::Shards => self.complete(files)?,
            Stage::Graph => match self.graphs.dtype() {
                Some(dtype) if files.has_bytes(&self.base(&dtype.onnx_file())) => {
                    files.request_external_data(&self.base(&dtype.onnx_file()), &Limits::default())?;
                    self.complete(files)?;
                }
                _ => self.request_graph(files)?,
            },
            Stage::Done => {}
        }
        Ok(self.stage == Stage::Done)
    }

    /// Checks that the weights, which are all there, are of the requested type.
    fn complete(&mut self, files: &Files) -> Result<()> {
        if self.dtype == Some(DType::Fp32) && files.weights.is_quantised() {
            let weights = self.base(WEIGHTS);
            return Err(Error::unsupported(format!(
                "the model has no weights of the type fp32: {weights} is of 8 bits"
            )));
        }
        self.stage = Stage::Done;
        Ok(())
    }

    /// Parses the file `name`, which is complete, if it can be parsed while others are on their way.
    pub(super) fn take(&mut self, name: &str, files: &mut Files) -> Result<()> {
        if name == self.base(TOKENIZER) {
            self.tokenizer = Some(Tokenizer::from_json(&files.take_text(name)?)?);
        }
        Ok(())
    }

    /// Builds the model.
    pub(super) fn finish(mut self, files: &mut Files, device: &Device) -> Result<TextModel> {
        let weights = self.calibrated_weights();
        let (calibration, digest) = (files.calibration(&weights)?, files.digest(&weights));
        let encoder = self.encoder(files);
        let tokenizer_config = files.text(&self.base(TOKENIZER_CONFIG));
        let mut tokenizer = self.tokenizer.take().ok_or_else(|| Error::internal("the loader has no tokenizer"))?;
        if let Some(config) = tokenizer_config {
            tokenizer.configure(&config)?;
        }
        if let Some(config) = files.text(&self.base(SENTENCE_BERT_CONFIG)) {
            tokenizer.limit(sentence_transformers::max_length(&config)?);
        }
        let hidden_states = self.needs_hidden_states();
        let graph = self.graphs.dtype().map(|dtype| self.base(&dtype.onnx_file()));
        let (backbone, own_head) = match (graph, self.checkpoint.take()) {
            (Some(name), _) => {
                let (bytes, external) = files.take_graph(&name)?;
                let options = GraphOptions { int8: self.quantise, ..GraphOptions::default() };
                let graph = Graph::load(bytes, external, device, &options).map_err(|error| error.context(&name))?;
                let graph = TextGraph::new(graph, self.text.pad_token_id, hidden_states)?;
                (Backbone::Graph(Box::new(graph)), None)
            }
            (None, Some((_, checkpoint))) => {
                let own_head = if self.head.is_some() { None } else { checkpoint.head(&mut files.weights)? };
                let encoder = checkpoint.encoder(&mut files.weights, device)?;
                (Backbone::Encoder(Box::new(encoder)), own_head)
            }
            (None, None) => return Err(Error::internal("the loader has no configuration")),
        };
        let modules = std::mem::take(&mut self.modules);
        let sentence_embedding = match hidden_states {
            true => modules.sentence_embedding(files, |name| self.base(name), backbone.width())?,
            false => SentenceEmbedding::default(),
        };
        let (head, text, max_length) = match self.head {
            Some(LinearHeadConfig { labels, max_length, problem, .. }) => {
                let Some(hidden) = backbone.width().map(|hidden| sentence_embedding.width(hidden)) else {
                    return Err(Error::unsupported("a head needs a base model whose hidden states have a known width"));
                };
                let head = match problem {
                    Problem::Regression => {
                        Head::on_embeddings_and_length(&mut files.head_weights, labels.len(), hidden)?
                    }
                    _ => Head::on_embeddings(&mut files.head_weights, labels.len(), hidden)?,
                };
                (Some(head), TextConfig { labels: Some(labels), problem, ..self.text }, Some(max_length))
            }
            None => (own_head, self.text, None),
        };
        let model = TextModel::new(self.task, tokenizer, backbone, head, text, max_length)?;
        Ok(model
            .with_calibration(calibration, digest)
            .with_sentence_embedding(sentence_embedding)
            .with_encoder(encoder))
    }

    /// Whether the task or the head takes hidden states, and not logits.
    fn needs_hidden_states(&self) -> bool {
        self.head.is_some() || self.output == OutputKind::HiddenStates
    }

    /// The file that a calibration is for: the head, if the folder holds one.
    fn calibrated_weights(&self) -> String {
        match (&self.head, self.graphs.dtype()) {
            (Some(_), _) => HEAD.to_string(),
            (None, Some(dtype)) => dtype.onnx_file(),
            (None, None) => WEIGHTS.to_string(),
        }
    }

    /// Where the embeddings come from.
    fn encoder(&self, files: &Files) -> EncoderSource {
        let weights = self.graphs.dtype().map_or_else(|| WEIGHTS.to_string(), DType::onnx_file);
        let digest = files.digest(&self.base(&weights));
        let digest = digest.map(|sha256| format!("{sha256} {}", self.dtype(files)));
        EncoderSource { digest, folder: self.head.as_ref().map(|head| head.base_model.clone()) }
    }

    /// Requests the files of the folder of `config`. Where that is not the configuration of a known encoder, only an ONNX
    /// file can be the model.
    fn request_model(&mut self, config: &str, read: Result<ModelConfig>, files: &mut Files) -> Result<()> {
        self.text = TextConfig::from_json(config)?;
        match read {
            Ok(ModelConfig::LinearHead(_)) => {
                return Err(Error::unsupported("the base model of a head must not be a head"));
            }
            Ok(ModelConfig::Checkpoint(architecture, checkpoint)) => {
                self.checkpoint = Some((architecture, checkpoint));
            }
            Err(error) => self.config_error = Some(error),
        }
        files.request(&self.base(TOKENIZER), Kind::Text, false);
        files.request(&self.base(TOKENIZER_CONFIG), Kind::Text, true);
        if self.needs_hidden_states() {
            for name in [SENTENCE_BERT_CONFIG, POOLING_CONFIG, MODULES, PROMPTS] {
                files.request(&self.base(name), Kind::Text, true);
            }
        }
        if matches!(self.dtype, None | Some(DType::Fp32)) && self.request_checkpoint(files) {
            return Ok(());
        }
        self.request_graph(files)
    }

    /// Requests the checkpoint of a known encoder. `false` where there cannot be one.
    fn request_checkpoint(&mut self, files: &mut Files) -> bool {
        let may_be = self.checkpoint.is_some() && files.may_have(&self.base(WEIGHTS), HEAD);
        if may_be {
            files.request(&self.base(WEIGHTS), Kind::Weights, true);
            self.stage = Stage::Checkpoint;
        }
        may_be
    }

    /// Requests the next ONNX file that the folder may have.
    fn request_graph(&mut self, files: &mut Files) -> Result<()> {
        self.stage = Stage::Graph;
        let head = self.head.as_ref();
        if self.graphs.request_next(files, HEAD, |name| base(head, name)) {
            return Ok(());
        }
        if matches!(self.dtype, Some(DType::Int8 | DType::Q8)) && !self.quantise {
            // The folder has no quantised file: quantise what it has.
            self.quantise = true;
            if let Some((architecture, _)) = &self.checkpoint {
                files.weights.quantise(architecture.quantisation);
            }
            self.graphs.try_also(DType::Fp32);
            if self.request_checkpoint(files) {
                return Ok(());
            }
            return self.request_graph(files);
        }
        let unknown = self.config_error.take();
        Err(no_weights(self.dtype, unknown, |name| self.base(name)))
    }

    /// The name of a file of the folder that the encoder is in.
    fn base(&self, name: &str) -> String {
        base(self.head.as_ref(), name)
    }
}

/// The name of a file of the folder that the encoder is in: another one, where a folder holds a head.
fn base(head: Option<&LinearHeadConfig>, name: &str) -> String {
    match head {
        Some(head) => format!("../{}/{name}", head.base_model),
        None => name.to_string(),
    }
}

/// The names of the parts of a sharded checkpoint, from its index.
pub fn shards(index: &str) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: HashMap<String, String>,
    }
    let wrong = |what: String| Error::invalid_artefact(format!("{INDEX} is not right: {what}"));
    let index: Index = serde_json::from_str(index).map_err(|error| wrong(error.to_string()))?;
    let shards = crate::sort::set(index.weight_map.into_values());
    if shards.is_empty() || shards.len() > MAX_SHARDS {
        return Err(wrong(format!("it must name 1 to {MAX_SHARDS} files, got {}", shards.len())));
    }
    match shards.iter().find(|name| !is_plain(name) || !name.ends_with(".safetensors")) {
        Some(name) => Err(wrong(format!("'{name}' is not the name of a part"))),
        None => Ok(shards),
    }
}
