//! Summary of a usage ledger: sums, their energy, and the counterfactual cost of asking a remote model every time.

use serde::Serialize;

use super::energy::{self, Basis, Energy, Joules};
use super::ledger::{Checks, LearningCosts, Ledger, Span, Tally};
use crate::calibration::interval;

/// The chance that the agreement is not within its interval.
const DELTA: f64 = 0.05;

/// What a ledger says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct UsageSummary {
    /// Since the beginning.
    pub total: Routes,
    /// The spans of time in which there was anything, the earliest first.
    pub spans: Vec<SpanRoutes>,
    /// What it would have cost to ask a remote model every time; absent where no remote model has reported tokens yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub counterfactual: Option<Counterfactual>,
    /// How often a remote model agreed with the local answers that it was asked about as well; absent where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub agreement: Option<Agreement>,
    /// What learning saved and cost; absent where nothing was learnt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub learning: Option<LearningAccount>,
    /// What the energy rests on.
    pub basis: Bases,
}

/// What answers have taken, by whose they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Routes {
    /// The local models' answers.
    pub local: Account,
    /// The remote models' answers.
    pub remote: Account,
    /// Asking about local answers that were given out already.
    pub checks: Account,
}

/// What answers have taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Account {
    /// The sums.
    pub tally: Tally,
    /// What that comes to in energy.
    pub energy_j: Energy,
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct SpanRoutes {
    /// When it began, in milliseconds since 1970.
    pub from_ms: f64,
    /// When it ended.
    pub to_ms: f64,
    /// What answers have taken in it.
    pub routes: Routes,
}

/// An estimate: what it would have cost if every answer had cost what those of remote models did on average.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Counterfactual {
    /// How many answers there were.
    pub answers: u64,
    /// From how many remote models' answers, whose tokens are known, the average is.
    pub from: u64,
    /// In US dollars; absent where a price is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub usd: Option<f64>,
    /// In energy.
    pub energy_j: Joules,
}

/// What learning saved, which is an estimate, and what it cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct LearningAccount {
    /// What the texts would have cost that stayed at home, and that the head that the cascade began with would have sent at the
    /// same promise. Absent where no remote model has reported tokens yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub saved: Option<Counterfactual>,
    /// How many texts these are: a request for each.
    pub saved_requests: u64,
    /// Asking about texts that stayed at home, to learn how often that is wrong. They are in the account of all checks as well.
    pub checks: Account,
    /// Training on this device; the bytes that it reads are not counted.
    pub training: Account,
}

/// How often two models agree.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Agreement {
    /// How many answers were compared.
    pub checked: u64,
    /// How many were the same.
    pub agreed: u64,
    /// The share of all sure local answers that would be, at least, with a certainty of 95 % together with `high`
    /// (Clopper–Pearson).
    pub low: f64,
    /// At most.
    pub high: f64,
}

/// What the energy rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Bases {
    /// On this device.
    pub local: Basis,
    /// Elsewhere.
    pub remote: Basis,
}

/// What `ledger` says.
pub fn summary(ledger: &Ledger) -> UsageSummary {
    let (mut local, mut remote, mut checks) = (Tally::default(), Tally::default(), Checks::default());
    let mut learning = LearningCosts::default();
    let mut spans = Vec::new();
    for (from_ms, span) in ledger.spans() {
        local.add(&span.local);
        remote.add(&span.remote);
        checks.add(&span.checks);
        learning.add(&span.learning);
        spans.push(SpanRoutes { from_ms, to_ms: from_ms + ledger.span_ms(), routes: routes(span) });
    }
    let total = routes(&Span { local, remote, checks, ..Span::default() });
    let basis = Bases { local: energy::LOCAL, remote: energy::REMOTE };
    let asked = |answers| counterfactual(answers, &remote, &checks.tally);
    let learnt = LearningAccount {
        saved: asked(learning.saved),
        saved_requests: learning.saved,
        checks: account(&learning.checks),
        training: account(&learning.training),
    };
    UsageSummary {
        total,
        spans,
        counterfactual: asked(local.answers + remote.answers),
        agreement: agreement(&checks),
        learning: (!learning.is_none()).then_some(learnt),
        basis,
    }
}

fn routes(span: &Span) -> Routes {
    Routes { local: account(&span.local), remote: account(&span.remote), checks: account(&span.checks.tally) }
}

fn account(tally: &Tally) -> Account {
    let told = tally.attempts > 0 && tally.total_tokens + tally.prompt_tokens + tally.completion_tokens > 0;
    let energy_j = Energy { local: tally.local_j(), remote: told.then(|| tally.remote_j()) };
    Account { tally: *tally, energy_j }
}

/// What `answers` of remote models would cost.
fn counterfactual(answers: u64, remote: &Tally, checks: &Tally) -> Option<Counterfactual> {
    let mut asked = *remote;
    asked.add(checks);
    let from = asked.answers.saturating_sub(asked.missing_usage);
    if from == 0 || asked.total_tokens == 0 {
        return None;
    }
    let factor = answers as f64 / from as f64;
    let usd = (asked.unpriced == 0).then_some(asked.usd * factor);
    Some(Counterfactual { answers, from, usd, energy_j: asked.remote_j().times(factor) })
}

fn agreement(checks: &Checks) -> Option<Agreement> {
    let (checked, agreed) = (checks.tally.answers, checks.agreed);
    let (low, high) = interval(agreed as usize, checked as usize, DELTA);
    (checked > 0).then_some(Agreement { checked, agreed, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::ledger::{Entry, Kind};

    fn ledger(entries: &[(f64, Kind, Tally)]) -> Ledger {
        let mut ledger = Ledger::default();
        for &(at_ms, kind, tally) in entries {
            ledger.enter(&Entry { at_ms, kind, tally, confidences: None });
        }
        ledger
    }

    fn local() -> Tally {
        Tally { answers: 1, operations: 1_000_000, bytes: 1000, ..Tally::default() }
    }

    fn remote(usd: f64) -> Tally {
        Tally { answers: 1, attempts: 1, prompt_tokens: 90, completion_tokens: 10, total_tokens: 100, usd, ..local() }
    }

    #[test]
    fn without_the_cascade_every_answer_would_have_cost_what_a_remote_one_does() {
        let all = [(0.0, Kind::Local, local()), (0.0, Kind::Local, local()), (70_000.0, Kind::Remote, remote(0.01))];
        let told = summary(&ledger(&all));
        let without = told.counterfactual.expect("an estimate");
        assert_eq!((without.answers, without.from, without.usd), (3, 1, Some(0.03)));
        assert_eq!(without.energy_j, remote(0.0).remote_j().times(3.0));
        assert_eq!(told.total.remote.energy_j.remote, Some(remote(0.0).remote_j()));
        assert_eq!((told.total.local.tally.answers, told.total.local.energy_j.remote), (2, None));
        assert_eq!(
            told.spans.iter().map(|span| (span.from_ms, span.to_ms)).collect::<Vec<_>>(),
            [(0.0, 60_000.0), (60_000.0, 120_000.0)]
        );
        assert!(!told.basis.local.boundary.is_empty() && !told.basis.remote.source.is_empty());
    }

    #[test]
    fn what_nobody_told_is_not_made_up() {
        assert_eq!(summary(&Ledger::default()).counterfactual, None);
        assert_eq!(summary(&ledger(&[(0.0, Kind::Local, local())])).counterfactual, None);
        let missing_usage = Tally { answers: 1, attempts: 1, missing_usage: 1, ..Tally::default() };
        let told = summary(&ledger(&[(0.0, Kind::Remote, missing_usage)]));
        assert_eq!((told.counterfactual, told.total.remote.energy_j.remote), (None, None));
        let unpriced = Tally { unpriced: 1, ..remote(0.0) };
        let told = summary(&ledger(&[(0.0, Kind::Remote, unpriced)]));
        assert_eq!(told.counterfactual.expect("of energy").usd, None);
    }

    #[test]
    fn what_learning_saved_costs_what_a_remote_answer_does() {
        let mut ledger = ledger(&[(0.0, Kind::Local, local()), (0.0, Kind::Remote, remote(0.01))]);
        assert_eq!(summary(&ledger).learning, None);
        let training = Tally { operations: 1_000_000, local_ms: 3.0, ..Tally::default() };
        ledger.enter_learning(0.0, &LearningCosts { saved: 4, checks: remote(0.02), training });
        let told = summary(&ledger).learning.expect("something was learnt");
        let saved = told.saved.expect("a remote model has answered");
        assert_eq!((told.saved_requests, saved.answers, saved.from, saved.usd), (4, 4, 1, Some(0.04)));
        assert_eq!(saved.energy_j, remote(0.0).remote_j().times(4.0));
        assert_eq!((told.checks.tally.usd, told.checks.tally.attempts), (0.02, 1));
        assert_eq!((told.training.energy_j.local, told.training.energy_j.remote), (training.local_j(), None));
        // Where no remote model told its tokens, the number alone is known.
        let mut told_nothing = Ledger::default();
        told_nothing.enter_learning(0.0, &LearningCosts { saved: 4, ..LearningCosts::default() });
        let told = summary(&told_nothing).learning.expect("something was learnt");
        assert_eq!((told.saved_requests, told.saved), (4, None));
    }

    #[test]
    fn agreement_is_told_with_its_interval() {
        assert_eq!(summary(&Ledger::default()).agreement, None);
        let failed = (0.0, Kind::Check { agrees: false }, Tally { attempts: 2, missing_usage: 1, ..Tally::default() });
        assert_eq!(summary(&ledger(&[failed])).agreement, None);
        let check = |agrees| (0.0, Kind::Check { agrees }, remote(0.0));
        let all = [vec![check(true); 38], vec![check(false); 2], vec![failed]].concat();
        let Agreement { checked, agreed, low, high } = summary(&ledger(&all)).agreement.expect("checks");
        assert_eq!((checked, agreed), (40, 38));
        assert!((low - 0.8308).abs() < 1e-4 && (high - 0.9939).abs() < 1e-4);
    }
}
