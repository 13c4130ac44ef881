//! Models in folders of the file system: loads them, and computes the digests of their files.

use std::fs::File;
use std::io::{ErrorKind as IoErrorKind, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::device::Device;
use crate::error::{Error, Result};
use crate::formats::safetensors::{Reader, Tensor};
use crate::generation::Generator;
use crate::loader::{FileRequest, LoadOptions, Loaded, Loader};
use crate::manifest;
use crate::tasks::{Task, TextModel};

const PIECE_BYTES: usize = 1 << 20;

/// Loads the model for texts in `folder`, for `task`, on `device`. Files are checked by the digests of `pilot.json`, where
/// the folder has one.
///
/// ```
/// use pilot_light::{Device, LoadOptions, Task, folder};
///
/// let path = "tests/golden/tiny-bert-token".as_ref();
/// let model = folder::load(path, Task::TokenClassification, &Device::cpu(), LoadOptions::default())?;
/// assert!(model.labels().contains(&"O".to_string()));
/// # Ok::<(), pilot_light::Error>(())
/// ```
///
/// # Errors
/// Invalid artefact: a file is missing, cannot be read, or is invalid. Unsupported: the model is not one for the task.
pub fn load(folder: &Path, task: Task, device: &Device, options: LoadOptions) -> Result<TextModel> {
    load_with_base(folder, None, task, device, options)
}

/// Loads a model that generates text: the checkpoint or the ONNX file in the folder `path`, or the GGUF file there.
///
/// # Errors
/// As [`load`].
pub fn load_generator(path: &Path, device: &Device, options: LoadOptions) -> Result<Generator> {
    let file = path.is_file().then(|| path.file_name().unwrap_or_default().to_string_lossy());
    let folder = if file.is_some() { path.parent().unwrap_or(path) } else { path };
    let loader = Loader::generator(device.clone(), file.as_deref(), options)?;
    supply_all(loader, folder, None)?.generator()
}

/// Loads a head whose base model is in the folder `base` and not next to the head; see [`load`].
///
/// # Errors
/// As [`load`].
pub fn load_with_base(
    folder: &Path,
    base: Option<&Path>,
    task: Task,
    device: &Device,
    options: LoadOptions,
) -> Result<TextModel> {
    supply_all(Loader::new(device.clone(), task, options), folder, base)?.text()
}

/// Supplies the files that `loader` asks for, and gives what it builds.
fn supply_all(mut loader: Loader, folder: &Path, base: Option<&Path>) -> Result<Loaded> {
    loop {
        let round = loader.wants()?;
        if round.is_empty() {
            return loader.finish();
        }
        for request in round {
            supply(&mut loader, &path(folder, base, &request.name), &request)?;
        }
    }
}

/// The path of the file `name`; the files of a base model are requested as `../<its name>/<file>`.
fn path(folder: &Path, base: Option<&Path>, name: &str) -> PathBuf {
    let of_base = name.strip_prefix("../").and_then(|name| name.split_once('/'));
    match (base, of_base) {
        (Some(base), Some((_, file))) => base.join(file),
        _ => folder.join(name),
    }
}

fn supply(loader: &mut Loader, path: &Path, request: &FileRequest) -> Result<()> {
    let unreadable = |error| unreadable(path, error);
    let mut file = match File::open(path) {
        Err(error) if error.kind() == IoErrorKind::NotFound => return loader.missing(&request.name),
        opened => opened.map_err(unreadable)?,
    };
    if let Some(expected) = &request.sha256 {
        let found = digest(&mut file).map_err(unreadable)?;
        if found != expected.to_lowercase() {
            return Err(Error::invalid_artefact(format!(
                "{} must have the digest {expected}, got {found}",
                path.display()
            )));
        }
        file = File::open(path).map_err(unreadable)?;
    }
    loader.expect(&request.name, file.metadata().map_err(unreadable)?.len())?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = file.read(&mut piece).map_err(unreadable)?;
        loader.supply(&request.name, &piece[..length], length == 0)?;
        if length == 0 {
            return Ok(());
        }
    }
}

/// The entry of the file at `path` in a manifest: its length and digest.
///
/// # Errors
/// Invalid artefact: it cannot be read.
pub fn describe(path: &Path) -> Result<manifest::File> {
    let unreadable = |error| unreadable(path, error);
    let mut file = File::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    Ok(manifest::File { bytes, sha256: digest(&mut file).map_err(unreadable)? })
}

/// Calls `each` with the tensors of the safetensors file at `path`, one after another.
///
/// # Errors
/// Invalid artefact: it cannot be read, or is not a safetensors file. Those of `each`.
pub fn read_weights(path: &Path, each: &mut dyn FnMut(String, Tensor) -> Result<()>) -> Result<()> {
    let unreadable = |error| unreadable(path, error);
    let mut file = File::open(path).map_err(unreadable)?;
    let (mut reader, mut piece) = (Reader::default(), vec![0; PIECE_BYTES]);
    let mut refused = Ok(());
    loop {
        let length = file.read(&mut piece).map_err(unreadable)?;
        if length == 0 {
            return reader.finish();
        }
        reader.feed(&piece[..length], &mut |name, tensor| {
            if refused.is_ok() {
                refused = each(name, tensor);
            }
        })?;
        std::mem::replace(&mut refused, Ok(()))?;
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::invalid_artefact(format!("{} cannot be read: {error}", path.display()))
}

/// The SHA-256 of the bytes of `reader`, in hexadecimal.
///
/// ```
/// let digest = pilot_light::folder::digest(&mut &b"abc"[..])?;
/// assert!(digest.starts_with("ba7816bf"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Those of the reader.
pub fn digest(reader: &mut dyn Read) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            length => hasher.update(&piece[..length]),
        }
    }
}
