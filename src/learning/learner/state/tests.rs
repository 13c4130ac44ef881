use super::*;
use crate::error::ErrorKind;
use crate::learning::random::Random;
use crate::learning::{LabelSet, Observation, RemoteLabels, Route, zero_shot};

const WIDTH: usize = 4;

fn space() -> Space {
    Space {
        encoder: "digest".to_string(),
        width: WIDTH,
        labels: vec!["ham".to_string(), "spam".to_string()],
        multi_label: false,
    }
}

fn learner(options: &LearnOptions) -> Learner {
    let start = zero_shot(&[vec![0.0, 0.0, 1.0, 0.0], vec![0.0, 0.0, 0.0, 1.0]]).unwrap();
    Learner::new(options.store(space()).unwrap(), start, options.clone()).unwrap()
}

/// A text of one of two groups, which the remote model names by the first coordinate.
fn step(learner: &mut Learner, random: &mut Random) -> (Route, Option<f32>) {
    let spam = random.next() < 0.5;
    let mut embedding: Vec<f32> = (0..WIDTH).map(|_| (0.3 * random.normal()) as f32).collect();
    embedding[0] += if spam { 1.0 } else { -1.0 };
    let decision = learner.decide(&embedding, 1.0, random.next()).unwrap();
    let key = random.next();
    if decision.route != Route::Local {
        let answer = RemoteLabels { labels: &[if spam { "spam" } else { "ham" }], agreement: 1.0, source: 0 };
        learner.observe(&embedding, &decision, answer, 1.0, key).unwrap();
    }
    while learner.work(u64::MAX).unwrap() {}
    (decision.route, learner.in_charge().1)
}

/// One that has learnt so far that a promise holds.
fn learnt(options: &LearnOptions) -> (Learner, Random) {
    let (mut learner, mut random) = (learner(options), Random(7));
    let mut steps = 0;
    while learner.in_charge().1.is_none() {
        step(&mut learner, &mut random);
        steps += 1;
        assert!(steps < 5000, "a promise holds at some time");
    }
    (0..100).for_each(|_| _ = step(&mut learner, &mut random));
    (learner, random)
}

#[test]
fn what_is_read_goes_on_as_what_was_written_would() {
    let options = LearnOptions::default();
    let (mut learner, mut random) = learnt(&options);
    let bytes = learner.to_bytes();
    let mut read = Learner::from_bytes(&bytes, &space(), options).unwrap();
    assert_eq!(read.to_bytes(), bytes);
    let mut again = Random(random.0);
    for at in 0..1500 {
        assert_eq!(step(&mut read, &mut again), step(&mut learner, &mut random), "text {at}");
    }
    assert_eq!(read.to_bytes(), learner.to_bytes());
    assert!(read.counters().local > 500);
}

#[test]
fn training_under_way_begins_again() {
    let options = LearnOptions::default();
    let (mut learner, mut random) = (learner(&options), Random(7));
    while learner.trainer.is_none() {
        let embedding: Vec<f32> = (0..WIDTH).map(|_| random.normal() as f32).collect();
        let decision = learner.decide(&embedding, 1.0, random.next()).unwrap();
        let label = if embedding[0] > 0.0 { "ham" } else { "spam" };
        let answer = RemoteLabels { labels: &[label], agreement: 1.0, source: 0 };
        learner.observe(&embedding, &decision, answer, 1.0, random.next()).unwrap();
    }
    assert!(learner.work(1).unwrap());
    let spent = learner.counters().operations;
    let mut read = Learner::from_bytes(&learner.to_bytes(), &space(), options).unwrap();
    assert!(read.report().training);
    // What was spent stays spent, and what comes again is counted again.
    assert!(spent > 0 && read.counters().operations == spent, "{spent}");
    while read.work(u64::MAX).unwrap() {}
    assert_eq!((read.counters().trained, read.due), (1, learner.due));
    while learner.work(u64::MAX).unwrap() {}
    assert_eq!(read.counters().operations, learner.counters().operations + spent);
}

#[test]
fn another_promise_keeps_the_examples_and_the_head_alone() {
    let (learner, _) = learnt(&LearnOptions::default());
    assert!(learner.in_charge().1.is_some() && learner.report().can_roll_back);
    let stricter = LearnOptions { alpha: 0.01, ..LearnOptions::default() };
    let read = Learner::from_bytes(&learner.to_bytes(), &space(), stricter).unwrap();
    assert_eq!((read.in_charge().0, read.in_charge().1), (learner.in_charge().0, None));
    assert_eq!((read.store(), read.trial().proven()), (learner.store(), None));
    assert!(!read.report().promised && !read.report().can_roll_back);
}

#[test]
fn other_bytes_are_refused_and_none_panics() {
    let options = LearnOptions::default();
    let (learner, _) = learnt(&options);
    let bytes = learner.to_bytes();
    let refused = |bytes: &[u8], space: &Space| Learner::from_bytes(bytes, space, options.clone()).err();
    let kind = |bytes: &[u8]| refused(bytes, &space()).map(|error| error.kind());
    for end in (0..bytes.len()).step_by(61) {
        assert_eq!(kind(&bytes[..end]), Some(ErrorKind::InvalidArtefact), "{end}");
    }
    let version = [b"PLLEARN2", &bytes[8..]].concat();
    let error = refused(&version, &space()).unwrap();
    assert_eq!(error.to_string(), "stored learning: expected bytes that begin with PLLEARN3, got others");
    for other in [
        Space { encoder: "another".to_string(), ..space() },
        Space { labels: vec!["ham".to_string(), "eggs".to_string()], ..space() },
    ] {
        assert_eq!(refused(&bytes, &other).map(|error| error.kind()), Some(ErrorKind::InvalidInput));
    }
    // Whatever the bytes are, what was read can be gone on with.
    let mut random = Random(3);
    for _ in 0..3000 {
        let mut broken = bytes.clone();
        for _ in 0..1 + (random.next() * 3.0) as usize {
            // What comes after the examples is what this file reads.
            let tail = broken.len() / 2;
            let at = tail + (random.next() * tail as f64) as usize;
            broken[at] = (random.next() * 256.0) as u8;
        }
        if let Ok(mut read) = Learner::from_bytes(&broken, &space(), options.clone()) {
            let mut random = Random(1);
            (0..20).for_each(|_| _ = step(&mut read, &mut random));
        }
    }
}

#[test]
fn texts_are_kept_where_that_is_wanted_and_forgotten_where_it_is_not_any_more() {
    let keeps = LearnOptions { keep_texts: true, ..LearnOptions::default() };
    for (options, kept) in [(&keeps, 1), (&LearnOptions::default(), 0)] {
        let mut learner = learner(options);
        let embedding = vec![0.5; WIDTH];
        let decision = learner.decide(&embedding, 1.0, 0.5).unwrap();
        let text = Some("rain".to_string());
        let observation = Observation {
            embedding,
            decision,
            labels: 1.into(),
            agreement: 1.0,
            source: 0,
            time_ms: 1.0,
            key: 0.25,
            text,
        };
        let read = Observation::from_bytes(&observation.to_bytes(&space()), &space()).unwrap();
        read.give(&mut learner).unwrap();
        assert_eq!(learner.report().texts, kept);
        let bytes = learner.to_bytes();
        assert_eq!(bytes.windows(4).any(|four| four == b"rain"), kept == 1);
        let texts =
            |options: &LearnOptions| Learner::from_bytes(&bytes, &space(), options.clone()).unwrap().report().texts;
        assert_eq!((texts(&keeps), texts(&LearnOptions::default())), (kept, 0));
    }
}

#[test]
fn the_layout_is_that_of_its_version() {
    // If one of the stored types changes, MAGIC gets another digit, and this number is counted anew.
    assert_eq!(learner(&LearnOptions::default()).to_bytes().len(), 2615);
}

#[test]
fn a_label_is_learnt_by_another_learner_as_by_the_one_that_asked() {
    let options = LearnOptions::default();
    let (mut one, mut other) = (learner(&options), learner(&options));
    let embedding = vec![0.5; WIDTH];
    let decision = one.decide(&embedding, 1.0, 0.5).unwrap();
    let (labels, time_ms, key) = (LabelSet::from(1), 2.0, 0.123_456_789);
    let observation = Observation { embedding, decision, labels, agreement: 1.0, source: 3, time_ms, key, text: None };
    let bytes = observation.to_bytes(&space());
    let read = Observation::from_bytes(&bytes, &space()).unwrap();
    assert_eq!(read, observation);
    observation.give(&mut one).unwrap();
    read.give(&mut other).unwrap();
    assert_eq!(one.store(), other.store());
    assert_eq!(one.store().examples()[0].origin.key, key);

    let space = |encoder: &str| Space { encoder: encoder.to_string(), ..space() };
    let kind = |bytes: &[u8], space: &Space| Observation::from_bytes(bytes, space).map_err(|error| error.kind());
    assert_eq!(kind(&bytes, &space("another")), Err(ErrorKind::InvalidInput));
    for end in 0..bytes.len() {
        assert_eq!(kind(&bytes[..end], &space("digest")), Err(ErrorKind::InvalidArtefact));
    }
    let wrong = Observation { labels: 2.into(), ..observation };
    assert_eq!(kind(&wrong.to_bytes(&space("digest")), &space("digest")), Err(ErrorKind::InvalidArtefact));
}
