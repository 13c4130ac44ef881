//! What came of one attempt: for the attempts that may follow, for the limits, and for the caller.

use crate::policy::Reason;
use crate::remote::attempts::Event;
use crate::remote::limits::Outcome;
use crate::remote::stream::StreamReader;
use crate::remote::{
    Completion, Failure, Question, RemoteEvent, RemoteFault, Unread, quote, read_answer, read_completion,
};
use crate::tasks::AnswerOutput;

/// What came of one attempt.
pub(super) struct Heard<'a> {
    /// For the attempts that may follow.
    pub event: Event<'a>,
    /// For the limits.
    pub outcome: Outcome,
    /// The answer, or why there is none.
    pub answer: Result<AnswerOutput, (Reason, String)>,
    /// What the model said where that was not as asked for.
    pub unfit: Option<String>,
    /// Whether it shows how fast the server is.
    pub tells_pace: bool,
}

impl<'a> Heard<'a> {
    /// What `event` brings for `question`; `reader` has what was fed of a reply in pieces.
    pub fn new(
        question: &Question,
        restore: impl Fn(&str) -> String,
        event: &'a RemoteEvent,
        reader: Option<StreamReader>,
    ) -> Self {
        let (completion, retry_after) = match event {
            RemoteEvent::Fault { fault, message, .. } => return Self::of_fault(*fault, message),
            RemoteEvent::Response { status, retry_after, content_type, body, .. } => {
                (read_completion(*status, content_type.as_deref(), body), retry_after.as_deref())
            }
            RemoteEvent::Streamed { .. } => match reader {
                Some(reader) => (reader.finish(), None),
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
        match read_answer(question, &completion, restore) {
            Ok(output) => Self { event: Event::Answered, outcome, answer: Ok(output), unfit: None, tells_pace: true },
            Err(Unread::Unfit(words)) => {
                let answer = Err((Reason::RemoteInvalid, words));
                Self { event: Event::Unfit, outcome, answer, unfit: Some(completion.content), tells_pace: true }
            }
            Err(Unread::Invalid(words)) => Self {
                event: Event::Invalid,
                outcome,
                answer: Err((Reason::RemoteInvalid, words)),
                unfit: None,
                tells_pace: true,
            },
        }
    }

    fn of_failure(failure: Failure, retry_after: Option<&'a str>) -> Self {
        let (event, outcome, reason, words) = match failure {
            Failure::Unreachable(words) => {
                (Event::Faulted(RemoteFault::Network), Outcome::Failed, Reason::RemoteUnreachable, words)
            }
            // One that says 200 and that it failed may have been paid for.
            Failure::Refused { status, words } if (200..300).contains(&status) => {
                (Event::Refused { status, retry_after }, Outcome::Failed, Reason::RemoteRefused, words)
            }
            Failure::Refused { status, words } => {
                (Event::Refused { status, retry_after }, Outcome::Refused(status), Reason::RemoteRefused, words)
            }
            Failure::Invalid(words) => (Event::Invalid, Outcome::Failed, Reason::RemoteInvalid, words),
        };
        Self { event, outcome, answer: Err((reason, words)), unfit: None, tells_pace: true }
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
            unfit: None,
            tells_pace: fault == RemoteFault::Timeout,
        }
    }
}
