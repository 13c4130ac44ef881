//! Copying and removing folders.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::fingerprint::{files_under, same_bytes};

/// Makes the folder `to` a copy of `from`, writing only what differs. A page may be loading the files: each is replaced
/// as a whole, and scripts come last, since a script that is there promises the module that it loads.
pub fn mirror(from: &Path, to: &Path) -> Result<()> {
    for file in files_under(to)? {
        if !from.join(file.strip_prefix(to)?).is_file() {
            fs::remove_file(&file)?;
        }
    }
    let mut files = files_under(from)?;
    files.sort_by_key(|file| file.extension().is_some_and(|extension| extension == "js"));
    for file in files {
        let copy = to.join(file.strip_prefix(from)?);
        if !same_bytes(&file, &copy) {
            let folder = copy.parent().context("a file lies in a folder")?;
            let partial = folder.join(".partial");
            fs::create_dir_all(folder)?;
            fs::copy(&file, &partial)
                .and_then(|_| fs::rename(&partial, &copy))
                .with_context(|| format!("{} cannot be written", copy.display()))?;
        }
    }
    Ok(())
}

/// Removes a folder, if it is there.
pub fn remove_folder(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("{} cannot be removed", path.display()))?;
    }
    Ok(())
}
