//! The state machine: what stays at home, what its labels prove, and which head is in charge.

mod report;
mod state;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::betting::{RiskWatch, share};
use super::decision::{Decision, Event, RemoteLabels, Route};
use super::drift_watch::DriftWatch;
use super::head::{Prediction, digest, predict, predict_with};
use super::neighbours::Vote;
use super::store::{Example, Origin, Store};
use super::trainer::{Trainer, Weight};
use super::trial::Trial;
use super::{Counters, LabelSet, LearnOptions, MAX_LABELS};
use crate::error::{Error, Result};
use crate::training::Linear;

pub use report::{CandidateReport, LearningReport};

/// Labels before the first head is trained.
const FIRST: u64 = 48;
/// A head is trained when there are so many times as many labels as for the last one.
const GROWTH: f64 = 1.15;
/// The risk of a head that testing hopes for lies at this part of the way from none to alpha.
const HOPE: f64 = 1.0 / 3.0;
/// Heads that can be returned to.
const HISTORY: usize = 4;
/// The chance that a head ever takes over that keeps no more at home.
const PROMOTION_DELTA: f64 = 0.05;
/// Texts after a change for which more is checked.
const CAREFUL: u64 = 500;
/// One over a propensity counts for no more in training, where a few examples that count much would do harm.
const MOST_WEIGHT: f64 = 10.0;
/// Checked texts between two false alarms about their risk, at least on average.
const RISK_ALARM: f64 = 1000.0;

/// A head that learns.
///
/// ```
/// use pilot_light::learning::{Event, LearnOptions, Learner, RemoteLabels, Route, Space, Store, zero_shot};
///
/// let labels = vec!["ham".into(), "spam".into()];
/// let space = Space { encoder: "e5a1".into(), width: 2, labels, multi_label: false };
/// let options = LearnOptions::default();
/// let start = zero_shot(&[vec![1.0, 0.0], vec![0.0, 1.0]])?;
/// let mut learner = Learner::new(Store::new(space, options.store_bytes)?, start, options)?;
///
/// let (embedding, now_ms, random) = ([0.6, 0.8], 1.8e12, 0.25);
/// let decision = learner.decide(&embedding, now_ms, random)?;
/// assert_eq!(decision.route, Route::Unpromised);
/// let answer = RemoteLabels { labels: &["spam"], agreement: 0.98, source: 0 };
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
    /// The test of the last head, and of those before it.
    trial: Trial,
    /// How many labels there are since the first head is tested, and how many of these it got wrong.
    first: (f64, f64),
    /// The head that it began with.
    baseline: Baseline,
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
    /// 0 for the first one, which answers without neighbours.
    version: u64,
    digest: u64,
    head: Linear,
    promise: Option<Promise>,
}

/// What was proven of the head in charge.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Promise {
    level: usize,
    /// Answers stay at home from this confidence on.
    threshold: f32,
    /// Of checked texts.
    risk: RiskWatch,
    drift: DriftWatch,
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
            trial: trial(&options, 0, start.clone()),
            baseline: Baseline::new(start.clone()),
            in_charge: InCharge { version: 0, digest: digest(&start), head: start, promise: None },
            history: VecDeque::new(),
            first: (0.0, 0.0),
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
        let vote = self.vote(embedding);
        let prediction = self.voted(self.in_charge.version, &self.in_charge.head, &vote, embedding);
        // Neighbours become more, so that their confidences change by themselves.
        let alone = predict(&self.in_charge.head, embedding, self.store.space().multi_label).confidence;
        if self.in_charge.promise.as_mut().is_some_and(|promise| promise.drift.see(alone, vote.distance)) {
            self.withdraw(now_ms);
        }
        let threshold = self.in_charge.promise.as_ref().map(|promise| promise.threshold);
        let stays = threshold.is_some_and(|threshold| prediction.confidence >= threshold);
        let tested = self.voted(self.trial.version, &self.trial.head, &vote, embedding);
        self.trial.see(tested.confidence, stays);
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

    /// Whether what was learnt keeps at home a text that was just decided so: the head that it began with is not in charge, and would
    /// have sent it, at the same promise. An estimate that is rather too low than too high, as `baseline.rs` says.
    pub fn saves(&self, embedding: &[f32], decision: &Decision) -> bool {
        let is_learnt = self.in_charge.version > 0 && decision.route == Route::Local;
        let fits = self.store.space().check_embedding(embedding).is_ok();
        let keeps =
            |embedding| self.baseline.keeps(embedding, self.store.space().multi_label, self.options.tested_alpha());
        is_learnt && fits && !keeps(embedding)
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
        answer: RemoteLabels,
        now_ms: f64,
        random: f64,
    ) -> Result<Event> {
        self.store.space().check_embedding(embedding)?;
        let Some(labels) = self.store.space().label_set(answer.labels) else {
            self.counters.foreign_labels += 1;
            return Ok(Event::ForeignLabel);
        };
        let propensity = if self.options.importance_weights { decision.propensity } else { 1.0 };
        // Before the example is stored: a text is no neighbour of its own.
        let tested = self.voted(self.trial.version, &self.trial.head, &self.vote(embedding), embedding);
        let origin = Origin {
            labels: labels.clone(),
            propensity,
            agreement: answer.agreement,
            source: answer.source,
            head: decision.head,
            time_ms: now_ms,
            key: random,
        };
        self.store.add(Example { embedding: embedding.to_vec(), origin, text: None })?;
        self.counters.labels += 1;
        self.baseline.observe(embedding, &labels, self.store.space().multi_label, decision.propensity);
        let mut event = Event::Counted;
        match decision.route {
            Route::Checked => event = self.check_in_charge(decision, &labels, now_ms),
            // Texts that stay at home anyway are proven already. The others tell whether more can.
            Route::Unsure if self.in_charge.promise.is_none() => {}
            _ => self.trial.check(tested.confidence, tested.labels != labels),
        }
        if self.trial.version == 0 {
            self.first.0 += 1.0 / propensity;
            self.first.1 += if tested.labels == labels { 0.0 } else { 1.0 / propensity };
        }
        if let Some(promoted) = self.promote() {
            event = promoted;
        }
        self.begin_training();
        Ok(event)
    }

    /// Whether a head is being trained.
    pub fn trains(&self) -> bool {
        self.trainer.is_some()
    }

    /// Whether texts are kept next to their embeddings.
    pub fn keeps_texts(&self) -> bool {
        self.options.keep_texts
    }

    /// Keeps the text of the example of these labels that was observed with this random number, where texts are kept.
    pub fn keep_text(&mut self, labels: &LabelSet, random: f64, text: &str) {
        if self.keeps_texts() {
            self.store.keep_text(labels, random, text);
        }
    }

    /// Trains for about so many multiplications and additions. Returns whether there is more to do.
    ///
    /// # Errors
    /// Internal: training gave numbers that are not finite; the head is left out.
    pub fn work(&mut self, operations: u64) -> Result<bool> {
        let Some(trainer) = &mut self.trainer else { return Ok(false) };
        let before = trainer.operations();
        let trained = trainer.work(operations);
        // By pieces: training may be broken off.
        self.counters.operations += trainer.operations() - before;
        let Some(trained) = trained else { return Ok(true) };
        self.trainer = None;
        self.counters.trained += 1;
        self.l2 = trained.l2;
        if trained.head.weight.iter().chain(&trained.head.bias).any(|number| !number.is_finite()) {
            return Err(Error::internal("a trained head has numbers that are not finite"));
        }
        // The first head was trained on none of these labels: it stays while it is right more often.
        let held_out: f64 = trained.outcomes.iter().map(|outcome| outcome.weight).sum();
        let wrong: f64 = trained.outcomes.iter().filter(|outcome| outcome.wrong).map(|outcome| outcome.weight).sum();
        if self.trial.version > 0 || wrong * self.first.0 < self.first.1 * held_out {
            self.counters.tested += 1;
            self.trial.follow(self.counters.tested, trained.head);
        }
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
        self.trial.compare_anew();
        Ok(())
    }

    /// Adds the examples of another store, such as that of another tab, and trains on all.
    ///
    /// # Errors
    /// Invalid input: a store of another encoder or of other labels.
    pub fn join(&mut self, other: &Store) -> Result<()> {
        self.store.join(other)?;
        if !self.keeps_texts() {
            self.store.forget_texts();
        }
        self.due = self.counters.labels;
        self.begin_training();
        Ok(())
    }

    /// Goes on counting from what a learner with another encoder had done.
    pub fn go_on_counting(&mut self, before: Counters) {
        self.due += before.labels;
        self.counters = before;
    }

    /// Counts so many examples of another encoder that were left out.
    pub fn count_left_out(&mut self, examples: usize) {
        self.counters.left_out += examples as u64;
    }

    /// The examples.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The head in charge, and the threshold from which on its answers stay at home; none while nothing is promised.
    pub fn in_charge(&self) -> (&Linear, Option<f32>) {
        (&self.in_charge.head, self.in_charge.promise.as_ref().map(|promise| promise.threshold))
    }

    /// The number of the head in charge: 0 for the first one.
    pub fn version(&self) -> u64 {
        self.in_charge.version
    }

    /// The test of the last head, and of those before it.
    pub fn trial(&self) -> &Trial {
        &self.trial
    }

    /// What was done, in numbers.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn vote(&self, embedding: &[f32]) -> Vote {
        let (changed, old_weight) = (self.changed, self.options.old_weight);
        let old = |time_ms: f64| changed.is_some_and(|(changed, _)| time_ms < changed);
        let weigh = |origin: &Origin| origin.agreement * if old(origin.time_ms) { old_weight } else { 1.0 };
        Vote::new(&self.store, embedding, |origin| weigh(origin) as f32)
    }

    /// What a head says of a text, with its neighbours if it is not the first one.
    fn voted(&self, version: u64, head: &Linear, vote: &Vote, embedding: &[f32]) -> Prediction {
        let shares = if version > 0 { vote.shares.as_slice() } else { &[] };
        predict_with(head, shares, embedding, self.store.space().multi_label)
    }

    fn check_in_charge(&mut self, decision: &Decision, labels: &LabelSet, now_ms: f64) -> Event {
        let wrong = decision.prediction.labels != *labels;
        self.counters.checked_wrong += u64::from(wrong);
        let same = decision.head == self.in_charge.digest;
        if same && self.in_charge.promise.as_mut().is_some_and(|promise| promise.risk.update(wrong)) {
            self.withdraw(now_ms);
            return Event::Withdrawn;
        }
        Event::Counted
    }

    /// Puts the last head in charge if it keeps more at home than the one that is.
    fn promote(&mut self) -> Option<Event> {
        let level = self.trial.proven()?;
        let better = match &self.in_charge.promise {
            None => !self.trial.waits(level),
            Some(promise) => {
                let delta = share(PROMOTION_DELTA, self.counters.promoted + 1);
                level > promise.level && self.trial.keeps_more(delta)
            }
        };
        let threshold = self.trial.threshold(level).filter(|_| better)?;
        let promise = Promise {
            level,
            threshold,
            risk: RiskWatch::new(self.options.tested_alpha(), RISK_ALARM),
            drift: DriftWatch::new(threshold),
        };
        let Trial { version, head, .. } = &self.trial;
        let next = InCharge { version: *version, digest: digest(head), head: head.clone(), promise: Some(promise) };
        let same = next.digest == self.in_charge.digest;
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        let before = std::mem::replace(&mut self.in_charge, next);
        if !same {
            self.history.push_back(before);
            self.counters.promoted += 1;
        }
        self.trial.compare_anew();
        Some(if same { Event::Loosened } else { Event::TookOver })
    }

    /// The texts have changed: what was tested on others proves nothing of them.
    fn withdraw(&mut self, now_ms: f64) {
        self.counters.withdrawn += 1;
        self.changed = Some((now_ms, self.counters.labels));
        self.careful = CAREFUL;
        self.in_charge.promise = None;
        self.history.clear();
        self.trial = trial(&self.options, self.in_charge.version, self.in_charge.head.clone());
        self.first = (0.0, 0.0);
        self.baseline.begin_anew();
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
        let (kept, space) = (self.store.kept(), self.store.space());
        let mut counts = vec![0.0; kept.len()];
        for example in self.store.examples() {
            let of = space.reservoir(&example.origin);
            counts[of] += 1.0 / kept[of];
        }
        let labels = counts.iter().filter(|count| **count > 0.0).count().max(1) as f64;
        let mean = counts.iter().sum::<f64>() / labels;
        let (options, changed) = (&self.options, self.changed.map(|(time_ms, _)| time_ms));
        let weigh = |Example { origin, .. }: &Example| {
            let old = changed.is_some_and(|changed| origin.time_ms < changed);
            let of = space.reservoir(origin);
            let kept = kept[of];
            let (importance, balance) = (1.0 / origin.propensity, (mean / counts[of]).powf(options.balance));
            let age = if old { options.old_weight } else { 1.0 };
            Weight {
                training: importance.min(MOST_WEIGHT) / kept * balance * origin.agreement * age,
                population: if old { 0.0 } else { importance / kept },
            }
        };
        self.trainer = Trainer::new(&self.store, weigh).map(|trainer| trainer.starting_near(self.l2));
    }
}

/// The test of `head` and those that follow.
fn trial(options: &LearnOptions, version: u64, head: Linear) -> Trial {
    let alpha = options.tested_alpha();
    let expected = options.remote_error + HOPE * (alpha - options.remote_error);
    Trial::new(version, head, alpha, expected, options.delta)
}
