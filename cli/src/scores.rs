//! What a model says of texts whose right answer is known.

use std::path::PathBuf;

use pilot_light::calibration::Example;
use pilot_light::tasks::{AnswerOutput, RunOptions, Task, TextModel, ZeroShotClassificationOptions};
use pilot_light::{Device, LoadOptions, folder};

use crate::Result;

/// Texts that go through the model at once.
const BATCH: usize = 64;

/// A model that gives each text one answer.
#[derive(clap::Args)]
pub struct ModelArguments {
    /// The model's folder
    #[arg(long)]
    pub model: PathBuf,
    /// The folder of a head's base model, if it is not next to the head's
    #[arg(long)]
    pub base: Option<PathBuf>,
    /// What it is for: text-classification, token-classification or zero-shot-classification
    #[arg(long, default_value = "text-classification", value_parser = task)]
    task: Task,
    /// A label to choose from, for zero-shot-classification; may be given several times
    #[arg(long = "candidate-label", required_if_eq("task", "zero-shot-classification"))]
    candidate_labels: Vec<String>,
}

fn task(name: &str) -> std::result::Result<Task, String> {
    serde_json::from_value(name.into()).map_err(|error| error.to_string())
}

impl ModelArguments {
    /// The model.
    pub fn load(&self) -> Result<TextModel> {
        let options = LoadOptions::default();
        let model = folder::load_with_base(&self.model, self.base.as_deref(), self.task, &Device::cpu(), options)?;
        model.check_answers()?;
        Ok(model)
    }

    /// How it is run.
    pub fn options(&self) -> Result<RunOptions> {
        if self.task != Task::ZeroShotClassification {
            return Ok(RunOptions::default());
        }
        let candidate_labels = self.candidate_labels.clone();
        Ok(RunOptions::new(&ZeroShotClassificationOptions { candidate_labels, ..Default::default() })?)
    }
}

/// How sure `model` is of each text, next to whether its answer is right.
pub fn examples(model: &TextModel, options: &RunOptions, known: &[(String, AnswerOutput)]) -> Result<Vec<Example>> {
    let mut found = Vec::with_capacity(known.len());
    for (at, batch) in known.chunks(BATCH).enumerate() {
        let (texts, truths): (Vec<String>, Vec<AnswerOutput>) = batch.iter().cloned().unzip();
        let scored = pollster::block_on(model.examples(&texts, &truths, options));
        found.extend(scored.map_err(|error| error.behind(at * BATCH))?);
        if at % 8 == 7 {
            eprintln!("{} of {} texts", at * BATCH + batch.len(), known.len());
        }
    }
    Ok(found)
}
