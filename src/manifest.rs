//! The manifest `pilot.json`: the lengths and digests of a folder's files, the calibration of its model, and its provenance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::error::{Error, Result};

/// The manifest of a folder. A folder without `pilot.json` has an empty one.
///
/// ```
/// let digest = "0".repeat(64);
/// let json = format!(r#"{{"files": {{"model.safetensors": {{"bytes": 8, "sha256": "{digest}"}}}}}}"#);
/// let manifest = pilot_light::Manifest::from_json(&json)?;
/// assert_eq!(manifest.files["model.safetensors"].bytes, 8);
/// # Ok::<(), pilot_light::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Files by their path relative to the folder.
    #[serde(default)]
    pub files: BTreeMap<String, File>,
    /// The model's temperature and threshold, where it was calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// How the folder was made; for people, not read by this crate.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub provenance: serde_json::Value,
}

/// The length and digest of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Reads `pilot.json`.
    ///
    /// # Errors
    /// Invalid artefact: it is not JSON, or a digest is not a SHA-256.
    pub fn from_json(json: &str) -> Result<Self> {
        let wrong = |what: String| Error::invalid_artefact(format!("pilot.json is not right: {what}"));
        let manifest: Self = serde_json::from_str(json).map_err(|error| wrong(error.to_string()))?;
        let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match manifest.files.iter().find(|(_, file)| !is_digest(&file.sha256)) {
            Some((name, file)) => {
                let digest = &file.sha256;
                Err(wrong(format!("the SHA-256 of {name} must be 64 hexadecimal digits, got '{digest}'")))
            }
            None => Ok(manifest),
        }
    }
}
