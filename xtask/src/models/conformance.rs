//! The tests of single operators that the ONNX project publishes: a model, its inputs and its outputs each.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::packages::Archive;
use super::{in_passing, rename, unpacked};
use crate::fingerprint::Fingerprint;
use crate::process::say;
use crate::project::Project;

/// The last release that carries them.
const PACKAGE: &str = "onnx==1.22.0";
const FOLDER_IN_PACKAGE: &str = "onnx/backend/test/data";
/// Of all the files' names and digests: the package is another for each platform, and they are not.
const DIGEST: &str = "9d2bf8944b1b0b5b9bd3f686276e0e972d7afe96d7135c13046349832c0327b3";

/// Puts them into the cache folder, where they are not there already.
pub fn bring(project: &Project) -> Result<()> {
    let place = project.conformance();
    let folder = place.join("onnx-1.22.0");
    if folder.join("node").is_dir() {
        return Ok(());
    }
    say("fetching the tests of the ONNX operators, once (18 MB)");
    fs::create_dir_all(&folder)?;
    in_passing(&place, "onnx", |downloads| {
        let data = unpacked(project, PACKAGE, Archive::Wheel, downloads)?.join(FOLDER_IN_PACKAGE);
        verify(&data)?;
        rename(&data.join("node"), &folder.join("node"))
    })
}

fn verify(data: &Path) -> Result<()> {
    let digest = Fingerprint::default().files(data, "node")?.finish();
    if digest != DIGEST {
        bail!("the tests of the ONNX operators have the digest {digest}, not {DIGEST}");
    }
    Ok(())
}
