//! The whole state of a learner as bytes: its examples, its heads, and the evidence of the tests that are under way.
//!
//! A magic number with the version, the length of the [`Store`], the store, and all else in postcard's format, which keeps
//! numbers to the last bit. Training under way is not kept; it begins again.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{HISTORY, InCharge, Learner, trial};
use crate::error::{Error, Result};
use crate::learning::baseline::Baseline;
use crate::learning::trial::Trial;
use crate::learning::{Counters, LearnOptions, Space, Store, digest};

/// The digit is the version of all that is stored; a test says when it has to change.
const MAGIC: &[u8; 8] = b"PLLEARN3";
/// What comes before the store.
const PREFIX: usize = 12;
/// Counts above this are not ours.
const MOST: u64 = 1 << 53;

#[derive(Serialize, Deserialize)]
struct State {
    /// What was promised: evidence is for that alone.
    promise: (f64, f64),
    in_charge: InCharge,
    history: VecDeque<InCharge>,
    trial: Trial,
    first: (f64, f64),
    baseline: Baseline,
    l2: f64,
    due: u64,
    changed: Option<(f64, u64)>,
    careful: u64,
    counters: Counters,
}

impl Learner {
    /// The state as bytes, which [`Learner::from_bytes`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        let state = State {
            promise: promise(&self.options),
            in_charge: self.in_charge.clone(),
            history: self.history.clone(),
            trial: self.trial.clone(),
            first: self.first,
            baseline: self.baseline.clone(),
            l2: self.l2,
            due: if self.trainer.is_some() { self.due.min(self.counters.labels) } else { self.due },
            changed: self.changed,
            careful: self.careful,
            counters: self.counters,
        };
        let store = self.store.to_bytes();
        let mut bytes = MAGIC.to_vec();
        bytes.extend((store.len() as u32).to_le_bytes());
        bytes.extend(store);
        // Numbers, texts and lists of them, whose lengths are known: none of that can fail.
        bytes.extend(postcard::to_allocvec(&state).unwrap_or_default());
        bytes
    }

    /// The examples of a state.
    ///
    /// # Errors
    /// Invalid artefact: other bytes, another version, or numbers that make no sense.
    pub fn examples_of(bytes: &[u8]) -> Result<Store> {
        Store::from_bytes(parts(bytes).map_err(wrong)?.0)
    }

    /// What the learner of a state had done, whichever its encoder and its labels are.
    ///
    /// # Errors
    /// As [`examples_of`](Self::examples_of).
    pub fn counters_of(bytes: &[u8]) -> Result<Counters> {
        let (store, state) = parts(bytes).map_err(wrong)?;
        Ok(read_state(state, Store::from_bytes(store)?.space())?.counters)
    }

    /// A learner that goes on from `bytes`, for the encoder and labels of `space`. Where the promise is another one by
    /// `options`, nothing is promised until it is tested; the examples and the head stay.
    ///
    /// # Errors
    /// Invalid artefact: other bytes, another version, or numbers that make no sense. Invalid input: the state is of another
    /// encoder or of other labels, or an option makes no sense.
    pub fn from_bytes(bytes: &[u8], space: &Space, options: LearnOptions) -> Result<Self> {
        options.check()?;
        let (store, state) = parts(bytes).map_err(wrong)?;
        let stored = Store::from_bytes(store)?;
        space.check_same(stored.space())?;
        let state = read_state(state, space)?;
        // Its room may be another one by now.
        let mut store = options.store(space.clone())?;
        store.join(&stored)?;
        if !options.keep_texts {
            store.forget_texts();
        }
        let same = state.promise == promise(&options);
        let State {
            mut in_charge,
            mut history,
            trial: mut tested,
            first,
            baseline,
            l2,
            due,
            changed,
            careful,
            counters,
            ..
        } = state;
        if !same {
            in_charge.promise = None;
            history.clear();
            tested = trial(&options, in_charge.version, in_charge.head.clone());
        }
        let mut learner = Self {
            in_charge,
            history,
            trial: tested,
            first,
            baseline,
            trainer: None,
            l2,
            due,
            changed,
            careful,
            counters,
            options,
            store,
        };
        learner.begin_training();
        Ok(learner)
    }
}

impl State {
    /// Whether it can be computed with. Evidence that somebody has made up cannot be told from ours.
    fn check(&self, space: &Space) -> Result<(), String> {
        let in_charge = self.history.iter().chain([&self.in_charge]);
        if in_charge.clone().any(|head| head.digest != digest(&head.head)) {
            return Err("expected the digest of each head, got another".to_string());
        }
        if in_charge.clone().filter_map(|head| head.promise.as_ref()).any(|promise| !promise.drift.is_valid()) {
            return Err("expected cuts of confidences with a count for each, got others".to_string());
        }
        for head in in_charge.map(|head| &head.head).chain([&self.trial.head, &self.baseline.head]) {
            let (weights, biases) = (head.weight.len(), head.bias.len());
            if biases != space.labels.len() || Some(weights) != biases.checked_mul(space.width) {
                return Err(format!(
                    "expected heads of {} labels and {} numbers, got one of {biases} with {weights} weights",
                    space.labels.len(),
                    space.width
                ));
            }
            if !head.weight.iter().chain(&head.bias).all(|number| number.is_finite()) {
                return Err("expected heads of finite numbers, got another".to_string());
            }
        }
        if !self.trial.is_valid() || !self.baseline.is_valid() || self.history.len() > HISTORY {
            return Err("expected a test of each level and few heads before, got others".to_string());
        }
        let Counters { texts, labels, tested, .. } = self.counters;
        let since = self.changed.map_or(0, |(_, labels)| labels);
        if since > labels || [texts, labels, tested, self.due, self.careful].iter().any(|&count| count > MOST) {
            return Err(format!("expected counts of texts, got {:?} and {since}", self.counters));
        }
        Ok(())
    }
}

fn read_state(bytes: &[u8], space: &Space) -> Result<State> {
    let state: State = postcard::from_bytes(bytes).map_err(|error| wrong(error.to_string()))?;
    state.check(space).map_err(wrong)?;
    Ok(state)
}

fn wrong(what: String) -> Error {
    Error::invalid_artefact(format!("stored learning: {what}"))
}

/// The store and the rest.
fn parts(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let prefix = bytes.get(..PREFIX).filter(|prefix| prefix.starts_with(MAGIC));
    let Some(&[.., a, b, c, d]) = prefix else {
        return Err("expected bytes that begin with PLLEARN3, got others".to_string());
    };
    let (length, rest) = (u32::from_le_bytes([a, b, c, d]) as usize, &bytes[PREFIX..]);
    rest.split_at_checked(length).ok_or_else(|| format!("expected {length} bytes of examples, got {}", rest.len()))
}

fn promise(options: &LearnOptions) -> (f64, f64) {
    (options.tested_alpha(), options.delta)
}

#[cfg(test)]
mod tests;
