//! Entries of the usage ledger: what a result adds to it.

use super::envelope::{Consultation, Envelope, Route};
use crate::drift::Cuts;
use crate::policy::{Decision, ModelGate};
use crate::remote::Usage;
use crate::tasks::AnswerOutput;
use crate::usage::ledger::{Entry, Kind, Tally};

/// The confidences of the first local model, which alone sees all texts: in its answer, or in each field of the record `local`.
pub fn confidences(local: &AnswerOutput, decision: &Decision) -> Vec<f64> {
    match local {
        AnswerOutput::Record(record) => record.fields.iter().map(|field| field.confidence.into()).collect(),
        AnswerOutput::Label(_) | AnswerOutput::Labels(_) | AnswerOutput::Entities(_) => {
            decision.tiers.first().iter().map(|tier| tier.confidence).collect()
        }
    }
}

/// An answer that is given at `at_ms`; `first` is the gate of the first local model, and `confidences` are that model's.
pub fn of_answer(envelope: &Envelope, confidences: &[f64], first: Option<&ModelGate>, at_ms: f64) -> Entry {
    let Envelope { attempts, usage, cost_usd, remote_latency_ms, .. } = envelope;
    let kind = match envelope.route {
        Route::Local => Kind::Local,
        Route::Remote => Kind::Remote,
    };
    let tally = Tally {
        answers: 1,
        degraded: u64::from(envelope.degraded),
        latency_ms: envelope.latency_ms,
        local_ms: envelope.local_latency_ms,
        operations: envelope.work.operations,
        bytes: envelope.work.bytes,
        ..of_remote(*attempts, *usage, *cost_usd, *remote_latency_ms)
    };
    let confidences = first.and_then(ModelGate::calibration).map(Cuts::of).map(|cuts| {
        let mut counts = vec![0; cuts.parts()];
        confidences.iter().for_each(|confidence| counts[cuts.part(*confidence)] += 1);
        (cuts.name().to_string(), counts)
    });
    Entry { at_ms, kind, tally, confidences }
}

/// What remote models said: as an answer of theirs, or to check the local answer `given`, which has an entry already.
pub fn of_consultation(result: &Consultation, given: Option<&AnswerOutput>, at_ms: f64) -> Entry {
    let Consultation { output, attempts, usage, cost_usd, remote_latency_ms, .. } = result;
    let (kind, latency_ms) = match given {
        Some(given) => {
            let agrees = output.as_ref().is_some_and(|output| given.says_the_same(output));
            (Kind::Check { agrees }, remote_latency_ms.unwrap_or(0.0))
        }
        None => (Kind::Remote, result.latency_ms),
    };
    let answers = u64::from(output.is_some());
    let tally = Tally { answers, latency_ms, ..of_remote(*attempts, *usage, *cost_usd, *remote_latency_ms) };
    Entry { at_ms, kind, tally, confidences: None }
}

/// What was asked of remote models.
fn of_remote(attempts: u32, usage: Option<Usage>, cost_usd: Option<f64>, remote_latency_ms: Option<f64>) -> Tally {
    let Usage { prompt_tokens, completion_tokens, total_tokens } = usage.unwrap_or_default();
    Tally {
        remote_ms: remote_latency_ms.unwrap_or(0.0),
        attempts: attempts.into(),
        prompt_tokens: prompt_tokens.into(),
        completion_tokens: completion_tokens.into(),
        total_tokens: total_tokens.into(),
        missing_usage: u64::from(attempts > 0 && usage.is_none()),
        usd: cost_usd.unwrap_or(0.0),
        unpriced: u64::from(usage.is_some() && cost_usd.is_none()),
        ..Tally::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::machine::Machine;
    use super::super::tests::{
        NOW, allow, completion, consulted, decide, delegated, device, done, local, question, remote, response,
    };
    use super::super::*;
    use crate::policy::{Policy, Privacy};
    use crate::usage::summary::{Agreement, UsageSummary, summary};

    fn calibration() -> Calibration {
        let quantiles = (0..=20).map(|step| f64::from(step) / 20.0).collect();
        Calibration { quantiles, n: 100, threshold: 0.91, coverage: 0.09, ..crate::policy::calibration(1.0, 0.9) }
    }

    fn with(remotes: Vec<RemoteConfig>, policy: Policy) -> Machine {
        let local = vec![LocalConfig { calibration: Some(calibration()), ..LocalConfig::default() }];
        Machine::new(CascadeConfig { local, remotes, policy, ..CascadeConfig::default() }, device(), OffsetUnit::Utf16)
            .unwrap()
    }

    fn ledger(machine: &mut Machine) -> Ledger {
        Ledger::read(&machine.take_record().expect("a record")).unwrap()
    }

    fn told(tokens: u32, label: &str) -> RemoteEvent {
        let usage = json!({ "prompt_tokens": tokens, "completion_tokens": 2, "total_tokens": tokens + 2 });
        let content = json!({ "label": label }).to_string();
        response(200, &json!({ "choices": [{ "message": { "content": content } }], "usage": usage }).to_string())
    }

    #[test]
    fn every_answer_is_entered_once_by_whose_it_is() {
        let mut machine = with(vec![remote("any")], allow());
        assert_eq!(machine.take_record(), None);
        done(decide(&mut machine, question("secret words"), local(0.95), 2.0));
        let call = delegated(decide(&mut machine, question("secret words"), local(0.5), 2.0));
        machine.enqueue(call, false, None, NOW).unwrap();
        done(machine.receive(call, &told(40, "spam"), NOW).unwrap().step);
        let call = delegated(decide(&mut machine, question("secret words"), local(0.5), 2.0));
        done(machine.decline(call, Reason::RedactorUnavailable, String::new(), NOW).unwrap().step);
        let call = delegated(decide(&mut machine, question("secret words"), local(0.5), 2.0));
        machine.abandon(call, NOW);
        let record = machine.take_record().expect("a record");
        assert!(!record.contains("secret") && !record.contains("spam"));
        let ledger = Ledger::read(&record).unwrap();
        let UsageSummary { total, .. } = summary(&ledger);
        let (local, remote) = (total.local.tally, total.remote.tally);
        assert_eq!((local.answers, local.degraded, remote.answers, remote.attempts), (2, 1, 1, 1));
        assert_eq!((remote.prompt_tokens, remote.completion_tokens, remote.unpriced), (40, 2, 1));
        assert_eq!((remote.operations, remote.local_ms), (1_000_000, 2.0));
        assert_eq!(machine.take_record(), None);
        let drift = machine.drift(&ledger).expect("it was calibrated");
        assert_eq!((drift.answers, drift.doubtful), (3, false));
    }

    #[test]
    fn a_consultation_is_entered_where_something_was_asked() {
        let mut machine = with(vec![remote("any")], allow());
        for (event, answers) in [(told(40, "spam"), 1), (response(400, "{}"), 0)] {
            let call = delegated(machine.consult(question("a"), NOW));
            machine.enqueue(call, false, None, NOW).unwrap();
            assert_eq!(
                u64::from(consulted(machine.receive(call, &event, NOW).unwrap().step).output.is_some()),
                answers
            );
            let UsageSummary { total, .. } = summary(&ledger(&mut machine));
            assert_eq!((total.remote.tally.answers, total.remote.tally.attempts), (answers, 1));
            assert_eq!((total.local.tally.answers, total.local.tally.degraded), (0, 0));
        }
    }

    #[test]
    fn what_was_not_calibrated_is_not_watched() {
        let mut plain = super::super::tests::machine(vec![], allow());
        done(decide(&mut plain, question("a"), local(0.95), 2.0));
        let ledger = ledger(&mut plain);
        assert_eq!(plain.drift(&ledger), None);
        assert!(ledger.spans().all(|(_, span)| span.confidences.is_empty()));
    }

    #[test]
    fn texts_of_another_kind_are_noticed() {
        let mut machine = with(vec![], allow());
        for _ in 0..200 {
            done(decide(&mut machine, question("a"), local(0.3), 2.0));
        }
        let ledger = ledger(&mut machine);
        let drift = machine.drift(&ledger).expect("it was calibrated");
        assert!(drift.doubtful && drift.deferral_rate == 1.0, "{drift:?}");
        machine.calibrate(0, Calibration { date: "2026-11-26".to_string(), ..calibration() }).unwrap();
        let anew = machine.drift(&ledger).expect("it was calibrated");
        assert_eq!((anew.answers, anew.doubtful), (0, false), "another calibration begins anew");
    }

    #[test]
    fn a_part_of_the_sure_answers_is_checked_after_they_were_given() {
        let mut machine = with(vec![remote("any")], Policy { check_rate: 0.6, ..allow() });
        for label in ["ham", "spam"] {
            let envelope = done(decide(&mut machine, question("a"), local(0.95), 2.0));
            assert_eq!((envelope.route, envelope.attempts), (Route::Local, 0));
            let Check { call, redact } = machine.take_check().expect("0.5 is below the rate");
            assert!(!redact && machine.take_check().is_none());
            done(decide(&mut machine, question("b"), local(0.95), 2.0));
            assert!(machine.take_check().is_none(), "one at a time");
            machine.enqueue(call, false, None, NOW).unwrap();
            consulted(machine.receive(call, &told(40, label), NOW).unwrap().step);
        }
        let UsageSummary { total, agreement, .. } = summary(&ledger(&mut machine));
        assert_eq!((total.local.tally.answers, total.remote.tally.answers), (4, 0));
        assert_eq!((total.checks.tally.answers, total.checks.tally.prompt_tokens), (2, 80));
        assert_eq!(total.checks.tally.operations, 0, "the local model did not run again");
        assert!(matches!(agreement, Some(Agreement { checked: 2, agreed: 1, .. })));
    }

    #[test]
    fn a_check_takes_no_turn_and_its_failure_is_no_answer() {
        let mut machine = with(vec![remote("any")], Policy { check_rate: 1.0, max_concurrent: 1, ..allow() });
        done(decide(&mut machine, question("a"), local(0.95), 2.0));
        let check = machine.take_check().expect("all are checked");
        let sent = |step| matches!(step, Step::Send(_));
        assert!(sent(machine.enqueue(check.call, false, None, NOW).unwrap().step));
        let call = delegated(decide(&mut machine, question("b"), local(0.5), 2.0));
        assert!(sent(machine.enqueue(call, false, None, NOW).unwrap().step), "it does not wait for the check");
        consulted(machine.receive(check.call, &response(400, "{}"), NOW).unwrap().step);
        done(machine.receive(call, &completion(r#"{"label":"spam"}"#), NOW).unwrap().step);
        let UsageSummary { total, agreement, .. } = summary(&ledger(&mut machine));
        assert_eq!((total.checks.tally.answers, total.checks.tally.attempts, agreement), (0, 1, None));
        assert_eq!((total.local.tally.answers, total.remote.tally.answers), (1, 1));
    }

    #[test]
    fn a_check_that_nobody_goes_on_with_is_given_up() {
        let mut machine = with(vec![remote("any")], Policy { check_rate: 1.0, ..allow() });
        done(decide(&mut machine, question("a"), local(0.95), 2.0));
        let lost = machine.take_check().expect("all are checked");
        let later = Now { now_ms: NOW.now_ms + 3.0 * allow().deadline_ms, ..NOW };
        let tiers = vec![machine.weigh(0, &local(0.95), 1.0)];
        machine.decide(question("b"), LocalResult { answer: local(0.95), tiers, routing: None }, false, later).unwrap();
        assert!(machine.take_check().is_some_and(|check| check.call != lost.call));
        assert!(machine.enqueue(lost.call, false, None, later).is_err());
    }

    #[test]
    fn nothing_is_checked_that_may_not_be_sent() {
        let rate = |policy| Policy { check_rate: 1.0, ..policy };
        let local_only = Policy { privacy: Privacy::LocalOnly, ..allow() };
        for (remotes, policy) in
            [(vec![], rate(allow())), (vec![remote("any")], rate(local_only)), (vec![remote("any")], allow())]
        {
            let mut machine = with(remotes, policy);
            done(decide(&mut machine, question("a"), local(0.95), 2.0));
            assert_eq!(machine.take_check(), None);
        }
        let mut machine = with(vec![remote("any")], rate(allow()));
        let answer = local(0.95);
        let tiers = vec![machine.weigh(0, &answer, 1.0)];
        done(machine.decide(question("a"), LocalResult { answer, tiers, routing: None }, true, NOW).unwrap());
        assert_eq!(machine.take_check(), None, "it must stay local");
        machine
            .decide(
                question("a"),
                LocalResult { answer: local(0.5), tiers: vec![machine.weigh(0, &local(0.5), 1.0)], routing: None },
                false,
                NOW,
            )
            .unwrap();
        assert_eq!(machine.take_check(), None, "it is asked about anyway");
    }
}
