//! Labelling by remote models: which texts to ask about next, and when to stop. Without I/O: the page and the
//! command-line program ask, and report the outcomes.
//!
//! One set of rules holds for both:
//!
//! - A cap on a minute passes by itself: the text is asked about again after a pause, for a little more than a minute.
//!   Where it is still refused then, a single question is above the cap.
//! - Any other cap does not pass soon. Nothing more is asked.
//! - An open circuit breaker says that the remote model is down. Nothing more is asked.
//! - A text without an answer for another reason is left out. After [`MAX_UNANSWERED`] of them in a row something is wrong
//!   that asking further does not mend. The same holds where fewer texts were asked about and none has an answer.

use serde::{Deserialize, Serialize};

use super::envelope::Consultation;
use crate::error::ErrorKind;
use crate::policy::Reason;

/// Texts without an answer, in a row, after which nothing more is asked.
pub const MAX_UNANSWERED: usize = 5;
/// The pause before a text is asked about again that a cap on a minute refused.
const PAUSE_MS: f64 = 1000.0;
/// How many such pauses follow one another: a little more than a minute.
const MAX_PAUSES: usize = 62;

/// The state of labelling a list of texts, each of which is known by its index.
///
/// ```
/// use pilot_light::cascade::labelling::{Labelling, LabellingOutcome, LabellingStep};
/// use pilot_light::policy::Reason;
///
/// let mut labelling = Labelling::new(2, 1);
/// assert_eq!(labelling.advance(&[]), LabellingStep::Ask { texts: vec![0], delay_ms: 0.0 });
/// // The text is asked about again, after a pause.
/// let refused = LabellingOutcome { answered: false, reason: Reason::RequestsPerMinute, detail: None };
/// assert_eq!(labelling.advance(&[refused]), LabellingStep::Ask { texts: vec![0], delay_ms: 1000.0 });
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Labelling {
    /// How many texts there are.
    texts: usize,
    /// How many are asked about together.
    batch: usize,
    /// The first text that was not asked about yet.
    next: usize,
    /// Those that were asked about in the last step.
    asked: Vec<usize>,
    /// Texts without an answer since the last one with an answer.
    unanswered: usize,
    /// Pauses since the last text with an answer.
    pauses: usize,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum LabellingStep {
    /// Ask the remote models about the texts with these indices.
    Ask {
        /// The indices.
        texts: Vec<usize>,
        /// How long to wait before, in milliseconds.
        delay_ms: f64,
    },
    /// All texts were asked about.
    Done,
    /// Asking further is useless.
    Stop {
        /// The kind of the error that this is: a spent budget, or a remote model that fails.
        kind: ErrorKind,
        /// Why.
        reason: Reason,
        /// A message about it, where there is more to say.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "web", tsify(optional))]
        detail: Option<String>,
    },
}

/// What asking about one text came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct LabellingOutcome {
    /// Whether there is an answer.
    pub answered: bool,
    /// Why there is one, or none.
    pub reason: Reason,
    /// A message about it, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub detail: Option<String>,
}

impl From<&Consultation> for LabellingOutcome {
    fn from(result: &Consultation) -> Self {
        let Consultation { output, reason, detail, .. } = result;
        Self { answered: output.is_some(), reason: *reason, detail: detail.clone() }
    }
}

impl Labelling {
    /// Labelling of so many `texts`, of which `batch` are asked about together.
    pub fn new(texts: usize, batch: usize) -> Self {
        Self { texts, batch: batch.max(1), next: 0, asked: Vec::new(), unanswered: 0, pauses: 0 }
    }

    /// The next step, after the last one had these `outcomes`, in the order of its texts; none before the first step.
    pub fn advance(&mut self, outcomes: &[LabellingOutcome]) -> LabellingStep {
        let mut refused = Vec::new();
        for (text, outcome) in std::mem::take(&mut self.asked).into_iter().zip(outcomes) {
            let LabellingOutcome { answered, reason, .. } = outcome;
            if *answered {
                (self.unanswered, self.pauses) = (0, 0);
            } else if reason.is_cap_on_minute() && self.pauses < MAX_PAUSES {
                refused.push(text);
            } else if reason.is_cap() || *reason == Reason::BreakerOpen {
                return stop(outcome);
            } else {
                self.unanswered += 1;
                if self.unanswered == MAX_UNANSWERED {
                    return stop(outcome);
                }
            }
        }
        let mut delay_ms = 0.0;
        if refused.is_empty() {
            let end = self.texts.min(self.next.saturating_add(self.batch));
            self.asked = (self.next..end).collect();
            self.next = end;
        } else {
            self.pauses += 1;
            (self.asked, delay_ms) = (refused, PAUSE_MS);
        }
        match outcomes.last() {
            _ if !self.asked.is_empty() => LabellingStep::Ask { texts: self.asked.clone(), delay_ms },
            Some(last) if self.unanswered == self.texts => stop(last),
            _ => LabellingStep::Done,
        }
    }
}

fn stop(LabellingOutcome { reason, detail, .. }: &LabellingOutcome) -> LabellingStep {
    let kind = if reason.is_cap() { ErrorKind::BudgetExhausted } else { ErrorKind::Remote };
    LabellingStep::Stop { kind, reason: *reason, detail: detail.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(answered: bool, reason: Reason) -> LabellingOutcome {
        LabellingOutcome { answered, reason, detail: None }
    }

    fn answered() -> LabellingOutcome {
        outcome(true, Reason::Unsure)
    }

    fn asks(step: LabellingStep) -> (Vec<usize>, f64) {
        match step {
            LabellingStep::Ask { texts, delay_ms } => (texts, delay_ms),
            other => panic!("{other:?}"),
        }
    }

    fn stops(step: LabellingStep) -> (ErrorKind, Reason) {
        match step {
            LabellingStep::Stop { kind, reason, .. } => (kind, reason),
            other => panic!("{other:?}"),
        }
    }

    /// The last step of 100 texts in batches of `batch`, and how many were asked about, if `outcome` comes of each.
    fn run(batch: usize, outcome: impl Fn(usize) -> LabellingOutcome) -> (LabellingStep, usize) {
        let (mut labelling, mut outcomes, mut asked) = (Labelling::new(100, batch), Vec::new(), 0);
        loop {
            match labelling.advance(&outcomes) {
                LabellingStep::Ask { texts, .. } => {
                    asked += texts.len();
                    outcomes = texts.into_iter().map(&outcome).collect();
                }
                last => return (last, asked),
            }
        }
    }

    #[test]
    fn every_text_is_asked_about_once() {
        let mut labelling = Labelling::new(5, 2);
        assert_eq!(asks(labelling.advance(&[])), (vec![0, 1], 0.0));
        assert_eq!(asks(labelling.advance(&[answered(), answered()])), (vec![2, 3], 0.0));
        assert_eq!(asks(labelling.advance(&[answered(), answered()])), (vec![4], 0.0));
        assert_eq!(labelling.advance(&[answered()]), LabellingStep::Done);
        assert_eq!(Labelling::new(0, 8).advance(&[]), LabellingStep::Done);
    }

    #[test]
    fn a_few_texts_of_which_none_has_an_answer_are_a_failure() {
        let mut labelling = Labelling::new(2, 1);
        let failed = outcome(false, Reason::NoRemote);
        labelling.advance(&[]);
        assert_eq!(asks(labelling.advance(std::slice::from_ref(&failed))), (vec![1], 0.0));
        assert_eq!(stops(labelling.advance(std::slice::from_ref(&failed))), (ErrorKind::Remote, Reason::NoRemote));

        let mut labelling = Labelling::new(2, 1);
        labelling.advance(&[]);
        labelling.advance(&[answered()]);
        assert_eq!(labelling.advance(&[failed]), LabellingStep::Done);
    }

    #[test]
    fn a_cap_on_a_minute_is_waited_for() {
        let mut labelling = Labelling::new(3, 2);
        labelling.advance(&[]);
        let capped = outcome(false, Reason::RequestsPerMinute);
        assert_eq!(asks(labelling.advance(&[answered(), capped.clone()])), (vec![1], PAUSE_MS));
        assert_eq!(asks(labelling.advance(std::slice::from_ref(&capped))), (vec![1], PAUSE_MS));
        assert_eq!(asks(labelling.advance(&[answered()])), (vec![2], 0.0));
        // A question that is above the cap alone is not waited for without end.
        for _ in 0..MAX_PAUSES {
            assert_eq!(asks(labelling.advance(std::slice::from_ref(&capped))), (vec![2], PAUSE_MS));
        }
        assert_eq!(stops(labelling.advance(&[capped])), (ErrorKind::BudgetExhausted, Reason::RequestsPerMinute));
    }

    #[test]
    fn any_other_cap_ends_it_as_a_spent_budget() {
        for reason in
            [Reason::RequestsPerDay, Reason::UsdPerDay, Reason::JoulesPerDay, Reason::Latency, Reason::SpendingUnknown]
        {
            let (last, asked) = run(1, |text| if text < 10 { answered() } else { outcome(false, reason) });
            assert_eq!((stops(last), asked), ((ErrorKind::BudgetExhausted, reason), 11));
        }
    }

    #[test]
    fn a_remote_model_that_does_not_answer_ends_it() {
        for reason in [Reason::RemoteUnreachable, Reason::RemoteRefused, Reason::LocalOnly, Reason::NoRemote] {
            for batch in [1, 8] {
                let (last, asked) = run(batch, |_| outcome(false, reason));
                assert_eq!(stops(last), (ErrorKind::Remote, reason));
                assert_eq!(asked, MAX_UNANSWERED.max(batch));
            }
        }
        let (last, asked) = run(1, |_| outcome(false, Reason::BreakerOpen));
        assert_eq!((stops(last), asked), ((ErrorKind::Remote, Reason::BreakerOpen), 1));
    }

    #[test]
    fn texts_without_an_answer_are_left_out() {
        let unanswered = || outcome(false, Reason::RemoteInvalid);
        assert_eq!(run(8, |text| if text % 3 > 0 { unanswered() } else { answered() }), (LabellingStep::Done, 100));
    }

    #[test]
    fn it_goes_on_from_its_stored_state() {
        let mut labelling = Labelling::new(20, 8);
        labelling.advance(&[]);
        let stored = serde_json::to_string(&labelling).unwrap();
        let mut read: Labelling = serde_json::from_str(&stored).unwrap();
        let outcomes = vec![answered(); 8];
        assert_eq!(read.advance(&outcomes), labelling.advance(&outcomes));
    }
}
