//! What the test targets share: golden values and how they are compared, folders to break, and a server.
// Each test target uses a part of it.
#![allow(dead_code)]

pub mod chat;
pub mod folder;
pub mod gguf;
pub mod onnx;
pub mod server;
pub mod tokens;

use std::path::{Path, PathBuf};

use pilot_light::tasks::{Task, TextModel};
use pilot_light::{Device, LoadOptions};
use serde::de::DeserializeOwned;

/// The checkout.
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().find(|folder| folder.join("tests/golden").is_dir()).expect("a checkout")
}

/// A file of `tests/golden`.
pub fn golden(name: &str) -> PathBuf {
    root().join("tests/golden").join(name)
}

/// A golden file's JSON.
pub fn golden_json<T: DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(golden(name)).expect("a golden file");
    serde_json::from_str(&text).expect("a golden file's JSON")
}

/// The families with tiny checkpoints: each `NAME` of the folders `tiny-NAME-seq`.
pub fn families() -> Vec<String> {
    let folders = std::fs::read_dir(golden("")).expect("golden files");
    let names = folders.map(|folder| folder.expect("a folder").file_name().into_string().expect("a name"));
    let family = |name: String| name.strip_prefix("tiny-")?.strip_suffix("-seq").map(String::from);
    let mut families: Vec<String> = names.filter_map(family).collect();
    families.sort();
    assert!(families.len() >= 4, "expected the families of tests/golden, got {families:?}");
    families
}

/// The folder of what `cargo xtask models` obtains.
pub fn cache() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    cache.expect("a home folder").join("pilot-light")
}

/// A file or folder in it. Without it a test fails.
pub fn fetched(name: &str) -> PathBuf {
    let path = cache().join(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask models`", path.display());
    path
}

/// The folder of all-MiniLM-L6-v2.
pub fn minilm() -> PathBuf {
    fetched("models/all-MiniLM-L6-v2")
}

/// A model on the CPU.
pub fn load(folder: &Path, task: Task) -> TextModel {
    pilot_light::folder::load(folder, task, &Device::cpu(), LoadOptions::default()).expect("the model")
}

/// The cosine of the angle between two vectors.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
