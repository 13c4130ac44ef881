//! What is to be said of a learner.

use serde::Serialize;

use super::Learner;
use crate::error::Result;
use crate::learning::{Counters, Example, Prediction};

/// What a learner has learnt, and what holds now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct LearningReport {
    /// The labels.
    pub labels: Vec<String>,
    /// Whether several of them, or none, may apply to a text.
    pub multi_label: bool,
    /// How many examples of each label are kept. One with several counts for each of them.
    pub examples: Vec<usize>,
    /// How many examples are kept that have no label.
    pub unlabelled: usize,
    /// Of how many of them the text is kept.
    pub texts: usize,
    /// The number of the head in charge; 0 for the first one.
    pub version: u64,
    /// Whether a promise holds now: of what stays at home at most `alpha` has another label than the remote model would give.
    pub promised: bool,
    /// What is promised.
    pub alpha: f64,
    /// The chance that this is not so, at all times together.
    pub delta: f64,
    /// The confidence from which on answers stay at home, while something is promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub threshold: Option<f32>,
    /// How often these differ from the remote model, by the labels so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub risk: Option<f64>,
    /// The head under test, with the evidence of those before it.
    pub candidates: Vec<CandidateReport>,
    /// Whether a head is being trained.
    pub training: bool,
    /// Whether there is a head to return to.
    pub can_roll_back: bool,
    /// What was done.
    pub counters: Counters,
}

/// A head under test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct CandidateReport {
    /// Its number.
    pub version: u64,
    /// The part of the evidence that is there of what keeping more at home needs; it may fall.
    pub progress: f64,
}

impl Learner {
    /// What the head in charge says of a text that is not learnt from, with its neighbours among the examples.
    ///
    /// # Errors
    /// Invalid input: an embedding of another width, or with a number that is not finite.
    pub fn predict(&self, embedding: &[f32]) -> Result<Prediction> {
        self.store.space().check_embedding(embedding)?;
        Ok(self.voted(self.in_charge.version, &self.in_charge.head, &self.vote(embedding), embedding))
    }

    /// What it has learnt, and what holds now.
    pub fn report(&self) -> LearningReport {
        let (space, promise) = (self.store.space(), self.in_charge.promise.as_ref());
        let mut examples = vec![0; space.labels.len()];
        let mut unlabelled = 0;
        for Example { origin, .. } in self.store.examples() {
            origin.labels.indices().iter().for_each(|label| examples[*label] += 1);
            unlabelled += usize::from(origin.labels.indices().is_empty());
        }
        let candidate = CandidateReport { version: self.trial.version, progress: self.trial.progress() };
        LearningReport {
            labels: space.labels.clone(),
            multi_label: space.multi_label,
            examples,
            unlabelled,
            texts: self.store.examples().iter().filter(|example| example.text.is_some()).count(),
            version: self.in_charge.version,
            promised: promise.is_some(),
            alpha: self.options.tested_alpha(),
            delta: self.options.delta,
            threshold: promise.map(|promise| promise.threshold),
            risk: promise.and_then(|promise| self.trial.risk(promise.level)),
            candidates: vec![candidate],
            training: self.trains(),
            can_roll_back: !self.history.is_empty(),
            counters: self.counters,
        }
    }
}
