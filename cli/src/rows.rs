//! Texts and what is known of them, from JSON Lines or from CSV.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use pilot_light::tasks::{Answer, AnswerOutput, EntityGroup};
use serde::{Deserialize, Serialize};

use crate::Result;

/// A text, and what is known of it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Row {
    /// The text.
    pub text: String,
    /// Its right label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// All labels that apply to it, where several may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// Its entities, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entities: Option<Vec<Entity>>,
    /// The remote model that said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labelled_by: Option<String>,
    /// Who it came from, for what learns from many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How far its label counts, for what learns from it: above 0 and at most 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// What it has in common with rows that depend on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// An entity; offsets count bytes of the text in UTF-8.
#[derive(Clone, Serialize, Deserialize)]
pub struct Entity {
    /// What it is.
    pub entity_group: String,
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Its words, which tell whether the offsets are counted as they should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
}

impl Row {
    /// Its label, for what learns labels.
    pub fn label(&self) -> Result<&str> {
        Ok(self.label.as_deref().ok_or_else(|| format!("this text has no label: {}", shown(&self.text)))?)
    }

    /// The right answer, where it is known.
    pub fn truth(&self) -> Result<Option<AnswerOutput>> {
        match (&self.label, &self.entities) {
            (Some(label), None) => Ok(Some(AnswerOutput::Label(Answer { label: label.clone(), score: None }))),
            (None, Some(entities)) => {
                let groups = entities.iter().map(|entity| entity.within(&self.text));
                Ok(Some(AnswerOutput::Entities(groups.collect::<Result<_>>()?)))
            }
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(format!("this text has a label and entities: {}", shown(&self.text)).into()),
        }
    }

    /// The same text with the answer of the remote model `model`.
    pub fn labelled(&self, truth: AnswerOutput, model: String) -> Self {
        let mut row = Self { labelled_by: Some(model), ..self.clone() };
        match truth {
            AnswerOutput::Label(answer) => row.label = Some(answer.label),
            AnswerOutput::Entities(groups) => row.entities = Some(groups.into_iter().map(Entity::from).collect()),
            AnswerOutput::Labels(answers) => {
                row.labels = Some(answers.labels.into_iter().map(|answer| answer.label).collect());
            }
            // No model of the command line reads records.
            AnswerOutput::Record(_) => {}
        }
        row
    }
}

impl Entity {
    fn within(&self, text: &str) -> Result<EntityGroup> {
        let Self { entity_group, start, end, word } = self;
        let found = text.get(*start..*end).filter(|found| !found.is_empty());
        let found = found.filter(|found| word.as_ref().is_none_or(|word| word == found)).ok_or_else(|| {
            let word = word.as_deref().unwrap_or(entity_group);
            format!("'{word}' is not from byte {start} to {end} of this text: {}", shown(text))
        })?;
        let (entity_group, word) = (entity_group.clone(), found.to_string());
        Ok(EntityGroup { entity_group, score: None, word, start: *start, end: *end })
    }
}

impl From<EntityGroup> for Entity {
    fn from(EntityGroup { entity_group, word, start, end, .. }: EntityGroup) -> Self {
        Self { entity_group, start, end, word: Some(word) }
    }
}

/// Enough of a text to find it by.
fn shown(text: &str) -> String {
    text.chars().take(60).collect()
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

/// The texts of `rows` with their right answers.
pub fn known(rows: &[Row]) -> Result<Vec<(String, AnswerOutput)>> {
    let known = |row: &Row| match row.truth()? {
        Some(truth) => Ok((row.text.clone(), truth)),
        None => Err(format!("this text has no label: {}", shown(&row.text)).into()),
    };
    rows.iter().map(known).collect()
}
