use super::*;

/// Twelve rows of three features in three classes; the last feature never changes.
#[rustfmt::skip]
const FEATURES: [f32; 36] = [
    0.5, 10.0, 1.0,  1.5, 12.0, 1.0,  1.0, 14.0, 1.0,  2.0, 11.0, 1.0,
    3.0, 20.0, 1.0,  3.5, 24.0, 1.0,  2.5, 22.0, 1.0,  4.0, 19.0, 1.0,
    5.0, 13.0, 1.0,  6.0, 17.0, 1.0,  4.5, 15.0, 1.0,  1.8, 21.0, 1.0,
];
const LABELS: [usize; 12] = [0, 0, 0, 1, 1, 1, 0, 1, 2, 2, 2, 2];

fn twelve() -> Examples<'static> {
    Examples { features: &FEATURES, width: 3, labels: &LABELS, classes: 3, groups: None }
}

/// Two classes around two points, with noise from a fixed formula.
fn clouds(rows: usize) -> (Vec<f32>, Vec<usize>) {
    let labels: Vec<usize> = (0..rows).map(|row| row % 2).collect();
    let noise = |row: usize, column: usize| ((row * 37 + column * 101) as f32 * 12.9898).sin();
    let features = (0..rows * 4).map(|i| noise(i / 4, i % 4) + labels[i / 4] as f32 * 0.7).collect();
    (features, labels)
}

fn message(result: Result<impl std::fmt::Debug, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn the_gradient_is_that_of_the_value() {
    let examples = twelve();
    let rows: Vec<usize> = (0..12).collect();
    let problem = Problem::new(&examples, &rows, 0.05).unwrap();
    let point: Vec<f64> = (0..12).map(|i| (i as f64 * 0.7).sin()).collect();
    let mut gradient = vec![0.0; 12];
    problem.evaluate(&point, &mut gradient);

    let value = |point: &[f64]| problem.evaluate(point, &mut [0.0; 12]);
    let step = 1e-5;
    for i in 0..12 {
        let (mut above, mut below) = (point.clone(), point.clone());
        above[i] += step;
        below[i] -= step;
        let slope = (value(&above) - value(&below)) / (2.0 * step);
        assert!((slope - gradient[i]).abs() < 1e-9, "component {i}: {slope} and {}", gradient[i]);
    }
}

/// The same objective minimised by scipy 1.17.1 (BFGS, largest component of the gradient 5e-11), which scikit-learn
/// 1.9.1's LogisticRegression (newton-cholesky, C = 1 / (12 · 0.05)) gives to all digits printed.
#[test]
fn the_optimum_is_the_one_that_others_find() {
    #[rustfmt::skip]
    let weight = [
        -0.70990103, -0.02182018, 0.0,
         0.11141532,  0.06174355, 0.0,
         0.59848571, -0.03992337, 0.0,
    ];
    let bias = [2.18691893, -1.11422625, -1.07269268];
    let head = fit(&twelve(), 0.05).unwrap();
    for (ours, theirs) in head.weight.iter().chain(&head.bias).zip(weight.iter().chain(&bias)) {
        assert!((f64::from(*ours) - theirs).abs() < 1e-6, "{ours} and {theirs}");
    }
    let scores = head.scores(&twelve()).unwrap();
    assert_eq!((scores.count, scores.accuracy), (12, 8.0 / 12.0));
    assert!((scores.log_loss - 0.729_116_732).abs() < 1e-6, "{}", scores.log_loss);
}

#[test]
fn the_scale_of_a_feature_does_not_matter() {
    let scaled: Vec<f32> = FEATURES.iter().map(|x| x * 1024.0).collect();
    let plain = fit(&twelve(), 0.05).unwrap();
    let other = fit(&Examples { features: &scaled, ..twelve() }, 0.05).unwrap();
    for (plain, other) in plain.weight.iter().zip(&other.weight) {
        assert!((plain - other * 1024.0).abs() < 1e-6);
    }
}

#[test]
fn the_same_input_gives_the_same_head() {
    let (features, labels) = clouds(200);
    let examples = Examples { features: &features, width: 4, labels: &labels, classes: 2, groups: None };
    let twice = [(); 2].map(|()| choose_l2(&examples, &L2_GRID, 7).unwrap());
    assert_eq!(twice[0], twice[1]);
    let twice = [(); 2].map(|()| fit(&examples, twice[0].best.l2).unwrap());
    assert_eq!(twice[0], twice[1]);
    assert!(twice[0].scores(&examples).unwrap().accuracy > 0.7);
}

#[test]
fn the_best_trial_has_the_least_log_loss() {
    let (features, labels) = clouds(200);
    let examples = Examples { features: &features, width: 4, labels: &labels, classes: 2, groups: None };
    let choice = choose_l2(&examples, &[1000.0, 0.01, 0.001], 7).unwrap();
    assert_eq!(choice.trials.len(), 3);
    assert_ne!(choice.best.l2, 1000.0);
    assert!(choice.trials.iter().all(|trial| trial.held_out.log_loss >= choice.best.held_out.log_loss));
    assert_eq!(choice.best.held_out.count, 40);
}

#[test]
fn a_group_is_never_split() {
    let groups: Vec<usize> = (0..100).map(|row| row / 10 * 3).collect();
    let (features, labels) = clouds(100);
    let examples = Examples { features: &features, width: 4, labels: &labels, classes: 2, groups: Some(&groups) };
    let (train, held_out) = examples.split(1).unwrap();
    assert_eq!((train.len(), held_out.len()), (80, 20));
    assert!(held_out.iter().all(|&held| train.iter().all(|&row| groups[row] != groups[held])));
    let other = (2..10).map(|seed| examples.split(seed).unwrap().1).find(|other| *other != held_out);
    assert!(other.is_some(), "the seed changes nothing");
}

#[test]
fn classes_that_are_easy_to_tell_apart_keep_finite_weights() {
    let features: Vec<f32> = (0..20).map(|row| if row % 2 == 0 { -1.0 } else { 1.0 }).collect();
    let labels: Vec<usize> = (0..20).map(|row| row % 2).collect();
    let examples = Examples { features: &features, width: 1, labels: &labels, classes: 2, groups: None };
    let head = fit(&examples, 3e-5).unwrap();
    assert_eq!(head.scores(&examples).unwrap().accuracy, 1.0);
    assert_eq!(head.weight[0], -head.weight[1]);
}

#[test]
fn features_without_a_signal_leave_the_classes_as_frequent_as_they_were() {
    let examples = Examples { features: &[2.0; 4], width: 1, labels: &[0, 0, 0, 1], classes: 2, groups: None };
    let head = fit(&examples, 0.01).unwrap();
    assert_eq!(head.weight, [0.0, 0.0]);
    assert!((head.bias[0] - head.bias[1] - 3_f32.ln()).abs() < 1e-6);
}

#[test]
fn bad_input_is_named() {
    let wrong = |change: &dyn Fn(&mut Examples<'static>)| {
        let mut examples = twelve();
        change(&mut examples);
        message(fit(&examples, 0.05))
    };
    assert_eq!(wrong(&|e| e.width = 4), "36 values are not 12 rows of width 4");
    assert_eq!(wrong(&|e| e.width = usize::MAX), format!("36 values are not 12 rows of width {}", usize::MAX));
    assert_eq!(wrong(&|e| e.labels = &[]), "there are no examples");
    assert_eq!(wrong(&|e| e.labels = &[0; 12]), "class 1 has no example to train on");
    assert_eq!(wrong(&|e| e.classes = 2), "row 8 has label 2, and there are 2 classes");
    assert_eq!(wrong(&|e| (e.classes, e.labels) = (1, &[0; 12])), "a head needs at least two classes");
    assert_eq!(wrong(&|e| e.classes = usize::MAX), format!("12 examples are too few for {} classes", usize::MAX));
    assert_eq!(wrong(&|e| e.groups = Some(&[1, 2])), "2 groups for 12 rows");

    for value in [f32::NAN, f32::INFINITY] {
        let mut features = FEATURES;
        features[7] = value;
        let result = fit(&Examples { features: &features, ..twelve() }, 0.05);
        assert_eq!(message(result), "feature 1 of row 2 is not a finite number");
    }
    for l2 in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(message(fit(&twelve(), l2)).contains("must be positive"));
    }
}

#[test]
fn too_little_to_hold_some_out_is_named() {
    let groups = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3];
    let result = choose_l2(&Examples { groups: Some(&groups), ..twelve() }, &[0.1], 0);
    assert_eq!(message(result), "4 groups are too few to hold some out");
    assert_eq!(message(choose_l2(&twelve(), &[], 0)), "no strength of the penalty to choose from");
}

#[test]
fn a_head_scores_only_what_fits_it() {
    let head = fit(&twelve(), 0.05).unwrap();
    let narrow = Examples { features: &[1.0, 2.0], width: 2, labels: &[0], classes: 3, groups: None };
    assert_eq!(message(head.scores(&narrow)), "a head of 3 classes and 9 weights cannot score 3 classes of width 2");
}
