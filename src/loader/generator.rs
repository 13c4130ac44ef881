//! Models that generate text: published checkpoints of decoders, and GGUF files.

use serde::Deserialize;

use super::files::{Files, Kind, is_plain};
use super::text::{CONFIG, INDEX, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS, shards};
use super::{DType, MANIFEST};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::formats::gguf;
use crate::generation::Generator;
use crate::generation::chat::ChatTemplate;
use crate::models::{ConfigFile, Decoder, Quantisation};
use crate::tokenizer::Tokenizer;

const CHAT_TEMPLATE: &str = "chat_template.jinja";
const GENERATION_CONFIG: &str = "generation_config.json";
/// The key of a GGUF file's chat template.
const TEMPLATE_KEY: &str = "tokenizer.chat_template";

/// The files of a model that generates text, as far as they were supplied.
pub(super) struct GeneratorFiles {
    /// The parts of the GGUF file; none for a checkpoint.
    parts: Vec<String>,
    dtype: Option<DType>,
    stage: Stage,
    config: ConfigFile,
}

/// What the files of the current round are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    Config,
    Checkpoint,
    Index,
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
    /// The checkpoint in a folder, or its GGUF file `file`, which may be the first of several parts.
    ///
    /// # Errors
    /// Invalid input: `file` is not the name of a GGUF file. Unsupported: the type.
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
        match dtype {
            None => {}
            Some(dtype) if !parts.is_empty() => {
                let name = dtype.name();
                return Err(Error::unsupported(format!("a GGUF file has types of its own, and not the type {name}")));
            }
            Some(DType::Fp32 | DType::Int8 | DType::Q8) => {}
            Some(dtype) => {
                let name = dtype.name();
                return Err(Error::unsupported(format!("a decoder's checkpoint cannot be loaded as {name}")));
            }
        }
        Ok(Self { parts, dtype, stage: Stage::Start, config: ConfigFile::default() })
    }

    /// The type of its weights.
    pub(super) fn dtype(&self) -> DType {
        self.dtype.unwrap_or_default()
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
                    if self.dtype() != DType::Fp32 {
                        files.weights.quantise(quantisation);
                    }
                    files.request(TOKENIZER, Kind::Text, false);
                    for name in [TOKENIZER_CONFIG, CHAT_TEMPLATE, GENERATION_CONFIG] {
                        files.request(name, Kind::Text, true);
                    }
                    files.request(WEIGHTS, Kind::Weights, true);
                    self.stage = Stage::Checkpoint;
                } else {
                    self.parts.iter().for_each(|part| files.request(part, Kind::Gguf, false));
                    self.stage = Stage::Last;
                }
            }
            Stage::Checkpoint if files.weights.is_empty() => {
                files.request(INDEX, Kind::Text, true);
                self.stage = Stage::Index;
            }
            Stage::Index => {
                let Some(index) = files.text(INDEX) else {
                    return Err(Error::invalid_artefact(format!(
                        "the model's weights are missing: there is no {WEIGHTS} and no {INDEX}"
                    )));
                };
                shards(&index)?.iter().for_each(|shard| files.request(shard, Kind::Weights, false));
                self.stage = Stage::Last;
            }
            Stage::Checkpoint | Stage::Last => return Ok(true),
        }
        Ok(false)
    }

    /// Builds the model.
    pub(super) fn finish(self, files: &mut Files, device: &Device) -> Result<Generator> {
        // The weights that a manifest's calibration is for: a checkpoint of several files has no one digest.
        let weights = self.parts.first().map_or(WEIGHTS, String::as_str).to_string();
        let (calibration, digest) = (files.calibration(&weights)?, files.digest(&weights));
        let generator = if self.parts.is_empty() { self.checkpoint(files, device) } else { self.gguf(files, device) };
        Ok(generator?.with_calibration(calibration, digest))
    }

    fn checkpoint(self, files: &mut Files, device: &Device) -> Result<Generator> {
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
        let decoder = Decoder::from_checkpoint(&self.config, &mut files.weights, device)?;
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
