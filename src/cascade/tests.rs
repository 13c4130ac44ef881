use serde_json::{Map, json};

use super::machine::Machine;
use super::*;
use crate::graph::ComputeCost;
use crate::policy::{Budget, Policy, Privacy, Routing};
use crate::redaction::{PiiLabel, PiiSpan};
use crate::remote::limits::{BreakerOptions, Caps, Price};
use crate::remote::protocols::default_protocol;
use crate::remote::{Payload, RemoteFault, Usage};
use crate::tasks::{Answer, AnswerOutput, EntityGroup};
use crate::usage::energy;

pub(super) const NOW: Now = Now { now_ms: 1_795_478_400_000.0, random: 0.5 };

pub(super) fn device() -> DeviceReport {
    DeviceReport::processor()
}

pub(super) fn remote(model: &str) -> RemoteConfig {
    RemoteConfig {
        model: model.to_string(),
        protocol: default_protocol(),
        timeout_ms: 50.0,
        retries: 0,
        max_tokens: 100,
        extra_body: Map::new(),
        caps: Caps::default(),
        price: None,
        breaker: BreakerOptions::default(),
    }
}

pub(super) fn allow() -> Policy {
    Policy { privacy: Privacy::Allow, ..Policy::default() }
}

pub(super) fn machine(remotes: Vec<RemoteConfig>, policy: Policy) -> Machine {
    Machine::new(CascadeConfig { remotes, policy, ..CascadeConfig::default() }, device(), OffsetUnit::Utf16).unwrap()
}

pub(super) fn question(text: &str) -> Question {
    Question { form: AnswerForm::Label(vec!["ham".to_string(), "spam".to_string()]), text: text.to_string() }
}

pub(super) fn local(confidence: f64) -> LocalAnswer {
    let answer = Answer { label: "ham".to_string(), score: Some(confidence) };
    let work = ComputeCost { operations: 1_000_000, bytes: 1000 };
    LocalAnswer { output: AnswerOutput::Label(answer), confidence, truncated: false, work }
}

/// What becomes of `question` if one local model looked at it.
pub(super) fn decide(machine: &mut Machine, question: Question, local: LocalAnswer, latency_ms: f64) -> Step {
    let tiers = vec![machine.weigh(0, &local, latency_ms)];
    machine.decide(question, LocalResult { answer: local, tiers, routing: None }, false, NOW).unwrap()
}

pub(super) fn done(step: Step) -> Envelope {
    match step {
        Step::Done(envelope) => *envelope,
        other => panic!("{other:?}"),
    }
}

pub(super) fn sent(step: Step) -> RemoteRequest {
    match step {
        Step::Send(request) => request,
        other => panic!("{other:?}"),
    }
}

pub(super) fn delegated(step: Step) -> u32 {
    match step {
        Step::Delegate { call, .. } => call,
        other => panic!("{other:?}"),
    }
}

pub(super) fn consulted(step: Step) -> Consultation {
    match step {
        Step::Consulted(consultation) => *consultation,
        other => panic!("{other:?}"),
    }
}

/// The body of an HTTP request.
pub(super) fn body(request: &RemoteRequest) -> &str {
    match &request.payload {
        Payload::Http(http) => &http.body,
        Payload::Prompt(_) => panic!("a prompt"),
    }
}

fn asked(machine: &mut Machine, text: &str) -> RemoteRequest {
    let call = delegated(decide(machine, question(text), local(0.6), 2.0));
    sent(machine.enqueue(call, false, None, NOW).unwrap().step)
}

pub(super) fn response(status: u16, body: &str) -> RemoteEvent {
    RemoteEvent::Response { status, retry_after: None, content_type: None, body: body.to_string(), elapsed_ms: 30.0 }
}

pub(super) fn completion(content: &str) -> RemoteEvent {
    let body = json!({ "choices": [{ "message": { "content": content } }], "usage": { "total_tokens": 7 } });
    response(200, &body.to_string())
}

const SPAM: &str = r#"{"label":"spam"}"#;

#[test]
fn what_the_model_is_sure_of_stays() {
    let envelope = done(decide(&mut machine(vec![remote("any")], allow()), question("a"), local(0.9), 2.0));
    assert_eq!((envelope.route, envelope.reason, envelope.degraded), (Route::Local, Reason::Confident, false));
    assert_eq!((envelope.latency_ms, envelope.attempts), (2.0, 0));
    assert_eq!((envelope.work, envelope.energy_j.remote), (local(0.9).work, None));
    assert!(envelope.energy_j.local.low > 0.0);
}

#[test]
fn what_it_is_not_sure_of_goes_and_comes_back() {
    let mut machine = machine(vec![remote("any")], allow());
    let request = asked(&mut machine, "a");
    assert_eq!((request.deadline_ms, request.remote), (50.0, 0));
    let Payload::Http(http) = &request.payload else { panic!("a prompt") };
    assert_eq!((http.path.as_str(), http.key_header.prefix.as_str()), ("/chat/completions", "Bearer "));
    let envelope = done(machine.receive(request.call, &completion(SPAM), NOW).unwrap().step);
    assert_eq!((envelope.route, envelope.reason, envelope.degraded), (Route::Remote, Reason::Unsure, false));
    assert_eq!(envelope.output, AnswerOutput::Label(Answer { label: "spam".to_string(), score: None }));
    assert_eq!((envelope.latency_ms, envelope.confidence, envelope.attempts), (32.0, 0.6, 1));
    assert_eq!((envelope.model.as_deref(), envelope.usage.map(|usage| usage.total_tokens)), (Some("any"), Some(7)));
    assert_eq!(envelope.energy_j.remote, Some(energy::of_tokens(0, 0, 7)));
    assert_eq!(envelope.work, local(0.6).work);
    assert!(machine.receive(request.call, &completion(SPAM), NOW).is_err(), "a question is answered once");
    assert!(machine.enqueue(request.call, false, None, NOW).is_err());
}

#[test]
fn a_remote_that_fails_leaves_the_local_answer_flagged() {
    let fault = |fault| RemoteEvent::Fault { fault, message: "words".to_string(), elapsed_ms: 9.0 };
    let outcomes = [
        (fault(RemoteFault::Network), Reason::RemoteUnreachable),
        (fault(RemoteFault::Token), Reason::RemoteUnreachable),
        (fault(RemoteFault::Unavailable), Reason::RemoteUnreachable),
        (fault(RemoteFault::Timeout), Reason::RemoteTimeout),
        (fault(RemoteFault::TooLarge), Reason::RemoteInvalid),
        (fault(RemoteFault::Redirect), Reason::RemoteRefused),
    ];
    for (event, reason) in outcomes {
        let mut machine = machine(vec![remote("any")], allow());
        let request = asked(&mut machine, "a");
        let envelope = done(machine.receive(request.call, &event, NOW).unwrap().step);
        assert_eq!((envelope.route, envelope.reason, envelope.degraded), (Route::Local, reason, true));
        assert_eq!((envelope.detail.as_deref(), envelope.latency_ms), (Some("words"), 11.0));
    }
}

#[test]
fn nothing_is_sent_where_nothing_may_be() {
    let judged =
        |remotes, policy, text: &str| done(decide(&mut machine(remotes, policy), question(text), local(0.2), 1.0));
    let local_only = Policy { privacy: Privacy::LocalOnly, ..Policy::default() };
    let long = "a".repeat((64 << 10) + 1);
    for (envelope, reason) in [
        (judged(vec![], allow(), "a"), Reason::NoRemote),
        (judged(vec![remote("any")], local_only, "a"), Reason::LocalOnly),
        (judged(vec![remote("any")], allow(), &long), Reason::TooLong),
    ] {
        assert_eq!((envelope.reason, envelope.degraded), (reason, true));
    }
}

#[test]
fn what_must_stay_local_stays() {
    let mut machine = machine(vec![remote("any")], allow());
    let mut judged = |confidence| {
        let answer = local(confidence);
        let tiers = vec![machine.weigh(0, &answer, 1.0)];
        done(machine.decide(question("a"), LocalResult { answer, tiers, routing: None }, true, NOW).unwrap())
    };
    let (unsure, sure) = (judged(0.2), judged(0.95));
    assert_eq!((unsure.reason, unsure.degraded), (Reason::MustStayLocal, true));
    assert_eq!((sure.reason, sure.degraded), (Reason::Confident, false));
    assert!(unsure.decision.allowed.must_stay_local);
    let unseen = LocalResult { answer: local(0.2), tiers: vec![], routing: None };
    assert!(machine.decide(question("a"), unseen, false, NOW).is_err(), "no model has looked");
}

#[test]
fn the_last_of_a_chain_that_looked_answers() {
    let models = vec![LocalConfig { threshold: Some(0.95), ..LocalConfig::default() }, LocalConfig::default()];
    let config =
        CascadeConfig { local: models, remotes: vec![remote("any")], policy: allow(), ..CascadeConfig::default() };
    let mut chain = Machine::new(config, device(), OffsetUnit::Utf16).unwrap();
    assert_eq!(chain.thresholds(), [0.95, 0.9]);
    let mut judged = |scores: &[f64]| {
        let weighed = |(tier, score): (usize, &f64)| chain.weigh(tier, &local(*score), 2.0);
        let tiers = scores.iter().enumerate().map(weighed).collect();
        chain
            .decide(
                question("a"),
                LocalResult { answer: local(scores[scores.len() - 1]), tiers, routing: None },
                false,
                NOW,
            )
            .unwrap()
    };
    let envelope = done(judged(&[0.94, 0.92]));
    assert_eq!(
        (envelope.reason, envelope.tier, envelope.confidence, envelope.threshold),
        (Reason::Confident, 1, 0.92, 0.9)
    );
    assert_eq!((envelope.local_latency_ms, envelope.decision.tiers.len()), (4.0, 2));
    assert_eq!(done(judged(&[0.96])).tier, 0);
    assert!(matches!(judged(&[0.94, 0.5]), Step::Delegate { .. }));
}

fn routed(gain: f64) -> LocalResult {
    let work = ComputeCost { operations: 500, bytes: 10 };
    let routing = Some(Routing { gain, min_gain: 0.25, latency_ms: 3.0, work });
    LocalResult { answer: local(0.5), tiers: vec![], routing }
}

#[test]
fn a_router_says_who_is_asked_first_and_the_other_is_asked_next() {
    let config = CascadeConfig {
        remotes: vec![remote("cheap"), remote("strong"), remote("last")],
        router: Some(RouterConfig { min_gain: 0.25 }),
        policy: allow(),
        ..CascadeConfig::default()
    };
    let mut machine = Machine::new(config, device(), OffsetUnit::Utf16).unwrap();
    let unreachable = RemoteEvent::Fault { fault: RemoteFault::Network, message: String::new(), elapsed_ms: 1.0 };
    for (gain, order) in [(0.25, [1, 0, 2]), (0.24, [0, 1, 2]), (f64::NAN, [0, 1, 2])] {
        let looked = LocalResult { tiers: vec![machine.weigh(0, &local(0.5), 2.0)], ..routed(gain) };
        let call = delegated(machine.decide(question("a"), looked, false, NOW).unwrap());
        let mut step = machine.enqueue(call, false, None, NOW).unwrap().step;
        let asked = order.map(|_| {
            let request = sent(step.clone());
            step = machine.receive(call, &unreachable, NOW).unwrap().step;
            request.remote
        });
        assert_eq!(asked, order, "{gain}");
        let envelope = done(step);
        assert_eq!((envelope.reason, envelope.local_latency_ms), (Reason::RemoteUnreachable, 5.0));
        assert_eq!(envelope.work, ComputeCost { operations: 1_000_500, bytes: 1010 });
        assert_eq!(envelope.decision.order(), order);
    }
}

#[test]
fn a_router_needs_two_general_models_and_a_gain() {
    for (remotes, min_gain) in [(vec![], 0.1), (vec![remote("a")], 0.1), (vec![remote("a"), remote("b")], f64::NAN)] {
        let router = Some(RouterConfig { min_gain });
        let config = CascadeConfig { remotes, router, ..CascadeConfig::default() };
        assert!(Machine::new(config, device(), OffsetUnit::Utf16).is_err(), "{min_gain}");
    }
}

#[test]
fn a_general_model_can_be_consulted_whatever_the_threshold() {
    let never = Policy { threshold: Some(0.0), ..allow() };
    let mut open = machine(vec![remote("any")], never);
    let call = delegated(open.consult(question("a"), NOW));
    let request = sent(open.enqueue(call, false, None, NOW).unwrap().step);
    let result = consulted(open.receive(request.call, &completion(SPAM), NOW).unwrap().step);
    let spam = Answer { label: "spam".to_string(), score: None };
    assert_eq!((result.output, result.model.as_deref()), (Some(AnswerOutput::Label(spam)), Some("any")));
    assert_eq!((result.decision.tiers.len(), result.attempts, result.latency_ms), (0, 1, 30.0));
    let mut closed = machine(vec![remote("any")], Policy { privacy: Privacy::LocalOnly, ..never });
    let result = consulted(closed.consult(question("a"), NOW));
    assert_eq!((result.output, result.reason, result.attempts), (None, Reason::LocalOnly, 0));
    assert_eq!(closed.take_record(), None, "nothing was asked");
}

#[test]
fn personal_data_does_not_leave() {
    let mut machine = machine(vec![remote("any")], Policy::default());
    let text = "😀 Ann: ann@example.com";
    let question = Question { form: AnswerForm::Entities(vec!["NAME".to_string()]), text: text.to_string() };
    let answer = LocalAnswer {
        output: AnswerOutput::Entities(vec![]),
        confidence: 0.1,
        truncated: false,
        work: ComputeCost::default(),
    };
    let step = decide(&mut machine, question, answer, 1.0);
    assert!(matches!(step, Step::Delegate { redact: true, .. }));
    let span = PiiSpan { start: 3, end: 6, label: PiiLabel::from_label("GIVEN_NAME") };
    let found = PiiFindings { spans: vec![span], elapsed_ms: 7.0 };
    let request = sent(machine.enqueue(delegated(step), false, Some(&found), NOW).unwrap().step);
    assert!(body(&request).contains("😀 [GIVEN_NAME_1]: [EMAIL_1]"), "{}", body(&request));
    assert!(!body(&request).contains("Ann") && !body(&request).contains("example.com"));
    let event = completion(r#"{"entities":[{"label":"NAME","text":"[GIVEN_NAME_1]"}]}"#);
    let envelope = done(machine.receive(request.call, &event, NOW).unwrap().step);
    assert_eq!((envelope.redaction_latency_ms, envelope.latency_ms >= 1.0 + 7.0), (Some(7.0), true));
    let AnswerOutput::Entities(groups) = envelope.output else { panic!("a label") };
    assert_eq!((groups[0].word.as_str(), groups[0].start, groups[0].end), ("Ann", 3, 6));
    let replaced: Vec<_> = envelope.replaced.unwrap().iter().map(|one| (one.kind.to_string(), one.values)).collect();
    assert_eq!(replaced, [("EMAIL".to_string(), 1), ("GIVEN_NAME".to_string(), 1)]);
}

#[test]
fn without_a_redactor_nothing_is_sent() {
    let mut machine = machine(vec![remote("any")], Policy::default());
    let call = delegated(decide(&mut machine, question("Ann"), local(0.2), 1.0));
    let envelope = done(machine.enqueue(call, false, None, NOW).unwrap().step);
    assert_eq!((envelope.reason, envelope.degraded, envelope.attempts), (Reason::RedactorUnavailable, true, 0));
    let call = delegated(decide(&mut machine, question("Ann"), local(0.2), 1.0));
    let turn = machine.decline(call, Reason::RedactorUnavailable, "its model is missing".to_string(), NOW).unwrap();
    assert_eq!(done(turn.step).detail.as_deref(), Some("its model is missing"));
}

#[test]
fn what_is_not_as_asked_for_is_repaired_once() {
    let mut machine = machine(vec![remote("any")], allow());
    let first = asked(&mut machine, "a");
    let second = sent(machine.receive(first.call, &completion("I say: spam"), NOW).unwrap().step);
    assert!(!body(&first).contains("I say") && body(&second).contains("I say: spam"));
    let envelope = done(machine.receive(first.call, &completion(SPAM), NOW).unwrap().step);
    assert_eq!((envelope.route, envelope.attempts), (Route::Remote, 2));
    assert_eq!(envelope.usage, Some(Usage { total_tokens: 14, ..Usage::default() }));
    let first = asked(&mut machine, "a");
    sent(machine.receive(first.call, &completion("eggs"), NOW).unwrap().step);
    let envelope = done(machine.receive(first.call, &completion("eggs"), NOW).unwrap().step);
    assert_eq!((envelope.route, envelope.reason), (Route::Local, Reason::RemoteInvalid));
}

#[test]
fn the_next_general_model_is_asked_where_one_fails() {
    let unavailable =
        RemoteEvent::Fault { fault: RemoteFault::Unavailable, message: "not here".to_string(), elapsed_ms: 1.0 };
    let mut machine = machine(vec![remote("first"), remote("second")], allow());
    let first = asked(&mut machine, "a");
    let second = sent(machine.receive(first.call, &response(500, ""), NOW).unwrap().step);
    assert_eq!((first.remote, second.remote, second.call), (0, 1, first.call));
    assert!(body(&second).contains("\"second\""));
    let envelope = done(machine.receive(first.call, &completion(SPAM), NOW).unwrap().step);
    assert_eq!((envelope.route, envelope.model.as_deref(), envelope.attempts), (Route::Remote, Some("second"), 2));
    // Of two that fail, the one tells why that was there.
    let first = asked(&mut machine, "a");
    sent(machine.receive(first.call, &response(500, ""), NOW).unwrap().step);
    let envelope = done(machine.receive(first.call, &unavailable, NOW).unwrap().step);
    assert_eq!((envelope.reason, envelope.degraded), (Reason::RemoteRefused, true));
}

#[test]
fn questions_wait_for_their_turn_and_no_longer_than_their_deadline() {
    let policy = Policy { max_concurrent: 1, max_waiting: 1, deadline_ms: 1000.0, ..allow() };
    let mut machine = machine(vec![remote("any")], policy);
    let first = asked(&mut machine, "a");
    let judged = |machine: &mut Machine| delegated(decide(machine, question("b"), local(0.1), 1.0));
    let second = judged(&mut machine);
    let waits = Turn { step: Step::Wait { call: second, for_ms: 1000.0 }, started: None };
    assert_eq!(machine.enqueue(second, false, None, NOW).unwrap(), waits);
    let third = judged(&mut machine);
    assert_eq!(done(machine.enqueue(third, false, None, NOW).unwrap().step).reason, Reason::QueueFull);
    let turn = machine.receive(first.call, &completion(SPAM), NOW).unwrap();
    assert_eq!((turn.started, done(turn.step).route), (Some(second), Route::Remote));
    assert!(machine.receive(second, &completion(SPAM), NOW).is_err(), "nothing was sent for it yet");
    assert!(machine.enqueue(second, false, None, NOW).is_err(), "it is in the queue already");
    sent(machine.resume(second, NOW).unwrap().step);
    let fourth = judged(&mut machine);
    machine.enqueue(fourth, false, None, NOW).unwrap();
    let late = Now { now_ms: NOW.now_ms + 1000.0, ..NOW };
    assert_eq!(done(machine.resume(fourth, late).unwrap().step).reason, Reason::RemoteTimeout);
    assert_eq!(machine.abandon(second, late), None);
}

#[test]
fn over_a_cap_the_answer_is_local_and_says_so() {
    let caps = Caps { requests_per_minute: Some(1), ..Caps::default() };
    let limited = || machine(vec![RemoteConfig { caps, ..remote("any") }], allow());
    let (mut one, mut other) = (limited(), limited());
    asked(&mut one, "a");
    let call = delegated(decide(&mut one, question("b"), local(0.1), 1.0));
    let envelope = done(one.enqueue(call, false, None, NOW).unwrap().step);
    assert_eq!((envelope.reason, envelope.degraded), (Reason::RequestsPerMinute, true));
    // What one has spent, the other knows once it is told.
    other.absorb(0, &one.spending(NOW.now_ms)[0]);
    other.absorb(0, "rubbish");
    other.absorb(7, "rubbish");
    let call = delegated(decide(&mut other, question("b"), local(0.1), 1.0));
    assert_eq!(done(other.enqueue(call, false, None, NOW).unwrap().step).reason, Reason::RequestsPerMinute);
}

/// What becomes of questions under `budget`, one after the other; of two remote models the first one refuses.
fn under(budget: Budget, questions: usize) -> Vec<Envelope> {
    let price = Price { prompt_usd_per_million: 1.0, completion_usd_per_million: 1.0, as_of: "2026-11-25".to_string() };
    let priced = |model| RemoteConfig { price: Some(price.clone()), ..remote(model) };
    let mut machine = machine(vec![priced("first"), priced("second")], Policy { budget: Some(budget), ..allow() });
    let ask = |_| {
        let call = delegated(decide(&mut machine, question("a"), local(0.1), 1.0));
        let mut step = machine.enqueue(call, false, None, NOW).unwrap().step;
        while let Step::Send(request) = step {
            let event = if request.remote == 0 { response(400, "") } else { completion(SPAM) };
            step = machine.receive(call, &event, NOW).unwrap().step;
        }
        done(step)
    };
    (0..questions).map(ask).collect()
}

#[test]
fn a_budget_is_one_for_all_general_models_and_hard() {
    let reasons = |envelopes: &[Envelope]| envelopes.iter().map(|envelope| envelope.reason).collect::<Vec<_>>();
    let answered = under(Budget { requests_per_day: Some(5), ..Budget::default() }, 4);
    let spent = Reason::RequestsPerDay;
    assert_eq!(reasons(&answered), [Reason::Unsure, Reason::Unsure, spent, spent]);
    assert_eq!(answered.iter().map(|envelope| envelope.attempts).collect::<Vec<_>>(), [2, 2, 1, 0]);
    // What a request can cost at most is more than what is left, so nothing is sent; what it did cost is not.
    let [first] = under(Budget { requests_per_day: Some(9), ..Budget::default() }, 1).try_into().unwrap();
    let most = first.decision.offers[0].cost;
    let used = energy::of_tokens(0, 0, 7).high;
    let joules = |joules| reasons(&under(Budget { joules_per_day: Some(joules), ..Budget::default() }, 3));
    assert_eq!(joules(most.joules * 0.99), [Reason::JoulesPerDay; 3]);
    assert_eq!(joules(most.joules + 1.5 * used), [Reason::Unsure, Reason::Unsure, Reason::JoulesPerDay]);
    let usd = |usd| reasons(&under(Budget { usd_per_day: Some(usd), ..Budget::default() }, 3));
    assert_eq!(usd(most.usd * 0.99), [Reason::UsdPerDay; 3]);
    assert_eq!(usd(most.usd + 10e-6), [Reason::Unsure, Reason::Unsure, Reason::UsdPerDay]);
}

#[test]
fn a_general_model_that_was_slow_of_late_is_not_asked_for_a_while() {
    let budget = Budget { latency_ms: Some(200.0), ..Budget::default() };
    let mut machine = machine(vec![remote("any")], Policy { budget: Some(budget), ..allow() });
    let mut ask = |elapsed_ms, now_ms| {
        let moment = Now { now_ms, ..NOW };
        let call = delegated(decide(&mut machine, question("a"), local(0.1), 1.0));
        let mut step = machine.enqueue(call, false, None, moment).unwrap().step;
        if let Step::Send(request) = step {
            assert!(request.deadline_ms <= 200.0);
            let RemoteEvent::Response { body, .. } = completion(SPAM) else { panic!("a response") };
            let event = RemoteEvent::Response { status: 200, retry_after: None, content_type: None, body, elapsed_ms };
            step = machine.receive(call, &event, moment).unwrap().step;
        }
        done(step).reason
    };
    assert_eq!(ask(190.0, NOW.now_ms), Reason::Unsure);
    assert_eq!(ask(250.0, NOW.now_ms), Reason::Unsure);
    assert_eq!(ask(1.0, NOW.now_ms + 2.0), Reason::Latency);
    assert_eq!(ask(1.0, NOW.now_ms + 61_000.0), Reason::Unsure);
    assert_eq!(ask(1.0, NOW.now_ms + 61_000.0), Reason::Unsure);
}

#[test]
fn a_budget_of_money_needs_prices() {
    let budget = Budget { usd_per_day: Some(1.0), ..Budget::default() };
    let policy = Policy { budget: Some(budget), ..allow() };
    let config = CascadeConfig { remotes: vec![remote("any")], policy, ..CascadeConfig::default() };
    assert!(Machine::new(config, device(), OffsetUnit::Bytes).is_err());
}

#[test]
fn an_answer_is_explained_by_its_numbers() {
    let budget = Budget { requests_per_day: Some(5), joules_per_day: Some(1e6), ..Budget::default() };
    let [remote_answer] = under(budget, 1).try_into().unwrap();
    let words = DecidedAnswer::from(&remote_answer).explain();
    let lines: Vec<&str> = words.lines().collect();
    assert_eq!(lines.len(), 6, "{words}");
    assert!(lines[0].contains("confidence of 0.1000, below the threshold of 0.9000 (not calibrated"), "{words}");
    assert!(lines[1].starts_with("The policy lets texts leave as they are."), "{words}");
    assert!(lines[2].contains("left are 5 requests today, 1000000 J today: asked."), "{words}");
    assert!(lines[3].contains("Remote model 1") && lines[3].contains("left are 4 requests today"), "{words}");
    assert_eq!(lines[4], "Decided: a remote model is asked.");
    assert!(lines[5].starts_with("Answered by remote model 'second' after 2 requests, in"), "{words}");
    let sure = done(decide(&mut machine(vec![], allow()), question("a"), local(0.95), 2.0));
    let words = DecidedAnswer::from(&sure).explain();
    assert_eq!(words.lines().count(), 3, "{words}");
    assert!(words.contains("because the local model is confident.\nAnswered by local model 0, in 2.0 ms"), "{words}");
    let unsure = done(decide(&mut machine(vec![], allow()), question("a"), local(0.5), 2.0));
    let words = DecidedAnswer::from(&unsure).explain();
    assert!(words.contains("Answered by local model 0, which is not confident: there is no remote, in"), "{words}");
}

#[test]
fn a_stream_is_restored_and_read() {
    let mut machine = machine(vec![RemoteConfig { retries: 1, ..remote("any") }], Policy::default());
    let call = delegated(decide(&mut machine, question("to ann@example.com"), local(0.1), 1.0));
    let request = sent(machine.enqueue(call, true, Some(&PiiFindings::default()), NOW).unwrap().step);
    assert!(request.stream && body(&request).contains("\"stream\":true"));
    let piece = |words: &str| format!("data: {}\n\n", json!({ "choices": [{ "delta": { "content": words } }] }));
    let mut feed = |words: &str, last| machine.feed(call, words.as_bytes(), last, NOW).unwrap();
    assert_eq!(feed(&piece("{\"label\": [EMA"), false).text, "{\"label\": ");
    assert_eq!(feed(&piece("IL_1] [EM"), false).text, "ann@example.com ");
    assert_eq!(feed("", true), Fed { text: "[EM".to_string(), over: false });
    // Its words were seen, so that it is not asked again.
    let turn = machine.receive(call, &RemoteEvent::Streamed { elapsed_ms: 1.0 }, NOW).unwrap();
    assert_eq!(done(turn.step).reason, Reason::RemoteUnreachable);
    assert!(machine.feed(call, b"", true, NOW).is_err());
}

#[test]
fn a_stream_that_breaks_before_its_first_word_is_asked_for_again() {
    let mut machine = machine(vec![RemoteConfig { retries: 1, ..remote("any") }], allow());
    let call = delegated(decide(&mut machine, question("a"), local(0.1), 1.0));
    sent(machine.enqueue(call, true, None, NOW).unwrap().step);
    assert_eq!(machine.feed(call, b"data: {\"choices\":[]}\n\n", true, NOW).unwrap().text, "");
    sent(machine.receive(call, &RemoteEvent::Streamed { elapsed_ms: 1.0 }, NOW).unwrap().step);
    let words = json!({ "choices": [{ "delta": { "content": SPAM }, "finish_reason": "stop" }] });
    let fed = machine.feed(call, format!("data: {words}\n\ndata: [DONE]\n\n").as_bytes(), false, NOW).unwrap();
    assert_eq!(fed, Fed { text: SPAM.to_string(), over: true });
    let envelope = done(machine.receive(call, &RemoteEvent::Streamed { elapsed_ms: 1.0 }, NOW).unwrap().step);
    assert_eq!((envelope.route, envelope.attempts), (Route::Remote, 2));
}

#[test]
fn what_is_abandoned_is_forgotten_and_makes_room() {
    let mut machine = machine(vec![remote("any")], Policy { max_concurrent: 1, ..allow() });
    let request = asked(&mut machine, "a");
    let second = delegated(decide(&mut machine, question("b"), local(0.1), 1.0));
    machine.enqueue(second, false, None, NOW).unwrap();
    assert_eq!(machine.abandon(request.call, NOW), Some(second));
    assert!(machine.receive(request.call, &completion(SPAM), NOW).is_err());
    assert_eq!(machine.abandon(99, NOW), None);
}

#[test]
fn offsets_are_in_the_unit_that_was_asked_for() {
    let group = EntityGroup { entity_group: "LOC".into(), score: Some(0.9), word: "Łódź".into(), start: 5, end: 12 };
    let answer = LocalAnswer {
        output: AnswerOutput::Entities(vec![group]),
        confidence: 0.95,
        truncated: false,
        work: ComputeCost::default(),
    };
    let question = Question { form: AnswerForm::Entities(vec!["LOC".to_string()]), text: "😀 Łódź".into() };
    let step = decide(&mut machine(vec![remote("any")], allow()), question, answer, 1.0);
    let AnswerOutput::Entities(groups) = done(step).output else { panic!("a label") };
    assert_eq!((groups[0].start, groups[0].end), (3, 7));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let extra_body = Map::from_iter([("messages".to_string(), json!([]))]);
    for remote in [
        remote(""),
        RemoteConfig { timeout_ms: f64::NAN, ..remote("a") },
        RemoteConfig { retries: 11, ..remote("a") },
        RemoteConfig { max_tokens: 0, ..remote("a") },
        RemoteConfig { protocol: "carrier-pigeon".to_string(), ..remote("a") },
        RemoteConfig { extra_body, ..remote("a") },
        RemoteConfig { breaker: BreakerOptions { failures: 0, rest_ms: 1.0 }, ..remote("a") },
        RemoteConfig { caps: Caps { usd_per_day: Some(1.0), ..Caps::default() }, ..remote("a") },
    ] {
        let config = CascadeConfig { remotes: vec![remote], ..CascadeConfig::default() };
        assert!(Machine::new(config, device(), OffsetUnit::Bytes).is_err());
    }
    for thresholds in [vec![], vec![0.5, 0.5], vec![2.0], vec![f64::NAN]] {
        assert!(machine(vec![], allow()).set_thresholds(&thresholds).is_err(), "{thresholds:?}");
    }
}

#[test]
fn a_model_without_a_server_is_asked_by_its_own_protocol() {
    let built_in = RemoteConfig { protocol: "built-in".to_string(), ..remote("built-in") };
    let mut machine = machine(vec![built_in], allow());
    let request = asked(&mut machine, "a");
    let Payload::Prompt(prompt) = &request.payload else { panic!("an HTTP request") };
    assert_eq!((prompt.messages[1].role.as_str(), prompt.messages[1].content.as_str()), ("user", "a"));
    assert_eq!(prompt.schema["properties"]["label"]["enum"], json!(["ham", "spam"]));
    let event = RemoteEvent::Text { text: SPAM.to_string(), elapsed_ms: 30.0 };
    let envelope = done(machine.receive(request.call, &event, NOW).unwrap().step);
    assert_eq!((envelope.route, envelope.model.as_deref(), envelope.usage), (Route::Remote, Some("built-in"), None));
    // In pieces its words are shown as they come.
    let call = delegated(decide(&mut machine, question("a"), local(0.1), 1.0));
    sent(machine.enqueue(call, true, None, NOW).unwrap().step);
    let (first, rest) = SPAM.split_at(4);
    let fed: Vec<String> = [(first, false), (rest, true)]
        .map(|(words, last)| machine.feed(call, words.as_bytes(), last, NOW).unwrap().text)
        .to_vec();
    assert_eq!(fed, [first, rest]);
    let envelope = done(machine.receive(call, &RemoteEvent::Streamed { elapsed_ms: 1.0 }, NOW).unwrap().step);
    assert_eq!((envelope.route, envelope.reason), (Route::Remote, Reason::Unsure));
}

#[test]
fn a_cascade_that_is_given_records_does_not_learn() {
    let config = CascadeConfig { learn: Some(LearnConfig::default()), ..CascadeConfig::default() };
    let clock = Clock { now: || NOW, monotonic_ms: || 0.0 };
    let made = Cascade::new(LocalModels::none(), config, device(), OffsetUnit::Bytes, clock);
    assert_eq!(made.err().map(|error| error.kind()), Some(crate::error::ErrorKind::Unsupported));
}
