//! Answers, as a ledger is told of them.

use super::envelope::{Envelope, Route};
use crate::drift::Cuts;
use crate::policy::Trust;
use crate::tasks::AnswerOutput;
use crate::usage::ledger::{Entry, Kind, Tally};

/// An answer that is given out at `at_ms`; `first` is how far the first local model is trusted, which alone sees all texts.
pub fn of_answer(envelope: &Envelope, first: Option<&Trust>, at_ms: f64) -> Entry {
    let kind = match envelope.route {
        Route::Local => Kind::Local,
        Route::Remote => Kind::Remote,
    };
    let local = Tally {
        answers: 1,
        degraded: u64::from(envelope.degraded),
        latency_ms: envelope.latency_ms,
        local_ms: envelope.local_latency_ms,
        operations: envelope.work.operations,
        bytes: envelope.work.bytes,
        ..of_remote(envelope)
    };
    let cuts = first.and_then(Trust::calibration).map(Cuts::of);
    // One that is no number is of a general model that was consulted as such.
    let confidence = cuts.zip(envelope.decision.tiers.first().filter(|tier| !tier.confidence.is_nan()));
    let confidence = confidence.map(|(cuts, tier)| (cuts.name().to_string(), cuts.parts(), cuts.part(tier.confidence)));
    Entry { at_ms, kind, tally: local, confidence }
}

/// What a general model said to a question that was answered `here` already; that answer was entered then.
pub fn of_check(envelope: &Envelope, here: &AnswerOutput, at_ms: f64) -> Entry {
    let answered = envelope.route == Route::Remote;
    let kind = Kind::Check { agrees: answered && here.says_the_same(&envelope.output) };
    let latency_ms = envelope.remote_latency_ms.unwrap_or(0.0);
    let tally = Tally { answers: u64::from(answered), latency_ms, ..of_remote(envelope) };
    Entry { at_ms, kind, tally, confidence: None }
}

/// What was asked of general models for it.
fn of_remote(envelope: &Envelope) -> Tally {
    let usage = envelope.usage.unwrap_or_default();
    Tally {
        remote_ms: envelope.remote_latency_ms.unwrap_or(0.0),
        attempts: envelope.attempts.into(),
        prompt_tokens: usage.prompt_tokens.into(),
        completion_tokens: usage.completion_tokens.into(),
        total_tokens: usage.total_tokens.into(),
        untold: u64::from(envelope.attempts > 0 && envelope.usage.is_none()),
        usd: envelope.cost_usd.unwrap_or(0.0),
        unpriced: u64::from(envelope.usage.is_some() && envelope.cost_usd.is_none()),
        ..Tally::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{
        NOW, allow, completion, delegated, device, done, judge, local, question, remote, response,
    };
    use super::super::*;
    use crate::usage::summary::{Agreement, Summary, summary};

    fn calibration() -> Calibration {
        let quantiles = (0..=20).map(|step| f64::from(step) / 20.0).collect();
        Calibration { quantiles, n: 100, threshold: 0.91, coverage: 0.09, ..crate::policy::calibration(1.0, 0.9) }
    }

    fn with(remotes: Vec<RemoteConfig>, policy: Policy) -> Delegation {
        let local = vec![LocalConfig { calibration: Some(calibration()), ..LocalConfig::default() }];
        Delegation::new(
            CascadeConfig { local, remotes, policy, ..CascadeConfig::default() },
            device(),
            OffsetUnit::Utf16,
        )
        .unwrap()
    }

    fn ledger(delegation: &mut Delegation) -> Ledger {
        Ledger::read(&delegation.take_record().expect("a record")).unwrap()
    }

    fn told(tokens: u32, label: &str) -> RemoteEvent {
        let usage = json!({ "prompt_tokens": tokens, "completion_tokens": 2, "total_tokens": tokens + 2 });
        let content = json!({ "label": label }).to_string();
        response(200, &json!({ "choices": [{ "message": { "content": content } }], "usage": usage }).to_string())
    }

    #[test]
    fn every_answer_is_entered_once_by_whose_it_is() {
        let mut delegation = with(vec![remote("any")], allow());
        assert_eq!(delegation.take_record(), None);
        done(judge(&mut delegation, question("secret words"), local(0.95), 2.0));
        let call = delegated(judge(&mut delegation, question("secret words"), local(0.5), 2.0));
        delegation.begin(call, false, None, NOW).unwrap();
        done(delegation.resume(call, &told(40, "spam"), NOW).unwrap().step);
        let call = delegated(judge(&mut delegation, question("secret words"), local(0.5), 2.0));
        done(delegation.decline(call, Reason::RedactorUnavailable, String::new(), NOW).unwrap().step);
        let call = delegated(judge(&mut delegation, question("secret words"), local(0.5), 2.0));
        delegation.abandon(call, NOW);
        let record = delegation.take_record().expect("a record");
        assert!(!record.contains("secret") && !record.contains("spam"));
        let ledger = Ledger::read(&record).unwrap();
        let Summary { total, .. } = summary(&ledger);
        let (local, remote) = (total.local.tally, total.remote.tally);
        assert_eq!((local.answers, local.degraded, remote.answers, remote.attempts), (2, 1, 1, 1));
        assert_eq!((remote.prompt_tokens, remote.completion_tokens, remote.unpriced), (40, 2, 1));
        assert_eq!((remote.operations, remote.local_ms), (1_000_000, 2.0));
        assert_eq!(delegation.take_record(), None);
        let watch = delegation.watch(&ledger).expect("it was calibrated");
        assert_eq!((watch.answers, watch.doubtful), (3, false));
    }

    #[test]
    fn what_was_not_calibrated_is_not_watched() {
        let mut plain = super::super::tests::delegation(vec![], allow());
        done(judge(&mut plain, question("a"), local(0.95), 2.0));
        let ledger = ledger(&mut plain);
        assert_eq!(plain.watch(&ledger), None);
        assert!(ledger.spans().all(|(_, span)| span.confidences.is_empty()));
    }

    #[test]
    fn texts_of_another_kind_are_noticed() {
        let mut delegation = with(vec![], allow());
        for _ in 0..200 {
            done(judge(&mut delegation, question("a"), local(0.3), 2.0));
        }
        let ledger = ledger(&mut delegation);
        let watch = delegation.watch(&ledger).expect("it was calibrated");
        assert!(watch.doubtful && watch.deferral_rate == 1.0, "{watch:?}");
        delegation.calibrate(0, Calibration { date: "2026-11-26".to_string(), ..calibration() }).unwrap();
        let anew = delegation.watch(&ledger).expect("it was calibrated");
        assert_eq!((anew.answers, anew.doubtful), (0, false), "another calibration begins anew");
    }

    #[test]
    fn a_part_of_the_sure_answers_is_checked_after_they_were_given() {
        let mut delegation = with(vec![remote("any")], Policy { check_rate: 0.6, ..allow() });
        for label in ["ham", "spam"] {
            let envelope = done(judge(&mut delegation, question("a"), local(0.95), 2.0));
            assert_eq!((envelope.route, envelope.attempts), (Route::Local, 0));
            let Check { call, redact } = delegation.take_check().expect("0.5 is below the rate");
            assert!(!redact && delegation.take_check().is_none());
            done(judge(&mut delegation, question("b"), local(0.95), 2.0));
            assert!(delegation.take_check().is_none(), "one at a time");
            delegation.begin(call, false, None, NOW).unwrap();
            done(delegation.resume(call, &told(40, label), NOW).unwrap().step);
        }
        let Summary { total, agreement, .. } = summary(&ledger(&mut delegation));
        assert_eq!((total.local.tally.answers, total.remote.tally.answers), (4, 0));
        assert_eq!((total.checks.tally.answers, total.checks.tally.prompt_tokens), (2, 80));
        assert_eq!(total.checks.tally.operations, 0, "the local model did not run again");
        assert!(matches!(agreement, Some(Agreement { checked: 2, agreed: 1, .. })));
    }

    #[test]
    fn a_check_takes_no_turn_and_its_failure_is_no_answer() {
        let mut delegation = with(vec![remote("any")], Policy { check_rate: 1.0, max_concurrent: 1, ..allow() });
        done(judge(&mut delegation, question("a"), local(0.95), 2.0));
        let check = delegation.take_check().expect("all are checked");
        let sent = |step| matches!(step, Step::Send(_));
        assert!(sent(delegation.begin(check.call, false, None, NOW).unwrap().step));
        let call = delegated(judge(&mut delegation, question("b"), local(0.5), 2.0));
        assert!(sent(delegation.begin(call, false, None, NOW).unwrap().step), "it does not wait for the check");
        done(delegation.resume(check.call, &response(400, "{}"), NOW).unwrap().step);
        done(delegation.resume(call, &completion(r#"{"label":"spam"}"#), NOW).unwrap().step);
        let Summary { total, agreement, .. } = summary(&ledger(&mut delegation));
        assert_eq!((total.checks.tally.answers, total.checks.tally.attempts, agreement), (0, 1, None));
        assert_eq!((total.local.tally.answers, total.remote.tally.answers), (1, 1));
    }

    #[test]
    fn a_check_that_nobody_goes_on_with_is_given_up() {
        let mut delegation = with(vec![remote("any")], Policy { check_rate: 1.0, ..allow() });
        done(judge(&mut delegation, question("a"), local(0.95), 2.0));
        let lost = delegation.take_check().expect("all are checked");
        let later = Moment { now_ms: NOW.now_ms + 3.0 * allow().deadline_ms, ..NOW };
        let tiers = vec![delegation.weigh(0, &local(0.95), 1.0)];
        delegation.judge(question("b"), Looked { answer: local(0.95), tiers, routing: None }, false, later).unwrap();
        assert!(delegation.take_check().is_some_and(|check| check.call != lost.call));
        assert!(delegation.begin(lost.call, false, None, later).is_err());
    }

    #[test]
    fn nothing_is_checked_that_may_not_be_sent() {
        let rate = |policy| Policy { check_rate: 1.0, ..policy };
        let local_only = Policy { privacy: Privacy::LocalOnly, ..allow() };
        for (remotes, policy) in
            [(vec![], rate(allow())), (vec![remote("any")], rate(local_only)), (vec![remote("any")], allow())]
        {
            let mut delegation = with(remotes, policy);
            done(judge(&mut delegation, question("a"), local(0.95), 2.0));
            assert_eq!(delegation.take_check(), None);
        }
        let mut delegation = with(vec![remote("any")], rate(allow()));
        let answer = local(0.95);
        let tiers = vec![delegation.weigh(0, &answer, 1.0)];
        done(delegation.judge(question("a"), Looked { answer, tiers, routing: None }, true, NOW).unwrap());
        assert_eq!(delegation.take_check(), None, "it must stay local");
        delegation
            .judge(
                question("a"),
                Looked { answer: local(0.5), tiers: vec![delegation.weigh(0, &local(0.5), 1.0)], routing: None },
                false,
                NOW,
            )
            .unwrap();
        assert_eq!(delegation.take_check(), None, "it is asked about anyway");
    }
}
