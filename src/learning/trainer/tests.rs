use super::super::random::Random;
use super::super::store::{Origin, Space};
use super::*;

/// Three labels around three points of a plane, of which the last one has no example where `two` is set.
fn store(count: usize, two: bool) -> Store {
    let labels = ["a", "b", "c"].map(str::to_string).to_vec();
    let mut store =
        Store::new(Space { encoder: String::new(), width: 2, labels, multi_label: false }, 1 << 22).unwrap();
    let mut random = Random(4);
    for at in 0..count {
        let label = at % if two { 2 } else { 3 };
        let (x, y) = [(1.0, 0.0), (0.0, 1.0), (-1.0, -1.0)][label];
        let embedding = vec![(x + random.normal() * 0.5) as f32, (y + random.normal() * 0.5) as f32];
        let origin = Origin {
            labels: label.into(),
            propensity: 1.0,
            agreement: 1.0,
            source: at as u64,
            head: 0,
            time_ms: 0.0,
            key: random.next(),
        };
        store.add(Example { embedding, origin, text: None }).unwrap();
    }
    store
}

fn same(_: &Example) -> Weight {
    Weight { training: 1.0, population: 1.0 }
}

fn train(store: &Store, weigh: impl Fn(&Example) -> Weight) -> Trained {
    let mut trainer = Trainer::new(store, weigh).unwrap();
    loop {
        if let Some(trained) = trainer.work(u64::MAX) {
            return trained;
        }
    }
}

fn accuracy(head: &Linear, store: &Store) -> f64 {
    let right =
        |example: &&Example| super::super::predict(head, &example.embedding, false).labels == example.origin.labels;
    store.examples().iter().filter(right).count() as f64 / store.examples().len() as f64
}

/// The value and gradient of all examples.
fn evaluate(trainer: &Trainer, point: &[f64]) -> (f64, Vec<f64>) {
    let mut sum = Sum { point: point.iter().map(|&x| x as f32).collect(), ..Sum::default() };
    sum.gradient = vec![0.0; point.len()];
    sum.blocks = (0..FOLDS).flat_map(|fold| trainer.rows.blocks(fold)).collect();
    while trainer.rows.add(&mut sum) > 0 {}
    (sum.value, sum.gradient)
}

/// The gradient at `point` is the slope of the value.
fn check_gradient(trainer: &Trainer, point: &[f64], tolerance: f64) {
    let (_, gradient) = evaluate(trainer, point);
    for i in 0..point.len() {
        let value = |step: f64| {
            let mut moved = point.to_vec();
            moved[i] += step;
            evaluate(trainer, &moved).0
        };
        let slope = (value(1e-2) - value(-1e-2)) / 2e-2;
        assert!((slope - gradient[i]).abs() < tolerance, "component {i}: {slope} and {}", gradient[i]);
    }
}

#[test]
fn the_gradient_is_that_of_the_value() {
    let weigh = |example: &Example| Weight { training: 0.5 + example.origin.key, population: 1.0 };
    let trainer = Trainer::new(&store(60, false), weigh).unwrap();
    let point: Vec<f64> = (0..9).map(|i| (f64::from(i) * 0.7).sin()).collect();
    check_gradient(&trainer, &point, 2e-2);
}

/// The head with the strength `l2`.
fn with_strength(store: &Store, l2: f64, weigh: impl Fn(&Example) -> Weight) -> Linear {
    let mut trainer = Trainer::new(store, weigh).unwrap();
    let optima = trainer.starts.clone();
    trainer.best = Some(Best { l2, loss: 0.0, outcomes: Vec::new(), optima });
    trainer.fold = FOLDS;
    trainer.begin();
    // As near to the optimum as 32 bits allow.
    trainer.search = Search::new(trainer.starts[0].clone(), Limits { tolerance: 1e-5, iterations: 200 });
    loop {
        if let Some(trained) = trainer.work(u64::MAX) {
            return trained.head;
        }
    }
}

fn largest_difference(one: &Linear, other: &Linear) -> f32 {
    let numbers = |head: &Linear| head.weight.iter().chain(&head.bias).copied().collect::<Vec<f32>>();
    let pairs = numbers(one).into_iter().zip(numbers(other));
    pairs.map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f32::max)
}

/// Without weights it is what [`crate::training::fit`] minimises, whose optimum is compared with scipy's and scikit-learn's.
#[test]
fn the_optimum_is_that_of_training_in_double_precision() {
    let store = store(300, false);
    let features: Vec<f32> = store.examples().iter().flat_map(|example| example.embedding.clone()).collect();
    let labels: Vec<usize> = store.examples().iter().map(|example| example.origin.labels.indices()[0]).collect();
    let examples =
        crate::training::Examples { features: &features, width: 2, labels: &labels, classes: 3, groups: None };
    for l2 in [0.3, 0.03] {
        let exact = crate::training::fit(&examples, l2).unwrap();
        let found = with_strength(&store, l2, same);
        assert!(largest_difference(&found, &exact) < 2e-3, "{found:?} and {exact:?}");
    }
}

/// Texts with any of three labels, each of which moves them in a direction of its own.
fn sets(count: usize) -> Store {
    let labels = ["a", "b", "c"].map(str::to_string).to_vec();
    let space = Space { encoder: String::new(), width: 3, labels, multi_label: true };
    let (mut store, mut random) = (Store::new(space, 1 << 22).unwrap(), Random(9));
    for at in 0..count {
        let mut embedding: Vec<f32> = (0..3).map(|_| 0.4 * random.normal() as f32).collect();
        let labels: Vec<usize> = (0..3).filter(|_| random.next() < 0.4).collect();
        labels.iter().for_each(|label| embedding[*label] += 1.0);
        let (labels, key) = (labels.into(), random.next());
        let origin = Origin { labels, propensity: 1.0, agreement: 1.0, source: at as u64, head: 0, time_ms: 0.0, key };
        store.add(Example { embedding, origin, text: None }).unwrap();
    }
    store
}

#[test]
fn of_several_labels_each_has_the_regression_that_it_has_by_itself() {
    let store = sets(300);
    let weigh = |example: &Example| Weight { training: 0.5 + example.origin.key, population: 1.0 };
    let trainer = Trainer::new(&store, weigh).unwrap();
    let point: Vec<f64> = (0..12).map(|i| (f64::from(i) * 0.7).sin()).collect();
    check_gradient(&trainer, &point, 5e-2);
    let features: Vec<f32> = store.examples().iter().flat_map(|example| example.embedding.clone()).collect();
    for l2 in [0.3, 0.03] {
        let found = with_strength(&store, l2, same);
        for label in 0..3 {
            let has = |example: &Example| usize::from(example.origin.labels.indices().contains(&label));
            let labels: Vec<usize> = store.examples().iter().map(has).collect();
            let examples =
                crate::training::Examples { features: &features, width: 3, labels: &labels, classes: 2, groups: None };
            // Two opposite rows in place of one: half the penalty each on half of the weights, in squares.
            let exact = crate::training::fit(&examples, 2.0 * l2).unwrap();
            let difference = |of: &[f32]| of[of.len() / 2..].iter().zip(of).map(|(one, other)| one - other).collect();
            let exact = Linear { weight: difference(&exact.weight), bias: difference(&exact.bias) };
            let found = Linear {
                weight: found.weight[3 * label..3 * label + 3].to_vec(),
                bias: found.bias[label..label + 1].to_vec(),
            };
            assert!(largest_difference(&found, &exact) < 2e-3, "{found:?} and {exact:?}");
        }
    }
}

#[test]
fn cross_validation_says_how_often_a_set_is_wrong() {
    let store = sets(900);
    let trained = train(&store, same);
    let right = |example: &&Example| {
        super::super::predict(&trained.head, &example.embedding, true).labels == example.origin.labels
    };
    let found = store.examples().iter().filter(right).count() as f64 / 900.0;
    let wrong = trained.outcomes.iter().filter(|outcome| outcome.wrong).count() as f64 / 900.0;
    assert!(found > 0.5 && (1.0 - wrong - found).abs() < 0.03, "{found} and {wrong} wrong");
    // The surer a set the seldomer it is wrong.
    let mut outcomes = trained.outcomes;
    outcomes.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let wrong = |of: &[Outcome]| of.iter().filter(|outcome| outcome.wrong).count();
    let (sure, unsure) = (wrong(&outcomes[..450]), wrong(&outcomes[450..]));
    assert!(sure * 2 < unsure, "{sure} of the surer half and {unsure} of the other are wrong");
}

#[test]
fn pieces_of_any_size_give_the_same_head() {
    let store = store(200, false);
    let whole = train(&store, same);
    let mut trainer = Trainer::new(&store, same).unwrap();
    let mut pieces = 1;
    let in_pieces = loop {
        if let Some(trained) = trainer.work(BLOCK as u64 * 4 * 6) {
            break trained;
        }
        pieces += 1;
    };
    assert!(pieces > 50, "{pieces}");
    assert_eq!(whole.head, in_pieces.head);
    assert!(whole.outcomes == in_pieces.outcomes);
}

#[test]
fn a_head_is_right_and_cross_validation_says_how_often() {
    let store = store(600, false);
    let trained = train(&store, same);
    let found = accuracy(&trained.head, &store);
    let wrong = trained.outcomes.iter().filter(|outcome| outcome.wrong).count() as f64 / 600.0;
    assert!(found > 0.9 && trained.outcomes.len() == 600, "{found}");
    assert!((1.0 - wrong - found).abs() < 0.03, "{found} and {wrong} wrong");
    assert!(STRENGTHS.contains(&trained.l2) && trained.log_loss < 0.5 && trained.operations > 0);
}

#[test]
fn a_label_without_examples_is_unlikely_and_not_impossible() {
    let head = train(&store(90, true), same).head;
    assert!(head.weight.iter().chain(&head.bias).all(|number| number.is_finite()));
    assert_ne!(super::super::predict(&head, &[1.0, 0.0], false).labels, LabelSet::from(2));
    assert!(head.bias[2] > -20.0);
}

#[test]
fn examples_that_weigh_nothing_teach_nothing() {
    let mut all = store(300, false);
    let mut random = Random(8);
    // As many more with wrong labels.
    for example in all.examples().to_vec() {
        let labels = ((example.origin.labels.indices()[0] + 1) % 3).into();
        let origin = Origin {
            labels,
            agreement: 0.01,
            key: random.next(),
            source: 1000 + all.examples().len() as u64,
            ..example.origin
        };
        all.add(Example { origin, ..example }).unwrap();
    }
    let weighed = train(&all, |example| Weight { training: example.origin.agreement, population: 1.0 });
    let clean = store(300, false);
    assert!(accuracy(&weighed.head, &clean) > 0.9);
    assert!(accuracy(&weighed.head, &clean) > accuracy(&train(&all, same).head, &clean));
}

#[test]
fn a_search_near_the_last_strength_finds_the_same_head() {
    let store = store(400, false);
    let whole = train(&store, same);
    let mut near = Trainer::new(&store, same).unwrap().starting_near(whole.l2);
    let found = loop {
        if let Some(trained) = near.work(u64::MAX) {
            break trained;
        }
    };
    assert_eq!(found.l2, whole.l2);
    assert!(found.operations <= whole.operations);
    assert!(largest_difference(&found.head, &whole.head) < 0.02);
}

#[test]
fn one_label_alone_is_not_trained_on() {
    let mut one = store(30, true);
    one.clear();
    assert!(Trainer::new(&one, same).is_none());
    let origin =
        Origin { labels: 0.into(), propensity: 1.0, agreement: 1.0, source: 0, head: 0, time_ms: 0.0, key: 0.5 };
    one.add(Example { embedding: vec![1.0, 0.0], origin, text: None }).unwrap();
    assert!(Trainer::new(&one, same).is_none());
}

#[test]
fn equal_embeddings_give_finite_numbers() {
    let mut same_text = store(30, true);
    let examples = same_text.examples().to_vec();
    same_text.clear();
    for example in examples {
        same_text.add(Example { embedding: vec![0.6, 0.8], ..example }).unwrap();
    }
    let head = train(&same_text, same).head;
    assert!(head.weight.iter().chain(&head.bias).all(|number| number.is_finite()));
}
