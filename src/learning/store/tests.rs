use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;

fn space(labels: usize) -> Space {
    Space {
        encoder: "digest".to_string(),
        width: 2,
        labels: (0..labels).map(|label| format!("l{label}")).collect(),
        multi_label: false,
    }
}

fn example(label: usize, source: u64, key: f64) -> Example {
    let origin = Origin { labels: label.into(), propensity: 0.5, agreement: 1.0, source, head: 7, time_ms: 1.5, key };
    Example { embedding: vec![key as f32, -1.0], origin, text: None }
}

/// One that holds so many examples.
fn store(labels: usize, examples: usize) -> Store {
    Store::new(space(labels), examples * (2 * 4 + OVERHEAD)).unwrap()
}

fn filled(capacity: usize, examples: &[Example]) -> Store {
    let mut store = store(3, capacity);
    examples.iter().for_each(|example| store.add(example.clone()).unwrap());
    store
}

fn message(result: Result<impl Sized>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn a_label_with_few_examples_leaves_its_place_to_others() {
    assert_eq!(level(vec![], 10), 10);
    assert_eq!(level(vec![2, 3], 10), 10);
    assert_eq!(level(vec![1, 50, 50], 11), 5);
    assert_eq!(level(vec![50, 50, 50], 11), 3);
    let mut store = store(2, 20);
    (0..100u64).for_each(|i| store.add(example(0, i, i as f64 / 100.0)).unwrap());
    assert_eq!((store.examples().len(), store.kept()), (20, vec![0.2, 1.0]));
    (0..5u64).for_each(|i| store.add(example(1, i, 0.9 + i as f64 / 100.0)).unwrap());
    let count = |label: usize| store.examples().iter().filter(|example| example.origin.labels == label.into()).count();
    assert_eq!((count(0), count(1)), (15, 5));
}

#[test]
fn a_source_that_floods_a_label_fills_a_part_of_it() {
    let mut store = store(2, 80);
    (0..500).for_each(|i| store.add(example(1, 666, f64::from(i) / 1000.0)).unwrap());
    (0..5).for_each(|i| store.add(example(1, i, 0.9 + i as f64 / 100.0)).unwrap());
    assert_eq!(store.per_source(), 10);
    let of = |source| store.examples().iter().filter(|example| example.origin.source == source).count();
    assert_eq!((of(666), store.examples().len()), (10, 15));
}

#[test]
fn a_store_of_something_else_is_refused() {
    let mut one = store(2, 10);
    let mut other = store(2, 10);
    other.space.encoder = "another".to_string();
    assert_eq!(
        message(one.join(&other)),
        "a store must be of the encoder digest with 2 numbers, got one of another with 2"
    );
    assert_eq!(message(one.join(&store(3, 10))), "a store must have the labels l0, l1, got l0, l1, l2");
    assert_eq!(message(Store::new(space(1), 1000)), "there must be at least 2 labels, got 1");
    assert_eq!(message(Store::new(space(2), 100)), "a store of 2 labels must have at least 544 bytes, got 100");
    let mut twice = space(2);
    twice.labels[1] = "l0".to_string();
    assert_eq!(message(Store::new(twice, 1000)), "the labels must differ, got 'l0' twice");
}

#[test]
fn an_example_that_makes_no_sense_changes_nothing() {
    let mut store = store(2, 10);
    let wrong = |store: &mut Store, change: &dyn Fn(&mut Example)| {
        let mut example = example(0, 0, 0.5);
        change(&mut example);
        message(store.add(example))
    };
    assert_eq!(
        wrong(&mut store, &|e| e.embedding[1] = f32::NAN),
        "an embedding must have finite numbers, got NaN at 1"
    );
    assert_eq!(wrong(&mut store, &|e| e.embedding.clear()), "an embedding must have 2 numbers, got 0");
    assert_eq!(wrong(&mut store, &|e| e.origin.labels = 2.into()), "a label must be below 2, got 2");
    assert_eq!(
        wrong(&mut store, &|e| e.origin.propensity = 0.0),
        "the propensity must be above 0 and at most 1, got 0"
    );
    assert!(wrong(&mut store, &|e| e.origin.agreement = f64::NAN).starts_with("the agreement must be"));
    assert!(wrong(&mut store, &|e| e.origin.key = 1.0).starts_with("a key must be"));
    assert!(store.examples().is_empty());
}

#[test]
fn a_text_is_kept_with_its_example_and_takes_room() {
    let bytes = 10 * (2 * 4 + OVERHEAD + MAX_TEXT_BYTES);
    assert_eq!(Store::with_texts(space(2), bytes).unwrap().capacity, 10);
    let mut store = Store::with_texts(space(2), bytes).unwrap();
    store.add(example(1, 0, 0.25)).unwrap();
    let text = |store: &Store| store.examples()[0].text.clone();
    store.keep_text(&0.into(), 0.25, "of another label");
    store.keep_text(&1.into(), 0.5, "of another key");
    store.keep_text(&1.into(), 0.25, &"x".repeat(MAX_TEXT_BYTES + 1));
    assert_eq!(text(&store), None);
    store.keep_text(&1.into(), 0.25, "rain");
    // One that comes without its text takes none away, in any order.
    let mut bare = self::store(2, 10);
    bare.add(example(1, 0, 0.25)).unwrap();
    let (mut one, mut other) = (store.clone(), bare.clone());
    one.join(&bare).unwrap();
    other.join(&store).unwrap();
    assert_eq!((text(&one).as_deref(), text(&other).as_deref()), (Some("rain"), Some("rain")));
    let long = Example { text: Some("x".repeat(MAX_TEXT_BYTES + 1)), ..example(1, 0, 0.75) };
    assert_eq!(message(store.add(long)), "a text must have at most 2048 bytes, got 2049");
    store.forget_texts();
    assert_eq!((text(&store), store.examples().len()), (None, 1));
}

#[test]
fn a_store_with_less_room_leaves_the_room_of_another_as_it_is() {
    let key = |at: usize| (at as f64 * 0.618_033_988_749_895).fract();
    let count =
        |store: &Store, label| store.examples().iter().filter(|one| one.origin.labels == LabelSet::from(label)).count();
    // Of 1000 examples of one label and 50 of another one the small store has kept 50 and 50.
    let mut small = store(2, 100);
    (0..1000).for_each(|at| small.add(example(0, 0, key(at))).unwrap());
    (1000..1050).for_each(|at| small.add(example(1, 0, key(at))).unwrap());
    assert_eq!((count(&small, 0), count(&small, 1)), (50, 50));
    assert!((small.kept()[0] - 0.05).abs() < 0.005, "{:?}", small.kept());
    let mut large = store(2, 400);
    (2000..2100).for_each(|at| large.add(example(0, 0, key(at))).unwrap());
    large.join(&small).unwrap();
    large.join(&small).unwrap();
    assert_eq!((count(&large, 0), count(&large, 1), large.capacity), (150, 50, 400));
    // 150 of 1100, by those of which all are kept.
    assert!((large.kept()[0] - 150.0 / 1100.0).abs() < 0.02, "{:?}", large.kept());
    assert_eq!(large.kept()[1], 1.0);
    let read = Store::from_bytes(&large.to_bytes()).unwrap();
    assert_eq!(read, large);
    (3000..4000).for_each(|at| large.add(example(0, 0, key(at))).unwrap());
    assert_eq!((count(&large, 0), count(&large, 1)), (350, 50));
    assert!((large.kept()[0] - 350.0 / 2100.0).abs() < 0.02, "{:?}", large.kept());
    // One with more room takes no more than fits.
    small.join(&large).unwrap();
    assert_eq!((count(&small, 0), count(&small, 1), small.capacity), (50, 50, 100));
}

#[test]
fn what_is_read_is_what_was_written() {
    let spoken = Example { text: Some("Łódź".to_string()), ..example(2, 3, 0.5) };
    let store = filled(12, &[example(0, 1, 0.25), example(2, 1, 0.125), spoken]);
    let bytes = store.to_bytes();
    assert_eq!(Store::from_bytes(&bytes).unwrap(), store);
    for end in 0..bytes.len() {
        assert_eq!(Store::from_bytes(&bytes[..end]).unwrap_err().kind(), ErrorKind::InvalidArtefact);
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(message(Store::from_bytes(&longer)).contains("expected 3 embeddings of 2 numbers"));
    let mut nan = bytes.clone();
    let last = nan.len() - 4;
    nan[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(message(Store::from_bytes(&nan)).contains("finite"));
}

#[test]
fn a_set_is_kept_for_one_of_its_labels_by_its_key_alone() {
    let several = Space { multi_label: true, ..space(3) };
    let bytes = |examples: usize| examples * (2 * 4 + OVERHEAD + 3 * LABEL);
    assert_eq!(
        message(Store::new(several.clone(), bytes(7))),
        "a store of 3 labels must have at least 1136 bytes, got 994"
    );
    let mut store = Store::new(several, bytes(40)).unwrap();
    assert_eq!((store.capacity, store.per_source()), (40, 2));
    let set = |labels: &[usize], key: f64| {
        let origin = Origin { labels: labels.to_vec().into(), ..example(0, 0, key).origin };
        Example { origin, ..example(0, 0, key) }
    };
    assert_eq!(message(store.add(set(&[0, 3], 0.5))), "a label must be below 3, got 3");
    let key = |at: usize| (at as f64 * 0.618_033_988_749_895).fract();
    for at in 1..=300 {
        store.add(set(&[0, 1], key(at))).unwrap();
    }
    let of = |store: &Store, reservoir| {
        store.examples().iter().filter(|example| store.space().reservoir(&example.origin) == reservoir).count()
    };
    assert_eq!((of(&store, 0), of(&store, 1), store.examples().len()), (20, 20, 40));
    // Both labels cut it alike; of one that was not cut all is kept.
    let kept = store.kept();
    assert!(kept[..2].iter().all(|part| (0.08..0.2).contains(part)), "{kept:?}");
    (1..=4).for_each(|at| store.add(set(&[1, 2], key(at + 500))).unwrap());
    (1..=4).for_each(|at| store.add(set(&[], key(at + 600))).unwrap());
    assert_eq!(of(&store, 3), 4, "those without a label are as if of one of their own");
    assert_eq!((store.kept()[2], store.kept()[3]), (1.0, 1.0));
    assert_eq!(Store::from_bytes(&store.to_bytes()).unwrap(), store);
    let single = self::store(3, 40);
    assert_eq!(
        message(store.join(&single)),
        "a store must have all labels that apply for a text, got one with one label"
    );
}

proptest! {
    /// The same where several labels apply to a text, or none.
    #[test]
    fn joining_sets_in_any_order_loses_no_example(
        rows in prop::collection::vec((0usize..8, 0u64..4, 0usize..2), 0..120),
        capacity in 8usize..60,
        turned in any::<bool>(),
    ) {
        let several = Space { multi_label: true, ..space(3) };
        let example = |(at, &(set, source, _)): (usize, &(usize, u64, usize))| {
            let key = (at as f64 * 0.618_033_988_749_895).fract();
            let labels = (0..3).filter(|label| set >> label & 1 == 1).collect();
            Example { origin: Origin { labels, ..example(0, source, key).origin }, ..example(0, source, key) }
        };
        let examples: Vec<Example> = rows.iter().enumerate().map(example).collect();
        let filled = |of: &dyn Fn(usize) -> bool| {
            let mut store = Store::new(several.clone(), capacity * (2 * 4 + OVERHEAD + 3 * LABEL)).unwrap();
            let own = rows.iter().zip(&examples).filter(|((_, _, tab), _)| of(*tab));
            own.for_each(|(_, example)| store.add(example.clone()).unwrap());
            store
        };
        let all = filled(&|_| true);
        let [mut joined, other] = [usize::from(turned), usize::from(!turned)].map(|tab| filled(&|of| of == tab));
        joined.join(&other).unwrap();
        prop_assert_eq!(&joined, &all);
        prop_assert!(all.examples().len() <= capacity);
    }

    /// Stores that were filled apart, and joined in any order, hold what one store that saw all examples holds.
    #[test]
    fn joining_in_any_order_loses_no_example(
        rows in prop::collection::vec((0usize..3, 0u64..4, 0usize..3), 0..120),
        capacity in 6usize..60,
        turn in 0usize..3,
    ) {
        let key = |at: usize| (at as f64 * 0.618_033_988_749_895).fract();
        let examples: Vec<Example> =
            rows.iter().enumerate().map(|(at, &(label, source, _))| example(label, source, key(at))).collect();
        let all = filled(capacity, &examples);
        let tabs: Vec<Store> = (0..3)
            .map(|tab| {
                let own = rows.iter().zip(&examples).filter(|((_, _, of), _)| *of == tab);
                filled(capacity, &own.map(|(_, example)| example.clone()).collect::<Vec<_>>())
            })
            .collect();
        let mut joined = tabs[turn].clone();
        joined.join(&tabs[(turn + 2) % 3]).unwrap();
        joined.join(&tabs[(turn + 1) % 3]).unwrap();
        joined.join(&tabs[turn]).unwrap();
        prop_assert_eq!(&joined, &all);
        prop_assert!(all.examples().len() <= capacity);
        // In the other order of adding, too.
        let reversed: Vec<Example> = examples.iter().rev().cloned().collect();
        prop_assert_eq!(&filled(capacity, &reversed), &all);
    }
}
