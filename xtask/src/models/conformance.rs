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
/// The suites, each with the digest of all its files' names and digests: the package is another for each platform, and they
/// are not. `node` has operators, the others layers of PyTorch as it exported them at operator set 6.
const SUITES: [(&str, &str); 3] = [
    ("node", "9d2bf8944b1b0b5b9bd3f686276e0e972d7afe96d7135c13046349832c0327b3"),
    ("pytorch-converted", "9516d4915bf8db0bb40a338bed668475709bd822eee4205fa56268ef25c1c09e"),
    ("pytorch-operator", "4739119373863f4a61330d9898d375051e52fecc1e7a08fa0e4ed46590bd880b"),
];

/// Puts them into the cache folder, where they are not there already.
pub fn bring(project: &Project) -> Result<()> {
    let place = project.conformance();
    let folder = place.join("onnx-1.22.0");
    let missing: Vec<_> = SUITES.into_iter().filter(|(suite, _)| !folder.join(suite).is_dir()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    say("fetching the tests of the ONNX operators, once (18 MB)");
    fs::create_dir_all(&folder)?;
    in_passing(&place, "onnx", |downloads| {
        let data = unpacked(project, PACKAGE, Archive::Wheel, downloads)?.join(FOLDER_IN_PACKAGE);
        for (suite, digest) in missing {
            verify(&data, suite, digest)?;
            rename(&data.join(suite), &folder.join(suite))?;
        }
        Ok(())
    })
}

fn verify(data: &Path, suite: &str, expected: &str) -> Result<()> {
    let digest = Fingerprint::default().files(data, suite)?.finish();
    if digest != expected {
        bail!("the ONNX tests {suite} have the digest {digest}, not {expected}");
    }
    Ok(())
}
