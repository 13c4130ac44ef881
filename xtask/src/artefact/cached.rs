//! An artefact in the cache folder: its steps, each of which is skipped if the cache folder has its result.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Artefact, STEM, plain_types};
use crate::fingerprint::{Fingerprint, file_digest};
use crate::folders::{mirror, remove_folder};
use crate::process::{program, run};
use crate::project::Project;

/// The note of what `bound` was compiled from.
const BOUND_FROM: &str = "bound-from";
/// The note of what `files` were compiled from.
const MADE_FROM: &str = "made-from";
/// The note of which module, by its digest, the one in `files` is the optimised form of.
const OPTIMISED_FROM: &str = "optimised-from";

/// What the cache folder has of an artefact: nothing yet, or `bound` (compiled, with its glue) or `files` (optimised too).
/// A note next to them says what each was made from.
pub struct Cached<'a> {
    artefact: &'a Artefact,
    project: &'a Project,
    /// Binds it to JavaScript. The npm packages are installed before it is known, and the notes contain their versions.
    wasm_bindgen: &'a Path,
    folder: PathBuf,
    /// The digest of the sources as they are now.
    sources: String,
}

impl<'a> Cached<'a> {
    pub fn new(artefact: &'a Artefact, project: &'a Project, wasm_bindgen: &'a Path) -> Result<Self> {
        let folder = project.cache.join("artefacts").join(artefact.name);
        Ok(Self { artefact, project, wasm_bindgen, folder, sources: artefact.fingerprint(project)? })
    }

    /// Whether the finished artefact is there, made from the sources as they are now.
    pub fn is_finished(&self) -> bool {
        self.is(MADE_FROM, &self.sources)
    }

    /// Compiles the artefact and binds it to JavaScript.
    pub fn compile(&self) -> Result<()> {
        if self.is_finished() || self.is(BOUND_FROM, &self.sources) {
            return Ok(());
        }
        let wasm = self.artefact.cargo_build(self.project)?;
        self.forget(&[BOUND_FROM]);
        remove_folder(&self.bound())?;
        run(program(self.wasm_bindgen, &self.project.root)
            .args(["--target", "web", "--out-name", STEM, "--remove-producers-section", "--out-dir"])
            .arg(self.bound())
            .arg(&wasm))?;
        plain_types(&self.bound().join(format!("{STEM}.d.ts")))?;
        self.note(BOUND_FROM, &self.sources)
    }

    /// Puts the compiled artefact where it is served, optimised or not: without that a page computes the same, slower.
    pub fn publish(&self) -> Result<()> {
        mirror(&if self.is_finished() { self.files() } else { self.bound() }, &self.artefact.published(self.project))
    }

    /// Optimises the compiled artefact, and puts it where it is served.
    pub fn finish(&self) -> Result<()> {
        if !self.is_finished() {
            self.optimise()?;
            self.note(MADE_FROM, &self.sources)?;
        }
        self.publish()
    }

    /// Replaces the artefact in `js/dist/wasm/` by a script that fails, so that a page takes another, and the types of
    /// `like`, which has the same interface: the scripts are compiled against the types of every artefact.
    pub fn withdraw(&self, like: &Artefact) -> Result<()> {
        let types = format!("{STEM}.d.ts");
        let (folder, from) = (self.artefact.published(self.project), like.published(self.project).join(&types));
        remove_folder(&folder)?;
        fs::create_dir_all(&folder)?;
        fs::copy(&from, folder.join(types)).with_context(|| format!("{} cannot be copied", from.display()))?;
        let script = folder.join(format!("{STEM}.js"));
        fs::write(&script, "throw new Error('It is not built yet.');\n")
            .with_context(|| format!("{} cannot be written", script.display()))
    }

    fn optimise(&self) -> Result<()> {
        let (bound, files) = (self.bound(), self.files());
        let wasm = format!("{STEM}_bg.wasm");
        // Many changes leave the module as it was: those of comments, tests and native code.
        let input = Fingerprint::default()
            .text("wasm", &file_digest(&bound.join(&wasm))?)
            .text("wasm-opt", &self.artefact.optimiser(self.project)?)
            .finish();
        let optimised = self.folder.join("optimised.wasm");
        if self.is(OPTIMISED_FROM, &input) {
            fs::copy(files.join(&wasm), &optimised)?;
        } else {
            self.artefact.wasm_opt(self.project, &bound.join(&wasm), &optimised)?;
        }
        self.forget(&[BOUND_FROM, MADE_FROM, OPTIMISED_FROM]);
        remove_folder(&files)?;
        fs::rename(optimised, bound.join(&wasm)).context("the optimised module cannot replace the other")?;
        fs::rename(bound, files)?;
        self.note(OPTIMISED_FROM, &input)
    }

    fn bound(&self) -> PathBuf {
        self.folder.join("bound")
    }

    fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    fn is(&self, note: &str, digest: &str) -> bool {
        fs::read_to_string(self.folder.join(note)).is_ok_and(|noted| noted == digest)
    }

    fn note(&self, note: &str, digest: &str) -> Result<()> {
        let path = self.folder.join(note);
        fs::write(&path, digest).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Removes notes before the files that they describe change: an interrupted step is then repeated.
    fn forget(&self, notes: &[&str]) {
        for note in notes {
            // A missing note needs no removal.
            let _ = fs::remove_file(self.folder.join(note));
        }
    }
}
