//! The state machine: what stays at home, what its labels prove, and which head is in charge.

mod report;
mod state;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::betting::{Checked, RiskWatch, share};
use super::candidate::Candidate;
use super::decision::{Decision, Event, RemoteLabel, Route};
use super::drift_watch::DriftWatch;
use super::head::{Prediction, digest};
use super::store::{Example, Origin, Store};
use super::trainer::{Outcome, Trainer, Weight};
use super::{Counters, LearnOptions, MAX_LABELS};
use crate::error::{Error, Result};
use crate::training::Linear;

pub use report::{CandidateReport, LearningReport};

/// Labels before the first head is trained.
const FIRST: u64 = 48;
/// A head is trained when there are so many times as many labels as for the last one: more heads would each have a smaller
/// share of delta.
const GROWTH: f64 = 2.0;
/// Heads that are tested at once.
const CANDIDATES: usize = 3;
/// Heads that can be returned to.
const HISTORY: usize = 4;
/// Labels of the head in charge before it is tested, where cross-validation says nothing of it; and again at twice as many.
const PILOT: usize = 64;
const MOST_PILOT: usize = 4096;
/// The chance that a head ever takes over that keeps no more at home.
const PROMOTION_DELTA: f64 = 0.05;
/// Texts after a change for which more is checked.
const CAREFUL: u64 = 500;
/// One over a propensity counts for no more in training, where a few examples that count much would do harm.
const MOST_WEIGHT: f64 = 10.0;

/// A head that learns.
///
/// ```
/// use pilot_light::learning::{Event, LearnOptions, Learner, RemoteLabel, Route, Space, Store, zero_shot};
///
/// let space = Space { encoder: "e5a1".into(), width: 2, labels: vec!["ham".into(), "spam".into()] };
/// let options = LearnOptions::default();
/// let start = zero_shot(&[vec![1.0, 0.0], vec![0.0, 1.0]])?;
/// let mut learner = Learner::new(Store::new(space, options.store_bytes)?, start, options)?;
///
/// let (embedding, now_ms, random) = ([0.6, 0.8], 1.8e12, 0.25);
/// let decision = learner.decide(&embedding, now_ms, random)?;
/// assert_eq!(decision.route, Route::Unpromised);
/// let answer = RemoteLabel { label: "spam", agreement: 0.98, source: 0 };
/// assert_eq!(learner.observe(&embedding, &decision, answer, now_ms, 0.75)?, Event::Counted);
/// // Between questions: a millisecond or so of training, if there is any to do.
/// while learner.work(10_000_000)? {}
/// # Ok::<(), pilot_light::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Learner {
    options: LearnOptions,
    store: Store,
    in_charge: InCharge,
    history: VecDeque<InCharge>,
    candidates: Vec<Candidate>,
    /// What labels say of the head in charge while nothing is promised.
    pilot: Vec<Outcome>,
    trainer: Option<Trainer>,
    /// The strength of the penalty of the last trained head.
    l2: f64,
    /// The number of labels at which training begins.
    due: u64,
    /// When the texts were last found to have changed, and the number of labels then.
    changed: Option<(f64, u64)>,
    /// Texts for which more is checked.
    careful: u64,
    counters: Counters,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct InCharge {
    digest: u64,
    /// Without thresholds it promises nothing.
    tested: Candidate,
    watch: RiskWatch,
    drift: Option<DriftWatch>,
}

impl Learner {
    /// One that begins with the head `start`, of which nothing is promised, and the examples of `store`.
    ///
    /// # Errors
    /// Invalid input: an option that makes no sense, or a head that does not fit the store. Unsupported: more than
    /// [`MAX_LABELS`] labels.
    pub fn new(store: Store, start: Linear, options: LearnOptions) -> Result<Self> {
        options.check()?;
        let (labels, width) = (store.space().labels.len(), store.space().width);
        if labels > MAX_LABELS {
            return Err(Error::unsupported(format!("at most {MAX_LABELS} labels can be learnt, got {labels}")));
        }
        if start.bias.len() != labels || labels.checked_mul(width) != Some(start.weight.len()) {
            return Err(Error::invalid_input(format!(
                "the first head must have {labels} labels and {width} weights for each, got {} and {} weights",
                start.bias.len(),
                start.weight.len()
            )));
        }
        if start.weight.iter().chain(&start.bias).any(|number| !number.is_finite()) {
            return Err(Error::invalid_input("the first head must have finite numbers"));
        }
        let due = if store.examples().is_empty() { FIRST } else { 0 };
        let mut learner = Self {
            in_charge: InCharge::unpromised(start),
            history: VecDeque::new(),
            candidates: Vec::new(),
            pilot: Vec::new(),
            trainer: None,
            l2: f64::INFINITY,
            due,
            changed: None,
            careful: 0,
            counters: Counters::default(),
            options,
            store,
        };
        learner.begin_training();
        Ok(learner)
    }

    /// What is to be done with a text: `random` is from 0 to below 1.
    ///
    /// # Errors
    /// Invalid input: an embedding of another width, or with a number that is not finite. Nothing has changed then.
    pub fn decide(&mut self, embedding: &[f32], now_ms: f64, random: f64) -> Result<Decision> {
        self.store.space().check_embedding(embedding)?;
        self.counters.texts += 1;
        let prediction = self.in_charge.tested.predict(embedding);
        if self.in_charge.drift.as_mut().is_some_and(|drift| drift.see(prediction.confidence)) {
            self.withdraw(now_ms);
        }
        let threshold = self.in_charge.tested.threshold();
        let stays = threshold.is_some_and(|threshold| prediction.confidence >= threshold);
        for candidate in &mut self.candidates {
            let confidence = candidate.predict(embedding).confidence;
            candidate.see(confidence, stays);
        }
        self.in_charge.tested.see(prediction.confidence, stays);
        let rate = match self.careful {
            0 => self.options.check_rate,
            _ => self.options.raised_check_rate,
        };
        self.careful = self.careful.saturating_sub(u64::from(threshold.is_some()));
        let (route, propensity, floor) = match threshold {
            None => (Route::Unpromised, 1.0, 1.0),
            Some(_) if !stays => (Route::Unsure, 1.0, rate),
            Some(_) if random < rate => (Route::Checked, rate, rate),
            Some(_) => (Route::Local, rate, rate),
        };
        let counters = &mut self.counters;
        match route {
            Route::Local => counters.local += 1,
            Route::Unsure => counters.unsure += 1,
            Route::Checked => counters.checked += 1,
            Route::Unpromised => counters.unpromised += 1,
        }
        Ok(Decision { prediction, route, propensity, floor, head: self.in_charge.digest })
    }

    /// Takes what a remote model said of a text that was sent; `random` is from 0 to below 1. A text that is sent and never
    /// answered is not one of the texts that the promise is about: whether an answer comes must not depend on what it is.
    ///
    /// # Errors
    /// Invalid input: an embedding of another width or with a number that is not finite, an agreement or a random number out
    /// of its range. Nothing has changed then.
    pub fn observe(
        &mut self,
        embedding: &[f32],
        decision: &Decision,
        answer: RemoteLabel,
        now_ms: f64,
        random: f64,
    ) -> Result<Event> {
        self.store.space().check_embedding(embedding)?;
        let Some(label) = self.store.space().labels.iter().position(|label| label == answer.label) else {
            self.counters.foreign_labels += 1;
            return Ok(Event::ForeignLabel);
        };
        let (mut propensity, mut floor) = (decision.propensity, decision.floor);
        if !self.options.importance_weights {
            (propensity, floor) = (1.0, 1.0);
        }
        let origin = Origin {
            label,
            propensity,
            agreement: answer.agreement,
            source: answer.source,
            head: decision.head,
            time_ms: now_ms,
            key: random,
        };
        self.store.add(Example { embedding: embedding.to_vec(), origin })?;
        self.counters.labels += 1;
        if decision.route == Route::Checked && decision.prediction.label != label {
            self.counters.checked_wrong += 1;
        }
        let checked = |prediction: Prediction| Checked { wrong: prediction.label != label, propensity, floor };
        for candidate in &mut self.candidates {
            let prediction = candidate.predict(embedding);
            candidate.check(prediction.confidence, checked(prediction));
        }
        let event = self.check_in_charge(embedding, &checked, now_ms);
        let event = if self.promote() { Event::TookOver } else { event };
        self.begin_training();
        Ok(event)
    }

    /// Trains for about so many multiplications and additions. Returns whether there is more to do.
    ///
    /// # Errors
    /// Internal: training gave numbers that are not finite; the head is left out.
    pub fn work(&mut self, operations: u64) -> Result<bool> {
        let Some(trainer) = &mut self.trainer else { return Ok(false) };
        let Some(trained) = trainer.work(operations) else { return Ok(true) };
        self.trainer = None;
        self.counters.trained += 1;
        self.counters.operations += trained.operations;
        self.l2 = trained.l2;
        if trained.head.weight.iter().chain(&trained.head.bias).any(|number| !number.is_finite()) {
            return Err(Error::internal("a trained head has numbers that are not finite"));
        }
        self.test(trained.head, &trained.outcomes);
        Ok(false)
    }

    /// Returns to the head that was in charge before, with what was proven of it. What was learnt stays.
    ///
    /// # Errors
    /// Invalid input: there was none.
    pub fn rollback(&mut self) -> Result<()> {
        let Some(before) = self.history.pop_back() else {
            return Err(Error::invalid_input("no head was in charge before this one"));
        };
        self.in_charge = before;
        self.candidates.clear();
        self.pilot.clear();
        Ok(())
    }

    /// Adds the examples of another store, such as that of another tab, and trains on all.
    ///
    /// # Errors
    /// Invalid input: a store of another encoder or of other labels.
    pub fn join(&mut self, other: &Store) -> Result<()> {
        self.store.join(other)?;
        self.due = self.counters.labels;
        self.begin_training();
        Ok(())
    }

    /// The examples.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The head in charge, and the threshold from which on its answers stay at home; none while nothing is promised.
    pub fn in_charge(&self) -> (&Linear, Option<f32>) {
        (&self.in_charge.tested.head, self.in_charge.tested.threshold())
    }

    /// The number of the head in charge: 0 for the first one before it was tested.
    pub fn version(&self) -> u64 {
        self.in_charge.tested.version
    }

    /// Heads under test.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// What was done, in numbers.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn check_in_charge(&mut self, embedding: &[f32], checked: &dyn Fn(Prediction) -> Checked, now_ms: f64) -> Event {
        let prediction = self.in_charge.tested.predict(embedding);
        let (confidence, checked) = (prediction.confidence, checked(prediction));
        let Some(threshold) = self.in_charge.tested.threshold() else {
            let weight = 1.0 / checked.propensity;
            if self.pilot.len() < MOST_PILOT {
                self.pilot.push(Outcome { confidence, wrong: checked.wrong, weight });
            }
            // Not while the same head is tested already.
            let tested = self.candidates.iter().any(|candidate| candidate.head == self.in_charge.tested.head);
            if !tested && (PILOT..MOST_PILOT).contains(&self.pilot.len()) && self.pilot.len().is_power_of_two() {
                let outcomes = self.pilot.clone();
                self.test(self.in_charge.tested.head.clone(), &outcomes);
            }
            return Event::Counted;
        };
        let alpha = self.options.tested_alpha();
        if confidence >= threshold && self.in_charge.watch.update(alpha, checked) {
            self.withdraw(now_ms);
            return Event::Withdrawn;
        }
        if self.in_charge.tested.check(confidence, checked) {
            self.candidates.iter_mut().for_each(Candidate::compare_anew);
            return Event::Loosened;
        }
        Event::Counted
    }

    /// Begins to test a head, if anything can be expected of it.
    fn test(&mut self, head: Linear, outcomes: &[Outcome]) {
        let version = self.counters.tested + 1;
        let (alpha, delta) = (self.options.tested_alpha(), share(self.options.delta, version));
        if let Some(candidate) = Candidate::new(version, head, outcomes, alpha, delta) {
            self.counters.tested = version;
            if self.candidates.len() == CANDIDATES {
                let progress = |at: &usize| self.candidates[*at].progress();
                let last = (0..CANDIDATES).min_by(|a, b| progress(a).total_cmp(&progress(b)));
                self.candidates.remove(last.unwrap_or(0));
            }
            self.candidates.push(candidate);
        }
    }

    /// Puts the newest head in charge that keeps more at home than the one that is, if there is any.
    fn promote(&mut self) -> bool {
        let keeps_more = |candidate: &Candidate| candidate.keeps_more(share(PROMOTION_DELTA, candidate.version));
        let Some(at) = self.candidates.iter().rposition(keeps_more) else { return false };
        let tested = self.candidates.remove(at);
        self.candidates.drain(..at);
        self.candidates.iter_mut().for_each(Candidate::compare_anew);
        self.pilot.clear();
        let drift = tested.threshold().and_then(|threshold| DriftWatch::new(&tested.confidences, threshold));
        let next = InCharge { digest: digest(&tested.head), tested, watch: RiskWatch::default(), drift };
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(std::mem::replace(&mut self.in_charge, next));
        self.counters.promoted += 1;
        true
    }

    /// The texts have changed: what was tested on others proves nothing of them.
    fn withdraw(&mut self, now_ms: f64) {
        self.counters.withdrawn += 1;
        self.changed = Some((now_ms, self.counters.labels));
        self.careful = CAREFUL;
        self.in_charge = InCharge::unpromised(self.in_charge.tested.head.clone());
        self.history.clear();
        self.candidates.clear();
        self.pilot.clear();
        self.trainer = None;
        self.due = self.counters.labels + FIRST;
    }

    /// Begins to train, if there are enough new labels.
    fn begin_training(&mut self) {
        if self.trainer.is_some() || self.counters.labels < self.due {
            return;
        }
        let since = self.changed.map_or(0, |(_, labels)| labels);
        let before = self.counters.labels - since;
        self.due = since + ((before as f64 * GROWTH) as u64).max(before + FIRST);
        let kept = self.store.kept();
        let mut counts = vec![0.0; kept.len()];
        self.store
            .examples()
            .iter()
            .for_each(|example| counts[example.origin.label] += 1.0 / kept[example.origin.label]);
        let labels = counts.iter().filter(|count| **count > 0.0).count().max(1) as f64;
        let mean = counts.iter().sum::<f64>() / labels;
        let (options, changed) = (&self.options, self.changed.map(|(time_ms, _)| time_ms));
        let weigh = |Example { origin, .. }: &Example| {
            let old = changed.is_some_and(|changed| origin.time_ms < changed);
            let kept = kept[origin.label];
            let (importance, balance) = (1.0 / origin.propensity, (mean / counts[origin.label]).powf(options.balance));
            let age = if old { options.old_weight } else { 1.0 };
            Weight {
                training: importance.min(MOST_WEIGHT) / kept * balance * origin.agreement * age,
                population: if old { 0.0 } else { importance / kept },
            }
        };
        self.trainer = Trainer::new(&self.store, weigh).map(|trainer| trainer.starting_near(self.l2));
    }
}

impl InCharge {
    fn unpromised(head: Linear) -> Self {
        let digest = digest(&head);
        let tested = Candidate {
            version: 0,
            head,
            delta: 0.0,
            levels: Vec::new(),
            passed: 0,
            confidences: Vec::new(),
            texts: 0,
        };
        Self { digest, tested, watch: RiskWatch::default(), drift: None }
    }
}
