//! Cascade: local models in front of remote ones. A confident local answer is the answer; other questions go to a
//! remote model, within a policy and a budget.
//!
//! A [`Cascade`] does no I/O. It says what to do next, as a [`Step`], and is given the result: the page, the
//! command-line program and the tests drive the same type.
//!
//! | module | what is in it |
//! | --- | --- |
//! | `local_models` | the local models, one behind the other, and the router |
//! | `machine` | the questions that are under way, and the phase of each |
//! | `call` | one question to the remote models |
//! | `records` | records: which of their fields go to them |
//! | `learning` | a head that learns from the remote models' labels |
//! | `envelope` | the answer with how it was found |
//! | [`labelling`] | which texts to ask remote models about for their labels, and when to stop |

mod attempt_result;
mod call;
mod config;
mod envelope;
mod explain;
pub mod labelling;
mod learning;
mod local_models;
mod machine;
mod offsets;
mod records;
mod usage_entry;

use std::cell::RefCell;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

pub use config::{CascadeConfig, RemoteConfig, RouterConfig};
pub use envelope::{Consultation, Envelope, Route};
pub use explain::DecidedAnswer;
pub use learning::{AgreementBy, LabelsBy, LearnConfig, LearnLabel, Learned, Provenance, Sharing};
pub use local_models::{LocalModels, LocalResult};
pub use offsets::{OffsetUnit, PiiFindings, to_unit};

use machine::{Machine, no_tier};

use crate::calibration::{self, Calibrated, Calibration, Example, Guarantee, Labels, Report, Source};
use crate::device::DeviceReport;
use crate::drift::DriftReport;
use crate::error::{Error, Result};
use crate::policy::{LocalConfig, Reason, Tier};
use crate::remote::{AnswerForm, Question, RemoteEvent, RemoteRequest};
use crate::tasks::{AnswerKind, AnswerOutput, LocalAnswer, RunOptions, TextModel};
use crate::usage::ledger::Ledger;
use crate::usage::summary::{UsageSummary, summary};

/// What is to be done next for a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Nothing: this is the answer.
    Done(Box<Envelope>),
    /// Nothing: this is what the remote models say, where only that was asked for.
    Consulted(Box<Consultation>),
    /// The question goes to a remote model: call [`Cascade::enqueue`].
    Delegate {
        /// Its number from here on.
        call: u32,
        /// Whether the personal data in its text must be looked for first.
        redact: bool,
    },
    /// Others come first: call [`Cascade::resume`] when [`Turn::started`] has this number, or after this time.
    Wait {
        /// The number of the question.
        call: u32,
        /// How long to wait at most, in milliseconds.
        for_ms: f64,
    },
    /// Send this, and give the result to [`Cascade::receive`].
    Send(RemoteRequest),
}

/// A step, and another question that may go on because of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Turn {
    /// What is to be done next for the question.
    pub step: Step,
    /// The number of a question that waited, and whose turn it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub started: Option<u32>,
}

/// What a piece of a reply brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Fed {
    /// The words that can be shown, with personal data restored.
    pub text: String,
    /// Whether nothing more need be read.
    pub over: bool,
}

/// A confident local answer that a remote model is asked about as well, to see whether it agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Check {
    /// The number of the question.
    pub call: u32,
    /// Whether the personal data in its text must be looked for first.
    pub redact: bool,
}

/// The first step for a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Decided {
    /// What is to be done next for it.
    pub step: Step,
    /// Present where the step is an answer that was drawn to be checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub check: Option<Check>,
}

/// What usage records say together.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct LedgerView {
    /// Sums over time.
    pub summary: UsageSummary,
    /// How confidences compare with those at calibration; absent for a model that was not calibrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub drift: Option<DriftReport>,
    /// All records as one.
    pub merged: String,
    /// The indices of the records that are invalid or of another version. They are skipped.
    pub invalid_records: Vec<usize>,
}

/// The injected time and random number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Now {
    /// The time since 1970 in milliseconds.
    pub now_ms: f64,
    /// A random number in [0, 1).
    pub random: f64,
}

/// The clocks of a cascade, which reads none itself.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The time that all tabs share, since they count their spending by it, and a random number.
    pub now: fn() -> Now,
    /// A monotonic clock in milliseconds, to measure latencies.
    pub monotonic_ms: fn() -> f64,
}

/// Local models in front of remote ones.
///
/// ```no_run
/// use pilot_light::cascade::{Cascade, CascadeConfig, Clock, LocalModels, OffsetUnit, Step};
/// use pilot_light::device::DeviceReport;
/// use pilot_light::tasks::{TextModel, RunOptions};
///
/// async fn classify(model: TextModel, clock: Clock, texts: &[String]) -> Result<(), pilot_light::Error> {
///     let (models, config) = (LocalModels::new(vec![model])?, CascadeConfig::default());
///     let cascade = Cascade::new(models, config, DeviceReport::processor(), OffsetUnit::Bytes, clock)?;
///     for decided in cascade.decide(texts, &RunOptions::default(), false).await? {
///         match decided.step {
///             Step::Done(envelope) => println!("{:?} ({:?})", envelope.output, envelope.reason),
///             step => println!("a remote model is to be asked: {step:?}"),
///         }
///     }
///     Ok(())
/// }
/// ```
///
/// Only [`decide`](Self::decide) and [`score_examples`](Self::score_examples) wait for a model; everything else can be
/// called while they do.
pub struct Cascade {
    models: Rc<LocalModels>,
    machine: RefCell<Machine>,
    clock: Clock,
    learn: Option<LearnConfig>,
}

impl Cascade {
    /// The cascade of `models`, one behind the other, which run on the device of `report`. Offsets are taken and returned
    /// in `unit`.
    ///
    /// # Errors
    /// Invalid input: the settings of the policy or of a remote model. Invalid artefact: a calibration.
    pub fn new(
        models: impl Into<Rc<LocalModels>>,
        mut config: CascadeConfig,
        report: DeviceReport,
        unit: OffsetUnit,
        clock: Clock,
    ) -> Result<Self> {
        let models = models.into();
        if let Some(learn) = &config.learn {
            learn.check(&config)?;
            if models.models().is_empty() {
                return Err(Error::unsupported("a cascade that is given records does not learn"));
            }
        }
        config.local.resize_with(models.models().len().max(1), LocalConfig::default);
        for (local, model) in config.local.iter_mut().zip(models.models()) {
            // A head that learns is another one than the model's own.
            if config.learn.is_none() {
                local.calibration = local.calibration.take().or_else(|| model.calibration().cloned());
            }
            local.weights_sha256 = model.weights_sha256().cloned();
        }
        let learn = config.learn.clone();
        Ok(Self { models, machine: RefCell::new(Machine::new(config, report, unit)?), clock, learn })
    }

    /// The same of `models`; where the settings have a router, the last of them is it.
    ///
    /// # Errors
    /// As [`LocalModels::new`], [`LocalModels::with_router`] and [`new`](Self::new).
    pub fn from_models(
        mut models: Vec<TextModel>,
        config: CascadeConfig,
        report: DeviceReport,
        unit: OffsetUnit,
        clock: Clock,
    ) -> Result<Self> {
        if config.learn.is_some() && models.len() == 1 {
            let embedder = models.pop().map(LocalModels::embedder).transpose()?.unwrap_or_else(LocalModels::none);
            return Self::new(embedder, config, report, unit, clock);
        }
        let router = config.router.and_then(|router| Some((models.pop()?, router.min_gain)));
        let mut models = LocalModels::new(models)?;
        if let Some((model, min_gain)) = router {
            models = models.with_router(model, min_gain)?;
        }
        Self::new(models, config, report, unit, clock)
    }

    /// The local models.
    pub fn models(&self) -> &LocalModels {
        &self.models
    }

    /// The confidence at which the answer of each local model is accepted; none where the cascade learns.
    pub fn thresholds(&self) -> Vec<f64> {
        if self.learn.is_some() {
            return Vec::new();
        }
        self.machine.borrow().thresholds()
    }

    /// The calibration of each local model, where it has one; none where the cascade learns.
    pub fn calibrations(&self) -> Vec<Option<Calibration>> {
        if self.learn.is_some() {
            return Vec::new();
        }
        self.machine.borrow().calibrations()
    }

    /// Sets the thresholds, one for each local model.
    ///
    /// # Errors
    /// Invalid input: there are more or fewer, or one is not in [0, 1].
    pub fn set_thresholds(&self, thresholds: &[f64]) -> Result<()> {
        if self.learn.is_some() && thresholds.is_empty() {
            return Ok(());
        }
        self.check_calibrates()?;
        self.machine.borrow_mut().set_thresholds(thresholds)
    }

    /// The first step for each of `texts`. With `must_stay_local` nothing leaves the device.
    ///
    /// # Errors
    /// As [`TextModel::answer`] and [`TextModel::estimate`].
    pub async fn decide(&self, texts: &[String], options: &RunOptions, must_stay_local: bool) -> Result<Vec<Decided>> {
        self.decide_from(texts, options, must_stay_local, &Provenance::default()).await
    }

    /// As [`decide`](Self::decide), of texts of which the caller knows more than what is in them.
    ///
    /// # Errors
    /// As [`decide`](Self::decide). Invalid input: what is known makes no sense, or the cascade does not learn and something is.
    pub async fn decide_from(
        &self,
        texts: &[String],
        options: &RunOptions,
        must_stay_local: bool,
        provenance: &Provenance,
    ) -> Result<Vec<Decided>> {
        if self.learn.is_some() {
            return self.decide_learnt(texts, options, must_stay_local, provenance).await;
        }
        if *provenance != Provenance::default() {
            return Err(Error::invalid_input("a source and an agreement are for a cascade that learns"));
        }
        let count = self.models.models().len();
        let clock = self.clock.monotonic_ms;
        let mut results = self.models.run(texts, options, count, self.weigh(options)?, clock).await?;
        if !must_stay_local {
            self.models.route(texts, &mut results, clock).await?;
        }
        let questions = self.questions(texts, options)?;
        let mut machine = self.machine.borrow_mut();
        let decide = |(question, result)| {
            let step = machine.decide(question, result, must_stay_local, (self.clock.now)())?;
            Ok(Decided { step, check: machine.take_check() })
        };
        questions.into_iter().zip(results).map(decide).collect()
    }

    /// The first step for each of `texts` where the answer of a remote model is wanted as such, for example as a label to
    /// calibrate a local model with. No local model is asked. Policy, redaction and caps hold as always.
    ///
    /// # Errors
    /// Invalid input: options that the task does not have.
    pub fn consult(&self, texts: &[String], options: &RunOptions) -> Result<Vec<Decided>> {
        let questions = self.questions(texts, options)?;
        let mut machine = self.machine.borrow_mut();
        let mut first_step = |question| machine.consult(question, (self.clock.now)());
        Ok(questions.into_iter().map(|question| Decided { step: first_step(question), check: None }).collect())
    }

    /// The confidence of the local model number `tier` in its answers to those of `texts` that reach it, and whether they
    /// are right by `truths`: the examples for its calibration.
    ///
    /// # Errors
    /// Invalid input: there is no such model. Else as [`TextModel::examples`].
    pub async fn score_examples(
        &self,
        tier: usize,
        texts: &[String],
        truths: Vec<AnswerOutput>,
        options: &RunOptions,
    ) -> Result<Vec<Example>> {
        self.check_calibrates()?;
        let unit = self.machine.borrow().unit();
        let truths = texts.iter().zip(truths).map(|(text, truth)| offsets::truth_in_bytes(text, truth, unit));
        let truths: Vec<AnswerOutput> = truths.collect();
        self.models.examples(tier, texts, &truths, options, self.weigh(options)?).await
    }

    /// Calibrates the local model number `tier` on `examples`, which it gave under `options`. From then on its threshold
    /// is the calibrated one, if a threshold keeps the guarantee.
    ///
    /// # Errors
    /// Invalid input: there is no such model. Else as [`calibration::calibrate`].
    pub fn calibrate(
        &self,
        tier: usize,
        examples: &[Example],
        labels: Labels,
        promise: Guarantee,
        source: Source,
        options: &RunOptions,
    ) -> Result<Calibrated> {
        self.check_calibrates()?;
        let mut machine = self.machine.borrow_mut();
        let (behind, tiers) = (machine.gates_before(tier), machine.thresholds().len());
        if tier >= tiers {
            return Err(Error::invalid_input(no_tier(tier, tiers)));
        }
        let source = match self.models.models().get(tier) {
            Some(model) => Source {
                weights_sha256: model.weights_sha256().cloned(),
                behind,
                hypotheses: model.hypotheses(options)?,
                ..source
            },
            // A model that is not the cascade's own.
            None => Source { behind, ..source },
        };
        let report = Report { labels, ..calibration::calibrate(examples, promise)? };
        let calibration = Calibration::of(&report, source);
        if let Some(calibration) = &calibration {
            machine.calibrate(tier, calibration.clone())?;
        }
        Ok(Calibrated { report, calibration })
    }

    /// Enqueues the question `call` of a [`Step::Delegate`]. `found` is the personal data in its text, which must be given
    /// if the step says so: without it the question is not sent. With `stream` the reply is wanted in pieces.
    ///
    /// # Errors
    /// Invalid input: there is no such question, or it was enqueued already.
    pub fn enqueue(&self, call: u32, stream: bool, found: Option<&PiiFindings>) -> Result<Turn> {
        self.machine.borrow_mut().enqueue(call, stream, found, (self.clock.now)())
    }

    /// The next step for the question `call`, after a [`Step::Wait`].
    ///
    /// # Errors
    /// Invalid input: no such question waits.
    pub fn resume(&self, call: u32) -> Result<Turn> {
        self.machine.borrow_mut().resume(call, (self.clock.now)())
    }

    /// What `bytes` bring of the reply to `call` that arrives in pieces; `last` says that there are no more of them.
    ///
    /// # Errors
    /// Invalid input: no request was sent for such a question.
    pub fn feed(&self, call: u32, bytes: &[u8], last: bool) -> Result<Fed> {
        self.machine.borrow_mut().feed(call, bytes, last, (self.clock.now)())
    }

    /// The next step for the question `call`, after `event` came of a [`Step::Send`].
    ///
    /// # Errors
    /// Invalid input: no request was sent for such a question.
    pub fn receive(&self, call: u32, event: &RemoteEvent) -> Result<Turn> {
        self.machine.borrow_mut().receive(call, event, (self.clock.now)())
    }

    /// Ends the question `call` without a remote answer, for a `reason` that the caller knows.
    ///
    /// # Errors
    /// Invalid input: there is no such question.
    pub fn decline(&self, call: u32, reason: Reason, detail: String) -> Result<Turn> {
        self.machine.borrow_mut().decline(call, reason, detail, (self.clock.now)())
    }

    /// Forgets the question `call`; returns the number of the one whose turn it is now, if any.
    pub fn abandon(&self, call: u32) -> Option<u32> {
        self.machine.borrow_mut().abandon(call, (self.clock.now)())
    }

    /// What was answered since the last call, as a usage record; `None` if nothing was.
    pub fn take_record(&self) -> Option<String> {
        self.machine.borrow_mut().take_record()
    }

    /// What `records` say together.
    pub fn read_usage(&self, records: &[String]) -> LedgerView {
        let (mut all, mut invalid_records) = (Ledger::default(), Vec::new());
        for (index, record) in records.iter().enumerate() {
            match Ledger::read(record) {
                Ok(ledger) => all.merge(ledger),
                Err(_) => invalid_records.push(index),
            }
        }
        let drift = self.machine.borrow().drift(&all);
        LedgerView { summary: summary(&all), drift, merged: all.save(), invalid_records }
    }

    /// Merges a spend log of another cascade of the origin for the remote model number `remote`. An invalid one is
    /// skipped.
    pub fn absorb(&self, remote: usize, log: &str) {
        self.machine.borrow_mut().absorb(remote, log);
    }

    /// The spend log of each remote model, to be stored and given to other cascades.
    pub fn spending(&self) -> Vec<String> {
        self.machine.borrow_mut().spending((self.clock.now)().now_ms)
    }

    fn questions(&self, texts: &[String], options: &RunOptions) -> Result<Vec<Question>> {
        let labels = self.models.answer_labels(options)?;
        let form = match (self.learnt_form(), self.models.task()?.answer_kind()) {
            (Some(form), _) => form?,
            (None, Some(AnswerKind::Entities)) => AnswerForm::Entities(labels),
            (None, Some(AnswerKind::Label) | None) => AnswerForm::Label(labels),
        };
        Ok(texts.iter().map(|text| Question { form: form.clone(), text: text.clone() }).collect())
    }

    /// Checks that thresholds and calibrations may be set.
    fn check_calibrates(&self) -> Result<()> {
        match self.learn {
            Some(_) => Err(Error::unsupported("a cascade that learns sets its threshold itself")),
            None => Ok(()),
        }
    }

    /// The tier of an answer of the local models under `options`.
    fn weigh(&self, options: &RunOptions) -> Result<impl Fn(usize, &LocalAnswer, f64) -> Tier> {
        let hypotheses = self.models.models().iter().map(|model| model.hypotheses(options));
        let hypotheses: Vec<Vec<String>> = hypotheses.collect::<Result<_>>()?;
        Ok(move |number: usize, answer: &LocalAnswer, latency_ms| {
            let machine = self.machine.borrow();
            let tier = machine.weigh(number, answer, latency_ms);
            Tier { calibrated: tier.calibrated && machine.is_for(number, &hypotheses[number]), ..tier }
        })
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod properties;
#[cfg(test)]
mod tests;
