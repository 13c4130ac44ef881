//! Conversion of a checkpoint to weights of 8 bits.
//!
//! Large matrices are quantised as `dtype: 'int8'` does while loading, so the results are the same to the last bit. The rest
//! (norms, biases, positions, heads) stays in 32-bit floats.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::error::{Error, Result};
use crate::folder::{describe, read_weights};
use crate::formats::safetensors;
use crate::loader::{
    CONFIG, INDEX, MANIFEST, MODULES, Modules, POOLING_CONFIG, PROMPTS, SENTENCE_BERT_CONFIG, TOKENIZER,
    TOKENIZER_CONFIG, WEIGHTS, shards,
};
use crate::manifest::Manifest;
use crate::models::{ModelConfig, Weights};

/// The sizes of the weights in bytes, before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Of the files that were read.
    pub before: u64,
    /// Of the file that was written.
    pub after: u64,
}

/// Writes the encoder in the folder `from` with weights of 8 bits into the folder `to`, with a manifest of digests. A
/// calibration is not copied: it is one of other weights.
///
/// # Errors
/// Invalid artefact: a file cannot be read, or is invalid. Unsupported: the architecture is unknown, or the weights are of
/// 8 bits already. Invalid input: `to` is not empty, or cannot be written to.
pub fn to_int8(from: &Path, to: &Path) -> Result<Converted> {
    let config = read(&from.join(CONFIG))?;
    let architecture = match ModelConfig::from_json(&config)? {
        ModelConfig::Checkpoint(architecture, _) => architecture,
        ModelConfig::LinearHead(head) => {
            let base = head.base_model;
            return Err(Error::unsupported(format!("a head has nothing to quantise: convert its base model {base}")));
        }
    };
    let modules = match from.join(MODULES).is_file() {
        true => Modules::from_json(&read(&from.join(MODULES))?)?,
        false => Modules::default(),
    };
    let manifest = match fs::exists(from.join(MANIFEST)) {
        Ok(true) => Manifest::from_json(&read(&from.join(MANIFEST))?)?,
        _ => Manifest::default(),
    };
    let names = match from.join(WEIGHTS).is_file() {
        true => [WEIGHTS.to_string()].into(),
        false if from.join(INDEX).is_file() => shards(&read(&from.join(INDEX))?)?,
        false => {
            return Err(Error::unsupported(format!("expected {WEIGHTS} or {INDEX}, and the folder has neither")));
        }
    };
    let mut weights = Weights::default();
    weights.quantise(architecture.quantisation);
    let mut sources = BTreeMap::new();
    for name in names {
        let described = describe(&from.join(&name))?;
        if let Some(known) =
            manifest.files.get(&name).filter(|known| !known.sha256.eq_ignore_ascii_case(&described.sha256))
        {
            let (found, wanted) = (&described.sha256, &known.sha256);
            return Err(Error::invalid_artefact(format!("{name} must have the digest {wanted}, got {found}")));
        }
        let mut was_quantised = false;
        read_weights(&from.join(&name), &mut |name, tensor| {
            was_quantised |= matches!(tensor, safetensors::Tensor::Words(_));
            weights.insert(name, tensor)
        })?;
        if was_quantised {
            return Err(Error::unsupported(format!("{name} is of 8 bits already")));
        }
        sources.insert(name, described);
    }
    if !weights.is_quantised() {
        return Err(Error::invalid_artefact("the weights have no layer that can be quantised".to_string()));
    }

    let unwritable = |error: std::io::Error| Error::invalid_input(format!("{}: {error}", to.display()));
    fs::create_dir_all(to).map_err(unwritable)?;
    if fs::read_dir(to).map_err(unwritable)?.next().is_some() {
        return Err(Error::invalid_input(format!("{} is not empty", to.display())));
    }
    fs::write(to.join(WEIGHTS), safetensors::write(weights.tensors())?).map_err(unwritable)?;
    let mut files = BTreeMap::from([(WEIGHTS.to_string(), describe(&to.join(WEIGHTS))?)]);
    let settings = [CONFIG, TOKENIZER, TOKENIZER_CONFIG, SENTENCE_BERT_CONFIG, POOLING_CONFIG, MODULES, PROMPTS];
    let mut copied: BTreeSet<String> = settings.map(String::from).into();
    // The layers behind the encoder stay as they are.
    copied.extend(modules.files());
    for name in copied.into_iter().filter(|name| from.join(name).is_file()) {
        let copy = to.join(&name);
        copy.parent().map_or(Ok(()), fs::create_dir_all).map_err(unwritable)?;
        fs::copy(from.join(&name), &copy).map_err(unwritable)?;
        files.insert(name, describe(&copy)?);
    }
    let converted = Converted { before: sources.values().map(|file| file.bytes).sum(), after: files[WEIGHTS].bytes };
    let provenance = json!({ "dtype": "int8", "converted_from": sources });
    let manifest = Manifest { files, calibration: None, provenance };
    let text = serde_json::to_string_pretty(&manifest).map_err(|error| Error::internal(error.to_string()))?;
    fs::write(to.join(MANIFEST), text + "\n").map_err(unwritable)?;
    Ok(converted)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path)
        .map_err(|error| Error::invalid_artefact(format!("{} cannot be read: {error}", path.display())))
}
