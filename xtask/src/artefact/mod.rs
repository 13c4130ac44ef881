//! The wasm artefacts: compiled, bound to JavaScript, optimised, and stored in the cache folder.
//!
//! Optimising takes minutes, and so does compiling in a clean checkout, whose files are all new to cargo. Each step is
//! skipped if nothing has changed that its result depends on.

mod cached;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::fingerprint::Fingerprint;
use crate::process::{cargo, output, program, run, say};
use crate::project::Project;
use crate::tools::{self, WASM_TARGET};
pub use cached::Cached;

/// A WebAssembly module with its glue and its types.
pub struct Artefact {
    /// Its folder, under `js/dist/wasm/` if it is shipped.
    pub name: &'static str,
    /// The cargo features that it is built with.
    pub features: &'static str,
    /// Whether several threads run it, over one memory.
    threads: bool,
    /// Whether it is part of the npm package.
    shipped: bool,
    /// What wasm-opt may assume beyond `WASM_FEATURES`.
    instructions: &'static [&'static str],
}

/// Runs in every browser with SIMD.
pub const CPU: Artefact = Artefact { name: "cpu", features: "web", threads: false, shipped: true, instructions: &[] };
/// For browsers with relaxed SIMD, which refuse no module that uses it.
pub const CPU_RELAXED: Artefact =
    Artefact { name: "cpu-relaxed", features: "web,relaxed-simd", instructions: &["--enable-relaxed-simd"], ..CPU };
/// The same for pages that may share memory between threads.
pub const CPU_THREADS: Artefact = Artefact {
    name: "cpu-threads",
    threads: true,
    instructions: &["--enable-relaxed-simd", "--enable-threads"],
    ..CPU_RELAXED
};
/// Its time is spent on the GPU.
pub const GPU: Artefact = Artefact { name: "gpu", features: "web,gpu", ..CPU };
/// What the benchmark measures the machine's peak with.
pub const BENCH: Artefact =
    Artefact { name: "bench", features: "web,relaxed-simd,bench", shipped: false, ..CPU_RELAXED };

/// All that the package ships, from one source, in the order that they are built in: what helps most pages comes first.
pub const ARTEFACTS: [Artefact; 4] = [CPU, CPU_THREADS, GPU, CPU_RELAXED];

/// The name of the wasm file and of its glue.
const STEM: &str = "pilot_light";

/// What the crate is built from, relative to the checkout.
const INPUTS: [&str; 7] =
    ["src", "stubs", "build.rs", "Cargo.toml", "Cargo.lock", ".cargo/config.toml", "rust-toolchain.toml"];

/// What wasm-opt may assume: the instructions that rustc uses by default, and SIMD.
const WASM_FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
];

/// What a module whose memory is shared is compiled and linked with, beyond `.cargo/config.toml`: atomic instructions,
/// a memory that comes from outside and may grow up to 2 GiB, and what a thread needs to place its own variables.
const THREAD_FLAGS: [&str; 16] = [
    "-C",
    "target-feature=+atomics,+bulk-memory,+mutable-globals",
    "-C",
    "link-arg=--shared-memory",
    "-C",
    "link-arg=--import-memory",
    "-C",
    "link-arg=--max-memory=2147483648",
    "-C",
    "link-arg=--export=__wasm_init_tls",
    "-C",
    "link-arg=--export=__tls_size",
    "-C",
    "link-arg=--export=__tls_align",
    "-C",
    "link-arg=--export=__tls_base",
];

/// How the crate is compiled, beyond its profile. LLVM's own thresholds at this level of optimisation are 275, and 325 for what
/// is marked `#[inline]`. What must be inlined says so, so that less makes an artefact smaller by a tenth and no slower; at 25 in
/// place of 35 a prompt takes 9 % longer.
const RUSTC_FLAGS: [&str; 2] = ["-C", "llvm-args=-inline-threshold=35 -inlinehint-threshold=52"];

/// How wasm-opt optimises. Decoding, a prompt and an encoder take as long as with `-O3`, which leaves a module larger by 2 %.
const OPTIMISATION: &str = "-Oz";

/// What is done last. Functions of one name, compiled for several types, are alike; next to each other they compress to 5 % less.
/// The parts of a module that no browser needs go, with them the names.
const FINISH: [&str; 3] = ["--reorder-functions-by-name", "--strip-debug", "--strip-producers"];

impl Artefact {
    /// The artefacts of these names, in this order; all of them if no name is given.
    pub fn parse_all(names: &[String]) -> Result<Vec<Self>> {
        let parse = |name: &String| {
            ARTEFACTS.into_iter().find(|known| known.name == *name).with_context(|| {
                format!("there is no artefact '{name}': {}", ARTEFACTS.map(|artefact| artefact.name).join(" "))
            })
        };
        if names.is_empty() { Ok(ARTEFACTS.into()) } else { names.iter().map(parse).collect() }
    }

    /// The folder that it is served from.
    fn published(&self, project: &Project) -> PathBuf {
        let folder = if self.shipped { project.dist() } else { project.bench_files() };
        folder.join("wasm").join(self.name)
    }

    /// A digest of everything that the artefact is made from.
    fn fingerprint(&self, project: &Project) -> Result<String> {
        let rustc = output(program("rustc", &project.root).arg("--version"))?;
        let rustflags = std::env::var("RUSTFLAGS").unwrap_or_default();
        let mut fingerprint = Fingerprint::default()
            .text("rustc", &rustc)
            .text("RUSTFLAGS", &rustflags)
            .text("features", self.features)
            .text("rustc flags", &RUSTC_FLAGS.join(" "))
            .text("threads", &if self.threads { THREAD_FLAGS.join(" ") } else { String::new() })
            .text("wasm-opt", &self.optimiser(project)?);
        for input in INPUTS {
            fingerprint = fingerprint.files(&project.root, input)?;
        }
        Ok(fingerprint.finish())
    }

    /// What optimises the artefact, and how.
    fn optimiser(&self, project: &Project) -> Result<String> {
        let package = project.js().join("node_modules").join("binaryen").join("package.json");
        let package = fs::read_to_string(&package).with_context(|| format!("{} cannot be read", package.display()))?;
        let package: serde_json::Value = serde_json::from_str(&package)?;
        let options: Vec<&str> = self.options().collect();
        Ok(format!("{} {}", package["version"], options.join(" ")))
    }

    fn options(&self) -> impl Iterator<Item = &'static str> {
        let features = WASM_FEATURES.iter().chain(self.instructions);
        std::iter::once(OPTIMISATION).chain(features.chain(&FINISH).copied())
    }

    /// Compiles the crate, and gives the module's path.
    fn cargo_build(&self, project: &Project) -> Result<PathBuf> {
        say(format!("compiling the {} artefact; the first time takes minutes", self.name));
        let mut build = cargo(project);
        build.args(["rustc", "--release", "--lib", "--package", "pilot-light", "--target", WASM_TARGET]).args([
            "--no-default-features",
            "--features",
            self.features,
        ]);
        let mut target = project.target();
        if self.threads {
            tools::rust_source(project)?;
            // A folder of its own: other flags and another standard library than the rest is built with.
            target = target.join("threads");
            share_memory(&mut build);
            build.env("CARGO_TARGET_DIR", &target);
        }
        build.arg("--").args(RUSTC_FLAGS);
        run(&mut build)?;
        let folder = target.join(WASM_TARGET).join("release");
        let sources = folder.join(format!("{STEM}.d"));
        let sources = fs::read_to_string(&sources).with_context(|| format!("{} cannot be read", sources.display()))?;
        if let Some(stray) = stray_source(&sources, &project.root) {
            bail!(
                "the crate is built from {}, whose changes are not noticed: add it to INPUTS in xtask/src/artefact/mod.rs",
                stray.display()
            );
        }
        Ok(folder.join(format!("{STEM}.wasm")))
    }

    fn wasm_opt(&self, project: &Project, wasm: &Path, optimised: &Path) -> Result<()> {
        say(format!("optimising the {} artefact; this takes a minute", self.name));
        let wasm_opt = project.js().join("node_modules").join("binaryen").join("bin").join("wasm-opt");
        run(program("node", &project.root).arg(wasm_opt).args(self.options()).arg(wasm).arg("-o").arg(optimised))
    }
}

/// Has `build` compile for a memory that threads share. The standard library that comes with Rust does not know of
/// threads in WebAssembly, so it is compiled as well, which stable Rust refuses unless it is set to accept unstable options.
fn share_memory(build: &mut Command) {
    build
        .args(["-Z", "build-std=std,panic_abort", "--config"])
        .arg(format!("target.{WASM_TARGET}.rustflags={THREAD_FLAGS:?}"))
        .env("RUSTC_BOOTSTRAP", "1");
}

/// Takes out of the types what only users who compile for the newest JavaScript could read.
fn plain_types(path: &Path) -> Result<()> {
    let types = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let plain: Vec<&str> = types.lines().filter(|line| !line.contains("[Symbol.dispose]")).collect();
    fs::write(path, plain.join("\n") + "\n").with_context(|| format!("{} cannot be written", path.display()))
}

/// A source file under `root` that is not among the inputs, by cargo's list of the files that a build has read
/// (`target: file file ...`, with a backslash before a space in a name).
fn stray_source(sources: &str, root: &Path) -> Option<PathBuf> {
    let (_, files) = sources.lines().next()?.split_once(": ")?;
    let files = files.replace("\\ ", "\0");
    let mut paths = files.split(' ').map(|file| PathBuf::from(file.replace('\0', " ")));
    paths.find(|path| match path.strip_prefix(root) {
        Ok(inside) => !INPUTS.iter().any(|input| inside.starts_with(input)),
        Err(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_outside_the_inputs_are_found() {
        let root = Path::new("/the project");
        let inside = r"/t/pilot_light.wasm: /the\ project/src/lib.rs /the\ project/Cargo.toml /elsewhere/x.rs";
        assert_eq!(stray_source(inside, root), None);
        let outside = r"/t/pilot_light.wasm: /the\ project/src/lib.rs /the\ project/models/a.json";
        assert_eq!(stray_source(outside, root), Some(PathBuf::from("/the project/models/a.json")));
    }
}
