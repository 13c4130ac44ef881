//! What a classifier says of labelled texts.

use std::path::Path;

use pilot_light::calibration::Example;
use pilot_light::tasks::{Pipeline, RunOptions, Task};
use pilot_light::{Device, LoadOptions, folder};

use crate::Result;
use crate::rows::Row;

/// Texts that go through the model at once.
const BATCH: usize = 64;

/// The classifier in the folder `model`.
pub fn classifier(model: &Path, base: Option<&Path>) -> Result<Pipeline> {
    let options = LoadOptions::default();
    let model = folder::load_with_base(model, base, Task::TextClassification, &Device::cpu(), options)?;
    model.check_answers()?;
    Ok(model)
}

/// How sure `model` is of each of `rows`, and whether it is right.
pub fn examples(model: &Pipeline, rows: &[Row]) -> Result<Vec<Example>> {
    let mut found = Vec::with_capacity(rows.len());
    for (at, batch) in rows.chunks(BATCH).enumerate() {
        let texts: Vec<String> = batch.iter().map(|row| row.text.clone()).collect();
        let labels: Vec<String> = batch.iter().map(|row| row.label.clone()).collect();
        found.extend(pollster::block_on(model.examples(&texts, &labels, &RunOptions::default()))?);
        if at % 8 == 7 {
            eprintln!("{} of {} texts", at * BATCH + batch.len(), rows.len());
        }
    }
    Ok(found)
}
