//! The state machine of a cascade's questions, without I/O: it says what to do next, and is given the result.
//!
//! A question is [decided](Machine::decide) from the results of the local models. One that goes to a remote model is
//! [enqueued](Machine::enqueue), [resumed](Machine::resume) after a wait, and each attempt's result is
//! [received](Machine::receive). It has one result. At any moment it can be [abandoned](Machine::abandon).

mod learning;

use std::collections::HashMap;

use super::call::{Call, NextAction, Purpose, Sendable};
use super::config::{CascadeConfig, RemoteModel};
use super::envelope::{Consultation, Envelope, Fallback};
use super::learning::AgreementBy;
use super::local_models::LocalResult;
use super::offsets::{self, OffsetUnit, PiiFindings};
use super::{Check, Fed, Now, Step, Turn, records, usage_entry};
use crate::calibration::{Calibration, Gate};
use crate::device::DeviceReport;
use crate::drift::{Cuts, DriftReport};
use crate::error::{Error, Result};
use crate::policy::{Allowed, Decision, LocalConfig, ModelGate, Policy, Privacy, Reason, Tier, Verdict};
use crate::redaction::redact;
use crate::remote::limits::{Denied, Entered, Queue};
use crate::remote::{Question, RemoteEvent};
use crate::tasks::LocalAnswer;
use crate::usage::ledger::{LearningCosts, Ledger};

pub(super) use learning::{Learning, not_started};

/// The questions of a cascade, and what its remote models have left to spend.
pub(super) struct Machine {
    policy: Policy,
    /// Of the local models, in their order; at least one.
    gates: Vec<ModelGate>,
    remotes: Vec<RemoteModel>,
    device: DeviceReport,
    unit: OffsetUnit,
    queue: Queue,
    questions: HashMap<u32, Phase>,
    last_number: u32,
    /// The check that was drawn last.
    drawn: Option<Check>,
    /// What was answered since the last call of `take_record`.
    answered: Ledger,
    /// Whether the remote models were asked how sure they are of their labels, so that this counts.
    scores_count: bool,
    /// Where the cascade learns.
    learning: Option<Learning>,
}

/// Where a question to the remote models is.
enum Phase {
    /// Decided, and not enqueued.
    Decided(Box<Decided>),
    /// Waits for its turn; nothing is sent.
    Waiting(Box<Call>),
    /// A request was sent, or will be after its delay.
    Sent(Box<Call>),
}

/// A question for a remote model, as it was decided.
struct Decided {
    question: Question,
    purpose: Purpose,
    decision: Decision,
}

impl Machine {
    pub fn new(config: CascadeConfig, device: DeviceReport, unit: OffsetUnit) -> Result<Self> {
        let CascadeConfig { local, remotes, router, policy, tab, learn } = config;
        let logprobs = learn.is_some_and(|learn| learn.agreement == Some(AgreementBy::Logprobs));
        let policy = policy.checked()?;
        router.map(|router| router.checked(remotes.len())).transpose()?;
        let local = if local.is_empty() { vec![LocalConfig::default()] } else { local };
        let gates = local.into_iter().map(|local| ModelGate::new(local, policy.threshold)).collect::<Result<_>>()?;
        let remotes: Result<Vec<_>> =
            remotes.into_iter().map(|remote| RemoteModel::new(remote, tab, logprobs)).collect();
        let remotes = remotes?;
        let caps_money = policy.budget.is_some_and(|budget| budget.usd_per_day.is_some());
        if caps_money && !remotes.iter().all(|remote| remote.limits.spending.has_price()) {
            return Err(Error::invalid_input("a budget of money needs the price of each remote's tokens"));
        }
        let queue = Queue::new(policy.max_concurrent as usize, policy.max_waiting as usize);
        Ok(Self {
            policy,
            gates,
            remotes,
            device,
            unit,
            queue,
            questions: HashMap::new(),
            last_number: 0,
            drawn: None,
            answered: Ledger::default(),
            scores_count: logprobs,
            learning: None,
        })
    }

    pub fn unit(&self) -> OffsetUnit {
        self.unit
    }

    pub fn thresholds(&self) -> Vec<f64> {
        self.gates.iter().map(ModelGate::threshold).collect()
    }

    pub fn calibrations(&self) -> Vec<Option<Calibration>> {
        self.gates.iter().map(|gate| gate.calibration().cloned()).collect()
    }

    pub fn set_thresholds(&mut self, thresholds: &[f64]) -> Result<()> {
        if thresholds.len() != self.gates.len() {
            let (expected, got) = (self.gates.len(), thresholds.len());
            return Err(Error::invalid_input(format!("there must be {expected} thresholds, one a model, got {got}")));
        }
        self.gates.iter_mut().zip(thresholds).try_for_each(|(gate, threshold)| gate.set_threshold(*threshold))
    }

    /// Uses `calibration` for the local model number `tier`, from the next question on.
    pub fn calibrate(&mut self, tier: usize, calibration: Calibration) -> Result<()> {
        let count = self.gates.len();
        let gate = self.gates.get_mut(tier);
        gate.ok_or_else(|| Error::invalid_input(no_tier(tier, count)))?.calibrate(calibration)
    }

    /// The gates of the local models before number `tier`, for its calibration.
    pub fn gates_before(&self, tier: usize) -> Vec<Gate> {
        self.gates.iter().take(tier).map(ModelGate::gate).collect()
    }

    /// The tier of `answer`, which the local model number `tier` gave in `latency_ms`. An answer past the last model counts
    /// as one of the last.
    pub fn weigh(&self, tier: usize, answer: &LocalAnswer, latency_ms: f64) -> Tier {
        let (before, gate) = self.gates.split_at(tier.min(self.gates.len() - 1));
        gate[0].weigh(before, answer.confidence, latency_ms, answer.work)
    }

    /// Whether the calibration of the local model number `tier` is for a choice between `hypotheses`, where the model was
    /// not trained on labels.
    pub fn is_for(&self, tier: usize, hypotheses: &[String]) -> bool {
        self.gates.get(tier).is_some_and(|gate| gate.is_for(hypotheses))
    }

    /// The first step for `question`, from the result of the local models.
    ///
    /// # Errors
    /// Invalid input: no local model was asked.
    pub fn decide(&mut self, question: Question, local: LocalResult, stays_local: bool, now: Now) -> Result<Step> {
        let LocalResult { answer, tiers, routing } = local;
        let Some(tier) = tiers.last().copied() else {
            return Err(Error::invalid_input("no local model was asked about the text"));
        };
        let allowed = self.allowed(&question, stays_local);
        let decision = Decision { tiers, allowed, routing, offers: Vec::new() };
        let mut fallback = Fallback { output: answer.output, truncated: answer.truncated, tier, learned: None };
        let unsure = records::weigh(&tier, &mut fallback.output);
        let reason = match decision.verdict() {
            Verdict::Stays(reason) => reason,
            Verdict::Asks => {
                let question = records::narrow(question, &mut fallback.output, &unsure);
                return Ok(self.delegate(question, Purpose::Answer(fallback), decision));
            }
        };
        if reason == Reason::Confident {
            self.draw(&question, &fallback, &decision, now);
        }
        Ok(self.give(&question, Purpose::Answer(fallback), Consultation::new(decision, reason), now.now_ms))
    }

    /// The first step for `question`, where the answer of a remote model is wanted as such.
    pub fn consult(&mut self, question: Question, now: Now) -> Step {
        let allowed = self.allowed(&question, false);
        let decision = Decision { tiers: Vec::new(), allowed, routing: None, offers: Vec::new() };
        match decision.verdict() {
            Verdict::Asks => self.delegate(question, Purpose::Consult, decision),
            Verdict::Stays(reason) => {
                self.give(&question, Purpose::Consult, Consultation::new(decision, reason), now.now_ms)
            }
        }
    }

    fn allowed(&self, question: &Question, must_stay_local: bool) -> Allowed {
        let (privacy, remotes, bytes) = (self.policy.privacy, self.remotes.len(), question.text.len());
        Allowed { privacy, must_stay_local, remotes, bytes }
    }

    fn delegate(&mut self, question: Question, purpose: Purpose, decision: Decision) -> Step {
        self.last_number = self.last_number.wrapping_add(1);
        let decided = Box::new(Decided { question, purpose, decision });
        self.questions.insert(self.last_number, Phase::Decided(decided));
        Step::Delegate { call: self.last_number, redact: self.policy.privacy == Privacy::Redact }
    }

    /// Draws whether a local answer is checked. One check at a time, so that checks take no turn from a question that
    /// somebody waits for.
    fn draw(&mut self, question: &Question, local: &Fallback, decision: &Decision, now: Now) {
        let Now { now_ms, random } = now;
        if random >= self.policy.check_rate {
            return;
        }
        // A check that nobody goes on with is abandoned.
        let longest_ms = 2.0 * self.policy.deadline_ms;
        let checks = self.questions.iter().filter_map(|(number, phase)| Some((*number, phase.checked_since_ms()?)));
        let checks: Vec<(u32, f64)> = checks.collect();
        for (number, since_ms) in &checks {
            if now_ms - since_ms <= longest_ms {
                return;
            }
            self.abandon(*number, now);
        }
        // Would a remote model be asked if no local model had answered?
        let decision = Decision { tiers: Vec::new(), ..decision.clone() };
        if decision.verdict() == Verdict::Asks {
            let purpose = Purpose::Check { given: local.output.clone(), since_ms: now_ms };
            if let Step::Delegate { call, redact } = self.delegate(question.clone(), purpose, decision) {
                self.drawn = Some(Check { call, redact });
            }
        }
    }

    /// The check that was drawn since the last call.
    pub fn take_check(&mut self) -> Option<Check> {
        self.drawn.take()
    }

    /// What was answered since the last call, as a record; `None` if nothing was.
    pub fn take_record(&mut self) -> Option<String> {
        let answered = std::mem::take(&mut self.answered);
        (!answered.is_empty()).then(|| answered.save())
    }

    /// How the confidences in `ledger` of the first local model, which alone sees all texts, compare with those at its
    /// calibration; `None` where it was not calibrated.
    pub fn drift(&self, ledger: &Ledger) -> Option<DriftReport> {
        let cuts = Cuts::of(self.gates.first()?.calibration()?);
        let spans: Vec<&[u64]> = ledger.spans().filter_map(|(_, span)| span.counts(cuts.name())).collect();
        Some(cuts.report(&spans, ledger.doublings()))
    }

    /// Enqueues the decided question `call`. Without `found`, the personal data that a model found in its text, a question
    /// that is to be redacted is not sent. With `stream` the reply is wanted in pieces.
    ///
    /// # Errors
    /// Invalid input: there is no such question, or it was enqueued already.
    pub fn enqueue(&mut self, call: u32, stream: bool, found: Option<&PiiFindings>, now: Now) -> Result<Turn> {
        let Decided { question, purpose, decision } = match self.questions.remove(&call) {
            Some(Phase::Decided(decided)) => *decided,
            other => return Err(self.put_back(call, other)),
        };
        let mut result = Consultation::new(decision, Reason::Unsure);
        let redaction = match (self.policy.privacy, found) {
            (Privacy::Allow, _) => None,
            (_, Some(found)) => {
                (result.redaction_latency_ms, result.latency_ms) = (Some(found.elapsed_ms), found.elapsed_ms);
                let spans = offsets::in_bytes(&question.text, &found.spans, self.unit);
                Some(redact(&[(question.text.as_str(), spans)]))
            }
            (_, None) => {
                result.reason = Reason::RedactorUnavailable;
                return Ok(self.end(call, &question, purpose, result, now));
            }
        };
        let entered = if self.is_aside(call, &purpose) { Entered::Starts } else { self.queue.enter(call) };
        if entered == Entered::Full {
            result.reason = Denied::QueueFull.into();
            result.detail = Some(Denied::QueueFull.to_string());
            return Ok(self.end(call, &question, purpose, result, now));
        }
        let (deadline_ms, budget) = (self.policy.longest_ms(), self.policy.budget);
        let sendable = Sendable { redaction, stream, deadline_ms, budget };
        self.turn(call, Box::new(Call::new(call, question, purpose, result, sendable, now.now_ms)), now)
    }

    /// The next step for the question `call`, which waited.
    ///
    /// # Errors
    /// Invalid input: no such question waits.
    pub fn resume(&mut self, call: u32, now: Now) -> Result<Turn> {
        match self.questions.remove(&call) {
            Some(Phase::Waiting(waiting)) => self.turn(call, waiting, now),
            other => Err(self.put_back(call, other)),
        }
    }

    /// What `bytes` bring of the reply to `call` that arrives in pieces; `last` says that there are no more of them.
    ///
    /// # Errors
    /// Invalid input: no request was sent for such a question.
    pub fn feed(&mut self, call: u32, bytes: &[u8], last: bool, now: Now) -> Result<Fed> {
        match self.questions.get_mut(&call) {
            Some(Phase::Sent(sent)) => Ok(sent.feed(bytes, last, now)),
            _ => Err(unexpected(call)),
        }
    }

    /// The next step, after `event` came of the request that was sent for `call`.
    ///
    /// # Errors
    /// Invalid input: no request was sent for such a question.
    pub fn receive(&mut self, call: u32, event: &RemoteEvent, now: Now) -> Result<Turn> {
        match self.questions.remove(&call) {
            Some(Phase::Sent(mut sent)) => {
                let action = sent.receive(event, &mut self.remotes, now);
                Ok(self.advance(call, sent, action, now))
            }
            other => Err(self.put_back(call, other)),
        }
    }

    /// Ends the question `call` without a remote answer, for a `reason` that its caller knows.
    ///
    /// # Errors
    /// Invalid input: there is no such question.
    pub fn decline(&mut self, call: u32, reason: Reason, detail: String, now: Now) -> Result<Turn> {
        match self.questions.remove(&call) {
            Some(Phase::Decided(decided)) => {
                let Decided { question, purpose, decision } = *decided;
                let detail = Some(detail).filter(|detail| !detail.is_empty());
                let result = Consultation { detail, ..Consultation::new(decision, reason) };
                Ok(self.end(call, &question, purpose, result, now))
            }
            Some(Phase::Waiting(mut known) | Phase::Sent(mut known)) => {
                known.abort(&mut self.remotes, now.now_ms);
                known.fail(reason, detail);
                Ok(self.advance(call, known, NextAction::End, now))
            }
            None => Err(unexpected(call)),
        }
    }

    /// Forgets the question `call`; returns the question whose turn it is now, if any.
    pub fn abandon(&mut self, call: u32, now: Now) -> Option<u32> {
        self.forget_sample(call);
        if let Some(Phase::Waiting(mut known) | Phase::Sent(mut known)) = self.questions.remove(&call) {
            known.abort(&mut self.remotes, now.now_ms);
        }
        self.queue.leave(call)
    }

    /// Merges a spend log of other tabs for the remote model number `remote`. An invalid one is skipped.
    pub fn absorb(&mut self, remote: usize, log: &str) {
        if let Some(remote) = self.remotes.get_mut(remote) {
            // An invalid log says nothing; what this cascade has spent it still knows.
            let _ = remote.limits.spending.absorb(log);
        }
    }

    /// The spend log of each remote model, to be stored and shared with other tabs.
    pub fn spending(&mut self, now_ms: f64) -> Vec<String> {
        self.remotes.iter_mut().map(|remote| remote.limits.spending.save(now_ms)).collect()
    }

    /// Leaves a question in the phase that it is in, which is not the expected one.
    fn put_back(&mut self, call: u32, phase: Option<Phase>) -> Error {
        self.questions.extend(phase.map(|phase| (call, phase)));
        unexpected(call)
    }

    /// Whether the question takes no place in the queue: a check, but for those that are learnt from.
    fn is_aside(&self, call: u32, purpose: &Purpose) -> bool {
        matches!(purpose, Purpose::Check { .. }) && !self.is_sample(call)
    }

    /// The next step of a question that is not under way: to wait, or to start if it is its turn.
    fn turn(&mut self, call: u32, mut waiting: Box<Call>, now: Now) -> Result<Turn> {
        let for_ms = waiting.left_ms(now.now_ms);
        let started = self.queue.has_started(call) || self.is_aside(call, &waiting.purpose);
        if !started && for_ms > 0.0 {
            self.questions.insert(call, Phase::Waiting(waiting));
            return Ok(Turn { step: Step::Wait { call, for_ms }, started: None });
        }
        let action = waiting.start(&mut self.remotes, now.now_ms);
        Ok(self.advance(call, waiting, action, now))
    }

    fn advance(&mut self, call: u32, known: Box<Call>, action: NextAction, now: Now) -> Turn {
        match action {
            NextAction::Send(request) => {
                self.questions.insert(call, Phase::Sent(known));
                Turn { step: Step::Send(request), started: None }
            }
            NextAction::End => {
                let (question, purpose, result) = known.into_result(now.now_ms);
                self.end(call, &question, purpose, result, now)
            }
        }
    }

    fn end(&mut self, call: u32, question: &Question, purpose: Purpose, result: Consultation, now: Now) -> Turn {
        self.learn_from(call, result.output.as_ref(), now);
        let step = self.give(question, purpose, result, now.now_ms);
        Turn { step, started: self.queue.leave(call) }
    }

    /// Gives the result of a question, and enters it into the ledger.
    fn give(&mut self, question: &Question, purpose: Purpose, result: Consultation, now_ms: f64) -> Step {
        match purpose {
            Purpose::Answer(fallback) => {
                let confidences = usage_entry::confidences(&fallback.output, &result.decision);
                let envelope = Envelope::new(fallback, result, self.device.clone());
                self.answered.enter(&usage_entry::of_answer(&envelope, &confidences, self.gates.first(), now_ms));
                let saved = u64::from(envelope.learning.is_some_and(|learned| learned.saved));
                self.answered.enter_learning(now_ms, &LearningCosts { saved, ..LearningCosts::default() });
                let output = offsets::in_unit(&question.text, envelope.output, self.unit);
                Step::Done(Box::new(Envelope { output, ..envelope }))
            }
            Purpose::Consult | Purpose::Check { .. } => {
                let given = match &purpose {
                    Purpose::Check { given, .. } => Some(given),
                    _ => None,
                };
                if given.is_some() || result.attempts > 0 {
                    let entry = usage_entry::of_consultation(&result, given, now_ms);
                    self.answered.enter(&entry);
                    // One that learns checks nothing for another reason.
                    if given.is_some() && self.learning.is_some() {
                        let checks = entry.tally;
                        self.answered.enter_learning(now_ms, &LearningCosts { checks, ..LearningCosts::default() });
                    }
                }
                let output = result.output.map(|output| offsets::in_unit(&question.text, output, self.unit));
                Step::Consulted(Box::new(Consultation { output, ..result }))
            }
        }
    }

    /// How many questions there are, enqueued or not, for a test that none is left.
    #[cfg(all(test, not(target_family = "wasm")))]
    pub fn counts(&self) -> (usize, (usize, usize)) {
        (self.questions.len(), self.queue.counts())
    }
}

impl Phase {
    /// When the local answer was given, of a question that checks one.
    fn checked_since_ms(&self) -> Option<f64> {
        let purpose = match self {
            Self::Decided(decided) => &decided.purpose,
            Self::Waiting(call) | Self::Sent(call) => &call.purpose,
        };
        match purpose {
            Purpose::Check { since_ms, .. } => Some(*since_ms),
            Purpose::Answer(_) | Purpose::Consult => None,
        }
    }
}

/// The message for a local model number that does not exist.
pub(super) fn no_tier(tier: usize, tiers: usize) -> String {
    format!("local[{tier}] does not exist: there are {tiers} local models")
}

fn unexpected(call: u32) -> Error {
    Error::invalid_input(format!("the question {call} is unknown, or not at this step"))
}
