//! From a local answer to the one answer that the caller gets: at once, or by way of a general model.
//! Without I/O: it says what to send and is told what came of it.
//!
//! A question goes through [`Delegation::judge`]; if the local model is not sure of it, through
//! [`begin`](Delegation::begin), and then through [`resume`](Delegation::resume) as often as something is sent.
//! At any moment it can be given up by [`abandon`](Delegation::abandon). It is answered once.

mod attempt_result;
mod call;
mod chain;
mod config;
mod envelope;
mod explain;
mod offsets;
mod usage_entry;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub use chain::{Chain, Looked};
pub use config::{CascadeConfig, RemoteConfig, RouterConfig};
pub use envelope::{Envelope, Route};
pub use explain::Outcome;
pub use offsets::{Marked, MarkedSpan, OffsetUnit, truth_in_bytes};

use call::{Call, Onward};
use config::General;

use crate::calibration::{Calibration, Gate};
use crate::device::DeviceReport;
use crate::drift::{Cuts, Watch};
use crate::error::{Error, Result};
use crate::graph::ComputeCost;
use crate::policy::{Allowed, Decision, LocalConfig, Policy, Privacy, Reason, Tier, Trust, Verdict};
use crate::redaction::redact;
use crate::remote::limits::{Denied, Entered, Queue};
use crate::remote::{Question, RemoteEvent, RemoteRequest};
use crate::tasks::{AnswerOutput, LocalAnswer};
use crate::usage::energy;
use crate::usage::energy::Energy;
use crate::usage::ledger::Ledger;

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Nothing: this is the answer.
    Done(Box<Envelope>),
    /// The question is for a general model: [`Delegation::begin`] is to be called for it.
    Delegate {
        /// The number by which it is known from here on.
        call: u32,
        /// Whether the personal data in its text is to be found first.
        redact: bool,
    },
    /// Others come first: `begin` is to be called again when [`Turn::started`] names the call, or when
    /// this time is over.
    Wait {
        /// The question.
        call: u32,
        /// Until when at the latest, in milliseconds from now.
        for_ms: f64,
    },
    /// This is to be sent, and [`Delegation::resume`] to be told what came of it.
    Send(RemoteRequest),
}

/// A step, and whom it lets go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Turn {
    /// What is to be done next for the question.
    pub step: Step,
    /// Another one, which was told to wait, and whose turn it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub started: Option<u32>,
}

/// What a piece of a reply brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Fed {
    /// The words that can be shown, with the values in the place of their placeholders.
    pub text: String,
    /// Whether there is nothing more to read.
    pub over: bool,
}

/// A question that was answered and is asked about all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Check {
    /// The number by which it is known.
    pub call: u32,
    /// Whether the personal data in its text is to be found first.
    pub redact: bool,
}

/// What a machine without a clock and without luck is told of both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// The time since 1970 in milliseconds.
    pub now_ms: f64,
    /// A random number from 0 to below 1.
    pub random: f64,
}

/// Turns local answers into answers, and remembers what is under way.
pub struct Delegation {
    policy: Policy,
    /// Of the local models, in their order; at least one.
    trusts: Vec<Trust>,
    generals: Vec<General>,
    device: DeviceReport,
    unit: OffsetUnit,
    queue: Queue,
    /// Judged, and not begun: the question, and the local answer.
    judged: HashMap<u32, (Question, Envelope)>,
    calls: HashMap<u32, Call>,
    last_call: u32,
    /// Questions that were answered here and are asked about all the same, with the answer and when it was given.
    checks: HashMap<u32, (AnswerOutput, f64)>,
    /// The one that was drawn last.
    drawn: Option<Check>,
    /// What was answered since it was asked for last.
    added: Ledger,
}

impl Delegation {
    /// Delegates by `config` what a model on `device` is not sure of; places are given and taken in `unit`.
    ///
    /// # Errors
    /// Invalid input: a policy or a general model that makes no sense. Invalid artefact: a calibration that makes none.
    pub fn new(config: CascadeConfig, device: DeviceReport, unit: OffsetUnit) -> Result<Self> {
        let CascadeConfig { local, remotes, router, policy, tab } = config;
        let policy = policy.checked()?;
        router.map(|router| router.checked(remotes.len())).transpose()?;
        let local = if local.is_empty() { vec![LocalConfig::default()] } else { local };
        let trusts = local.into_iter().map(|local| Trust::new(local, policy.threshold)).collect::<Result<_>>()?;
        let generals = remotes.into_iter().map(|remote| General::new(remote, tab)).collect::<Result<Vec<_>>>()?;
        let is_money = policy.budget.is_some_and(|budget| budget.usd_per_day.is_some());
        if is_money && !generals.iter().all(|general| general.limits.spending.has_price()) {
            return Err(Error::invalid_input("a budget of money needs the price of each remote's tokens"));
        }
        let queue = Queue::new(policy.max_concurrent as usize, policy.max_waiting as usize);
        let (judged, calls, checks) = (HashMap::new(), HashMap::new(), HashMap::new());
        let (last_call, drawn, added) = (0, None, Ledger::default());
        Ok(Self { policy, trusts, generals, device, unit, queue, judged, calls, last_call, checks, drawn, added })
    }

    /// The confidence from which on the answer of each local model is the answer.
    pub fn thresholds(&self) -> Vec<f64> {
        self.trusts.iter().map(Trust::threshold).collect()
    }

    /// How far each local model may be trusted, where that is known.
    pub fn calibrations(&self) -> Vec<Option<&Calibration>> {
        self.trusts.iter().map(Trust::calibration).collect()
    }

    /// Sets the thresholds, one for each local model.
    ///
    /// # Errors
    /// Invalid input: there are more or fewer, or one is not from 0 to 1.
    pub fn set_thresholds(&mut self, thresholds: &[f64]) -> Result<()> {
        if thresholds.len() != self.trusts.len() {
            let message = format!("{} thresholds are not one for each of {}", thresholds.len(), self.trusts.len());
            return Err(Error::invalid_input(message));
        }
        self.trusts.iter_mut().zip(thresholds).try_for_each(|(trust, threshold)| trust.set_threshold(*threshold))
    }

    /// Trusts the local model number `tier` as `calibration` says, from the next question on.
    ///
    /// # Errors
    /// Invalid input: there is no such model. Invalid artefact: the calibration makes no sense.
    pub fn calibrate(&mut self, tier: usize, calibration: Calibration) -> Result<()> {
        self.trusts.get_mut(tier).ok_or_else(|| no_tier(tier))?.calibrate(calibration)
    }

    /// The local models before the one with the number `tier`, for its calibration.
    pub fn gates(&self, tier: usize) -> Vec<Gate> {
        self.trusts.iter().take(tier).map(Trust::gate).collect()
    }

    /// What `answer`, which the local model number `tier` gave in `latency_ms`, comes to; an answer of no model that is
    /// known is trusted as one of the last.
    pub fn weigh(&self, tier: usize, answer: &LocalAnswer, latency_ms: f64) -> Tier {
        let (before, trust) = self.trusts.split_at(tier.min(self.trusts.len() - 1));
        trust[0].weigh(before, answer.confidence, latency_ms, answer.work)
    }

    /// Whether what was calibrated of the local model number `tier` is for a choice between `hypotheses`, where it was not
    /// trained on labels.
    pub fn is_for(&self, tier: usize, hypotheses: &[String]) -> bool {
        self.trusts.get(tier).is_some_and(|trust| trust.is_for(hypotheses))
    }

    /// The first step for `question`, of which the local models made what they `looked` at it. If it `must_stay_local`,
    /// it does.
    ///
    /// # Errors
    /// Invalid input: no local model looked at it.
    pub fn judge(&mut self, question: Question, looked: Looked, must_stay_local: bool, moment: Moment) -> Result<Step> {
        let Looked { answer: local, tiers, routing } = looked;
        let Some(last) = tiers.last().copied() else {
            return Err(Error::invalid_input("no local model has looked at the question"));
        };
        let allowed = Allowed {
            privacy: self.policy.privacy,
            must_stay_local,
            remotes: self.generals.len(),
            bytes: question.text.len(),
        };
        let decision = Decision { tiers, allowed, routing, offers: Vec::new() };
        let verdict = decision.verdict();
        let reason = match verdict {
            Verdict::Stays(reason) => reason,
            Verdict::Asks => Reason::Unsure,
        };
        let looks = decision.tiers.iter().map(|tier| (tier.work, tier.latency_ms));
        let looks = looks.chain(routing.map(|routing| (routing.work, routing.latency_ms)));
        let (work, local_latency_ms) =
            looks.fold((ComputeCost::default(), 0.0), |(work, ms), (more, more_ms)| (work + more, ms + more_ms));
        let envelope = Envelope {
            output: local.output,
            route: Route::Local,
            tier: decision.tiers.len() - 1,
            confidence: last.confidence,
            threshold: last.threshold,
            calibrated: last.calibrated,
            reason,
            detail: None,
            degraded: !last.is_sure(),
            truncated: local.truncated,
            device: self.device.clone(),
            latency_ms: local_latency_ms,
            local_latency_ms,
            redaction_latency_ms: None,
            remote_latency_ms: None,
            attempts: 0,
            model: None,
            usage: None,
            cost_usd: None,
            work,
            energy_j: Energy { local: energy::of_work(work.operations, work.bytes), remote: None },
            prices_as_of: None,
            replaced: None,
            decision,
        };
        if verdict == Verdict::Asks {
            let call = self.keep(question, envelope);
            return Ok(Step::Delegate { call, redact: self.policy.privacy == Privacy::Redact });
        }
        self.added.enter(&usage_entry::of_answer(&envelope, self.trusts.first(), moment.now_ms));
        self.draw(&question, &envelope, moment);
        Ok(Step::Done(Box::new(self.in_unit(&question.text, envelope))))
    }

    /// Remembers a question that may be sent; gives its number.
    fn keep(&mut self, question: Question, fallback: Envelope) -> u32 {
        self.last_call = self.last_call.wrapping_add(1);
        self.judged.insert(self.last_call, (question, fallback));
        self.last_call
    }

    /// Has a question that was answered here checked, if that is its lot. One at a time, so that checks take no turn from
    /// a question that somebody waits for.
    fn draw(&mut self, question: &Question, answer: &Envelope, Moment { now_ms, random }: Moment) {
        if random >= self.policy.check_rate {
            return;
        }
        // One that nobody went on with is given up.
        let lost = |at_ms: f64| now_ms - at_ms > 2.0 * self.policy.deadline_ms;
        let lost: Vec<u32> = self.checks.iter().filter(|(_, check)| lost(check.1)).map(|(call, _)| *call).collect();
        for call in lost {
            self.abandon(call, Moment { now_ms, random });
        }
        // Would it be asked about if no local model were sure of it?
        let asks = Decision { tiers: Vec::new(), ..answer.decision.clone() }.verdict() == Verdict::Asks;
        if answer.reason == Reason::Confident && asks && self.checks.is_empty() {
            let call = self.keep(question.clone(), answer.clone());
            self.checks.insert(call, (answer.output.clone(), now_ms));
            self.drawn = Some(Check { call, redact: self.policy.privacy == Privacy::Redact });
        }
    }

    /// The question that was drawn for a check since it was asked last: it goes on through [`begin`](Self::begin) as one
    /// does that the local model is not sure of, and what comes of it is nobody's answer, but goes into the ledger.
    pub fn take_check(&mut self) -> Option<Check> {
        self.drawn.take()
    }

    /// What was answered since it was asked for last, as a record; none if nothing was.
    pub fn take_record(&mut self) -> Option<String> {
        let added = std::mem::take(&mut self.added);
        (!added.is_empty()).then(|| added.save())
    }

    /// How the confidences of the first local model, which alone sees all texts, compare with those at its calibration,
    /// by `ledger`; none where it was not calibrated.
    pub fn watch(&self, ledger: &Ledger) -> Option<Watch> {
        let cuts = Cuts::of(self.trusts.first()?.calibration()?);
        let spans: Vec<&[u64]> = ledger.spans().filter_map(|(_, span)| span.counts(cuts.name())).collect();
        Some(cuts.watch(&spans, ledger.doublings()))
    }

    /// The first step for `question` where a general model's answer is wanted as such, such as for a label to calibrate
    /// a local model by; those are not asked. Policy, redaction and caps hold as always.
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub fn consult(&mut self, question: Question, moment: Moment) -> Result<Step> {
        // Of what is no number nobody is sure, at no threshold.
        let (output, work) = (AnswerOutput::Entities(Vec::new()), ComputeCost::default());
        let none = LocalAnswer { output, confidence: f64::NAN, truncated: false, work };
        let tiers = vec![self.weigh(0, &none, 0.0)];
        self.judge(question, Looked { answer: none, tiers, routing: None }, false, moment)
    }

    /// Sends the question `call`, when its turn comes. `marked` is the personal data that a model has found in its
    /// text; what has a form is found here. Without it a question that is to be redacted is not sent.
    /// With `stream` the reply is to come in pieces. When it is called again, for a question that waited,
    /// both are passed over.
    ///
    /// # Errors
    /// Invalid input: there is no such question, or it was sent already.
    pub fn begin(&mut self, call: u32, stream: bool, marked: Option<&Marked>, moment: Moment) -> Result<Turn> {
        if let Some((question, mut fallback)) = self.judged.remove(&call) {
            let times = (moment.now_ms, self.policy.longest_ms());
            let redaction = match (self.policy.privacy, marked) {
                (Privacy::Allow, _) => None,
                (_, Some(marked)) => {
                    fallback.redaction_latency_ms = Some(marked.elapsed_ms);
                    let spans = offsets::in_bytes(&question.text, &marked.spans, self.unit);
                    Some(redact(&[(question.text.as_str(), spans)]))
                }
                (_, None) => {
                    self.judged.insert(call, (question, fallback));
                    return self.decline(call, Reason::RedactorUnavailable, String::new(), moment);
                }
            };
            let budget = self.policy.budget;
            self.calls.insert(call, Call::new(call, question, redaction, fallback, stream, times, budget));
            if !self.checks.contains_key(&call) && self.queue.enter(call) == Entered::Full {
                return self.decline(call, Denied::QueueFull.into(), Denied::QueueFull.to_string(), moment);
            }
        }
        if self.calls.get(&call).is_some_and(Call::is_under_way) {
            return Err(unknown(call));
        }
        let mut known = self.take(call)?;
        let for_ms = known.left_ms(moment.now_ms);
        let started = self.queue.has_started(call) || self.checks.contains_key(&call);
        if !started && for_ms > 0.0 {
            self.calls.insert(call, known);
            return Ok(Turn { step: Step::Wait { call, for_ms }, started: None });
        }
        let onward = known.start(&mut self.generals, moment.now_ms);
        Ok(self.go_on(call, known, onward, moment.now_ms))
    }

    /// What `bytes` bring of the reply to `call` that comes in pieces; `last` says that there are no more of them.
    ///
    /// # Errors
    /// Invalid input: no such request is under way.
    pub fn feed(&mut self, call: u32, bytes: &[u8], last: bool, moment: Moment) -> Result<Fed> {
        let known = self.calls.get_mut(&call).ok_or_else(|| unknown(call))?;
        Ok(known.feed(bytes, last, moment))
    }

    /// The next step, after `event` came of the request that was sent for `call`.
    ///
    /// # Errors
    /// Invalid input: no such request is under way.
    pub fn resume(&mut self, call: u32, event: &RemoteEvent, moment: Moment) -> Result<Turn> {
        if !self.calls.get(&call).is_some_and(Call::is_under_way) {
            return Err(unknown(call));
        }
        let mut known = self.take(call)?;
        let onward = known.hear(event, &mut self.generals, moment);
        Ok(self.go_on(call, known, onward, moment.now_ms))
    }

    /// Answers `call` with the local answer, for a `reason` that its caller knows.
    ///
    /// # Errors
    /// Invalid input: there is no such question.
    pub fn decline(&mut self, call: u32, reason: Reason, detail: String, moment: Moment) -> Result<Turn> {
        let Moment { now_ms, .. } = moment;
        let known = match self.judged.remove(&call) {
            Some((question, fallback)) => Call::new(call, question, None, fallback, false, (now_ms, 0.0), None),
            None => {
                let mut known = self.take(call)?;
                known.abort(&mut self.generals, now_ms);
                known
            }
        };
        let text = known.text().to_string();
        let envelope = known.fail(reason, detail, now_ms);
        Ok(self.end(call, &text, envelope, now_ms))
    }

    /// Forgets the question `call`, which nobody waits for any more. Another one, whose turn it is now.
    pub fn abandon(&mut self, call: u32, moment: Moment) -> Option<u32> {
        self.judged.remove(&call);
        self.checks.remove(&call);
        if let Some(mut known) = self.calls.remove(&call) {
            known.abort(&mut self.generals, moment.now_ms);
        }
        self.queue.leave(call)
    }

    /// Takes over what others of the origin have spent on the general model number `remote`: what their
    /// [`spending`](Self::spending) gave. What is no such thing is passed over.
    pub fn absorb(&mut self, remote: usize, json: &str) {
        if let Some(general) = self.generals.get_mut(remote) {
            // A record that is broken tells nothing; what this cascade has spent it still knows.
            let _ = general.limits.spending.absorb(json);
        }
    }

    /// What is known to have been spent on each of the general models, to be kept and told to the others.
    pub fn spending(&mut self, now_ms: f64) -> Vec<String> {
        self.generals.iter_mut().map(|general| general.limits.spending.save(now_ms)).collect()
    }

    fn take(&mut self, call: u32) -> Result<Call> {
        self.calls.remove(&call).ok_or_else(|| unknown(call))
    }

    fn go_on(&mut self, call: u32, known: Call, onward: Onward, now_ms: f64) -> Turn {
        match onward {
            Onward::Send(request) => {
                self.calls.insert(call, known);
                Turn { step: Step::Send(request), started: None }
            }
            Onward::Done(envelope) => self.end(call, known.text(), *envelope, now_ms),
        }
    }

    /// Gives the answer to `call` out, and enters it.
    fn end(&mut self, call: u32, text: &str, envelope: Envelope, now_ms: f64) -> Turn {
        let entry = match self.checks.remove(&call) {
            Some((here, _)) => usage_entry::of_check(&envelope, &here, now_ms),
            None => usage_entry::of_answer(&envelope, self.trusts.first(), now_ms),
        };
        self.added.enter(&entry);
        let step = Step::Done(Box::new(self.in_unit(text, envelope)));
        Turn { step, started: self.queue.leave(call) }
    }

    fn in_unit(&self, text: &str, envelope: Envelope) -> Envelope {
        Envelope { output: offsets::in_unit(text, envelope.output, self.unit), ..envelope }
    }
}

fn no_tier(tier: usize) -> Error {
    Error::invalid_input(format!("there is no local[{tier}]"))
}

fn unknown(call: u32) -> Error {
    Error::invalid_input(format!("the question {call} is not at this point"))
}

#[cfg(all(test, not(target_family = "wasm")))]
mod properties;
#[cfg(test)]
mod tests;
