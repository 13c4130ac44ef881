//! One question to the remote models, from when it is enqueued to its one result.

use super::attempt_result::AttemptResult;
use super::config::RemoteModel;
use super::envelope::{Consultation, Fallback};
use super::{Fed, Now, records};
use crate::policy::{Budget, Offer, Reason, Remaining};
use crate::redaction::{Redaction, Restorer};
use crate::remote::attempts::{Attempts, Event, GiveUp, Next, Terms};
use crate::remote::limits::{Denied, Limits, Outcome, Permit, Sending, estimate};
use crate::remote::protocols::ReplyStream;
use crate::remote::{Payload, Prompt, Question, RemoteEvent, RemoteFault, RemoteRequest, Usage};
use crate::tasks::AnswerOutput;
use crate::usage::energy;

/// What the result of a question is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// To answer it; the local answer is the answer if no remote model gives one.
    Answer(Fallback),
    /// To know what the remote models say, such as for a label.
    Consult,
    /// To compare with the local answer, which was given at `since_ms`.
    Check { given: AnswerOutput, since_ms: f64 },
}

/// A question on its way.
pub(super) struct Call {
    number: u32,
    /// As it was asked.
    pub question: Question,
    pub purpose: Purpose,
    /// As it is sent.
    sendable: Question,
    redaction: Option<Redaction>,
    stream: bool,
    /// For all remote models together.
    budget: Option<Budget>,
    begun_ms: f64,
    end_ms: f64,
    /// The index of the remote model that is asked; past the last one when all were.
    remote: usize,
    /// Those that may be asked after it.
    next: std::vec::IntoIter<usize>,
    attempts: Attempts,
    /// The permit of the attempt that is under way, and when it is sent.
    permit: Option<(Permit, f64)>,
    reader: Option<Box<dyn ReplyStream>>,
    restorer: Option<Restorer>,
    /// The words of an earlier reply that did not keep to the schema.
    invalid: Option<String>,
    failure: Option<(Reason, String)>,
    result: Consultation,
}

/// How a question is sent.
pub(super) struct Sendable {
    /// What is replaced in its text, where that is wanted.
    pub redaction: Option<Redaction>,
    /// Whether the reply is wanted in pieces.
    pub stream: bool,
    /// How long all of it may take.
    pub deadline_ms: f64,
    /// For all remote models together.
    pub budget: Option<Budget>,
}

/// What is to be done for a question.
pub(super) enum NextAction {
    /// This is to be sent.
    Send(RemoteRequest),
    /// Nothing: it has ended.
    End,
}

impl Call {
    /// The call of `question`; `result` is its result as long as nothing was sent.
    pub fn new(
        number: u32,
        question: Question,
        purpose: Purpose,
        result: Consultation,
        sendable: Sendable,
        now_ms: f64,
    ) -> Self {
        let Sendable { redaction, stream, deadline_ms, budget } = sendable;
        let mut next = result.decision.order().into_iter();
        let sendable =
            redaction.as_ref().map_or_else(|| question.clone(), |redaction| records::redacted(&question, redaction));
        Self {
            number,
            question,
            purpose,
            sendable,
            redaction,
            stream,
            budget,
            begun_ms: now_ms,
            end_ms: now_ms + deadline_ms,
            remote: next.next().unwrap_or(usize::MAX),
            next,
            attempts: Attempts::new(Terms::default(), now_ms),
            permit: None,
            reader: None,
            restorer: None,
            invalid: None,
            failure: None,
            result,
        }
    }

    /// How much of its time is left.
    pub fn left_ms(&self, now_ms: f64) -> f64 {
        (self.end_ms - now_ms).max(0.0)
    }

    /// The first attempt at the first of the remaining remote models whose limits permit one.
    pub fn start(&mut self, remotes: &mut [RemoteModel], now_ms: f64) -> NextAction {
        while let Some(remote) = remotes.get(self.remote) {
            self.attempts = Attempts::new(remote.terms(self.end_ms - self.begun_ms), self.begun_ms);
            self.invalid = None;
            match self.attempt(remotes, now_ms, |attempts, gate| attempts.start(now_ms, gate)) {
                (Some(Next::Send { delay_ms, deadline_ms }), payload) => {
                    return self.send(payload, remotes, delay_ms, deadline_ms);
                }
                (Some(Next::GiveUp(why)), _) => self.give_up(why),
                (Some(Next::Done) | None, _) => {}
            }
            self.remote = self.next.next().unwrap_or(usize::MAX);
        }
        NextAction::End
    }

    /// What follows from the result `event` of the attempt that is under way.
    pub fn receive(&mut self, event: &RemoteEvent, remotes: &mut [RemoteModel], now: Now) -> NextAction {
        let Now { now_ms, random } = now;
        let (RemoteEvent::Response { elapsed_ms, .. }
        | RemoteEvent::Text { elapsed_ms, .. }
        | RemoteEvent::Streamed { elapsed_ms }
        | RemoteEvent::Fault { elapsed_ms, .. }) = event;
        self.result.remote_latency_ms = Some(self.result.remote_latency_ms.unwrap_or(0.0) + elapsed_ms);
        let Some(remote) = remotes.get_mut(self.remote) else { return NextAction::End };
        let redaction = self.redaction.as_ref();
        let restore = |text: &str| redaction.map_or_else(|| text.to_string(), |redaction| redaction.restore(text));
        let result = AttemptResult::new(&self.question, restore, event, remote.protocol, self.reader.take());
        if result.is_timing {
            remote.limits.latency.record(*elapsed_ms, now_ms);
        }
        if let Outcome::Answered(Some(usage)) = result.outcome {
            self.charge(remote, usage);
        }
        self.settle(&mut remote.limits, result.outcome, now_ms);
        match result.answer {
            Ok(output) => {
                self.failure = None;
                self.result.output = Some(output);
                self.result.model = Some(remote.config.model.clone());
            }
            // That a model is not available here says less than how an earlier one failed.
            Err(_) if result.event == Event::Faulted(RemoteFault::Unavailable) && self.failure.is_some() => {}
            Err(failure) => self.failure = Some(failure),
        }
        self.invalid = result.invalid;
        if let (Purpose::Answer(fallback), false) = (&mut self.purpose, result.refused.is_empty()) {
            records::refuse(&mut fallback.output, result.refused);
        }
        match self.attempt(remotes, now_ms, |attempts, gate| attempts.on(result.event, now_ms, random, gate)) {
            (Some(Next::Send { delay_ms, deadline_ms }), payload) => self.send(payload, remotes, delay_ms, deadline_ms),
            // Where a part of an answer was shown, no other model is asked.
            (Some(Next::Done | Next::GiveUp(GiveUp::Streamed | GiveUp::Aborted)) | None, _) => NextAction::End,
            (Some(Next::GiveUp(why)), _) => {
                self.give_up(why);
                self.remote = self.next.next().unwrap_or(usize::MAX);
                self.start(remotes, now_ms)
            }
        }
    }

    /// The words that the next `bytes` of a reply in pieces bring; `last` says that there are no more.
    pub fn feed(&mut self, bytes: &[u8], last: bool, now: Now) -> Fed {
        let Some(reader) = &mut self.reader else { return Fed { text: String::new(), over: true } };
        let words = reader.feed(bytes);
        let over = reader.is_over();
        let mut text = match &mut self.restorer {
            Some(restorer) => restorer.feed(&words),
            None => words,
        };
        if last || over {
            text.push_str(&self.restorer.take().map(Restorer::end).unwrap_or_default());
        }
        if !text.is_empty() {
            self.attempts.on(Event::Streamed, now.now_ms, now.random, |_| Ok(()));
        }
        Fed { text, over }
    }

    /// Returns the permit of the attempt that is under way: its result is not waited for any more.
    pub fn abort(&mut self, remotes: &mut [RemoteModel], now_ms: f64) {
        if let (Some(remote), Some((_, at_ms))) = (remotes.get_mut(self.remote), &self.permit) {
            let outcome = if now_ms < *at_ms { Outcome::Unsent } else { Outcome::Aborted };
            self.settle(&mut remote.limits, outcome, now_ms);
        }
    }

    /// Ends it without an answer, for this reason.
    pub fn fail(&mut self, reason: Reason, detail: String) {
        self.failure = Some((reason, detail));
    }

    /// Its result, when it has ended.
    pub fn into_result(mut self, now_ms: f64) -> (Question, Purpose, Consultation) {
        if let Some((reason, detail)) = self.failure.take() {
            self.result.reason = reason;
            self.result.detail = Some(detail).filter(|detail| !detail.is_empty());
        }
        let waited_ms = (now_ms - self.begun_ms).max(self.result.remote_latency_ms.unwrap_or(0.0));
        self.result.latency_ms = waited_ms + self.result.redaction_latency_ms.unwrap_or(0.0);
        (self.question, self.purpose, self.result)
    }

    /// What `advance` makes of the attempts, whose gate is the limits of the current remote model; and the payload that
    /// would be sent.
    fn attempt(
        &mut self,
        remotes: &mut [RemoteModel],
        now_ms: f64,
        advance: impl FnOnce(&mut Attempts, &mut dyn FnMut(Sending) -> Result<(), Denied>) -> Option<Next>,
    ) -> (Option<Next>, Option<Payload>) {
        let today = remotes.iter().map(|remote| remote.limits.spending.today(now_ms)).sum();
        let budget = self.budget.map_or_else(Remaining::default, |budget| budget.left(today));
        let Some(remote) = remotes.get_mut(self.remote) else { return (None, None) };
        let options = remote.request_options(self.stream);
        let payload = remote.protocol.request(&options, Prompt::new(&self.sendable, self.invalid.as_deref()));
        let estimate = estimate(payload.bytes(), remote.protocol.max_tokens(&options));
        let Self { remote: index, attempts, permit, result, .. } = self;
        // The numbers that the limits decide from are part of the decision.
        let mut gate = |sending: Sending| {
            let left = remote.limits.spending.left(sending.now_ms).and(budget);
            let cost = remote.limits.cost(sending.now_ms, estimate);
            let admitted = remote.limits.admit(sending, estimate, left);
            let blocked = admitted.as_ref().err().filter(|denied| !matches!(denied, Denied::Over(_)));
            let blocked = blocked.map(|denied| (*denied).into());
            result.decision.offers.push(Offer { remote: *index, cost, left, blocked });
            *permit = Some((admitted?, sending.at_ms));
            Ok(())
        };
        (advance(attempts, &mut gate), Some(payload))
    }

    fn send(
        &mut self,
        payload: Option<Payload>,
        remotes: &[RemoteModel],
        delay_ms: f64,
        deadline_ms: f64,
    ) -> NextAction {
        let (Some(payload), Some(remote)) = (payload, remotes.get(self.remote)) else { return NextAction::End };
        self.reader = self.stream.then(|| remote.protocol.stream());
        self.restorer = self.redaction.as_ref().map(Redaction::restorer);
        self.result.attempts += 1;
        self.result.replaced = self.redaction.as_ref().map(|redaction| redaction.replaced().to_vec());
        let (call, remote, stream) = (self.number, self.remote, self.stream);
        NextAction::Send(RemoteRequest { call, remote, payload, stream, delay_ms, deadline_ms })
    }

    fn settle(&mut self, limits: &mut Limits, outcome: Outcome, now_ms: f64) {
        if let Some((permit, _)) = self.permit.take() {
            limits.settle(permit, outcome, now_ms);
        }
    }

    fn charge(&mut self, remote: &RemoteModel, usage: Usage) {
        let all = self.result.usage.unwrap_or_default().plus(usage);
        self.result.usage = Some(all);
        let [prompt, completion, total] = [all.prompt_tokens, all.completion_tokens, all.total_tokens].map(u64::from);
        self.result.energy_j = Some(energy::of_tokens(prompt, completion, total));
        if let Some(price) = &remote.config.price {
            let usd = price.nano_usd(usage) as f64 / 1e9;
            self.result.cost_usd = Some(self.result.cost_usd.unwrap_or(0.0) + usd);
            self.result.prices_as_of = Some(price.as_of.clone());
        }
    }

    fn give_up(&mut self, why: GiveUp) {
        let before = self.failure.take();
        self.failure = match (why, before) {
            (GiveUp::Denied(denied), None) => Some((denied.into(), denied.to_string())),
            (GiveUp::Denied(denied), Some((_, before))) => {
                Some((denied.into(), format!("{denied}; before that: {before}")))
            }
            (GiveUp::Deadline, None) => Some((Reason::RemoteTimeout, "no time was left to ask".to_string())),
            (_, before) => before,
        };
    }
}
