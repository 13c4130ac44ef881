//! The files of a model: which are requested, and the content of those that were supplied.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::DType;
use crate::calibration::Calibration;
use crate::error::{Error, Result};
use crate::formats::gguf;
use crate::formats::safetensors::Reader;
use crate::graph::{GraphFile, Limits, external_files};
use crate::manifest::Manifest;
use crate::models::{PackedTensors, Weights};

/// A file that the loader needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct FileRequest {
    /// Its name, relative to the model's folder; it may be in a folder next to that.
    pub name: String,
    /// Whether the model works without it.
    pub optional: bool,
    /// Its length, where the manifest has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub bytes: Option<u64>,
    /// Its SHA-256 in hexadecimal, where the manifest has it. The caller checks it before it supplies the bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub sha256: Option<String>,
}

/// What a file's bytes are parsed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// Tensors, as they arrive.
    Weights,
    /// Tensors of a head for another folder's model.
    HeadWeights,
    /// Tensors of a module behind the encoder, apart from those of other files.
    ModuleWeights,
    /// A GGUF file, whose tensors are converted as they arrive.
    Gguf,
    /// Nothing: they are stored as they are.
    Bytes,
}

/// The longest text; a longer one is not a configuration.
const MAX_TEXT_BYTES: usize = 64 << 20;

/// The most files with external data of one ONNX file. Some exporters write one for each tensor.
const MAX_EXTERNAL_FILES: usize = 1000;
const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// The files of a model.
#[derive(Default)]
pub(super) struct Files {
    /// Requests without an answer so far.
    open: BTreeMap<String, (FileRequest, Kind)>,
    /// Files that are partly supplied.
    partial: HashMap<String, Sink>,
    texts: HashMap<String, String>,
    bytes: HashMap<String, Vec<u8>>,
    /// The files with external data of the ONNX files that were supplied, relative to the folder of each.
    external: HashMap<String, BTreeSet<String>>,
    manifest: Manifest,
    pub(super) weights: Weights,
    /// The type of the floats in the first file of weights that was supplied whole.
    float_type: Option<&'static str>,
    pub(super) head_weights: Weights,
    /// By the name of the file.
    module_weights: HashMap<String, Weights>,
    /// The tensors of all GGUF files.
    pub(super) packed: PackedTensors,
    /// The headers of GGUF files.
    headers: HashMap<String, Vec<u8>>,
}

/// What the bytes of a file are collected in.
enum Sink {
    Text(Vec<u8>),
    Weights(Box<Reader>),
    Gguf(Box<gguf::Reader>),
    Bytes(Vec<u8>),
}

impl Files {
    /// The requests that were neither supplied nor reported as missing.
    pub(super) fn open(&self) -> Vec<FileRequest> {
        self.open.values().map(|(request, _)| request.clone()).collect()
    }

    /// Requests a file, with its length and digest from the manifest.
    pub(super) fn request(&mut self, name: &str, kind: Kind, optional: bool) {
        let known = self.manifest.files.get(name);
        let request = FileRequest {
            name: name.to_string(),
            optional: optional && known.is_none(),
            bytes: known.map(|file| file.bytes),
            sha256: known.map(|file| file.sha256.clone()),
        };
        self.open.insert(name.to_string(), (request, kind));
    }

    /// Reads the manifest, if there is one.
    pub(super) fn read_manifest(&mut self, name: &str) -> Result<()> {
        if let Some(text) = self.texts.remove(name) {
            self.manifest = Manifest::from_json(&text)?;
        }
        Ok(())
    }

    /// The calibration in the manifest, which must be one of the weights `name`.
    ///
    /// # Errors
    /// Invalid artefact: it is another model's, or invalid.
    pub(super) fn calibration(&self, name: &str) -> Result<Option<Calibration>> {
        let Some(calibration) = &self.manifest.calibration else { return Ok(None) };
        calibration.check(self.digest(name).as_deref())?;
        Ok(Some(calibration.clone()))
    }

    /// The SHA-256 of the file `name`, where the manifest has it.
    pub(super) fn digest(&self, name: &str) -> Option<String> {
        self.manifest.files.get(name).map(|file| file.sha256.clone())
    }

    /// Whether the folder may have the weights `name`: a manifest that names weights names all of them.
    pub(super) fn may_have(&self, name: &str, head: &str) -> bool {
        let is_model = |name: &String| name != head && (name.ends_with(".safetensors") || name.ends_with(".onnx"));
        self.manifest.files.contains_key(name) || !self.manifest.files.keys().any(is_model)
    }

    /// Reserves memory for a file of `bytes` bytes, so that it is not moved while it grows.
    pub(super) fn expect(&mut self, name: &str, bytes: u64) -> Result<()> {
        let (_, kind) = self.requested(name)?;
        if kind == Kind::Bytes {
            let length = usize::try_from(bytes).map_err(|_| Error::no_memory(name))?;
            let mut room = Vec::new();
            room.try_reserve_exact(length).map_err(|_| Error::no_memory(name))?;
            self.partial.insert(name.to_string(), Sink::Bytes(room));
        }
        Ok(())
    }

    /// Takes the next bytes of a file; `last` is its end.
    pub(super) fn supply(&mut self, name: &str, bytes: &[u8], last: bool) -> Result<()> {
        let (_, kind) = self.requested(name)?;
        let mut sink = self.partial.remove(name).unwrap_or_else(|| Sink::new(kind));
        match &mut sink {
            Sink::Text(text) if text.len() + bytes.len() > MAX_TEXT_BYTES => {
                return Err(Error::invalid_artefact(format!("{name} is longer than {MAX_TEXT_BYTES} bytes")));
            }
            Sink::Text(text) => text.extend_from_slice(bytes),
            Sink::Weights(reader) => {
                let into = match kind {
                    Kind::HeadWeights => &mut self.head_weights,
                    Kind::ModuleWeights => self.module_weights.entry(name.to_string()).or_default(),
                    _ => &mut self.weights,
                };
                let mut twice = Ok(());
                reader
                    .feed(bytes, &mut |name, tensor| {
                        if twice.is_ok() {
                            twice = into.insert(name, tensor);
                        }
                    })
                    .and(twice)
                    .map_err(|error| error.context(name))?;
            }
            Sink::Gguf(reader) => {
                let packed = &mut self.packed;
                reader.feed(bytes, &mut |tensor| packed.insert(&tensor)).map_err(|error| error.context(name))?;
            }
            Sink::Bytes(whole) => {
                whole.try_reserve(bytes.len()).map_err(|_| Error::no_memory(name))?;
                whole.extend_from_slice(bytes);
            }
        }
        if !last {
            self.partial.insert(name.to_string(), sink);
            return Ok(());
        }
        match sink {
            Sink::Weights(reader) => {
                reader.finish().map_err(|error| error.context(name))?;
                if kind == Kind::Weights {
                    self.float_type = self.float_type.or(reader.float_type());
                }
            }
            Sink::Text(text) => {
                self.texts.insert(name.to_string(), decoded(name, text)?);
            }
            Sink::Gguf(reader) => {
                let packed = &mut self.packed;
                let header = reader.finish(&mut |tensor| packed.insert(&tensor));
                self.headers.insert(name.to_string(), header.map_err(|error| error.context(name))?);
            }
            Sink::Bytes(whole) => {
                self.bytes.insert(name.to_string(), whole);
            }
        }
        self.open.remove(name);
        Ok(())
    }

    /// The name of the type that a checkpoint has its weights in.
    pub(super) fn checkpoint_type(&self) -> &'static str {
        let int8 = self.weights.is_quantised().then_some(DType::Int8.name());
        int8.or(self.float_type).unwrap_or_else(|| DType::Fp32.name())
    }

    /// Records that a file does not exist.
    pub(super) fn missing(&mut self, name: &str) -> Result<()> {
        let (request, _) = self.requested(name)?;
        if !request.optional {
            return Err(Error::invalid_artefact(format!("the file {name} is missing")));
        }
        self.open.remove(name);
        Ok(())
    }

    /// A text; `None` for an optional file that does not exist.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.texts.remove(name)
    }

    /// A text of a file that is not optional.
    pub(super) fn take_text(&mut self, name: &str) -> Result<String> {
        self.text(name).ok_or_else(|| not_stored(name))
    }

    /// Whether a file's bytes were supplied.
    pub(super) fn has_bytes(&self, name: &str) -> bool {
        self.bytes.contains_key(name)
    }

    /// A file's bytes, where they were supplied.
    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.bytes.get(name).map(Vec::as_slice)
    }

    /// A file's bytes.
    pub(super) fn take_bytes(&mut self, name: &str) -> Result<Vec<u8>> {
        self.bytes.remove(name).ok_or_else(|| not_stored(name))
    }

    /// The header of a GGUF file.
    pub(super) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name).map(Vec::as_slice)
    }

    /// Takes it out.
    pub(super) fn take_header(&mut self, name: &str) -> Result<Vec<u8>> {
        self.headers.remove(name).ok_or_else(|| not_stored(name))
    }

    /// The tensors of a module's file; none of one that was not supplied.
    pub(super) fn take_module(&mut self, name: &str) -> Weights {
        self.module_weights.remove(name).unwrap_or_default()
    }

    /// Requests the external data of the ONNX file `name`, which was supplied.
    ///
    /// # Errors
    /// Invalid artefact: it is not in the folder of `name`, or in too many files.
    pub(super) fn request_external_data(&mut self, name: &str, limits: &Limits) -> Result<()> {
        let Some(bytes) = self.bytes.get(name) else { return Ok(()) };
        let locations = external_files(bytes, limits);
        if locations.len() > MAX_EXTERNAL_FILES {
            return Err(Error::invalid_artefact(format!(
                "{name} has external data in {} files, expected at most {MAX_EXTERNAL_FILES}",
                locations.len()
            )));
        }
        if let Some(location) = locations.iter().find(|location| !location.split('/').all(is_plain)) {
            return Err(Error::invalid_artefact(format!(
                "{name} has external data in the file '{location}', expected a path within its folder"
            )));
        }
        for location in &locations {
            let file = next_to(name, location);
            if !self.has_bytes(&file) {
                self.request(&file, Kind::Bytes, false);
            }
        }
        self.external.insert(name.to_string(), locations);
        Ok(())
    }

    /// The bytes of an ONNX file, and its external data by location.
    pub(super) fn take_graph(&mut self, name: &str) -> Result<GraphFile> {
        let mut external = HashMap::new();
        for location in self.external.remove(name).unwrap_or_default() {
            let bytes = self.take_bytes(&next_to(name, &location))?;
            external.insert(location, bytes);
        }
        Ok((self.take_bytes(name)?, external))
    }

    fn requested(&self, name: &str) -> Result<(&FileRequest, Kind)> {
        let found = self.open.get(name).map(|(request, kind)| (request, *kind));
        found.ok_or_else(|| Error::invalid_input(format!("the file {name} was not requested")))
    }
}

impl Sink {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(Vec::new()),
            Kind::Weights | Kind::HeadWeights | Kind::ModuleWeights => Self::Weights(Box::default()),
            Kind::Gguf => Self::Gguf(Box::default()),
            Kind::Bytes => Self::Bytes(Vec::new()),
        }
    }
}

/// Whether `name` is a plain file name. A path could lead out of the folder, and the special characters of a URL to
/// another file.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '?', '#', ':', '%'])
}

/// The file at `location`, relative to the folder of the file `name`.
fn next_to(name: &str, location: &str) -> String {
    let path = name.split('?').next().unwrap_or(name);
    let folder = path.rfind('/').map_or("", |end| &path[..=end]);
    format!("{folder}{location}")
}

/// The text of a file, without the byte order mark that editors on Windows put before it.
fn decoded(name: &str, mut bytes: Vec<u8>) -> Result<String> {
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    let utf16 = bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF");
    String::from_utf8(bytes).map_err(|_| {
        let found = if utf16 { "UTF-16" } else { "another encoding" };
        Error::invalid_artefact(format!("{name} is not right: expected UTF-8, got {found}"))
    })
}

fn not_stored(name: &str) -> Error {
    Error::internal(format!("{name} was not stored"))
}
