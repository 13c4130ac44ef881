//! Labelled texts, from JSON Lines or from CSV.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

use crate::Result;

/// A labelled text.
#[derive(Deserialize)]
pub struct Row {
    /// The text.
    pub text: String,
    /// Its right label.
    pub label: String,
    /// What it has in common with rows that depend on it.
    pub group: Option<String>,
}

/// The rows of the file at `path`: CSV with the columns text and label where its name ends in `.csv`, or else JSON Lines.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let file = File::open(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if path.extension().is_some_and(|extension| extension == "csv") {
        let rows: std::result::Result<Vec<Row>, csv::Error> = csv::Reader::from_reader(file).deserialize().collect();
        return Ok(rows.map_err(|error| format!("{}: {error}", path.display()))?);
    }
    let lines = BufReader::new(file).lines().enumerate();
    lines
        .map(|(index, line)| {
            let row = serde_json::from_str(&line?);
            Ok(row.map_err(|error| format!("{}, line {}: {error}", path.display(), index + 1))?)
        })
        .collect()
}
