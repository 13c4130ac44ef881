//! Texts that have several labels, or none.

use super::super::random::Random;
use super::super::*;
use crate::error::ErrorKind;

const LABELS: [&str; 3] = ["billing", "technical", "urgent"];
const WIDTH: usize = 5;
/// How often each of them applies, independently of the others.
const SHARES: [f64; 3] = [0.5, 0.3, 0.15];

/// Texts whose embeddings are sums of a direction for each of their labels; the remote model gives one label more or less than
/// is right for a part.
struct Source {
    spread: f64,
    remote_error: f64,
    random: Random,
}

impl Source {
    /// An embedding, its labels, and what the remote model says.
    fn draw(&mut self) -> (Vec<f32>, Vec<usize>, Vec<usize>) {
        let applies = SHARES.map(|share| self.random.next() < share);
        let mut embedding: Vec<f32> = (0..WIDTH).map(|_| (self.spread * self.random.normal()) as f32).collect();
        embedding.iter_mut().zip(applies).for_each(|(x, applies)| *x += f32::from(u8::from(applies)));
        let labels = |applies: [bool; 3]| (0..3).filter(|at| applies[*at]).collect::<Vec<_>>();
        let mut remote = applies;
        if self.random.next() < self.remote_error {
            let at = (self.random.next() * 3.0) as usize;
            remote[at] = !remote[at];
        }
        (embedding, labels(applies), labels(remote))
    }

    /// The part of what stays at home whose labels are not those of the remote model.
    fn risk(&mut self, head: &crate::training::Linear, threshold: f32) -> f64 {
        let (mut local, mut differs) = (0.0_f64, 0.0);
        for _ in 0..4000 {
            let (embedding, _, remote) = self.draw();
            let found = predict(head, &embedding, true);
            if found.confidence >= threshold {
                local += 1.0;
                differs += f64::from(u8::from(found.labels != remote.into()));
            }
        }
        differs / local.max(1.0)
    }
}

fn space() -> Space {
    let labels = LABELS.map(str::to_string).to_vec();
    Space { encoder: "digest".to_string(), width: WIDTH, labels, multi_label: true }
}

fn learner(options: LearnOptions) -> Learner {
    // As good as no head: of three directions that have nothing to do with the labels.
    let start: Vec<Vec<f32>> =
        (0..3).map(|label| (0..WIDTH).map(|at| ((at * 5 + label * 3) as f32).sin()).collect()).collect();
    let store = options.store(space()).unwrap();
    Learner::new(store, zero_shot_each(&start).unwrap(), options).unwrap()
}

fn names(labels: &[usize]) -> Vec<&'static str> {
    labels.iter().map(|label| LABELS[*label]).collect()
}

/// Gives the answer of the remote model to a text, if it is asked, and trains; returns whether the text was sent.
fn step(learner: &mut Learner, embedding: &[f32], remote: &[usize], random: &mut Random) -> bool {
    let decision = learner.decide(embedding, 0.0, random.next()).unwrap();
    let sent = decision.route != Route::Local;
    if sent {
        let answer = RemoteLabels { labels: &names(remote), agreement: 1.0, source: 0 };
        learner.observe(embedding, &decision, answer, 0.0, random.next()).unwrap();
    }
    while learner.work(u64::MAX).unwrap() {}
    sent
}

/// Of streams: how many break the promise when a head or threshold takes over, and the part of the first and the last third
/// of the texts that is sent.
fn run(streams: u64, texts: usize, spread: f64, options: &LearnOptions, remote_error: f64) -> (usize, f64, f64) {
    let (mut broken, mut first, mut last) = (0, 0, 0);
    for seed in 0..streams {
        let mut source = Source { spread, remote_error, random: Random(seed + 100) };
        let mut learner = learner(options.clone());
        let (mut random, mut breaks) = (Random(seed + 900), false);
        for at in 0..texts {
            let before = (learner.version(), learner.in_charge().1);
            let (embedding, _, remote) = source.draw();
            let sent = usize::from(step(&mut learner, &embedding, &remote, &mut random));
            first += if at < texts / 3 { sent } else { 0 };
            last += if at >= texts * 2 / 3 { sent } else { 0 };
            if let (head, Some(threshold)) = learner.in_charge()
                && (learner.version(), Some(threshold)) != before
            {
                breaks |= source.risk(&head.clone(), threshold) > options.tested_alpha();
            }
        }
        broken += usize::from(breaks);
    }
    let share = |sent: usize| sent as f64 / (streams as f64 * texts as f64 / 3.0);
    (broken, share(first), share(last))
}

#[test]
fn sets_stay_at_home_and_the_promise_holds() {
    let (broken, first, last) = run(40, 1500, 0.25, &LearnOptions::default(), 0.0);
    // 4 expected at most; 9 or more of 40 have a chance of 3 % at a rate of 10 %.
    assert!(broken <= 8, "{broken} of 40 streams");
    assert!(last < 0.6 && last < 0.8 * first, "{first} of the first third and {last} of the last are sent");
}

#[test]
fn a_remote_model_that_forgets_labels_at_random_leaves_the_promise() {
    let options = LearnOptions { remote_error: 0.05, ..LearnOptions::default() };
    let (broken, first, last) = run(20, 2000, 0.18, &options, 0.05);
    assert!(broken <= 5, "{broken} of 20 streams");
    assert!(last < 0.7, "{first} of the first third and {last} of the last are sent");
}

#[test]
fn a_remote_model_that_answers_at_random_never_takes_over() {
    let mut learner = learner(LearnOptions::default());
    let mut source = Source { spread: 0.18, remote_error: 0.0, random: Random(1) };
    let mut random = Random(2);
    for _ in 0..1000 {
        let (embedding, ..) = source.draw();
        let remote: Vec<usize> = (0..3).filter(|_| random.next() < 0.5).collect();
        assert!(step(&mut learner, &embedding, &remote, &mut random));
    }
    assert!(learner.counters().trained > 2 && learner.counters().promoted == 0);
}

#[test]
fn labels_are_a_set_and_one_that_is_not_of_them_makes_an_answer_foreign() {
    let mut learner = learner(LearnOptions::default());
    let embedding = [0.5; WIDTH];
    let decision = learner.decide(&embedding, 0.0, 0.5).unwrap();
    let mut give = |labels: &[&str], key: f64| {
        let answer = RemoteLabels { labels, agreement: 1.0, source: 0 };
        learner.observe(&embedding, &decision, answer, 0.0, key).unwrap()
    };
    assert_eq!(give(&["urgent", "billing", "urgent"], 0.25), Event::Counted);
    assert_eq!(give(&[], 0.5), Event::Counted);
    assert_eq!(give(&["urgent", "another"], 0.75), Event::ForeignLabel);
    let report = learner.report();
    assert_eq!((report.multi_label, &report.examples[..], report.unlabelled), (true, &[1, 0, 1][..], 1));
    assert_eq!((report.counters.labels, report.counters.foreign_labels), (2, 1));
    let kept: Vec<&[usize]> = learner.store().examples().iter().map(|kept| kept.origin.labels.indices()).collect();
    assert_eq!(kept, [&[0, 2][..], &[]]);

    // Where each text has one label, two or none are no answer.
    let mut single = Learner::new(
        Store::new(Space { multi_label: false, ..space() }, 1 << 20).unwrap(),
        zero_shot(&[1.0, 2.0, 3.0].map(|x| vec![x; WIDTH])).unwrap(),
        LearnOptions::default(),
    )
    .unwrap();
    let decision = single.decide(&embedding, 0.0, 0.5).unwrap();
    for labels in [&["urgent", "billing"][..], &[]] {
        let answer = RemoteLabels { labels, agreement: 1.0, source: 0 };
        assert_eq!(single.observe(&embedding, &decision, answer, 0.0, 0.5).unwrap(), Event::ForeignLabel);
    }
}

#[test]
fn what_was_learnt_of_sets_goes_on_from_bytes_and_not_where_each_text_has_one_label() {
    let options = LearnOptions::default();
    let mut one = learner(options.clone());
    let mut source = Source { spread: 0.18, remote_error: 0.0, random: Random(1) };
    let mut random = Random(2);
    for _ in 0..700 {
        let (embedding, _, remote) = source.draw();
        step(&mut one, &embedding, &remote, &mut random);
    }
    assert!(one.in_charge().1.is_some());
    let bytes = one.to_bytes();
    let mut read = Learner::from_bytes(&bytes, &space(), options.clone()).unwrap();
    assert_eq!(read.to_bytes(), bytes);
    let mut again = Random(random.0);
    for _ in 0..300 {
        let (embedding, _, remote) = source.draw();
        let sent = step(&mut one, &embedding, &remote, &mut random);
        assert_eq!(step(&mut read, &embedding, &remote, &mut again), sent);
    }
    let single = Space { multi_label: false, ..space() };
    let refused = Learner::from_bytes(&bytes, &single, options).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert_eq!(refused.to_string(), "a store must have one label for a text, got one with all labels that apply");

    // A label that one tab leaves for another.
    let decision = one.decide(&[0.5; WIDTH], 0.0, 0.5).unwrap();
    let labels: LabelSet = [2, 0].into_iter().collect();
    let embedding = vec![0.5; WIDTH];
    let observation =
        Observation { embedding, decision, labels, agreement: 1.0, source: 0, time_ms: 0.0, key: 0.25, text: None };
    let bytes = observation.to_bytes(&space());
    assert_eq!(Observation::from_bytes(&bytes, &space()).unwrap(), observation);
    assert_eq!(Observation::from_bytes(&bytes, &single).unwrap_err().kind(), ErrorKind::InvalidInput);
    let before = one.store().examples().len();
    observation.give(&mut one).unwrap();
    assert_eq!(one.store().examples().len(), before + 1);
    for end in 0..bytes.len() {
        assert!(Observation::from_bytes(&bytes[..end], &space()).is_err());
    }
}
