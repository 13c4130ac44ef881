use super::*;

const NOW_MS: f64 = 1_795_478_400_000.0;

fn open(_: Sending) -> Result<(), Denied> {
    Ok(())
}

fn refused(status: u16) -> Event<'static> {
    Event::Refused { status, retry_after: None }
}

fn asked(value: &str) -> Event<'_> {
    Event::Refused { status: 429, retry_after: Some(value) }
}

fn started() -> Attempts {
    let mut attempts = Attempts::new(Terms::default(), NOW_MS);
    assert_eq!(attempts.start(NOW_MS, open), Some(Next::Send { delay_ms: 0.0, deadline_ms: 20_000.0 }));
    attempts
}

fn delay(next: Option<Next>) -> f64 {
    match next {
        Some(Next::Send { delay_ms, .. }) => delay_ms,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_ends_it_once() {
    let mut attempts = started();
    assert_eq!(attempts.start(NOW_MS, open), None);
    assert_eq!(attempts.on(Event::Answered, NOW_MS, 0.5, open), Some(Next::Done));
    for event in [Event::Answered, Event::Aborted, Event::Unfit, refused(503), Event::Faulted(RemoteFault::Network)] {
        assert_eq!(attempts.on(event, NOW_MS, 0.5, open), None);
    }
}

#[test]
fn what_may_pass_is_tried_again_twice() {
    let events = [408, 409, 429, 500, 503, 599].map(refused);
    for event in events.into_iter().chain([RemoteFault::Network, RemoteFault::Timeout].map(Event::Faulted)) {
        let mut attempts = started();
        assert_eq!(delay(attempts.on(event, NOW_MS, 0.5, open)), 250.0);
        assert_eq!(delay(attempts.on(event, NOW_MS, 0.75, open)), 750.0);
        assert_eq!(attempts.on(event, NOW_MS, 0.5, open), Some(Next::GiveUp(GiveUp::Exhausted)), "{event:?}");
    }
}

#[test]
fn what_does_not_pass_is_not() {
    let events = [302, 400, 401, 403, 404, 422, 499, 600].map(refused);
    for event in events.into_iter().chain([RemoteFault::Token, RemoteFault::TooLarge].map(Event::Faulted)) {
        assert_eq!(started().on(event, NOW_MS, 0.5, open), Some(Next::GiveUp(GiveUp::Final)), "{event:?}");
    }
}

#[test]
fn pauses_double_up_to_a_cap() {
    let nearly_one = 1.0_f64.next_down();
    let longest: Vec<f64> = (0..6).map(|retry| backoff_ms(retry, nearly_one).round()).collect();
    assert_eq!(longest, [500.0, 1000.0, 2000.0, 4000.0, 8000.0, 8000.0]);
    assert_eq!((backoff_ms(3, 0.0), backoff_ms(0, f64::NAN), backoff_ms(u32::MAX, 7.0)), (0.0, 500.0, 8000.0));
}

#[test]
fn a_server_may_ask_for_more_time() {
    for (value, ms) in [("3", 3000.0), ("0", 250.0), ("nonsense", 250.0), ("Tue, 24 Nov 2026 00:00:09 GMT", 9000.0)] {
        assert_eq!(delay(started().on(asked(value), NOW_MS, 0.5, open)), ms, "{value}");
    }
    // More than there is: nobody is left waiting for nothing.
    for value in ["45", "99999999999", "Wed, 24 Nov 2027 00:00:00 GMT"] {
        assert_eq!(started().on(asked(value), NOW_MS, 0.5, open), Some(Next::GiveUp(GiveUp::Deadline)), "{value}");
    }
    // Patient enough, a request waits for the minute at most.
    let mut attempts = Attempts::new(Terms { total_ms: 600_000.0, ..Terms::default() }, NOW_MS);
    attempts.start(NOW_MS, open);
    assert_eq!(delay(attempts.on(asked("3600"), NOW_MS, 0.5, open)), 60_000.0);
}

#[test]
fn the_time_for_all_of_it_bounds_each_attempt() {
    let mut attempts = started();
    let next = attempts.on(refused(500), NOW_MS + 40_000.0, 0.5, open);
    assert_eq!(next, Some(Next::Send { delay_ms: 250.0, deadline_ms: 4_750.0 }));
    let next = attempts.on(refused(500), NOW_MS + 44_500.0, 0.5, open);
    assert_eq!(next, Some(Next::GiveUp(GiveUp::Deadline)));
    // Time that went by in the queue counts as well.
    let mut attempts = Attempts::new(Terms::default(), NOW_MS);
    assert_eq!(attempts.start(NOW_MS + 45_000.0, open), Some(Next::GiveUp(GiveUp::Deadline)));
}

#[test]
fn nothing_is_repeated_that_was_seen() {
    for event in [refused(500), Event::Faulted(RemoteFault::Network), Event::Unfit] {
        let mut attempts = started();
        assert_eq!(attempts.on(Event::Streamed, NOW_MS, 0.5, open), None);
        assert_eq!(attempts.on(event, NOW_MS, 0.5, open), Some(Next::GiveUp(GiveUp::Streamed)));
    }
}

#[test]
fn an_unfit_answer_is_repaired_once() {
    let mut attempts = started();
    assert_eq!(delay(attempts.on(Event::Unfit, NOW_MS, 0.5, open)), 0.0);
    assert_eq!(delay(attempts.on(refused(500), NOW_MS, 0.5, open)), 250.0);
    assert_eq!(attempts.on(Event::Unfit, NOW_MS, 0.5, open), Some(Next::GiveUp(GiveUp::Exhausted)));
}

#[test]
fn a_gate_that_is_shut_ends_it() {
    let shut = |_: Sending| Err(Denied::BreakerOpen);
    let gave_up = Some(Next::GiveUp(GiveUp::Denied(Denied::BreakerOpen)));
    assert_eq!(Attempts::new(Terms::default(), NOW_MS).start(NOW_MS, shut), gave_up);
    assert_eq!(started().on(refused(500), NOW_MS, 0.5, shut), gave_up);
    let mut sending = None;
    let look = |asked: Sending| {
        sending = Some(asked);
        Ok(())
    };
    started().on(refused(500), NOW_MS, 0.5, look);
    let (at_ms, until_ms) = (NOW_MS + 250.0, NOW_MS + 20_250.0);
    assert_eq!(sending, Some(Sending { now_ms: NOW_MS, at_ms, until_ms, retry: true }));
}

#[test]
fn terms_that_make_no_sense_are_refused() {
    for ms in [0.0, -1.0, f64::NAN, f64::INFINITY, 3e9] {
        assert!(Terms { attempt_ms: ms, ..Terms::default() }.checked().is_err());
        assert!(Terms { total_ms: ms, ..Terms::default() }.checked().is_err());
    }
    assert!(Terms::default().checked().is_ok());
}

#[cfg(not(target_family = "wasm"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    fn any_event() -> impl Strategy<Value = Event<'static>> {
        let fault = prop::sample::select(vec![
            RemoteFault::Network,
            RemoteFault::Timeout,
            RemoteFault::Token,
            RemoteFault::TooLarge,
        ]);
        let retry_after = prop::sample::select(vec![None, Some("0"), Some("5"), Some("1e9"), Some("99999999")]);
        prop_oneof![
            1 => Just(Event::Answered),
            2 => Just(Event::Unfit),
            1 => Just(Event::Streamed),
            1 => Just(Event::Aborted),
            9 => (prop::sample::select(vec![200, 302, 401, 408, 429, 500, 503]), retry_after)
                .prop_map(|(status, retry_after)| Event::Refused { status, retry_after }),
            6 => fault.prop_map(Event::Faulted),
        ]
    }

    proptest! {
        #[test]
        fn it_ends_once_and_sends_nothing_after(
            events in prop::collection::vec((any_event(), 0.0..9_000.0, 0.0..1.0_f64, prop::bool::weighted(0.9)), 1..30),
            attempt_ms in 1.0..30_000.0,
            total_ms in 1.0..60_000.0,
            queued_ms in 0.0..1_000.0,
        ) {
            let terms = Terms { attempt_ms, total_ms, ..Terms::default() };
            let mut attempts = Attempts::new(terms, NOW_MS);
            let mut now_ms = NOW_MS + queued_ms;
            let (mut sent, mut ended, mut streamed, mut shut) = (0, 0, false, false);
            let mut next = attempts.start(now_ms, open);
            for (event, later_ms, random, is_open) in events {
                let over = ended > 0;
                match next {
                    Some(Next::Send { delay_ms, deadline_ms }) => {
                        sent += 1;
                        prop_assert!(!over && !shut && !streamed, "sent after its end, a limit or its first words");
                        prop_assert!((0.0..=RETRY_AFTER_CAP_MS).contains(&delay_ms));
                        prop_assert!(deadline_ms > 0.0 && deadline_ms <= attempt_ms);
                        prop_assert!(now_ms + delay_ms + deadline_ms <= NOW_MS + total_ms + 1e-3);
                    }
                    Some(_) => ended += 1,
                    None => {}
                }
                prop_assert!(ended <= 1 && sent <= 4);
                streamed |= event == Event::Streamed;
                now_ms += later_ms;
                next = attempts.on(event, now_ms, random, |_| {
                    shut |= !is_open;
                    if is_open { Ok(()) } else { Err(Denied::RetryBudget) }
                });
                prop_assert!(!(event == Event::Aborted && ended == 0) || next == Some(Next::GiveUp(GiveUp::Aborted)) || over);
            }
        }
    }
}
