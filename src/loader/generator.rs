//! Models that generate text: published checkpoints of decoders, their ONNX files, and GGUF files.

use serde::Deserialize;

use super::files::{Files, Kind, is_plain};
use super::onnx_files::{OnnxFiles, no_weights};
use super::text::{CONFIG, INDEX, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS, shards};
use super::{DType, MANIFEST};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::formats::gguf;
use crate::generation::Generator;
use crate::generation::chat::ChatTemplate;
use crate::graph::{Graph, GraphOptions, Limits};
use crate::models::{ConfigFile, Decoder, DecoderArchitecture, Quantisation};
use crate::tokenizer::Tokenizer;

const CHAT_TEMPLATE: &str = "chat_template.jinja";
const GENERATION_CONFIG: &str = "generation_config.json";
/// The key of a GGUF file's chat template.
const TEMPLATE_KEY: &str = "tokenizer.chat_template";

/// A GGUF file of more bytes goes to the GPU alone: the memory of WebAssembly has 4 GiB, never shrinks, and would hold up to twice as
/// much of 8-bit weights.
const MOST_ON_HOST: u64 = 1 << 30;

/// The files of a model that generates text, as far as they were supplied.
pub(super) struct GeneratorFiles {
    /// The parts of the GGUF file; none for a folder.
    parts: Vec<String>,
    /// The type that was requested.
    dtype: Option<DType>,
    stage: Stage,
    config: ConfigFile,
    /// Why a checkpoint cannot be read; an ONNX file works without that.
    unknown: Option<Error>,
    onnx: OnnxFiles,
    /// Whether 32-bit floats are quantised to 8 bits: this was requested, and the folder has no such file.
    quantise: bool,
}

/// What the files of the current round are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    Config,
    /// A checkpoint in one file.
    Checkpoint,
    /// The list of a checkpoint's parts.
    Index,
    /// An ONNX file.
    Onnx,
    Last,
}

/// The field of `generation_config.json` that is used; `config.json` has it where there is no such file.
#[derive(Deserialize)]
struct GenerationConfig {
    #[serde(default)]
    eos_token_id: Ids,
}

/// One id, several, or none.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Ids {
    #[default]
    None,
    One(u32),
    Several(Vec<u32>),
}

impl GeneratorFiles {
    /// The checkpoint or the ONNX file in a folder, or its GGUF file `file`, which may be the first of several parts.
    ///
    /// # Errors
    /// Invalid input: `file` is not the name of a GGUF file. Unsupported: a type for a GGUF file.
    pub(super) fn new(file: Option<&str>, dtype: Option<DType>) -> Result<Self> {
        let parts = match file {
            None => Vec::new(),
            Some(file) if is_plain(file) && file.ends_with(".gguf") => {
                gguf::part_names(file).unwrap_or_else(|| vec![file.to_string()])
            }
            Some(file) => {
                return Err(Error::invalid_input(format!("expected the name of a GGUF file, got '{file}'")));
            }
        };
        if let Some(dtype) = dtype.filter(|_| !parts.is_empty()) {
            let name = dtype.name();
            return Err(Error::unsupported(format!("a GGUF file has types of its own, and not the type {name}")));
        }
        Ok(Self {
            parts,
            dtype,
            stage: Stage::Start,
            config: ConfigFile::default(),
            unknown: None,
            onnx: OnnxFiles::new(dtype),
            quantise: false,
        })
    }

    /// The name of the type of its weights.
    pub(super) fn dtype(&self, files: &Files) -> String {
        let header = self.parts.first().and_then(|part| gguf::header(files.header(part)?).ok());
        if let Some(header) = header {
            return header.file_type();
        }
        let found = self.dtype.filter(|_| self.quantise).or(self.onnx.dtype());
        found.map_or_else(|| files.checkpoint_type(), DType::name).to_string()
    }

    /// The type of the ONNX file.
    pub(super) fn onnx_dtype(&self) -> Option<DType> {
        self.onnx.dtype()
    }

    /// Sends what is too large for the CPU's memory to the GPU, if `device` is one. `bytes` is the length of a file that will be
    /// supplied.
    pub(super) fn expect(&self, name: &str, bytes: u64, files: &mut Files, device: &Device) {
        // Parts are of about the same length.
        if self.parts.iter().any(|part| part == name) && bytes.saturating_mul(self.parts.len() as u64) > MOST_ON_HOST {
            files.packed.send_to(device);
        }
    }

    /// Reads the files of the last round and requests those of the next. `true` once nothing is needed.
    pub(super) fn advance(&mut self, files: &mut Files) -> Result<bool> {
        match self.stage {
            Stage::Start => {
                files.request(MANIFEST, Kind::Text, true);
                if self.parts.is_empty() {
                    files.request(CONFIG, Kind::Text, false);
                }
                self.stage = Stage::Config;
            }
            Stage::Config => {
                files.read_manifest(MANIFEST)?;
                if self.parts.is_empty() {
                    self.config = ConfigFile::from_json(&files.take_text(CONFIG)?)?;
                    self.unknown = DecoderArchitecture::of_config(&self.config).err();
                    files.request(TOKENIZER, Kind::Text, false);
                    for name in [TOKENIZER_CONFIG, CHAT_TEMPLATE, GENERATION_CONFIG] {
                        files.request(name, Kind::Text, true);
                    }
                    if !matches!(self.dtype, None | Some(DType::Fp32)) || !self.request_checkpoint(files) {
                        self.request_onnx(files)?;
                    }
                } else {
                    self.parts.iter().for_each(|part| files.request(part, Kind::Gguf, false));
                    self.stage = Stage::Last;
                }
            }
            Stage::Checkpoint if files.weights.is_empty() => {
                files.request(INDEX, Kind::Text, true);
                self.stage = Stage::Index;
            }
            Stage::Index => match files.text(INDEX) {
                Some(index) => {
                    shards(&index)?.iter().for_each(|shard| files.request(shard, Kind::Weights, false));
                    self.stage = Stage::Last;
                }
                None => self.request_onnx(files)?,
            },
            Stage::Onnx => match self.onnx.dtype().map(DType::onnx_file) {
                Some(name) if files.has_bytes(&name) => {
                    files.request_external_data(&name, &Limits::default())?;
                    self.stage = Stage::Last;
                }
                _ => self.request_onnx(files)?,
            },
            Stage::Checkpoint | Stage::Last => return Ok(true),
        }
        Ok(false)
    }

    /// Requests the checkpoint of a known architecture. `false` where there cannot be one.
    fn request_checkpoint(&mut self, files: &mut Files) -> bool {
        let may_be = self.unknown.is_none() && [WEIGHTS, INDEX].iter().any(|name| files.may_have(name, ""));
        if may_be {
            files.request(WEIGHTS, Kind::Weights, true);
            self.stage = Stage::Checkpoint;
        }
        may_be
    }

    /// Requests the next ONNX file that the folder may have.
    fn request_onnx(&mut self, files: &mut Files) -> Result<()> {
        self.stage = Stage::Onnx;
        if self.onnx.request_next(files, "", str::to_string) {
            return Ok(());
        }
        if matches!(self.dtype, Some(DType::Int8 | DType::Q8)) && !self.quantise {
            // The folder has no quantised file: quantise what it has.
            self.quantise = true;
            files.weights.quantise(quantisation);
            self.onnx.try_also(DType::Fp32);
            return if self.request_checkpoint(files) { Ok(()) } else { self.request_onnx(files) };
        }
        Err(no_weights(self.dtype, self.unknown.take(), str::to_string))
    }

    /// Builds the model.
    pub(super) fn finish(self, files: &mut Files, device: &Device) -> Result<Generator> {
        // The weights that a manifest's calibration is for: a checkpoint of several files has no one digest.
        let weights = self.parts.first().map_or(WEIGHTS, String::as_str).to_string();
        let (calibration, digest) = (files.calibration(&weights)?, files.digest(&weights));
        let generator = if self.parts.is_empty() { self.folder(files, device) } else { self.gguf(files, device) };
        Ok(generator?.with_calibration(calibration, digest))
    }

    fn folder(self, files: &mut Files, device: &Device) -> Result<Generator> {
        let mut tokenizer = Tokenizer::from_json(&files.take_text(TOKENIZER)?)?;
        let tokenizer_config = files.text(TOKENIZER_CONFIG);
        if let Some(config) = &tokenizer_config {
            tokenizer.configure(config)?;
        }
        let template = ChatTemplate::from_files(
            tokenizer_config.as_deref().unwrap_or("{}"),
            files.text(CHAT_TEMPLATE).as_deref(),
        )?;
        let config = match files.text(GENERATION_CONFIG) {
            None => self.config.parse::<GenerationConfig>()?,
            Some(config) => serde_json::from_str(&config)
                .map_err(|error| Error::invalid_artefact(format!("{GENERATION_CONFIG} is not right: {error}")))?,
        };
        let ends = match config.eos_token_id {
            Ids::None => Vec::new(),
            Ids::One(id) => vec![id],
            Ids::Several(ids) => ids,
        };
        let decoder = match self.onnx.dtype().map(DType::onnx_file) {
            None => Decoder::from_checkpoint(&self.config, &mut files.weights, device)?,
            Some(name) => {
                let (bytes, external) = files.take_graph(&name)?;
                let options = GraphOptions { int8: self.quantise, precise: true, ..GraphOptions::default() };
                let graph = Graph::load(bytes, external, device, &options);
                let decoder = graph.and_then(|graph| Decoder::from_graph(graph, &self.config));
                decoder.map_err(|error| error.context(&name))?
            }
        };
        Generator::new(decoder, tokenizer, template, &ends)
    }

    fn gguf(self, files: &mut Files, device: &Device) -> Result<Generator> {
        let parts = self.parts.iter().map(|part| files.take_header(part)).collect::<Result<Vec<_>>>()?;
        let headers = parts.iter().map(|bytes| gguf::header(bytes)).collect::<Result<Vec<_>>>()?;
        let metadata = gguf::join(headers)?.metadata;
        let tokenizer = Tokenizer::from_gguf(&metadata)?;
        let special = tokenizer.special_ids();
        let texts = [("bos_token", special.bos), ("eos_token", special.eos)];
        let texts = texts.into_iter().filter_map(|(name, id)| Some((name.to_string(), tokenizer.token(id?))));
        let template = metadata.get_str(TEMPLATE_KEY)?;
        let template = template.map(|template| ChatTemplate::from_gguf(template, texts.collect()));
        let decoder = Decoder::from_gguf(&metadata, std::mem::take(&mut files.packed), device)?;
        Generator::new(decoder, tokenizer, template, &[])
    }
}

/// How the tensors of decoders are quantised where 8-bit weights are requested: norms and biases stay floats.
fn quantisation(name: &str) -> Option<Quantisation> {
    match name {
        _ if name.ends_with("_proj.weight") || name == "lm_head.weight" => Some(Quantisation::Linear),
        "model.embed_tokens.weight" => Some(Quantisation::Rows),
        _ => None,
    }
}
