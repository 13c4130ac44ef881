//! Ten thousand requests through the queue, the limits and the attempts together, on a clock that is only a
//! number: each ends once, and no limit is passed on the way.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::remote::Usage;
use crate::remote::limits::{BreakerOptions, Caps, Entered, Limits, Outcome, Permit, Queue, Spending};

const REQUESTS: u32 = 10_000;
const WIDTH: usize = 4;
const PER_MINUTE: u32 = 100;

/// What happens at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Happening {
    Arrives,
    AttemptEnds,
    Aborted,
}

struct World {
    now_ms: f64,
    seed: u64,
    limits: Limits,
    queue: Queue,
    requests: BTreeMap<u32, (Attempts, Option<Permit>)>,
    /// By the time in microseconds.
    agenda: BTreeSet<(u64, u32, u32)>,
    happenings: Vec<Happening>,
    sent_ms: Vec<f64>,
    ended: BTreeMap<u32, Next>,
}

impl World {
    fn random(&mut self) -> f64 {
        // Knuth's linear congruential generator.
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn plan(&mut self, after_ms: f64, call: u32, happening: Happening) {
        self.happenings.push(happening);
        let at = ((self.now_ms + after_ms) * 1000.0) as u64;
        self.agenda.insert((at, call, self.happenings.len() as u32 - 1));
    }

    fn start(&mut self, call: u32) {
        let (now_ms, mut pass) = (self.now_ms, None);
        let Some((attempts, _)) = self.requests.get_mut(&call) else { return };
        let next = attempts.start(now_ms, |sending| admit(&mut self.limits, sending, &mut pass));
        self.go_on(call, next, pass);
    }

    /// The server is down from time to time, and never good.
    fn end_attempt(&mut self, call: u32) {
        let (now_ms, luck, random) = (self.now_ms, self.random(), self.random());
        let down = (now_ms / 100_000.0) % 5.0 < 1.0;
        let (event, outcome) = match luck {
            luck if luck < 0.05 => (Event::Faulted(RemoteFault::Timeout), Outcome::Failed),
            luck if luck < 0.1 || down => (refused(503), Outcome::Refused(503)),
            luck if luck < 0.2 => (Event::Refused { status: 429, retry_after: Some("2") }, Outcome::Refused(429)),
            luck if luck < 0.25 => (refused(400), Outcome::Refused(400)),
            luck if luck < 0.35 => (Event::Unfit, Outcome::Answered(Some(Usage::default()))),
            _ => (Event::Answered, Outcome::Answered(None)),
        };
        let Some((attempts, pass)) = self.requests.get_mut(&call) else { return };
        let pass = pass.take().expect("what was sent had leave");
        self.limits.settle(pass, outcome, now_ms);
        let mut pass = None;
        let next = attempts.on(event, now_ms, random, |sending| admit(&mut self.limits, sending, &mut pass));
        self.go_on(call, next, pass);
    }

    fn abort(&mut self, call: u32) {
        let now_ms = self.now_ms;
        let Some((attempts, pass)) = self.requests.get_mut(&call) else { return };
        if let Some(pass) = pass.take() {
            self.limits.settle(pass, Outcome::Aborted, now_ms);
        }
        let next = attempts.on(Event::Aborted, now_ms, 0.0, |_| panic!("sent after an abort"));
        self.go_on(call, next, None);
    }

    fn go_on(&mut self, call: u32, next: Option<Next>, pass: Option<Permit>) {
        match next {
            Some(Next::Send { delay_ms, deadline_ms }) => {
                self.requests.get_mut(&call).expect("it is under way").1 = pass;
                self.sent_ms.push(self.now_ms + delay_ms);
                let took_ms = self.random() * deadline_ms.min(3_000.0);
                self.plan(delay_ms + took_ms, call, Happening::AttemptEnds);
            }
            Some(end) => {
                assert!(self.ended.insert(call, end).is_none(), "{call} ended twice");
                self.requests.remove(&call);
                if let Some(started) = self.queue.leave(call) {
                    self.start(started);
                }
            }
            None => panic!("{call} was left hanging"),
        }
    }
}

fn admit(limits: &mut Limits, sending: Sending, pass: &mut Option<Permit>) -> Result<(), Denied> {
    limits.admit(sending, Usage::default(), limits.spending.left(sending.now_ms)).map(|admitted| *pass = Some(admitted))
}

fn refused(status: u16) -> Event<'static> {
    Event::Refused { status, retry_after: None }
}

#[test]
fn ten_thousand_requests_end_once_each() {
    let caps = Caps { requests_per_minute: Some(PER_MINUTE), ..Caps::default() };
    let mut world = World {
        now_ms: 1_795_478_400_000.0,
        seed: 7,
        limits: Limits::new(BreakerOptions::default(), Spending::new(caps, None, 0).unwrap()),
        queue: Queue::new(WIDTH, 20),
        requests: BTreeMap::new(),
        agenda: BTreeSet::new(),
        happenings: Vec::new(),
        sent_ms: Vec::new(),
        ended: BTreeMap::new(),
    };
    for call in 0..REQUESTS {
        let (arrives_ms, aborts, after_ms) = (world.random() * 3e6, world.random() < 0.1, world.random() * 9_000.0);
        world.plan(arrives_ms, call, Happening::Arrives);
        if aborts {
            world.plan(arrives_ms + after_ms, call, Happening::Aborted);
        }
    }
    while let Some((at, call, happening)) = world.agenda.pop_first() {
        world.now_ms = at as f64 / 1000.0;
        match world.happenings[happening as usize] {
            Happening::Arrives => {
                let attempts = Attempts::new(Terms::default(), world.now_ms);
                match world.queue.enter(call) {
                    Entered::Full => drop(world.ended.insert(call, Next::GiveUp(GiveUp::Denied(Denied::QueueFull)))),
                    entered => {
                        world.requests.insert(call, (attempts, None));
                        if entered == Entered::Starts {
                            world.start(call);
                        }
                    }
                }
            }
            Happening::AttemptEnds => world.end_attempt(call),
            Happening::Aborted => world.abort(call),
        }
        assert!(world.queue.counts().0 <= WIDTH);
    }
    assert_eq!(world.ended.len(), REQUESTS as usize);
    assert_eq!((world.requests.len(), world.queue.counts()), (0, (0, 0)));
    world.sent_ms.sort_by(f64::total_cmp);
    let per_minute = world.sent_ms.iter().enumerate().map(|(first, at_ms)| {
        world.sent_ms[first..].iter().take_while(|later_ms| **later_ms <= at_ms + 60_000.0).count()
    });
    assert!(per_minute.max().is_some_and(|most| most <= PER_MINUTE as usize));
    // All the ways in which one can end have been gone.
    let ways: BTreeSet<String> = world.ended.values().map(|end| format!("{end:?}")).collect();
    for way in [
        "Done",
        "GiveUp(Final)",
        "GiveUp(Exhausted)",
        "GiveUp(Aborted)",
        "GiveUp(Denied(BreakerOpen))",
        "GiveUp(Denied(RetryBudget))",
        "GiveUp(Denied(QueueFull))",
        "GiveUp(Denied(Over(RequestsPerMinute)))",
    ] {
        assert!(ways.contains(way), "{way} is not among {ways:?}");
    }
}
