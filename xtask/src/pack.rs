//! The bench of WebGPU as a folder that runs on a machine without a checkout and a network.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::folders::mirror;
use crate::project::Project;

/// Where the scripts look for the weights in the folder, as at the development server.
const MODEL: &str = "all-MiniLM-L6-v2";
/// The scripts, which lie together as in `benches/`, and what says that they are modules.
const SCRIPTS: [&str; 7] =
    ["dawn.mjs", "encoder.js", "gpu.js", "gpu-rows.mjs", "machine.js", "statistics.mjs", "package.json"];
/// What runs of onnxruntime-web; the rest of it is for other browsers and devices.
const ONNXRUNTIME: [&str; 4] = [
    "package.json",
    "dist/ort.webgpu.bundle.min.mjs",
    "dist/ort-wasm-simd-threaded.asyncify.mjs",
    "dist/ort-wasm-simd-threaded.asyncify.wasm",
];

/// Writes the bench to `folder`, which is empty or has an earlier one.
///
/// # Errors
/// If it has other files, or cannot be written.
pub fn write(project: &Project, folder: &Path) -> Result<()> {
    let others =
        fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) && !folder.join(SCRIPTS[0]).is_file();
    ensure!(!others, "{} has other files in it", folder.display());
    let (benches, packages) = (project.benches(), folder.join("node_modules"));
    for script in SCRIPTS {
        copy(&benches.join(script), &folder.join(script))?;
    }
    copy(&benches.join("dawn.md"), &folder.join("README.md"))?;
    let installed = benches.join("node_modules");
    mirror(&installed.join("webgpu"), &packages.join("webgpu"))?;
    for file in ONNXRUNTIME {
        copy(&installed.join("onnxruntime-web").join(file), &packages.join("onnxruntime-web").join(file))?;
    }
    mirror(&project.dist(), &packages.join("pilot-light").join("dist"))?;
    copy(&project.js().join("package.json"), &packages.join("pilot-light").join("package.json"))?;
    mirror(&project.models().join(MODEL), &folder.join("models").join(MODEL))?;
    let (peers, to) = (project.bench_files().join(MODEL), folder.join("bench").join("files").join(MODEL));
    for file in ["tokenizer.json", "onnx/model.onnx"] {
        copy(&peers.join(file), &to.join(file))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
    fs::copy(from, to).with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))?;
    Ok(())
}
