//! Usage ledger: the sums of what answers took. Numbers, never text.
//!
//! Each tab stores what it added, and a reader merges what all tabs stored: [`Ledger::merge`] gives the same in any order.
//! Time is divided into spans of the same length, which doubles when there are too many, so that a ledger stays small
//! over any time.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::energy::{self, Joules};
use crate::error::{Error, Result};

/// The version of a record. A record of another version is skipped.
const VERSION: u32 = 2;
/// The first length of a span.
const MINUTE_MS: f64 = 60_000.0;
/// More spans than these are joined in pairs.
const MOST_SPANS: usize = 128;
/// 2^26 minutes are about 128 years.
const MOST_DOUBLINGS: u32 = 26;
/// More calibrations than are made in one span; a record with more of them is invalid.
const MOST_CALIBRATIONS: usize = 64;
/// Parts that confidences are sorted into, at most.
const MOST_PARTS: usize = 64;

/// What some answers have taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// How many answers there were.
    pub answers: u64,
    /// How many of them are local ones that the model was not sure of.
    pub degraded: u64,
    /// How long they took.
    pub latency_ms: f64,
    /// How much of it the local models took.
    pub local_ms: f64,
    /// How much of it the remote models took.
    pub remote_ms: f64,
    /// Operations of the local models.
    pub operations: u64,
    /// Bytes that these read and wrote.
    pub bytes: u64,
    /// Requests to remote models.
    pub attempts: u64,
    /// Tokens of their questions.
    pub prompt_tokens: u64,
    /// Tokens of their answers.
    pub completion_tokens: u64,
    /// Tokens of both.
    pub total_tokens: u64,
    /// Answers for which something was sent and no server reported the tokens: their tokens, money and energy are not
    /// counted.
    pub missing_usage: u64,
    /// US dollars, where the price is known.
    pub usd: f64,
    /// Answers with tokens that have no price.
    pub unpriced: u64,
}

/// Local answers that a remote model was asked about as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct Checks {
    /// How many of them it answered alike.
    pub agreed: u64,
    /// What asking took; `answers` are those that it answered.
    pub tally: Tally,
}

/// What learning saved, and what it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningCosts {
    /// Texts that stayed at home, and that the head that the cascade began with would have sent to a remote model.
    pub saved: u64,
    /// What checks took that were made for learning alone; they are among all checks as well.
    pub checks: Tally,
    /// What training took on this device, as far as it ended with a head: `operations` and `local_ms`. Bytes are not counted.
    pub training: Tally,
}

/// What happened in a span of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Span {
    /// Local answers.
    pub local: Tally,
    /// Remote models' answers.
    pub remote: Tally,
    /// Local answers that were checked.
    pub checks: Checks,
    /// What learning saved and cost.
    #[serde(skip_serializing_if = "LearningCosts::is_none")]
    pub learning: LearningCosts,
    /// How many confidences fell into each part of their range, for each calibration that says what the parts are.
    pub confidences: Vec<(String, Vec<u64>)>,
}

/// An answer, as far as a ledger is concerned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// When it was given, in milliseconds since 1970.
    pub at_ms: f64,
    /// Whose answer it is.
    pub kind: Kind,
    /// What it took.
    pub tally: Tally,
    /// The calibration that the model is trusted by, and how many of the answer's confidences fell into each part into which it
    /// cuts their range: one of them, or that of each field of a record.
    pub confidences: Option<(String, Vec<u64>)>,
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The local models'.
    #[default]
    Local,
    /// A remote model's.
    Remote,
    /// A remote model's to a question that was answered already, and whether it is the same.
    Check {
        /// Whether it is.
        agrees: bool,
    },
}

/// What answers have taken, over time.
///
/// ```
/// use pilot_light::usage::ledger::{Entry, Ledger};
/// use pilot_light::usage::summary::summary;
///
/// // Two tabs store what they added; a reader merges both.
/// let (mut one, mut two) = (Ledger::default(), Ledger::default());
/// let mut entry = Entry::default();
/// entry.tally.answers = 3;
/// one.enter(&entry);
/// two.enter(&entry);
/// let mut all = Ledger::read(&one.save())?;
/// all.merge(two);
/// assert_eq!(summary(&all).total.local.tally.answers, 6);
/// # Ok::<(), pilot_light::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    version: u32,
    /// A span is a minute, doubled so often.
    doublings: u32,
    /// The spans in which there was anything, with their number since 1970, by which they are sorted.
    spans: Vec<(u64, Span)>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { version: VERSION, doublings: 0, spans: Vec::new() }
    }
}

impl Ledger {
    /// Reads what [`save`](Self::save) gave.
    ///
    /// # Errors
    /// Invalid input: it is not a record, or one of another version.
    pub fn read(json: &str) -> Result<Self> {
        let wrong = |why: String| Error::invalid_input(format!("this is not a usage record: {why}"));
        let ledger: Self = serde_json::from_str(json).map_err(|error| wrong(error.to_string()))?;
        if ledger.version != VERSION {
            return Err(wrong(format!("its version must be {VERSION}, got {}", ledger.version)));
        }
        if ledger.doublings > MOST_DOUBLINGS
            || ledger.spans.len() > MOST_SPANS
            || !ledger.spans.is_sorted_by(|one, next| one.0 < next.0)
            || !ledger.spans.iter().all(|(_, span)| span.is_sound())
        {
            return Err(wrong("its numbers make no sense".to_string()));
        }
        Ok(ledger)
    }

    /// The ledger as a record.
    pub fn save(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether nothing was entered.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Enters an answer.
    pub fn enter(&mut self, entry: &Entry) {
        let Entry { at_ms, kind, tally, confidences } = entry;
        let span = self.span((at_ms / self.span_ms()).max(0.0) as u64);
        match kind {
            Kind::Local => span.local.add(tally),
            Kind::Remote => span.remote.add(tally),
            Kind::Check { agrees } => {
                span.checks.tally.add(tally);
                span.checks.agreed += u64::from(*agrees);
            }
        }
        if let Some((calibration, counts)) = confidences {
            span.count(calibration, counts.clone());
        }
        self.shrink();
    }

    /// Enters what learning saved or cost at `at_ms`, if it did.
    pub fn enter_learning(&mut self, at_ms: f64, costs: &LearningCosts) {
        if !costs.is_none() {
            self.span((at_ms / self.span_ms()).max(0.0) as u64).learning.add(costs);
            self.shrink();
        }
    }

    /// Adds what another one has.
    pub fn merge(&mut self, mut other: Self) {
        while self.doublings < other.doublings {
            self.double();
        }
        while other.doublings < self.doublings {
            other.double();
        }
        other.spans.into_iter().for_each(|(at, span)| self.span(at).add(span));
        self.shrink();
    }

    /// The spans in which there was anything, the earliest first, each with when it began in milliseconds since 1970.
    pub fn spans(&self) -> impl Iterator<Item = (f64, &Span)> {
        self.spans.iter().map(|(at, span)| (*at as f64 * self.span_ms(), span))
    }

    /// How long a span is.
    pub fn span_ms(&self) -> f64 {
        MINUTE_MS * 2f64.powi(self.doublings as i32)
    }

    /// How often a minute was doubled for it.
    pub fn doublings(&self) -> u32 {
        self.doublings
    }

    /// The span of this number, which is made where there was nothing yet.
    fn span(&mut self, at: u64) -> &mut Span {
        let index = self.spans.partition_point(|(other, _)| *other < at);
        if self.spans.get(index).is_none_or(|(other, _)| *other != at) {
            self.spans.insert(index, (at, Span::default()));
        }
        &mut self.spans[index].1
    }

    fn shrink(&mut self) {
        while self.spans.len() > MOST_SPANS && self.doublings < MOST_DOUBLINGS {
            self.double();
        }
    }

    fn double(&mut self) {
        self.doublings += 1;
        for (at, span) in std::mem::take(&mut self.spans) {
            self.span(at / 2).add(span);
        }
    }
}

impl Tally {
    /// Adds what others have taken.
    pub fn add(&mut self, other: &Self) {
        let whole = [
            (&mut self.answers, other.answers),
            (&mut self.degraded, other.degraded),
            (&mut self.operations, other.operations),
            (&mut self.bytes, other.bytes),
            (&mut self.attempts, other.attempts),
            (&mut self.prompt_tokens, other.prompt_tokens),
            (&mut self.completion_tokens, other.completion_tokens),
            (&mut self.total_tokens, other.total_tokens),
            (&mut self.missing_usage, other.missing_usage),
            (&mut self.unpriced, other.unpriced),
        ];
        whole.into_iter().for_each(|(sum, more)| *sum = sum.saturating_add(more));
        self.latency_ms += other.latency_ms;
        self.local_ms += other.local_ms;
        self.remote_ms += other.remote_ms;
        self.usd += other.usd;
    }

    /// What it took in energy on this device.
    pub fn local_j(&self) -> Joules {
        energy::of_work(self.operations, self.bytes)
    }

    /// What it took in energy elsewhere, as far as servers told their tokens.
    pub fn remote_j(&self) -> Joules {
        energy::of_tokens(self.prompt_tokens, self.completion_tokens, self.total_tokens)
    }

    fn is_sound(&self) -> bool {
        [self.latency_ms, self.local_ms, self.remote_ms, self.usd].iter().all(|sum| (0.0..=f64::MAX).contains(sum))
    }
}

impl Checks {
    /// Adds what others have taken.
    pub fn add(&mut self, other: &Self) {
        self.agreed = self.agreed.saturating_add(other.agreed);
        self.tally.add(&other.tally);
    }
}

impl LearningCosts {
    /// Adds what others have saved and cost.
    pub fn add(&mut self, other: &Self) {
        self.saved = self.saved.saturating_add(other.saved);
        self.checks.add(&other.checks);
        self.training.add(&other.training);
    }

    /// Whether nothing was saved, and nothing cost.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Span {
    fn add(&mut self, other: Self) {
        self.local.add(&other.local);
        self.remote.add(&other.remote);
        self.checks.add(&other.checks);
        self.learning.add(&other.learning);
        other.confidences.into_iter().for_each(|(calibration, counts)| self.count(&calibration, counts));
    }

    /// Adds the confidences in each part, by the calibration that says what the parts are.
    fn count(&mut self, calibration: &str, counts: Vec<u64>) {
        let Some((_, sums)) = self.confidences.iter_mut().find(|(name, _)| name == calibration) else {
            return self.confidences.push((calibration.to_string(), counts));
        };
        sums.resize(sums.len().max(counts.len()), 0);
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(count));
    }

    /// The confidences in each part, by this calibration.
    pub fn counts(&self, calibration: &str) -> Option<&[u64]> {
        self.confidences.iter().find(|(name, _)| name == calibration).map(|(_, counts)| counts.as_slice())
    }

    fn is_sound(&self) -> bool {
        let learning = &self.learning;
        let tallies = [&self.local, &self.remote, &self.checks.tally, &learning.checks, &learning.training];
        tallies.iter().all(|tally| tally.is_sound())
            && self.checks.agreed <= self.checks.tally.answers
            && self.confidences.len() <= MOST_CALIBRATIONS
            && self.confidences.iter().all(|(_, counts)| counts.len() <= MOST_PARTS)
    }
}
