//! What the examples of a store have in common, and which of them are of its kind.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Example, MAX_TEXT_BYTES, Origin};
use crate::error::{Error, Result};
use crate::learning::LabelSet;
use crate::learning::head::fnv_1a;

/// What the examples of a store have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Space {
    /// A digest of the encoder that made the embeddings.
    pub encoder: String,
    /// Numbers of an embedding.
    pub width: usize,
    /// The labels that there are.
    pub labels: Vec<String>,
    /// Whether several labels, or none, may apply to a text. Else each has one.
    pub multi_label: bool,
}

impl Space {
    /// Tells spaces from one another: 64 bits of the encoder and the labels (FNV-1a).
    pub(in crate::learning) fn digest(&self) -> u64 {
        let parts = self.labels.iter().chain([&self.encoder]);
        // No text has such a byte.
        let texts = parts.flat_map(|part| part.bytes().chain([0xFF]));
        fnv_1a(texts.chain((self.width as u64).to_le_bytes()).chain([u8::from(self.multi_label)]))
    }

    /// The label of which an example is kept: its only one; where it has several, one of them by its key; where it has none,
    /// the number of labels.
    pub fn reservoir(&self, origin: &Origin) -> usize {
        self.reservoir_of(&origin.labels, origin.key)
    }

    pub(super) fn reservoir_of(&self, labels: &LabelSet, key: f64) -> usize {
        match labels.indices() {
            [] => self.labels.len(),
            [only] => *only,
            // Other bits than those by which folds are made.
            several => several[(key.to_bits().wrapping_mul(0xC2B2_AE3D_27D4_EB4F) >> 40) as usize % several.len()],
        }
    }

    /// How many reservoirs there are.
    pub(super) fn reservoirs(&self) -> usize {
        self.labels.len() + usize::from(self.multi_label)
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.labels.len() < 2 {
            return Err(Error::invalid_input(format!("there must be at least 2 labels, got {}", self.labels.len())));
        }
        let mut seen = BTreeSet::new();
        if let Some(label) = self.labels.iter().find(|label| !seen.insert(*label)) {
            return Err(Error::invalid_input(format!("the labels must differ, got '{label}' twice")));
        }
        if self.width == 0 {
            return Err(Error::invalid_input("an embedding must have at least one number, got a width of 0"));
        }
        Ok(())
    }

    /// Whether an embedding is one of this space.
    pub(in crate::learning) fn check_embedding(&self, embedding: &[f32]) -> Result<()> {
        if embedding.len() != self.width {
            let message = format!("an embedding must have {} numbers, got {}", self.width, embedding.len());
            return Err(Error::invalid_input(message));
        }
        match embedding.iter().position(|number| !number.is_finite()) {
            Some(at) => {
                let message = format!("an embedding must have finite numbers, got {} at {at}", embedding[at]);
                Err(Error::invalid_input(message))
            }
            None => Ok(()),
        }
    }

    /// The labels with these names; `None` where there is another one, or not one where each text has one.
    pub fn label_set(&self, names: &[&str]) -> Option<LabelSet> {
        let index = |name: &&str| self.labels.iter().position(|label| label == name);
        let labels = names.iter().map(index).collect::<Option<Vec<usize>>>()?.into();
        self.check_labels(&labels).is_ok().then_some(labels)
    }

    /// Whether a text may have these labels.
    pub(in crate::learning) fn check_labels(&self, labels: &LabelSet) -> Result<()> {
        let labels = labels.indices();
        if let Some(label) = labels.last().filter(|label| **label >= self.labels.len()) {
            return Err(Error::invalid_input(format!("a label must be below {}, got {label}", self.labels.len())));
        }
        if !self.multi_label && labels.len() != 1 {
            return Err(Error::invalid_input(format!("a text must have one label, got {}", labels.len())));
        }
        Ok(())
    }

    pub(super) fn check_example(&self, Example { embedding, origin, text }: &Example) -> Result<()> {
        if let Some(bytes) = text.as_ref().map(String::len).filter(|bytes| *bytes > MAX_TEXT_BYTES) {
            return Err(Error::invalid_input(format!("a text must have at most {MAX_TEXT_BYTES} bytes, got {bytes}")));
        }
        self.check_embedding(embedding)?;
        self.check_labels(&origin.labels)?;
        let Origin { propensity, agreement, time_ms, key, .. } = *origin;
        for (name, value) in [("propensity", propensity), ("agreement", agreement)] {
            if !(value > 0.0 && value <= 1.0) {
                return Err(Error::invalid_input(format!("the {name} must be above 0 and at most 1, got {value}")));
            }
        }
        if !(0.0..1.0).contains(&key) || !time_ms.is_finite() {
            let message = format!("a key must be from 0 to below 1 and a time finite, got {key} and {time_ms}");
            return Err(Error::invalid_input(message));
        }
        Ok(())
    }

    pub(in crate::learning) fn check_same(&self, other: &Self) -> Result<()> {
        if self.encoder != other.encoder || self.width != other.width {
            return Err(Error::invalid_input(format!(
                "a store must be of the encoder {} with {} numbers, got one of {} with {}",
                self.encoder, self.width, other.encoder, other.width
            )));
        }
        if self.labels != other.labels {
            return Err(Error::invalid_input(format!(
                "a store must have the labels {}, got {}",
                self.labels.join(", "),
                other.labels.join(", ")
            )));
        }
        if self.multi_label != other.multi_label {
            let kind = |space: &Self| if space.multi_label { "all labels that apply" } else { "one label" };
            let (ours, theirs) = (kind(self), kind(other));
            return Err(Error::invalid_input(format!("a store must have {ours} for a text, got one with {theirs}")));
        }
        Ok(())
    }
}
