//! Artefacts as they are kept in the cache folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::fingerprint::{files_under, same_bytes};

/// An artefact in the cache folder, with notes of what it was made from.
pub struct Kept(pub PathBuf);

impl Kept {
    pub const MADE_FROM: &str = "made-from";
    pub const OPTIMISED_FROM: &str = "optimised-from";

    pub fn files(&self) -> PathBuf {
        self.0.join("files")
    }

    pub fn is(&self, note: &str, digest: &str) -> bool {
        fs::read_to_string(self.0.join(note)).is_ok_and(|noted| noted == digest)
    }

    pub fn note(&self, note: &str, digest: &str) -> Result<()> {
        let path = self.0.join(note);
        fs::write(&path, digest).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Takes back the notes while the files change: what is interrupted is made again.
    pub fn forget(&self) {
        for note in [Self::MADE_FROM, Self::OPTIMISED_FROM] {
            // One that is not there needs no taking back.
            let _ = fs::remove_file(self.0.join(note));
        }
    }
}

/// Makes the folder `to` a copy of `from`, writing only what differs.
pub fn mirror(from: &Path, to: &Path) -> Result<()> {
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

pub fn remove_folder(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("{} cannot be removed", path.display()))?;
    }
    Ok(())
}
