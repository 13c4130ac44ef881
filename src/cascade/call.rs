//! One question that the local model is not sure of, on its way to its one answer.

use super::attempt_result::Heard;
use super::config::General;
use super::envelope::{Envelope, Route};
use super::{Fed, Moment};
use crate::policy::{Budget, Left, Offer, Reason};
use crate::redaction::{Redaction, Restorer};
use crate::remote::attempts::{Attempts, Event, GiveUp, Next, Terms};
use crate::remote::limits::{Denied, Limits, Outcome, Pass, Sending, estimate};
use crate::remote::stream::StreamReader;
use crate::remote::{Question, RemoteEvent, RemoteFault, RemoteRequest, Usage, request_body};
use crate::tasks::AnswerOutput;
use crate::usage::energy;

/// What is put behind the address of a general model.
const PATH: &str = "/chat/completions";

/// A question on its way.
pub(super) struct Call {
    number: u32,
    /// As it was asked.
    question: Question,
    /// As it is sent.
    sendable: Question,
    redaction: Option<Redaction>,
    stream: bool,
    /// For all general models together.
    budget: Option<Budget>,
    begun_ms: f64,
    end_ms: f64,
    /// Which of the general models is asked; none with this number once all were.
    remote: usize,
    /// Those that may be asked after it.
    next: std::vec::IntoIter<usize>,
    attempts: Attempts,
    /// The leave for the attempt that is under way, and when it is sent.
    pass: Option<(Pass, f64)>,
    reader: Option<StreamReader>,
    restorer: Option<Restorer>,
    /// The answer that was not as asked for.
    unfit: Option<String>,
    failure: Option<(Reason, String)>,
    answer: Envelope,
}

/// What is to be done for a question.
pub(super) enum Onward {
    /// This is to be sent.
    Send(RemoteRequest),
    /// Nothing: this is the answer, in bytes.
    Done(Box<Envelope>),
}

impl Call {
    /// `question`, which may be sent without what `redaction` takes out; `fallback` is the answer if nothing comes.
    pub fn new(
        number: u32,
        question: Question,
        redaction: Option<Redaction>,
        fallback: Envelope,
        stream: bool,
        (now_ms, deadline_ms): (f64, f64),
        budget: Option<Budget>,
    ) -> Self {
        let mut next = fallback.decision.order().into_iter();
        let text = redaction.as_ref().and_then(|redaction| redaction.texts().first());
        let sendable = Question { text: text.unwrap_or(&question.text).clone(), ..question.clone() };
        Self {
            number,
            question,
            sendable,
            redaction,
            stream,
            budget,
            begun_ms: now_ms,
            end_ms: now_ms + deadline_ms,
            remote: next.next().unwrap_or(usize::MAX),
            next,
            attempts: Attempts::new(Terms::default(), now_ms),
            pass: None,
            reader: None,
            restorer: None,
            unfit: None,
            failure: None,
            answer: fallback,
        }
    }

    /// How much of its time is left.
    pub fn left_ms(&self, now_ms: f64) -> f64 {
        (self.end_ms - now_ms).max(0.0)
    }

    /// Whether something was sent of which nothing has been heard yet.
    pub fn is_under_way(&self) -> bool {
        self.pass.is_some()
    }

    /// The first attempt at the first general model from here on that lets itself be asked.
    pub fn start(&mut self, generals: &mut [General], now_ms: f64) -> Onward {
        let budget = self.budget_left(generals, now_ms);
        while let Some(general) = generals.get_mut(self.remote) {
            self.attempts = Attempts::new(general.terms(self.end_ms - self.begun_ms), self.begun_ms);
            self.unfit = None;
            let (body, mut pass) = (self.body(general), None);
            let (remote, offers) = (self.remote, &mut self.answer.decision.offers);
            let gate = |sending| admit((remote, general), &body, sending, budget, offers, &mut pass);
            let next = self.attempts.start(now_ms, gate);
            match next {
                Some(Next::Send { delay_ms, deadline_ms }) => {
                    return self.send(body, pass, now_ms, (delay_ms, deadline_ms));
                }
                Some(Next::GiveUp(why)) => self.give_up(why),
                Some(Next::Done) | None => {}
            }
            self.pass_on();
        }
        self.end(now_ms)
    }

    /// Turns to the next of the general models.
    fn pass_on(&mut self) {
        self.remote = self.next.next().unwrap_or(usize::MAX);
    }

    /// The next step, after `event` came of the attempt that is under way.
    pub fn hear(&mut self, event: &RemoteEvent, generals: &mut [General], moment: Moment) -> Onward {
        let Moment { now_ms, random } = moment;
        let (RemoteEvent::Response { elapsed_ms, .. }
        | RemoteEvent::Streamed { elapsed_ms }
        | RemoteEvent::Fault { elapsed_ms, .. }) = event;
        self.answer.remote_latency_ms = Some(self.answer.remote_latency_ms.unwrap_or(0.0) + elapsed_ms);
        let redaction = self.redaction.as_ref();
        let restore = |text: &str| redaction.map_or_else(|| text.to_string(), |redaction| redaction.restore(text));
        let heard = Heard::new(&self.question, restore, event, self.reader.take());
        let Some(general) = generals.get_mut(self.remote) else { return self.end(now_ms) };
        if heard.tells_pace {
            general.limits.pace.heard(*elapsed_ms, now_ms);
        }
        if let Outcome::Answered(Some(usage)) = heard.outcome {
            self.charge(general, usage);
        }
        self.settle(&mut general.limits, heard.outcome, now_ms);
        match heard.answer {
            Ok(output) => self.succeed(general, output),
            // That there is no such model here says less than what another one said before.
            Err(_) if heard.event == Event::Faulted(RemoteFault::Unavailable) && self.failure.is_some() => {}
            Err(failure) => self.failure = Some(failure),
        }
        self.unfit = heard.unfit;
        let budget = self.budget_left(generals, now_ms);
        let Some(general) = generals.get_mut(self.remote) else { return self.end(now_ms) };
        let (body, mut pass) = (self.body(general), None);
        let (remote, offers) = (self.remote, &mut self.answer.decision.offers);
        let gate = |sending| admit((remote, general), &body, sending, budget, offers, &mut pass);
        let next = self.attempts.on(heard.event, now_ms, random, gate);
        match next {
            Some(Next::Send { delay_ms, deadline_ms }) => self.send(body, pass, now_ms, (delay_ms, deadline_ms)),
            // What was seen of an answer is not followed by another model's.
            Some(Next::Done | Next::GiveUp(GiveUp::Streamed | GiveUp::Aborted)) | None => self.end(now_ms),
            Some(Next::GiveUp(why)) => {
                self.give_up(why);
                self.pass_on();
                self.start(generals, now_ms)
            }
        }
    }

    /// What the next `bytes` of a reply in pieces bring; `last` says that there are no more.
    pub fn feed(&mut self, bytes: &[u8], last: bool, moment: Moment) -> Fed {
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
            self.attempts.on(Event::Streamed, moment.now_ms, moment.random, |_| Ok(()));
        }
        Fed { text, over }
    }

    /// Takes back the leave of the attempt that is under way; nobody waits for it any more.
    pub fn abort(&mut self, generals: &mut [General], now_ms: f64) {
        if let (Some(general), Some((_, at_ms))) = (generals.get_mut(self.remote), &self.pass) {
            let outcome = if now_ms < *at_ms { Outcome::Unsent } else { Outcome::Aborted };
            self.settle(&mut general.limits, outcome, now_ms);
        }
    }

    /// The local answer, for this reason.
    pub fn fail(mut self, reason: Reason, detail: String, now_ms: f64) -> Envelope {
        self.failure = Some((reason, detail));
        self.end(now_ms);
        self.answer
    }

    /// What the budget leaves after what was spent on all of them.
    fn budget_left(&self, generals: &[General], now_ms: f64) -> Left {
        let today = generals.iter().map(|general| general.limits.spending.today(now_ms)).sum();
        self.budget.map_or_else(Left::default, |budget| budget.left(today))
    }

    fn body(&self, general: &General) -> String {
        request_body(general.chat_options(self.stream, self.unfit.as_deref()), &self.sendable)
    }

    fn send(&mut self, body: String, pass: Option<Pass>, now_ms: f64, (delay_ms, deadline_ms): (f64, f64)) -> Onward {
        self.pass = pass.map(|pass| (pass, now_ms + delay_ms));
        self.reader = self.stream.then(StreamReader::default);
        self.restorer = self.redaction.as_ref().map(Redaction::restorer);
        self.answer.attempts += 1;
        self.answer.replaced = self.redaction.as_ref().map(|redaction| redaction.replaced().to_vec());
        let (call, remote) = (self.number, self.remote);
        Onward::Send(RemoteRequest {
            call,
            remote,
            path: PATH.to_string(),
            body,
            stream: self.stream,
            delay_ms,
            deadline_ms,
        })
    }

    fn settle(&mut self, limits: &mut Limits, outcome: Outcome, now_ms: f64) {
        if let Some((pass, _)) = self.pass.take() {
            limits.settle(pass, outcome, now_ms);
        }
    }

    fn charge(&mut self, general: &General, usage: Usage) {
        let all = self.answer.usage.unwrap_or_default().plus(usage);
        self.answer.usage = Some(all);
        let [prompt, completion, total] = [all.prompt_tokens, all.completion_tokens, all.total_tokens].map(u64::from);
        self.answer.energy_j.remote = Some(energy::of_tokens(prompt, completion, total));
        if let Some(price) = &general.config.price {
            let usd = price.nano_usd(usage) as f64 / 1e9;
            self.answer.cost_usd = Some(self.answer.cost_usd.unwrap_or(0.0) + usd);
            self.answer.prices_as_of = Some(price.as_of.clone());
        }
    }

    fn succeed(&mut self, general: &General, output: AnswerOutput) {
        self.failure = None;
        self.answer.output = output;
        self.answer.route = Route::Remote;
        self.answer.degraded = false;
        self.answer.model = Some(general.config.model.clone());
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

    fn end(&mut self, now_ms: f64) -> Onward {
        if let Some((reason, detail)) = self.failure.take() {
            self.answer.reason = reason;
            self.answer.detail = Some(detail).filter(|detail| !detail.is_empty());
        }
        let waited_ms = (now_ms - self.begun_ms).max(self.answer.remote_latency_ms.unwrap_or(0.0));
        let redaction_ms = self.answer.redaction_latency_ms.unwrap_or(0.0);
        self.answer.latency_ms = self.answer.local_latency_ms + redaction_ms + waited_ms;
        Onward::Done(Box::new(self.answer.clone()))
    }

    /// The text of the question, for places in it.
    pub fn text(&self) -> &str {
        &self.question.text
    }
}

/// Asks the limits for leave to send `body`, and enters into `offers` what they decide from.
fn admit(
    (remote, general): (usize, &mut General),
    body: &str,
    sending: Sending,
    budget: Left,
    offers: &mut Vec<Offer>,
    pass: &mut Option<Pass>,
) -> Result<(), Denied> {
    let estimate = estimate(body.len(), general.most_tokens());
    let left = general.limits.spending.left(sending.now_ms).and(budget);
    let cost = general.limits.cost(sending.now_ms, estimate);
    let admitted = general.limits.admit(sending, estimate, left);
    let blocked = admitted.as_ref().err().filter(|denied| !matches!(denied, Denied::Over(_)));
    offers.push(Offer { remote, cost, left, blocked: blocked.map(|denied| (*denied).into()) });
    admitted.map(|admitted| *pass = Some(admitted))
}
