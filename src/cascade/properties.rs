//! Properties of the state machine, whatever happens: each question is answered once, and nothing is sent after an abort,
//! a deadline or a cap.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::machine::Machine;
use super::tests::{allow, completion, decide, delegated, local, machine, question, remote, response};
use super::*;
use crate::policy::{Budget, Decision, Offer, Policy, Verdict};
use crate::remote::RemoteFault;
use crate::remote::limits::Caps;

const DEADLINE_MS: f64 = 5_000.0;
const CAP: u32 = 12;
/// Of requests a day, to both remote models together.
const BUDGET: u32 = 20;

#[derive(Clone, Debug)]
enum Happening {
    Asked,
    /// Something comes of what was sent for one of the questions.
    Heard(usize, RemoteEvent),
    /// One that waits is woken.
    Woken(usize),
    Aborted(usize),
}

fn any_event() -> impl Strategy<Value = RemoteEvent> {
    let fault = |fault| RemoteEvent::Fault { fault, message: String::new(), elapsed_ms: 1.0 };
    prop::sample::select(vec![
        completion(r#"{"label":"spam"}"#),
        completion("eggs"),
        response(500, ""),
        response(429, ""),
        response(400, ""),
        response(200, "<html>"),
        fault(RemoteFault::Network),
        fault(RemoteFault::Timeout),
        fault(RemoteFault::Token),
        fault(RemoteFault::Unavailable),
        RemoteEvent::Streamed { elapsed_ms: 1.0 },
    ])
}

fn any_happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => Just(Happening::Asked),
        5 => (any::<usize>(), any_event()).prop_map(|(which, event)| Happening::Heard(which, event)),
        2 => any::<usize>().prop_map(Happening::Woken),
        1 => any::<usize>().prop_map(Happening::Aborted),
    ]
}

/// What a question is at.
#[derive(Debug, PartialEq)]
enum State {
    Waits,
    Sent,
    Over,
}

struct World {
    machine: Machine,
    now_ms: f64,
    random: f64,
    questions: BTreeMap<u32, (State, f64)>,
    /// When something was sent, for which question.
    sent: Vec<(f64, u32)>,
}

impl World {
    fn now(&self) -> Now {
        Now { now_ms: self.now_ms, random: self.random }
    }

    fn pick(&self, state: &State, which: usize) -> Option<u32> {
        let fitting: Vec<u32> =
            self.questions.iter().filter(|(_, (known, _))| known == state).map(|(call, _)| *call).collect();
        (!fitting.is_empty()).then(|| fitting[which % fitting.len()])
    }

    fn take(&mut self, call: u32, turn: Turn) {
        if let Some(started) = turn.started {
            assert_eq!(self.questions[&started].0, State::Waits, "only one that waits is let go on");
        }
        let (state, end_ms) = self.questions.get_mut(&call).expect("it was asked");
        assert!(*state != State::Over, "nothing comes after the end");
        *state = match turn.step {
            Step::Done(envelope) => {
                // What was decided is in the record, whatever came of it afterwards.
                let Decision { offers, .. } = &envelope.decision;
                let mut refusals = offers.iter().filter_map(Offer::refusal);
                match envelope.reason {
                    Reason::RequestsPerMinute | Reason::RequestsPerDay | Reason::BreakerOpen | Reason::RetryBudget => {
                        assert!(refusals.any(|refusal| refusal == envelope.reason));
                    }
                    Reason::Unsure => assert_eq!(envelope.decision.verdict(), Verdict::Asks),
                    _ => {}
                }
                let asked = offers.iter().filter(|offer| offer.refusal().is_none()).count();
                assert_eq!(asked, envelope.attempts as usize);
                State::Over
            }
            Step::Wait { for_ms, .. } => {
                assert!(for_ms <= *end_ms - self.now_ms + 1e-3);
                State::Waits
            }
            Step::Send(request) => {
                assert_eq!(request.call, call);
                let at_ms = self.now_ms + request.delay_ms;
                assert!(at_ms + request.deadline_ms <= *end_ms + 1e-3, "it would be heard of too late");
                self.sent.push((at_ms, call));
                State::Sent
            }
            Step::Delegate { .. } | Step::Consulted(_) => panic!("it was delegated before, with a local answer"),
        };
        if let Some(started) = turn.started {
            self.resume(started);
        }
    }

    /// The last that was to be sent for `call` was not, if it was for after `since_ms`.
    fn unsend(&mut self, call: u32, since_ms: f64) {
        if let Some(last) = self.sent.iter().rposition(|(_, sender)| *sender == call)
            && self.sent[last].0 > since_ms
        {
            self.sent.remove(last);
        }
    }

    fn resume(&mut self, call: u32) {
        let turn = self.machine.resume(call, self.now()).expect("it waits");
        self.take(call, turn);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Asked => {
                let call = delegated(decide(&mut self.machine, question("a"), local(0.1), 1.0));
                self.questions.insert(call, (State::Waits, self.now_ms + DEADLINE_MS));
                let stream = call.is_multiple_of(3);
                let turn = self.machine.enqueue(call, stream, None, self.now()).expect("it was decided");
                self.take(call, turn);
            }
            Happening::Heard(which, event) => {
                let Some(call) = self.pick(&State::Sent, which) else { return };
                if matches!(event, RemoteEvent::Fault { fault: RemoteFault::Token | RemoteFault::Unavailable, .. }) {
                    self.unsend(call, f64::MIN);
                }
                let turn = self.machine.receive(call, &event, self.now()).expect("it was sent");
                self.take(call, turn);
            }
            Happening::Woken(which) => {
                let Some(call) = self.pick(&State::Waits, which) else { return };
                self.resume(call);
            }
            Happening::Aborted(which) => {
                let open: Vec<u32> = self
                    .questions
                    .iter()
                    .filter(|(_, (state, _))| *state != State::Over)
                    .map(|(call, _)| *call)
                    .collect();
                let Some(call) = open.get(which % open.len().max(1)).copied() else { return };
                // Between two attempts nothing of the second one has left.
                self.unsend(call, self.now_ms);
                let started = self.machine.abandon(call, self.now());
                self.questions.insert(call, (State::Over, 0.0));
                assert!(self.machine.enqueue(call, false, None, self.now()).is_err());
                assert!(self.machine.resume(call, self.now()).is_err());
                assert!(self.machine.receive(call, &response(500, ""), self.now()).is_err());
                if let Some(started) = started {
                    self.resume(started);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn each_ends_once_and_no_limit_is_passed(
        happenings in prop::collection::vec((any_happening(), 0.0..2_000.0_f64, 0.0..1.0_f64), 1..60),
    ) {
        let caps = Caps { requests_per_minute: Some(CAP), ..Caps::default() };
        let remotes = vec![
            RemoteConfig { caps, retries: 2, ..remote("first") },
            RemoteConfig { caps, retries: 1, ..remote("second") },
        ];
        let budget = Budget { requests_per_day: Some(BUDGET), ..Budget::default() };
        let policy = Policy { budget: Some(budget), max_concurrent: 2, max_waiting: 3, deadline_ms: DEADLINE_MS, ..allow() };
        let mut world = World {
            machine: machine(remotes, policy),
            now_ms: 1_795_478_400_000.0,
            random: 0.0,
            questions: BTreeMap::new(),
            sent: Vec::new(),
        };
        for (happening, later_ms, random) in happenings {
            world.now_ms += later_ms;
            world.random = random;
            world.happen(happening);
            let sent = world.questions.values().filter(|(state, _)| *state == State::Sent).count();
            prop_assert!(sent <= 2);
        }
        for (end_ms, _) in &world.sent {
            let minute = world.sent.iter().filter(|(at_ms, _)| (end_ms - 60_000.0..=*end_ms).contains(at_ms));
            prop_assert!(minute.count() <= 2 * CAP as usize);
        }
        prop_assert!(world.sent.len() <= BUDGET as usize, "all of it is on one day");
        // What is still open can be ended, and nothing is left then.
        world.now_ms += DEADLINE_MS;
        while let Some(call) = world.pick(&State::Waits, 0) {
            world.resume(call);
        }
        while let Some(call) = world.pick(&State::Sent, 0) {
            let fault = RemoteEvent::Fault { fault: RemoteFault::Timeout, message: String::new(), elapsed_ms: 1.0 };
            let turn = world.machine.receive(call, &fault, world.now()).unwrap();
            world.take(call, turn);
        }
        prop_assert!(world.questions.values().all(|(state, _)| *state == State::Over));
        prop_assert_eq!(world.machine.counts(), (0, (0, 0)));
    }
}
