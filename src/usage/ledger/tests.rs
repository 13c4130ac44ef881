use proptest::prelude::*;

use super::*;

fn entry(at_ms: f64, kind: Kind, tokens: u64) -> Entry {
    let tally = Tally { answers: 1, latency_ms: 2.0, total_tokens: tokens, usd: 0.25, ..Tally::default() };
    let counts = (0..3).map(|part| u64::from(part == tokens % 3)).collect();
    Entry { at_ms, kind, tally, confidences: Some(("made yesterday".to_string(), counts)) }
}

fn of(entries: &[Entry]) -> Ledger {
    let mut ledger = Ledger::default();
    entries.iter().for_each(|entry| ledger.enter(entry));
    ledger
}

fn totals(ledger: &Ledger) -> Span {
    let mut all = Span::default();
    ledger.spans().for_each(|(_, span)| all.add(span.clone()));
    all
}

#[test]
fn what_is_entered_is_added_up_by_route_and_by_minute() {
    let checked = Kind::Check { agrees: true };
    let ledger = of(&[
        entry(0.0, Kind::Local, 0),
        entry(59_999.0, Kind::Remote, 7),
        entry(60_000.0, Kind::Remote, 8),
        entry(60_000.0, checked, 9),
    ]);
    let spans: Vec<_> = ledger.spans().collect();
    assert_eq!(spans.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0.0, 60_000.0]);
    assert_eq!((spans[0].1.local.answers, spans[0].1.remote.total_tokens), (1, 7));
    assert_eq!((spans[1].1.remote.total_tokens, spans[1].1.checks.agreed), (8, 1));
    assert_eq!(spans[0].1.counts("made yesterday"), Some(&[1, 1, 0][..]));
    assert_eq!(totals(&ledger).remote.usd, 0.5);
}

#[test]
fn what_learning_saved_and_cost_is_added_up_and_takes_no_room_elsewhere() {
    let mut ledger = of(&[entry(0.0, Kind::Local, 0)]);
    let before = ledger.save();
    assert!(!before.contains("learning"));
    ledger.enter_learning(0.0, &LearningCosts::default());
    assert_eq!(ledger.save(), before);
    let training = Tally { operations: 1000, local_ms: 2.5, ..Tally::default() };
    let checks = Tally { answers: 1, attempts: 1, total_tokens: 9, ..Tally::default() };
    ledger.enter_learning(0.0, &LearningCosts { saved: 2, ..LearningCosts::default() });
    ledger.enter_learning(90_000.0, &LearningCosts { saved: 1, checks, training });
    let mut both = Ledger::read(&ledger.save()).unwrap();
    assert_eq!(both, ledger);
    both.merge(ledger);
    let LearningCosts { saved, checks, training } = totals(&both).learning;
    assert_eq!((saved, checks.total_tokens, training.operations, training.local_ms), (6, 18, 2000, 5.0));
    assert_eq!(totals(&both).local.answers, 2, "it is no answer");
}

#[test]
fn a_year_of_answers_stays_small() {
    let hour = 3_600_000.0;
    let ledger = of(&(0..24 * 365).map(|at| entry(f64::from(at) * hour, Kind::Local, 1)).collect::<Vec<_>>());
    assert!(ledger.spans().count() <= MOST_SPANS);
    assert_eq!(totals(&ledger).local.answers, 24 * 365);
    assert!(ledger.save().len() < 100_000);
}

#[test]
fn what_is_no_record_is_refused() {
    let good = of(&[entry(1.0, Kind::Local, 3)]).save();
    assert!(Ledger::read(&good).is_ok());
    let broken = [
        "",
        "null",
        "{}",
        "[1, 2]",
        &good[..good.len() - 5],
        &good.replace("\"version\":2", "\"version\":1"),
        &good.replace("\"doublings\":0", "\"doublings\":4000000000"),
        &good.replace("\"usd\":0.25", "\"usd\":-1.0"),
        &good.replace("\"usd\":0.25", "\"usd\":1e999"),
        &good.replace("\"answers\":1", "\"answers\":-1"),
        &good.replace("\"agreed\":0", "\"agreed\":5"),
        &good.replace("\"confidences\"", "\"learning\":{\"saved\":1},\"confidences\""),
        &good.replace("\"version\"", "\"text\":\"secret\",\"version\""),
    ];
    for json in broken {
        assert!(Ledger::read(json).is_err(), "{json}");
    }
}

#[test]
fn times_that_make_no_sense_are_entered_all_the_same() {
    let ledger = of(&[f64::NAN, -5.0, f64::INFINITY].map(|at| entry(at, Kind::Local, 1)));
    assert_eq!(totals(&ledger).local.answers, 3);
    assert!(Ledger::read(&ledger.save()).is_ok());
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let kind =
        prop_oneof![Just(Kind::Local), Just(Kind::Remote), any::<bool>().prop_map(|agrees| Kind::Check { agrees })];
    let one = (0u32..u32::MAX, kind, 0u64..1000);
    proptest::collection::vec(one.prop_map(|(at, kind, tokens)| entry(f64::from(at) * 1000.0, kind, tokens)), 0..400)
}

proptest! {
    #[test]
    fn nothing_is_lost_in_whatever_order_records_are_joined(all in entries(), tabs in 1usize..5) {
        let parts: Vec<Ledger> = (0..tabs)
            .map(|tab| of(&all.iter().skip(tab).step_by(tabs).cloned().collect::<Vec<_>>()))
            .map(|ledger| Ledger::read(&ledger.save()).expect("its own record"))
            .collect();
        let join = |parts: &mut dyn Iterator<Item = &Ledger>| {
            let mut sum = Ledger::default();
            parts.for_each(|part| sum.merge(part.clone()));
            sum
        };
        let (one, other) = (join(&mut parts.iter()), join(&mut parts.iter().rev()));
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(totals(&one), totals(&of(&all)));
        prop_assert!(one.spans().count() <= MOST_SPANS);
    }
}
