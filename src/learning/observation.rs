//! What a remote model said of a text, as bytes: what one tab leaves for the one that learns.

use serde::{Deserialize, Serialize};

use super::{Decision, Event, LabelSet, Learner, RemoteLabels, Space};
use crate::error::{Error, Result};

/// The digit is the version.
const MAGIC: &[u8; 8] = b"PLLABEL3";

/// What a remote model said of a text that was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The embedding of the text.
    pub embedding: Vec<f32>,
    /// Why it was sent.
    pub decision: Decision,
    /// The label, or all of them.
    pub labels: LabelSet,
    /// As in [`RemoteLabels`].
    pub agreement: f64,
    /// As in [`RemoteLabels`].
    pub source: u64,
    /// When the label came, in milliseconds since 1970.
    pub time_ms: f64,
    /// A random number from 0 to below 1.
    pub key: f64,
    /// The text itself, where texts are kept.
    pub text: Option<String>,
}

impl Observation {
    /// It as bytes, for a learner of `space`.
    pub fn to_bytes(&self, space: &Space) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(space.digest().to_le_bytes());
        // Numbers and a list of them: none of that can fail.
        bytes.extend(postcard::to_allocvec(self).unwrap_or_default());
        bytes
    }

    /// Reads one for a learner of `space`.
    ///
    /// # Errors
    /// Invalid artefact: other bytes or another version. Invalid input: it is of another encoder or of other labels.
    pub fn from_bytes(bytes: &[u8], space: &Space) -> Result<Self> {
        let wrong = |what: String| Error::invalid_artefact(format!("a stored label: {what}"));
        let rest = bytes.strip_prefix(MAGIC).and_then(<[u8]>::split_first_chunk);
        let Some((of, rest)) = rest else {
            return Err(wrong("expected bytes that begin with PLLABEL3, got others".to_string()));
        };
        if *of != space.digest().to_le_bytes() {
            return Err(Error::invalid_input("a stored label must be of this encoder and these labels, got another"));
        }
        let read: Self = postcard::from_bytes(rest).map_err(|error| wrong(error.to_string()))?;
        for labels in [&read.labels, &read.decision.prediction.labels] {
            space.check_labels(labels).map_err(|error| wrong(error.to_string()))?;
        }
        let chance = |chance: f64| chance > 0.0 && chance <= 1.0;
        if !chance(read.decision.floor) || !chance(read.decision.propensity) {
            return Err(wrong("expected probabilities above 0 and at most 1, got others".to_string()));
        }
        Ok(read)
    }

    /// Gives it to a learner.
    ///
    /// # Errors
    /// As [`Learner::observe`].
    pub fn give(&self, learner: &mut Learner) -> Result<Event> {
        let Self { embedding, decision, labels, agreement, source, time_ms, key, text } = self;
        let known = learner.store().space().labels.clone();
        let names: Vec<&str> = labels.indices().iter().filter_map(|at| known.get(*at).map(String::as_str)).collect();
        let answer = RemoteLabels { labels: &names, agreement: *agreement, source: *source };
        let event = learner.observe(embedding, decision, answer, *time_ms, *key)?;
        if let Some(text) = text {
            learner.keep_text(labels, *key, text);
        }
        Ok(event)
    }
}
