//! `pilot.json`: what a folder's files must be, how far its model may be trusted, and where a head that was trained
//! here comes from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::error::{Error, Result};

/// The manifest of a folder; one without `pilot.json` has an empty one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Files by their name relative to the folder.
    #[serde(default)]
    pub files: BTreeMap<String, File>,
    /// Its temperature and threshold, where it was calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// How the folder came to be; for people, not read here.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub provenance: serde_json::Value,
}

/// What a file must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Reads `pilot.json`.
    ///
    /// # Errors
    /// Invalid artefact: it is no JSON, or a digest is none.
    pub fn from_json(json: &str) -> Result<Self> {
        let wrong = |what: String| Error::invalid_artefact(format!("pilot.json is not right: {what}"));
        let manifest: Self = serde_json::from_str(json).map_err(|error| wrong(error.to_string()))?;
        let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match manifest.files.iter().find(|(_, file)| !is_digest(&file.sha256)) {
            Some((name, file)) => Err(wrong(format!("'{}' of {name} is no SHA-256", file.sha256))),
            None => Ok(manifest),
        }
    }
}
