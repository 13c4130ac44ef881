//! npm packages, by lock file.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::fingerprint::file_digest;
use crate::process::{program, run, say};

/// Installs what the lock file in `folder` names, where that is not installed already.
pub fn install(folder: &Path) -> Result<()> {
    // In the folder that it describes, so that it goes when that goes.
    let stamp = folder.join("node_modules").join(".installed-from");
    let digest = file_digest(&folder.join("package-lock.json"))?;
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == digest) {
        return Ok(());
    }
    say(format!("installing npm packages in {}", folder.display()));
    // Install scripts download things that no lock file names.
    run(program("npm", folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    fs::write(&stamp, digest).with_context(|| format!("{} cannot be written", stamp.display()))
}
