//! `cargo xtask bench`: this package compared with its peers.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::artefact::BENCH;
use crate::fingerprint::file_digest;
use crate::process::{cargo, output, program, run as run_program, say};
use crate::project::Project;
use crate::report::{self, Row};
use crate::server::{Port, Server, Way};
use crate::{browser, build, models, npm, pack, size, tools};

/// What is measured.
#[derive(Clone, Copy, PartialEq)]
pub enum Bench {
    /// Times of one encoder in one page.
    Encoder,
    /// Times of the same encoder on WebGPU: on an adapter in software, or on the machine's GPU.
    Gpu { hardware: bool },
    /// The same in Node, over Dawn.
    Dawn,
    /// Bytes to download.
    Size,
    /// Times, numbers and memory of ONNX models in one page; only the numbers on WebGPU, which is in software.
    Models { webgpu: bool },
    /// Times of text generation in one page, and natively next to llama.cpp.
    Decode,
    /// The memory that a model of 7 billion weights takes while it is loaded onto a GPU.
    Large,
    /// Times of learning in one page, and of questions with and without it.
    Learning,
    /// The personal data that Rampart finds, in sentences where it is known.
    Rampart,
}

impl Bench {
    /// The bench `name`, with its option.
    pub fn parse(name: &str, option: Option<&str>) -> Result<Self> {
        Ok(match (name, option) {
            ("encoder", None) => Self::Encoder,
            ("size", None) => Self::Size,
            ("rampart", None) => Self::Rampart,
            ("decode", None) => Self::Decode,
            ("large", None) => Self::Large,
            ("learning", None) => Self::Learning,
            ("models", None) => Self::Models { webgpu: false },
            ("models", Some("webgpu")) => Self::Models { webgpu: true },
            ("gpu", None) => Self::Gpu { hardware: false },
            ("gpu", Some("hardware")) => Self::Gpu { hardware: true },
            ("gpu", Some("dawn")) => Self::Dawn,
            ("encoder" | "size" | "rampart" | "decode" | "large" | "learning" | "models" | "gpu", Some(option)) => {
                bail!("the bench '{name}' takes no --{option}")
            }
            (other, _) => {
                bail!("there is no bench '{other}': decode, encoder, gpu, large, learning, models, rampart or size")
            }
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Gpu { hardware: false } => "gpu",
            Self::Gpu { hardware: true } => "gpu --hardware",
            Self::Dawn => "gpu --dawn",
            Self::Size => "size",
            Self::Rampart => "rampart",
            Self::Decode => "decode",
            Self::Large => "large",
            Self::Learning => "learning",
            Self::Models { webgpu: false } => "models",
            Self::Models { webgpu: true } => "models --webgpu",
        }
    }
}

/// Measures, and writes the report to `json`.
pub fn run(project: &Project, bench: Bench, json: &Path) -> Result<()> {
    tools::node(project)?;
    if !matches!(bench, Bench::Size | Bench::Dawn) {
        browser::chromium()?;
    }
    build::run(project)?;
    npm::install(&project.benches())?;
    let rows = match bench {
        Bench::Encoder => encoder(project)?,
        Bench::Gpu { hardware } => gpu(project, hardware)?,
        Bench::Dawn => dawn(project)?,
        Bench::Size => size::rows(project)?,
        Bench::Rampart => rampart(project)?,
        Bench::Decode => decode(project)?,
        Bench::Large => large(project)?,
        Bench::Learning => learning(project)?,
        Bench::Models { webgpu } => models_side_by_side(project, webgpu)?,
    };
    report::write(project, &format!("cargo xtask bench {}", bench.name()), rows, json)
}

fn encoder(project: &Project) -> Result<Vec<Row>> {
    models::bring(project)?;
    models::convert(project)?;
    bring_onnx(project)?;
    build::make(project, &[BENCH])?;
    measured::<&str>(project, "encoder.mjs", &[])
}

fn gpu(project: &Project, hardware: bool) -> Result<Vec<Row>> {
    models::bring(project)?;
    bring_onnx(project)?;
    measured(project, "gpu.mjs", if hardware { &["--hardware"] } else { &[] })
}

/// What the packed bench finds on this machine.
fn dawn(project: &Project) -> Result<Vec<Row>> {
    let folder = project.bench_files().join("dawn");
    pack(project, &folder)?;
    say("measuring; this takes minutes, and other work on the machine falsifies it");
    Row::parse_all(&output(program("node", &folder).arg("dawn.mjs"))?).context("benches/dawn.mjs")
}

/// Leaves in `folder` the bench of WebGPU in Node, with all that it needs.
pub fn pack(project: &Project, folder: &Path) -> Result<()> {
    tools::node(project)?;
    build::run(project)?;
    npm::install(&project.benches())?;
    models::bring(project)?;
    bring_onnx(project)?;
    pack::write(project, folder)
}

fn models_side_by_side(project: &Project, webgpu: bool) -> Result<Vec<Row>> {
    models::bring_with_samples(project)?;
    measured(project, "models.mjs", if webgpu { &["--webgpu"] } else { &[] })
}

fn large(project: &Project) -> Result<Vec<Row>> {
    measured(project, "large.mjs", &[project.bench_files()])
}

fn decode(project: &Project) -> Result<Vec<Row>> {
    models::bring(project)?;
    models::bring_generators(project)?;
    bring_onnx(project)?;
    build::make(project, &[BENCH])?;
    let mut rows = measured::<&str>(project, "decode.mjs", &[])?;
    rows.extend(native_decode(project)?);
    Ok(rows)
}

fn learning(project: &Project) -> Result<Vec<Row>> {
    models::bring(project)?;
    measured::<&str>(project, "learning.mjs", &[])
}

/// The same model natively, compared with llama.cpp.
fn native_decode(project: &Project) -> Result<Vec<Row>> {
    let folder = project.benches().join("native");
    npm::install(&folder)?;
    say("building the native program");
    run_program(cargo(project).args(["build", "--release", "--example", "decode"]))?;
    say("measuring natively");
    let rows = output(
        program("node", &project.root)
            .arg(folder.join("decode.mjs"))
            .arg(project.target().join("release").join("examples").join("decode"))
            .arg(project.models().join(models::SMOLLM2)),
    )?;
    Row::parse_all(&rows).context("benches/native/decode.mjs")
}

fn rampart(project: &Project) -> Result<Vec<Row>> {
    models::bring(project)?;
    let folder = project.benches().join("rampart");
    let python = bring_python(project, "python-rampart", &folder.join("requirements.txt"))?;
    let sentences = project.bench_files().join("rampart").join("sentences.json");
    say("making sentences, and finding what is in them with onnxruntime");
    let mut make = program(python, &project.root);
    make.arg(folder.join("make.py")).arg("--model").arg(project.models().join("rampart"));
    run_program(make.arg("--out").arg(&sentences))?;
    measured(project, "rampart.mjs", &[sentences])
}

/// What a script of `benches/` finds in a browser.
fn measured<S: AsRef<OsStr>>(project: &Project, script: &str, options: &[S]) -> Result<Vec<Row>> {
    let server = Server::start(project, Port::Exact(0), &Way::default())?;
    say("measuring; this takes minutes, and other work on the machine falsifies it");
    let rows = output(
        program("node", &project.root)
            .arg(project.benches().join(script))
            .arg(server.address())
            .args(options)
            .env("CHROMIUM", browser::chromium()?),
    )?;
    Row::parse_all(&rows).with_context(|| format!("benches/{script}"))
}

/// The model in the form that the peers read, made from the same weights.
fn bring_onnx(project: &Project) -> Result<()> {
    let model = project.models().join("all-MiniLM-L6-v2");
    let folder = project.bench_files().join("all-MiniLM-L6-v2");
    let onnx = folder.join("onnx").join("model.onnx");
    let script = project.benches().join("make_onnx.py");
    let made_from = folder.join("made-from");
    let digest = file_digest(&script)?;
    if onnx.is_file() && fs::read_to_string(&made_from).is_ok_and(|noted| noted == digest) {
        return Ok(());
    }
    let python = bring_python(project, "python", &project.benches().join("requirements.txt"))?;
    say("making the ONNX file of the peers from the same weights");
    run_program(program(python, &project.root).arg(script).arg("--model").arg(&model).arg("--out").arg(&onnx))?;
    for file in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(model.join(file), folder.join(file)).with_context(|| format!("{file} cannot be copied"))?;
    }
    fs::write(made_from, digest).context("the cache folder cannot be written to")
}

/// A Python with the packages that `requirements` lists, all of them, by itself in the cache folder.
pub fn bring_python(project: &Project, name: &str, requirements: &Path) -> Result<PathBuf> {
    let folder = project.bench_files().join(name);
    let python = folder.join("bin").join("python");
    let stamp = folder.join(".installed-from");
    let digest = file_digest(requirements)?;
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == digest) {
        return Ok(python);
    }
    say("installing Python packages");
    run_program(program("python3", &project.root).args(["-m", "venv", "--clear"]).arg(&folder))
        .context("Python 3 with venv is needed (Debian and Ubuntu: sudo apt-get install python3-venv)")?;
    let mut pip = program(&python, &project.root);
    run_program(pip.args(["-m", "pip", "install", "--no-deps", "--requirement"]).arg(requirements))?;
    fs::write(&stamp, digest).context("the cache folder cannot be written to")?;
    Ok(python)
}
