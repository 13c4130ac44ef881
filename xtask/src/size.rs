//! `cargo xtask bench size`: bytes to download, ours and the peers'.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::artefact::{ARTEFACTS, Artefact, CPU_THREADS};
use crate::fingerprint::files_under;
use crate::project::Project;
use crate::report::Row;

/// Files of the peers, in `benches/node_modules/`: what a page downloads that uses one for the same work.
const PEERS: [(&str, &str); 5] = [
    ("size/onnxruntime-web/cpu", "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"),
    ("size/onnxruntime-web/cpu-js", "onnxruntime-web/dist/ort.wasm.bundle.min.mjs"),
    ("size/onnxruntime-web/gpu", "onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.wasm"),
    ("size/onnxruntime-web/gpu-js", "onnxruntime-web/dist/ort.webgpu.bundle.min.mjs"),
    ("size/transformers.js/js", "@huggingface/transformers/dist/transformers.web.min.js"),
];

/// The rows of the report. The npm package and the peers must be there.
pub fn rows(project: &Project) -> Result<Vec<Row>> {
    let wasm = project.dist().join("wasm");
    // With the glue of one artefact, the longest: a page loads no more than one.
    let scripts = files_under(&project.dist())?.into_iter().filter(|path| {
        path.extension().is_some_and(|end| end == "js")
            && (!path.starts_with(&wasm) || path.starts_with(wasm.join(CPU_THREADS.name)))
    });
    let artefacts = ARTEFACTS
        .map(|Artefact { name, .. }| (format!("size/{name}"), vec![wasm.join(name).join("pilot_light_bg.wasm")]));
    let scripts = ("size/js".to_owned(), scripts.collect());
    let packages = project.benches().join("node_modules");
    let peers = PEERS.map(|(name, file)| (name.to_owned(), vec![packages.join(file)]));
    artefacts.into_iter().chain([scripts]).chain(peers).map(|(name, files)| row(&name, &files)).collect()
}

/// The sums over `files`, each compressed by itself, as a server sends them.
fn row(name: &str, files: &[PathBuf]) -> Result<Row> {
    ensure!(!files.is_empty(), "there is nothing to measure for {name}");
    let sizes = files.iter().map(|file| sizes(file)).collect::<Result<Vec<_>>>()?;
    let raw = sizes.iter().map(|(raw, _)| raw).sum();
    let gzip = sizes.iter().map(|(_, gzip)| gzip).sum();
    Ok(Row::new(name, &[("raw_bytes", raw), ("gzip_bytes", gzip)]))
}

/// The bytes of a file, and those that `gzip -9` leaves of it.
fn sizes(path: &Path) -> Result<(u64, u64)> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    Ok((bytes.len() as u64, encoder.finish()?.len() as u64))
}
