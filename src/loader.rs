//! Loads a model from a folder without reading one: it says which files it wants, and is handed their
//! bytes. The page fetches them, the command-line program reads them, tests make them up.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::device::Device;
use crate::error::{Error, Result};
use crate::formats::safetensors::Reader;
use crate::manifest::Manifest;
use crate::models::{Config, Encoder, Head, HeadKind, LinearHeadConfig, ModelConfig, Weights};
use crate::tasks::{Pipeline, Task};
use crate::tokenizer::Tokenizer;

/// A file that is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct FileRequest {
    /// Its name, relative to the model's folder; it may lie in a folder beside it.
    pub name: String,
    /// Whether the model can do without it.
    pub optional: bool,
    /// Its length, where the manifest tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub bytes: Option<u64>,
    /// Its SHA-256 in hexadecimal, where the manifest tells it. Whoever hands the bytes in has checked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub sha256: Option<String>,
}

/// How a model is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct LoadOptions {
    /// The type of number to compute in.
    #[serde(default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub dtype: DType,
}

/// A type of number to compute in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// 32-bit floats.
    #[default]
    Fp32,
}

/// Longer texts than this are no configuration.
const MAX_JSON_BYTES: usize = 64 << 20;
/// A checkpoint in more parts than this is not one for a page.
const MAX_SHARDS: usize = 64;

const CONFIG: &str = "config.json";
const MANIFEST: &str = "pilot.json";
const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const HEAD: &str = "head.safetensors";

/// Collects a model's files and builds the model.
pub struct Loader {
    device: Device,
    task: Task,
    stage: Stage,
    /// Requests of this round that are still to be answered.
    open: BTreeMap<String, FileRequest>,
    /// Files being handed in.
    coming: HashMap<String, Sink>,
    texts: HashMap<String, String>,
    manifest: Manifest,
    head: Option<LinearHeadConfig>,
    encoder: Option<Config>,
    weights: Weights,
    head_weights: Weights,
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
    Done,
}

/// Where a file's bytes go.
enum Sink {
    Text(Vec<u8>),
    Weights(Box<Reader>),
}

impl Loader {
    /// A loader for a model that is to do `task` on `device`.
    pub fn new(device: Device, task: Task, _options: LoadOptions) -> Self {
        Self {
            device,
            task,
            stage: Stage::Start,
            open: BTreeMap::new(),
            coming: HashMap::new(),
            texts: HashMap::new(),
            manifest: Manifest::default(),
            head: None,
            encoder: None,
            weights: Weights::default(),
            head_weights: Weights::default(),
        }
    }

    /// The files wanted next, in any order; none once all are there. Each must be supplied or, if it is
    /// optional, said to be missing, before the next ones are known.
    ///
    /// # Errors
    /// Those of the files that were handed in, where they are not what they should be.
    pub fn wants(&mut self) -> Result<Vec<FileRequest>> {
        while self.open.is_empty() && self.stage != Stage::Done {
            self.advance()?;
        }
        Ok(self.open.values().cloned().collect())
    }

    /// Hands in the next bytes of the file `name`; with `last`, there are no more.
    ///
    /// # Errors
    /// Invalid artefact: the file is not what it should be. Invalid input: it was not asked for.
    pub fn supply(&mut self, name: &str, bytes: &[u8], last: bool) -> Result<()> {
        let Some(request) = self.open.get(name) else {
            return Err(Error::invalid_input(format!("the file {name} was not asked for")));
        };
        let named = |error: Error| Error::new(error.kind(), format!("{name}: {error}"));
        let mut sink = self.coming.remove(name).unwrap_or_else(|| Sink::new(&request.name));
        match &mut sink {
            Sink::Text(text) if text.len() + bytes.len() > MAX_JSON_BYTES => {
                return Err(Error::invalid_artefact(format!("{name} is longer than {MAX_JSON_BYTES} bytes")));
            }
            Sink::Text(text) => text.extend_from_slice(bytes),
            Sink::Weights(reader) => {
                let into = if name == HEAD { &mut self.head_weights } else { &mut self.weights };
                let mut twice = Ok(());
                reader
                    .feed(bytes, &mut |name, tensor| {
                        if twice.is_ok() {
                            twice = into.insert(name, tensor);
                        }
                    })
                    .and(twice)
                    .map_err(named)?;
            }
        }
        if !last {
            self.coming.insert(name.to_string(), sink);
            return Ok(());
        }
        match sink {
            Sink::Weights(reader) => reader.finish().map_err(named)?,
            Sink::Text(text) => {
                let text =
                    String::from_utf8(text).map_err(|_| Error::invalid_artefact(format!("{name} is not UTF-8")))?;
                self.texts.insert(name.to_string(), text);
            }
        }
        self.open.remove(name);
        Ok(())
    }

    /// Says that the file `name` is not there.
    ///
    /// # Errors
    /// Invalid artefact: the model cannot do without it.
    pub fn missing(&mut self, name: &str) -> Result<()> {
        match self.open.get(name) {
            Some(request) if request.optional => {
                self.open.remove(name);
                Ok(())
            }
            Some(_) => Err(Error::invalid_artefact(format!("the file {name} is missing"))),
            None => Err(Error::invalid_input(format!("the file {name} was not asked for"))),
        }
    }

    /// Builds the model, once nothing is wanted any more.
    ///
    /// # Errors
    /// Invalid artefact: the files do not fit each other. Unsupported: the model is not one for the task.
    /// Invalid input: files are still wanted.
    pub fn finish(mut self) -> Result<Pipeline> {
        if let Some(request) = self.wants()?.first() {
            return Err(Error::invalid_input(format!("the file {} was not handed in", request.name)));
        }
        let Some(config) = self.encoder.take() else { return Err(Error::internal("the loader has no configuration")) };
        let tokenizer = self.texts.remove(&self.base(TOKENIZER)).unwrap_or_default();
        let tokenizer_config = self.texts.remove(&self.base(TOKENIZER_CONFIG));
        let tokenizer = Tokenizer::from_json(&tokenizer, tokenizer_config.as_deref())?;
        let (head, labels, max_length) = match &self.head {
            Some(head) => {
                let labels = head.labels.clone();
                (
                    Head::on_embeddings(&mut self.head_weights, labels.len(), config.hidden_size)?,
                    labels,
                    Some(head.max_length),
                )
            }
            None => (Head::new(&config, &mut self.weights)?, config.labels.clone(), None),
        };
        let encoder = Encoder::new(config, &mut self.weights, self.device.tensors())?;
        Pipeline::new(self.task, tokenizer, encoder, head, labels, max_length)
    }

    /// Reads what the last round brought, and asks for what it shows to be needed.
    fn advance(&mut self) -> Result<()> {
        match self.stage {
            Stage::Start => {
                self.ask(CONFIG, false);
                self.ask(MANIFEST, true);
                self.stage = Stage::Config;
            }
            Stage::Config => {
                if let Some(text) = self.texts.remove(MANIFEST) {
                    self.manifest = Manifest::from_json(&text)?;
                }
                match ModelConfig::from_json(&self.take_text(CONFIG)?)? {
                    ModelConfig::Encoder(config) => self.ask_for_model(config)?,
                    ModelConfig::LinearHead(head) => {
                        self.ask(HEAD, false);
                        self.ask(&format!("../{}/{CONFIG}", head.base_model), false);
                        self.head = Some(head);
                        self.stage = Stage::Base;
                    }
                }
            }
            Stage::Base => match ModelConfig::from_json(&self.take_text(&self.base(CONFIG))?)? {
                ModelConfig::Encoder(config) => self.ask_for_model(Config { head: HeadKind::None, ..config })?,
                ModelConfig::LinearHead(_) => return Err(Error::unsupported("a head cannot stand on another head")),
            },
            Stage::Model => {
                if self.weights.is_empty() {
                    self.ask(&self.base(INDEX), false);
                    self.stage = Stage::Index;
                } else {
                    self.stage = Stage::Done;
                }
            }
            Stage::Index => {
                for shard in shards(&self.take_text(&self.base(INDEX))?)? {
                    self.ask(&self.base(&shard), false);
                }
                self.stage = Stage::Shards;
            }
            Stage::Shards | Stage::Done => self.stage = Stage::Done,
        }
        Ok(())
    }

    fn ask_for_model(&mut self, config: Config) -> Result<()> {
        self.encoder = Some(config);
        self.ask(&self.base(TOKENIZER), false);
        self.ask(&self.base(TOKENIZER_CONFIG), true);
        self.ask(&self.base(WEIGHTS), true);
        self.stage = Stage::Model;
        Ok(())
    }

    /// The name of a file of the folder that the encoder is in.
    fn base(&self, name: &str) -> String {
        match &self.head {
            Some(head) => format!("../{}/{name}", head.base_model),
            None => name.to_string(),
        }
    }

    /// Asks for a file, with what the manifest knows of it.
    fn ask(&mut self, name: &str, optional: bool) {
        let known = self.manifest.files.get(name);
        let request = FileRequest {
            name: name.to_string(),
            optional: optional && known.is_none(),
            bytes: known.map(|file| file.bytes),
            sha256: known.map(|file| file.sha256.clone()),
        };
        self.open.insert(name.to_string(), request);
    }

    fn take_text(&mut self, name: &str) -> Result<String> {
        self.texts.remove(name).ok_or_else(|| Error::internal(format!("{name} was not kept")))
    }
}

impl Sink {
    fn new(name: &str) -> Self {
        if name.ends_with(".safetensors") { Self::Weights(Box::default()) } else { Self::Text(Vec::new()) }
    }
}

/// The names of a sharded checkpoint's parts.
fn shards(index: &str) -> Result<BTreeSet<String>> {
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
    // A name that is a path could lead out of the folder.
    match shards.iter().find(|name| name.contains(['/', '\\', '?', '#', ':', '%']) || !name.ends_with(".safetensors")) {
        Some(name) => Err(wrong(format!("'{name}' is not the name of a part"))),
        None => Ok(shards),
    }
}
