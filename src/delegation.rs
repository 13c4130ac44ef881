//! From a local answer to the one answer that the caller gets: at once, or by way of the general model.
//! Without I/O: it says what to send and is told what came of it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::cascade::Policy;
use crate::device::DeviceReport;
use crate::error::{Error, Result};
use crate::remote::{Failure, Question, RemoteEvent, RemoteRequest, Usage, read_reply, request_body};
use crate::tasks::{AnswerOutput, LocalAnswer};

/// What a cascade is made of beside its local model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct CascadeConfig {
    /// The general model; without one every answer is local.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub remote: Option<RemoteConfig>,
    /// When it is asked.
    #[serde(default)]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub policy: Policy,
}

/// The general model, as far as questions depend on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct RemoteConfig {
    /// The name that its server knows it by.
    pub model: String,
    /// How long one attempt may take.
    #[serde(default = "default_timeout_ms")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub timeout_ms: f64,
}

/// Long enough for a general model to read a page of text, short enough for somebody who waits.
fn default_timeout_ms() -> f64 {
    20_000.0
}

/// Longer texts are not sent: what they would cost would come as a surprise.
const MAX_REMOTE_BYTES: usize = 64 << 10;

/// The one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Envelope {
    /// What was found: a label, or the text's entities.
    pub output: AnswerOutput,
    /// Whose answer it is.
    pub route: Route,
    /// How sure the local model is of its own answer, from 0 to 1.
    pub confidence: f64,
    /// The confidence from which on the local answer is the answer.
    pub threshold: f64,
    /// Whether the threshold comes from a calibration, and so promises anything.
    pub calibrated: bool,
    /// Why it is this answer.
    pub reason: Reason,
    /// The same in words, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub detail: Option<String>,
    /// Whether this is an answer that the local model is not sure of, for want of the remote's.
    pub degraded: bool,
    /// Whether the local model read only the beginning of the text.
    pub truncated: bool,
    /// Where the local model ran.
    pub device: DeviceReport,
    /// How long it all took.
    pub latency_ms: f64,
    /// How long the local model took; its texts' mean where several went through it together.
    pub local_latency_ms: f64,
    /// How long the remote took.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub remote_latency_ms: Option<f64>,
    /// Tokens that the remote used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub usage: Option<Usage>,
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// The specialised model's.
    Local,
    /// The general model's.
    Remote,
}

/// Why it is this answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The local model is sure.
    Confident,
    /// It is not, and the remote answered.
    Unsure,
    /// It is not, and there is no remote.
    NoRemote,
    /// It is not, and the text is too long to be sent.
    TooLong,
    /// It is not, and the remote could not be reached.
    RemoteUnreachable,
    /// It is not, and the remote took too long.
    RemoteTimeout,
    /// It is not, and the remote refused.
    RemoteRefused,
    /// It is not, and the remote's reply is no answer.
    RemoteInvalid,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Nothing: this is the answer.
    Done(Envelope),
    /// This is to be sent, and [`Delegation::resume`] to be told what came of it.
    Send(RemoteRequest),
}

/// What places in a text are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetUnit {
    /// Bytes of UTF-8, as in Rust.
    Bytes,
    /// Units of UTF-16, as in JavaScript.
    Utf16,
}

/// Turns local answers into answers, and remembers what is under way.
pub struct Delegation {
    config: CascadeConfig,
    device: DeviceReport,
    unit: OffsetUnit,
    pending: HashMap<u32, Pending>,
    last_call: u32,
}

/// A question that was sent, and the answer that is given if nothing comes of it.
struct Pending {
    question: Question,
    fallback: Envelope,
}

impl Delegation {
    /// Delegates by `config` what a model on `device` is not sure of; places are given in `unit`.
    ///
    /// # Errors
    /// Invalid input: a threshold or a time that makes no sense, a remote without a name.
    pub fn new(config: CascadeConfig, device: DeviceReport, unit: OffsetUnit) -> Result<Self> {
        config.policy.checked()?;
        if let Some(remote) = &config.remote {
            if remote.model.is_empty() {
                return Err(Error::invalid_input("the remote model has no name"));
            }
            // What a browser's timer can wait for.
            if !(remote.timeout_ms > 0.0 && remote.timeout_ms <= f64::from(i32::MAX)) {
                return Err(Error::invalid_input(format!(
                    "the remote's timeout_ms is {}, which is no time to wait",
                    remote.timeout_ms
                )));
            }
        }
        Ok(Self { config, device, unit, pending: HashMap::new(), last_call: 0 })
    }

    /// The confidence from which on the local answer is the answer.
    pub fn threshold(&self) -> f64 {
        self.config.policy.threshold
    }

    /// Sets it.
    ///
    /// # Errors
    /// Invalid input: it is not from 0 to 1.
    pub fn set_threshold(&mut self, threshold: f64) -> Result<()> {
        self.config.policy = Policy { threshold }.checked()?;
        Ok(())
    }

    /// The first step for `question`, which the local model has answered in `latency_ms`.
    pub fn judge(&mut self, question: Question, local: LocalAnswer, latency_ms: f64) -> Step {
        let sure = self.config.policy.accepts(local.confidence);
        let too_long = question.text.len() > MAX_REMOTE_BYTES;
        let reason = match &self.config.remote {
            _ if sure => Reason::Confident,
            None => Reason::NoRemote,
            Some(_) if too_long => Reason::TooLong,
            Some(_) => Reason::Unsure,
        };
        let envelope = Envelope {
            output: self.in_unit(&question.text, local.output),
            route: Route::Local,
            confidence: local.confidence,
            threshold: self.threshold(),
            calibrated: false,
            reason,
            detail: None,
            degraded: !sure,
            truncated: local.truncated,
            device: self.device.clone(),
            latency_ms,
            local_latency_ms: latency_ms,
            remote_latency_ms: None,
            usage: None,
        };
        match (&self.config.remote, reason) {
            (Some(remote), Reason::Unsure) => {
                self.last_call = self.last_call.wrapping_add(1);
                let request = RemoteRequest {
                    call: self.last_call,
                    path: "/chat/completions".to_string(),
                    body: request_body(&remote.model, &question),
                    delay_ms: 0.0,
                    deadline_ms: remote.timeout_ms,
                };
                self.pending.insert(request.call, Pending { question, fallback: envelope });
                Step::Send(request)
            }
            _ => Step::Done(envelope),
        }
    }

    /// The next step, after `event` came of the request `call`.
    ///
    /// # Errors
    /// Invalid input: no such request is under way.
    pub fn resume(&mut self, call: u32, event: &RemoteEvent) -> Result<Step> {
        let Some(Pending { question, fallback }) = self.pending.remove(&call) else {
            return Err(Error::invalid_input(format!("no request {call} is under way")));
        };
        let (RemoteEvent::Response { elapsed_ms, .. } | RemoteEvent::Fault { elapsed_ms, .. }) = event;
        let mut envelope = Envelope {
            latency_ms: fallback.local_latency_ms + elapsed_ms,
            remote_latency_ms: Some(*elapsed_ms),
            ..fallback
        };
        match read_reply(&question, event) {
            Ok(reply) => {
                envelope.output = self.in_unit(&question.text, reply.output);
                envelope.route = Route::Remote;
                envelope.degraded = false;
                envelope.usage = reply.usage;
            }
            Err(failure) => {
                let (reason, detail) = match failure {
                    Failure::Unreachable(words) => (Reason::RemoteUnreachable, words),
                    Failure::TimedOut(words) => (Reason::RemoteTimeout, words),
                    Failure::Refused(words) => (Reason::RemoteRefused, words),
                    Failure::Invalid(words) => (Reason::RemoteInvalid, words),
                };
                envelope.reason = reason;
                envelope.detail = Some(detail);
            }
        }
        Ok(Step::Done(envelope))
    }

    /// Forgets the request `call`, which nobody waits for any more.
    pub fn abandon(&mut self, call: u32) {
        self.pending.remove(&call);
    }

    fn in_unit(&self, text: &str, output: AnswerOutput) -> AnswerOutput {
        match (self.unit, output) {
            (OffsetUnit::Utf16, AnswerOutput::Entities(mut groups)) => {
                let places = groups.iter_mut().flat_map(|group| [&mut group.start, &mut group.end]);
                crate::tasks::to_utf16(text, places);
                AnswerOutput::Entities(groups)
            }
            (_, output) => output,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{DeviceChoice, DeviceKind};
    use crate::remote::RemoteFault;
    use crate::tasks::{Answer, EntityGroup, Task};

    fn delegation(remote: bool) -> Delegation {
        let device = DeviceReport {
            kind: DeviceKind::Wasm,
            requested: DeviceChoice::Auto,
            reason: String::new(),
            adapter: String::new(),
        };
        let remote = remote.then(|| RemoteConfig { model: "any".to_string(), timeout_ms: 50.0 });
        Delegation::new(CascadeConfig { remote, policy: Policy { threshold: 0.9 } }, device, OffsetUnit::Utf16).unwrap()
    }

    fn question(text: &str) -> Question {
        Question {
            task: Task::TextClassification,
            labels: vec!["ham".to_string(), "spam".to_string()],
            text: text.to_string(),
        }
    }

    fn local(confidence: f64) -> LocalAnswer {
        let answer = Answer { label: "ham".to_string(), score: Some(confidence) };
        LocalAnswer { output: AnswerOutput::Label(answer), confidence, truncated: false }
    }

    fn done(step: Step) -> Envelope {
        match step {
            Step::Done(envelope) => envelope,
            Step::Send(request) => panic!("{request:?}"),
        }
    }

    fn sent(step: Step) -> RemoteRequest {
        match step {
            Step::Send(request) => request,
            Step::Done(envelope) => panic!("{envelope:?}"),
        }
    }

    #[test]
    fn what_the_model_is_sure_of_stays() {
        let envelope = done(delegation(true).judge(question("a"), local(0.9), 2.0));
        assert_eq!((envelope.route, envelope.reason, envelope.degraded), (Route::Local, Reason::Confident, false));
        assert_eq!(envelope.latency_ms, 2.0);
    }

    #[test]
    fn what_it_is_not_sure_of_goes_and_comes_back() {
        let mut delegation = delegation(true);
        let request = sent(delegation.judge(question("a"), local(0.6), 2.0));
        assert_eq!((request.path.as_str(), request.deadline_ms), ("/chat/completions", 50.0));
        let body =
            r#"{"choices":[{"message":{"content":"{\"label\":\"spam\"}"}}],"usage":{"total_tokens":7}}"#.to_string();
        let event =
            RemoteEvent::Response { status: 200, retry_after: None, content_type: None, body, elapsed_ms: 30.0 };
        let envelope = done(delegation.resume(request.call, &event).unwrap());
        assert_eq!((envelope.route, envelope.reason, envelope.degraded), (Route::Remote, Reason::Unsure, false));
        assert_eq!(envelope.output, AnswerOutput::Label(Answer { label: "spam".to_string(), score: None }));
        assert_eq!((envelope.latency_ms, envelope.confidence), (32.0, 0.6));
        assert_eq!(envelope.usage.map(|usage| usage.total_tokens), Some(7));
        assert!(delegation.resume(request.call, &event).is_err(), "a question is answered once");
    }

    #[test]
    fn a_remote_that_fails_leaves_the_local_answer_flagged() {
        let mut delegation = delegation(true);
        let fault = |fault| RemoteEvent::Fault { fault, message: "words".to_string(), elapsed_ms: 9.0 };
        let outcomes = [
            (fault(RemoteFault::Network), Reason::RemoteUnreachable),
            (fault(RemoteFault::Token), Reason::RemoteUnreachable),
            (fault(RemoteFault::Timeout), Reason::RemoteTimeout),
            (fault(RemoteFault::TooLarge), Reason::RemoteInvalid),
        ];
        for (event, reason) in outcomes {
            let request = sent(delegation.judge(question("a"), local(0.2), 1.0));
            let envelope = done(delegation.resume(request.call, &event).unwrap());
            assert_eq!((envelope.route, envelope.reason, envelope.degraded), (Route::Local, reason, true));
            assert_eq!((envelope.detail.as_deref(), envelope.latency_ms), (Some("words"), 10.0));
        }
    }

    #[test]
    fn nothing_is_sent_without_a_remote_or_for_a_giant_text() {
        let envelope = done(delegation(false).judge(question("a"), local(0.2), 1.0));
        assert_eq!((envelope.reason, envelope.degraded), (Reason::NoRemote, true));
        let envelope = done(delegation(true).judge(question(&"a".repeat(MAX_REMOTE_BYTES + 1)), local(0.2), 1.0));
        assert_eq!((envelope.reason, envelope.degraded), (Reason::TooLong, true));
    }

    #[test]
    fn places_are_counted_as_asked_for() {
        let group = EntityGroup {
            entity_group: "LOC".to_string(),
            score: Some(1.0),
            word: "Łódź".to_string(),
            start: 5,
            end: 12,
        };
        let answer = LocalAnswer { output: AnswerOutput::Entities(vec![group]), confidence: 1.0, truncated: false };
        let question = Question { task: Task::TokenClassification, labels: vec![], text: "👍 Łódź".to_string() };
        let AnswerOutput::Entities(groups) = done(delegation(true).judge(question, answer, 1.0)).output else {
            panic!("a label")
        };
        assert_eq!((groups[0].start, groups[0].end), (3, 7));
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let device = delegation(false).device;
        for remote in [
            RemoteConfig { model: String::new(), timeout_ms: 1.0 },
            RemoteConfig { model: "a".to_string(), timeout_ms: f64::NAN },
        ] {
            let config = CascadeConfig { remote: Some(remote), policy: Policy::default() };
            assert!(Delegation::new(config, device.clone(), OffsetUnit::Bytes).is_err());
        }
        assert!(delegation(false).set_threshold(2.0).is_err());
    }
}
