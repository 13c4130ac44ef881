//! The result of one attempt: what it means for further attempts, for the limits, and for the answer.

use crate::policy::Reason;
use crate::remote::attempts::Event;
use crate::remote::limits::Outcome;
use crate::remote::protocols::{Completion, Protocol, Reply, ReplyStream};
use crate::remote::{Failure, Question, RemoteEvent, RemoteFault, Unread, quote, read_answer};
use crate::tasks::AnswerOutput;

/// The result of one attempt.
pub(super) struct AttemptResult<'a> {
    /// What happened, for the attempts that may follow.
    pub event: Event<'a>,
    /// What happened, for the limits.
    pub outcome: Outcome,
    /// The answer, or why the attempt has no answer.
    pub answer: Result<AnswerOutput, (Reason, String)>,
    /// The words of the model, where they do not keep to the schema.
    pub invalid: Option<String>,
    /// The fields of a record, none of them valid under the schema, that they have.
    pub refused: Vec<String>,
    /// Whether the time that it took says how fast the server is.
    pub is_timing: bool,
}

impl<'a> AttemptResult<'a> {
    /// The result of `event` for `question`, read by `protocol`; `stream` has what was fed of a reply in pieces, and
    /// `restore` puts personal data back into a string.
    pub fn new(
        question: &Question,
        restore: impl Fn(&str) -> String,
        event: &'a RemoteEvent,
        protocol: &dyn Protocol,
        stream: Option<Box<dyn ReplyStream>>,
    ) -> Self {
        let (completion, retry_after) = match event {
            RemoteEvent::Fault { fault, message, .. } => return Self::of_fault(*fault, message),
            RemoteEvent::Response { status, retry_after, content_type, body, .. } => {
                let reply = Reply::Http { status: *status, content_type: content_type.as_deref(), body };
                (protocol.read(reply), retry_after.as_deref())
            }
            RemoteEvent::Text { text, .. } => (protocol.read(Reply::Text(text)), None),
            RemoteEvent::Streamed { .. } => match stream {
                Some(stream) => (stream.finish(), None),
                None => (Err(Failure::Invalid("the reply came in pieces, unasked".to_string())), None),
            },
        };
        match completion {
            Ok(completion) => Self::of_completion(question, restore, completion),
            Err(failure) => Self::of_failure(failure, retry_after),
        }
    }

    fn of_completion(question: &Question, restore: impl Fn(&str) -> String, completion: Completion) -> Self {
        let outcome = Outcome::Answered(completion.usage);
        let of =
            |event, answer, invalid| Self { event, outcome, answer, invalid, refused: Vec::new(), is_timing: true };
        let failed = |words| Err((Reason::RemoteInvalid, words));
        match read_answer(question, &completion, restore) {
            Ok(output) => of(Event::Answered, Ok(output), None),
            Err(Unread::Unfit(words)) => of(Event::Unfit, failed(words), Some(completion.content)),
            Err(Unread::Refused(refused)) => {
                let words = "the answer has no field that is valid under the schema".to_string();
                Self { refused, ..of(Event::Unfit, failed(words), Some(completion.content)) }
            }
            Err(Unread::Invalid(words)) => of(Event::Invalid, failed(words), None),
        }
    }

    fn of_failure(failure: Failure, retry_after: Option<&'a str>) -> Self {
        let (event, outcome, reason, words) = match failure {
            Failure::Unreachable(words) => {
                (Event::Faulted(RemoteFault::Network), Outcome::Failed, Reason::RemoteUnreachable, words)
            }
            // A reply that says 200 and that it failed may have been paid for.
            Failure::Refused { status, words } if (200..300).contains(&status) => {
                (Event::Refused { status, retry_after }, Outcome::Failed, Reason::RemoteRefused, words)
            }
            Failure::Refused { status, words } => {
                (Event::Refused { status, retry_after }, Outcome::Refused(status), Reason::RemoteRefused, words)
            }
            Failure::Invalid(words) => (Event::Invalid, Outcome::Failed, Reason::RemoteInvalid, words),
        };
        Self { event, outcome, answer: Err((reason, words)), invalid: None, refused: Vec::new(), is_timing: true }
    }

    fn of_fault(fault: RemoteFault, message: &str) -> Self {
        let reason = match fault {
            RemoteFault::Network | RemoteFault::Token | RemoteFault::Unavailable => Reason::RemoteUnreachable,
            RemoteFault::Timeout => Reason::RemoteTimeout,
            RemoteFault::TooLarge => Reason::RemoteInvalid,
            RemoteFault::Redirect => Reason::RemoteRefused,
        };
        let outcome = match fault {
            RemoteFault::Token | RemoteFault::Unavailable => Outcome::Unsent,
            _ => Outcome::Failed,
        };
        Self {
            event: Event::Faulted(fault),
            outcome,
            answer: Err((reason, quote(message))),
            invalid: None,
            refused: Vec::new(),
            is_timing: fault == RemoteFault::Timeout,
        }
    }
}
