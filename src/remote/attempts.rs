//! Retries: which attempts are made for one question, when, and how it ends. It ends once.
//!
//! # Source
//! Which statuses are worth another attempt, how many there are and how the pauses grow: the official
//! `openai` client. Pauses with full jitter: M. Brooker, "Exponential Backoff And Jitter", AWS, 2015.

use super::limits::{Denied, Sending};
use super::retry_after::retry_after_ms;
use super::{RemoteFault, is_transient};
use crate::error::{Error, Result};

/// The timeouts and retries of a question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// How long one attempt may take, in milliseconds.
    pub attempt_ms: f64,
    /// How long all of it may take, waiting and queueing included.
    pub total_ms: f64,
    /// How many attempts may follow one that failed for a transient reason.
    pub retries: u32,
    /// How many may follow a reply that does not keep to the schema.
    pub repairs: u32,
}

impl Default for Terms {
    fn default() -> Self {
        // Long enough for a large model to read a page of text, short enough for a person who waits.
        Self { attempt_ms: 20_000.0, total_ms: 45_000.0, retries: 2, repairs: 1 }
    }
}

impl Terms {
    /// The same, checked.
    ///
    /// # Errors
    /// Invalid input: a time that a browser's timer cannot wait for.
    pub fn checked(self) -> Result<Self> {
        for (name, ms) in [("attempt_ms", self.attempt_ms), ("total_ms", self.total_ms)] {
            if !(ms > 0.0 && ms <= f64::from(i32::MAX)) {
                return Err(Error::invalid_input(format!("{name} must be above 0 and at most {}, got {ms}", i32::MAX)));
            }
        }
        Ok(self)
    }
}

/// What happened to a question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// The answer is there, whole and as asked for.
    Answered,
    /// A reply is there that does not keep to the schema.
    Unfit,
    /// The first words of an answer were shown; they cannot be taken back.
    Streamed,
    /// The server replied with a status that is not a success.
    Refused {
        /// The status.
        status: u16,
        /// The header `Retry-After`.
        retry_after: Option<&'a str>,
    },
    /// It replied with something that is not an answer, and would do so again.
    Invalid,
    /// There was no reply.
    Faulted(RemoteFault),
    /// It is not waited for any more.
    Aborted,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// Make an attempt.
    Send {
        /// How long to wait before.
        delay_ms: f64,
        /// How long it may take, from when it is sent.
        deadline_ms: f64,
    },
    /// The question is answered.
    Done,
    /// There will be no answer.
    GiveUp(GiveUp),
}

/// Why there will be no answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GiveUp {
    /// It failed for a permanent reason.
    Final,
    /// It failed as often as it may.
    Exhausted,
    /// It failed, and no time is left for another attempt.
    Deadline,
    /// It failed when a part of the answer had been shown.
    Streamed,
    /// A limit forbids the attempt.
    Denied(Denied),
    /// It is not waited for.
    Aborted,
}

/// The first pause is at most this long, each further one at most twice the one before.
const BACKOFF_MS: f64 = 500.0;
/// No pause is longer, unless the server asks for it.
const BACKOFF_CAP_MS: f64 = 8_000.0;
/// The longest pause that a server can ask for.
const RETRY_AFTER_CAP_MS: f64 = 60_000.0;
/// An attempt with less time than this would cost money and give no answer.
const MIN_ATTEMPT_MS: f64 = 100.0;

/// The attempts of one question.
///
/// Each method takes the time since 1970 in milliseconds, by a clock that is not set back, and a random
/// number from 0 to below 1. It asks `gate` before it says [`Next::Send`], and only then.
#[derive(Clone, Debug)]
pub struct Attempts {
    terms: Terms,
    end_ms: f64,
    retries: u32,
    repairs: u32,
    streamed: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    New,
    UnderWay,
    Over,
}

impl Attempts {
    /// The attempts of a question that is asked at `now_ms`. It may have to queue before it starts.
    pub fn new(terms: Terms, now_ms: f64) -> Self {
        Self { terms, end_ms: now_ms + terms.total_ms, retries: 0, repairs: 0, streamed: false, phase: Phase::New }
    }

    /// How much of its time is left.
    pub fn left_ms(&self, now_ms: f64) -> f64 {
        (self.end_ms - now_ms).max(0.0)
    }

    /// The first attempt; `None` if it was made, or given up, before.
    pub fn start(&mut self, now_ms: f64, gate: impl FnOnce(Sending) -> Result<(), Denied>) -> Option<Next> {
        (self.phase == Phase::New).then(|| self.send(0.0, now_ms, false, gate))
    }

    /// What follows from `event`; `None` where nothing does: it goes on as before, or was over.
    pub fn on(
        &mut self,
        event: Event<'_>,
        now_ms: f64,
        random: f64,
        gate: impl FnOnce(Sending) -> Result<(), Denied>,
    ) -> Option<Next> {
        if self.phase == Phase::Over {
            return None;
        }
        let (passes, asked_ms) = match event {
            Event::Aborted => return Some(self.give_up(GiveUp::Aborted)),
            Event::Streamed => {
                self.streamed = true;
                return None;
            }
            Event::Answered => {
                self.phase = Phase::Over;
                return Some(Next::Done);
            }
            Event::Unfit if self.streamed => return Some(self.give_up(GiveUp::Streamed)),
            Event::Unfit if self.repairs == self.terms.repairs => return Some(self.give_up(GiveUp::Exhausted)),
            Event::Unfit => {
                self.repairs += 1;
                return Some(self.send(0.0, now_ms, true, gate));
            }
            Event::Invalid => (false, None),
            Event::Refused { status, retry_after } => {
                (is_transient(status), retry_after.and_then(|value| retry_after_ms(value, now_ms)))
            }
            Event::Faulted(fault) => (matches!(fault, RemoteFault::Network | RemoteFault::Timeout), None),
        };
        if !passes {
            return Some(self.give_up(GiveUp::Final));
        }
        if self.streamed {
            return Some(self.give_up(GiveUp::Streamed));
        }
        if self.retries == self.terms.retries {
            return Some(self.give_up(GiveUp::Exhausted));
        }
        // Never sooner than the server asks, and not at the same time as other clients that it asked the same.
        let asked_ms = asked_ms.unwrap_or(0.0).min(RETRY_AFTER_CAP_MS);
        let delay_ms = backoff_ms(self.retries, random).max(asked_ms);
        self.retries += 1;
        Some(self.send(delay_ms, now_ms, true, gate))
    }

    fn send(
        &mut self,
        delay_ms: f64,
        now_ms: f64,
        retry: bool,
        gate: impl FnOnce(Sending) -> Result<(), Denied>,
    ) -> Next {
        let deadline_ms = self.terms.attempt_ms.min(self.left_ms(now_ms) - delay_ms);
        let least_ms = MIN_ATTEMPT_MS.min(self.terms.attempt_ms).min(self.terms.total_ms);
        if deadline_ms < least_ms || deadline_ms.is_nan() {
            return self.give_up(GiveUp::Deadline);
        }
        let at_ms = now_ms + delay_ms;
        match gate(Sending { now_ms, at_ms, until_ms: at_ms + deadline_ms, retry }) {
            Ok(()) => {
                self.phase = Phase::UnderWay;
                Next::Send { delay_ms, deadline_ms }
            }
            Err(denied) => self.give_up(GiveUp::Denied(denied)),
        }
    }

    fn give_up(&mut self, why: GiveUp) -> Next {
        self.phase = Phase::Over;
        Next::GiveUp(why)
    }
}

/// The pause before retry number `retry`, from 0.
fn backoff_ms(retry: u32, random: f64) -> f64 {
    let longest = (BACKOFF_MS * f64::from(1_u32 << retry.min(16))).min(BACKOFF_CAP_MS);
    if (0.0..1.0).contains(&random) { longest * random } else { longest }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
