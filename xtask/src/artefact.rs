//! The wasm artefacts: compiled, bound to JavaScript, optimised, and kept in the cache folder.
//!
//! Optimising takes minutes, and so does compiling in a clean checkout, whose files are all new to
//! cargo. Both are skipped where nothing has changed that the result depends on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::fingerprint::{Fingerprint, file_digest, files_under, same_bytes};
use crate::process::{cargo, output, program, run, say};
use crate::project::Project;
use crate::tools::WASM_TARGET;

/// A WebAssembly module with its glue and its types.
pub struct Artefact {
    /// Its folder under `js/dist/wasm/`.
    pub name: &'static str,
    /// The cargo features that it is built with.
    pub features: &'static str,
    /// How wasm-opt optimises it.
    optimisation: &'static str,
}

/// The CPU artefact is optimised for speed. The GPU one is ten times its size, and its time is spent on
/// the GPU: what counts there is the download.
pub const ARTEFACTS: [Artefact; 2] = [
    Artefact { name: "cpu", features: "web", optimisation: "-O3" },
    Artefact { name: "gpu", features: "web,gpu", optimisation: "-O2" },
];

/// The name of the wasm file and of its glue.
const STEM: &str = "pilot_light";

/// What the crate is built from, relative to the checkout.
const INPUTS: [&str; 5] = ["src", "Cargo.toml", "Cargo.lock", ".cargo/config.toml", "rust-toolchain.toml"];

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

/// The parts of a module that no browser needs.
const STRIPPED: [&str; 2] = ["--strip-debug", "--strip-producers"];

impl Artefact {
    /// Puts the artefact into `js/dist/wasm/`, from the cache folder where it is there already.
    pub fn bring(&self, project: &Project, wasm_bindgen: &Path) -> Result<()> {
        let kept = Kept(project.cache.join("artefacts").join(self.name));
        let made_from = self.fingerprint(project)?;
        if !kept.is(Kept::MADE_FROM, &made_from) {
            self.make(project, wasm_bindgen, &kept)?;
            kept.note(Kept::MADE_FROM, &made_from)?;
        }
        mirror(&kept.files(), &project.dist().join("wasm").join(self.name))
    }

    /// A digest of everything that the artefact is made from.
    fn fingerprint(&self, project: &Project) -> Result<String> {
        let rustc = output(program("rustc", &project.root).arg("--version"))?;
        let rustflags = std::env::var("RUSTFLAGS").unwrap_or_default();
        let mut fingerprint = Fingerprint::default()
            .text("rustc", &rustc)
            .text("RUSTFLAGS", &rustflags)
            .text("features", self.features)
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
        Ok(format!("{} {} {} {}", package["version"], self.optimisation, WASM_FEATURES.join(" "), STRIPPED.join(" ")))
    }

    fn make(&self, project: &Project, wasm_bindgen: &Path, kept: &Kept) -> Result<()> {
        let compiled = self.compile(project)?;
        let bound = kept.0.join("bound");
        remove_folder(&bound)?;
        run(program(wasm_bindgen, &project.root)
            .args(["--target", "web", "--out-name", STEM, "--remove-producers-section", "--out-dir"])
            .arg(&bound)
            .arg(&compiled))?;

        plain_types(&bound.join(format!("{STEM}.d.ts")))?;

        // Many changes leave the module as it was: those of comments, tests and native code.
        let wasm = format!("{STEM}_bg.wasm");
        let input = Fingerprint::default()
            .text("wasm", &file_digest(&bound.join(&wasm))?)
            .text("wasm-opt", &self.optimiser(project)?)
            .finish();
        if kept.is(Kept::OPTIMISED_FROM, &input) {
            fs::copy(kept.files().join(&wasm), bound.join(&wasm))?;
        } else {
            self.optimise(project, &bound.join(&wasm))?;
        }
        kept.forget();
        remove_folder(&kept.files())?;
        fs::rename(&bound, kept.files())?;
        kept.note(Kept::OPTIMISED_FROM, &input)
    }

    /// Compiles the crate, and gives the module's path.
    fn compile(&self, project: &Project) -> Result<PathBuf> {
        say(format!("compiling the {} artefact; the first time takes minutes", self.name));
        run(cargo(project)
            .args(["build", "--release", "--lib", "--package", "pilot-light", "--target", WASM_TARGET])
            .args(["--no-default-features", "--features", self.features]))?;
        let folder = project.target().join(WASM_TARGET).join("release");
        let sources = folder.join(format!("{STEM}.d"));
        let sources = fs::read_to_string(&sources).with_context(|| format!("{} cannot be read", sources.display()))?;
        if let Some(stray) = stray_source(&sources, &project.root) {
            bail!(
                "the crate is built from {}, which no change is looked for in: add it to INPUTS in xtask/src/artefact.rs",
                stray.display()
            );
        }
        Ok(folder.join(format!("{STEM}.wasm")))
    }

    fn optimise(&self, project: &Project, wasm: &Path) -> Result<()> {
        say(format!("optimising the {} artefact ({}); this takes minutes", self.name, self.optimisation));
        let optimised = wasm.with_extension("optimised");
        let wasm_opt = project.js().join("node_modules").join("binaryen").join("bin").join("wasm-opt");
        run(program("node", &project.root)
            .arg(wasm_opt)
            .arg(self.optimisation)
            .args(WASM_FEATURES)
            .args(STRIPPED)
            .arg(wasm)
            .arg("-o")
            .arg(&optimised))?;
        fs::rename(optimised, wasm).context("the optimised module cannot be put in its place")
    }
}

/// Takes out of the types what only users who compile for the newest JavaScript could read.
fn plain_types(path: &Path) -> Result<()> {
    let types = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let plain: Vec<&str> = types.lines().filter(|line| !line.contains("[Symbol.dispose]")).collect();
    fs::write(path, plain.join("\n") + "\n").with_context(|| format!("{} cannot be written", path.display()))
}

/// An artefact in the cache folder, with notes of what it was made from.
struct Kept(PathBuf);

impl Kept {
    const MADE_FROM: &str = "made-from";
    const OPTIMISED_FROM: &str = "optimised-from";

    fn files(&self) -> PathBuf {
        self.0.join("files")
    }

    fn is(&self, note: &str, digest: &str) -> bool {
        fs::read_to_string(self.0.join(note)).is_ok_and(|noted| noted == digest)
    }

    fn note(&self, note: &str, digest: &str) -> Result<()> {
        let path = self.0.join(note);
        fs::write(&path, digest).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Takes back the notes while the files change: what is interrupted is made again.
    fn forget(&self) {
        for note in [Self::MADE_FROM, Self::OPTIMISED_FROM] {
            // One that is not there needs no taking back.
            let _ = fs::remove_file(self.0.join(note));
        }
    }
}

/// A source file under `root` that is not among the inputs, by the list that cargo leaves of what a
/// build has read (`target: file file ...`, with a backslash before a space in a name).
fn stray_source(sources: &str, root: &Path) -> Option<PathBuf> {
    let (_, files) = sources.lines().next()?.split_once(": ")?;
    let files = files.replace("\\ ", "\0");
    let mut paths = files.split(' ').map(|file| PathBuf::from(file.replace('\0', " ")));
    paths.find(|path| match path.strip_prefix(root) {
        Ok(inside) => !INPUTS.iter().any(|input| inside.starts_with(input)),
        Err(_) => false,
    })
}

/// Makes the folder `to` a copy of `from`, writing only what differs.
fn mirror(from: &Path, to: &Path) -> Result<()> {
    for file in files_under(to)? {
        if !from.join(file.strip_prefix(to)?).is_file() {
            fs::remove_file(&file)?;
        }
    }
    for file in files_under(from)? {
        let copy = to.join(file.strip_prefix(from)?);
        if !same_bytes(&file, &copy) {
            fs::create_dir_all(copy.parent().context("a file lies in a folder")?)?;
            fs::copy(&file, &copy).with_context(|| format!("{} cannot be written", copy.display()))?;
        }
    }
    Ok(())
}

fn remove_folder(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("{} cannot be removed", path.display()))?;
    }
    Ok(())
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
