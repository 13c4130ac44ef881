//! Against `tests/golden/calibration`, where others computed the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::coverage::{augrc, aurc, risk_coverage};
use super::metrics::{Binning, brier, ece, reliability};
use super::risk_control::{Choice, Guarantee, choose};
use super::{Calibration, Example, Labelled, Labels, Source, Temperature, calibrate, interval, p_value};
use crate::error::{ErrorKind, Result};
use crate::training::shuffle;

macro_rules! golden {
    ($name:literal) => {
        cases(include_str!(concat!("../../tests/golden/calibration/", $name)))
    };
}

fn cases<T: DeserializeOwned>(json: &str) -> BTreeMap<String, T> {
    let cases: BTreeMap<String, T> = serde_json::from_str(json).unwrap();
    assert!(!cases.is_empty());
    cases
}

fn examples(confidence: &[f64], correct: &[u8]) -> Vec<Example> {
    let pairs = confidence.iter().zip(correct);
    pairs.map(|(&confidence, &correct)| Example { confidence, correct: correct == 1 }).collect()
}

#[track_caller]
fn near(ours: f64, theirs: f64, name: &str) {
    assert!((ours - theirs).abs() <= 1e-12, "{name}: {ours} and {theirs}");
}

fn is_refused<T>(result: Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::InvalidInput)
}

#[test]
fn metrics_are_those_of_others() {
    #[derive(Deserialize)]
    struct Case {
        confidence: Vec<f64>,
        correct: Vec<u8>,
        ece_15: f64,
        ece_10: f64,
        ece_mass_15: f64,
        ece_mass_4: f64,
        brier: f64,
        reliability_10: Vec<(f64, f64)>,
        curve: Vec<(f64, f64, f64)>,
        aurc: f64,
        augrc: f64,
    }
    for (name, case) in golden!("metrics.json") {
        let case: Case = case;
        let examples = examples(&case.confidence, &case.correct);
        near(ece(&examples, Binning::EqualWidth(15)).unwrap(), case.ece_15, &name);
        near(ece(&examples, Binning::EqualWidth(10)).unwrap(), case.ece_10, &name);
        near(ece(&examples, Binning::EqualMass(15)).unwrap(), case.ece_mass_15, &name);
        near(ece(&examples, Binning::EqualMass(4)).unwrap(), case.ece_mass_4, &name);
        near(brier(&examples).unwrap(), case.brier, &name);
        let bins = reliability(&examples, Binning::EqualWidth(10)).unwrap();
        assert_eq!(bins.len(), case.reliability_10.len(), "{name}");
        for (ours, theirs) in bins.iter().zip(&case.reliability_10) {
            near(ours.mean_confidence, theirs.0, &name);
            near(ours.accuracy, theirs.1, &name);
        }
        let curve = risk_coverage(&examples).unwrap();
        assert_eq!(curve.len(), case.curve.len(), "{name}");
        for (ours, theirs) in curve.iter().zip(&case.curve) {
            near(ours.coverage, theirs.0, &name);
            near(ours.selective_risk, theirs.1, &name);
            near(ours.generalised_risk, theirs.2, &name);
        }
        near(aurc(&examples).unwrap(), case.aurc, &name);
        near(augrc(&examples).unwrap(), case.augrc, &name);
    }
}

/// The mean of -ln p of the right class.
fn nll(probabilities: &Labelled) -> f64 {
    let losses = probabilities.iter().map(|(row, label)| -row[label].ln());
    losses.sum::<f64>() / probabilities.labels.len() as f64
}

/// The mean over the rows of the squared differences of p from 1 for the right class and from 0 for the others.
fn multiclass_brier(probabilities: &Labelled) -> f64 {
    let truth = |class, label| if class == label { 1.0 } else { 0.0 };
    let squares = |(row, label): (&[f64], usize)| {
        row.iter().enumerate().map(|(class, p)| (p - truth(class, label)).powi(2)).sum::<f64>()
    };
    probabilities.iter().map(squares).sum::<f64>() / probabilities.labels.len() as f64
}

#[test]
fn temperatures_are_those_of_others() {
    #[derive(Deserialize)]
    struct Case {
        classes: usize,
        logits: Vec<f64>,
        labels: Vec<usize>,
        temperature: f64,
        least_nll: f64,
        known_temperature: f64,
        nll: f64,
        brier: f64,
    }
    for (name, case) in golden!("temperatures.json") {
        let case: Case = case;
        let labelled = |rows| Labelled { rows, classes: case.classes, labels: &case.labels };
        let probabilities = |temperature: Temperature| -> Vec<f64> {
            case.logits.chunks(case.classes).flat_map(|row| temperature.probabilities(row)).collect()
        };
        let known = probabilities(Temperature::new(case.known_temperature).unwrap());
        near(nll(&labelled(&known)), case.nll, &name);
        near(multiclass_brier(&labelled(&known)), case.brier, &name);

        let fitted = Temperature::fit(&labelled(&case.logits)).unwrap();
        near(nll(&labelled(&probabilities(fitted))), case.least_nll, &name);
        // A minimum is flat: a search by values, like theirs, finds its place to half of the digits.
        assert!((fitted.get() / case.temperature - 1.0).abs() < 1e-6, "{name}: {fitted:?} and {}", case.temperature);

        if case.classes == 2 {
            let odds: Vec<f64> = case.logits.chunks(2).map(|row| row[1] - row[0]).collect();
            let yes: Vec<bool> = case.labels.iter().map(|label| *label == 1).collect();
            near(Temperature::fit_binary(&odds, &yes).unwrap().get(), fitted.get(), &name);
            near(fitted.probability(odds[0]), fitted.probabilities(&case.logits[..2])[1], &name);
        }
    }
}

#[test]
fn p_values_are_those_of_others() {
    #[derive(Deserialize)]
    struct Case {
        counts: Vec<(usize, usize)>,
        binary: Vec<f64>,
    }
    for (alpha, case) in golden!("p_values.json") {
        let case: Case = case;
        let level: f64 = alpha.parse().unwrap();
        // Far out in the tail they are still the same in proportion.
        let same = |ours: f64, theirs: f64| (ours - theirs).abs() <= 1e-9 * theirs;
        for (&(wrong, n), &theirs) in case.counts.iter().zip(&case.binary) {
            let ours = p_value(wrong, n, level);
            assert!(same(ours, theirs), "{wrong} of {n} at {alpha}: {ours} and {theirs}");
        }
    }
    assert_eq!(p_value(0, 0, 0.1), 1.0, "no examples prove nothing");
}

#[test]
fn thresholds_are_those_of_others() {
    #[derive(Deserialize)]
    struct Case {
        alpha: f64,
        delta: f64,
        pilot: Vec<f64>,
        confidence: Vec<f64>,
        correct: Vec<u8>,
        learn_then_test: Option<(f64, f64, f64)>,
        conformal_risk_control: Option<(f64, f64, f64)>,
    }
    for (name, case) in golden!("choices.json") {
        let Case { alpha, delta, .. } = case;
        let case: Case = case;
        let examples = examples(&case.confidence, &case.correct);
        for (promise, theirs) in [
            (Guarantee::LearnThenTest { alpha, delta }, case.learn_then_test),
            (Guarantee::ConformalRiskControl { alpha }, case.conformal_risk_control),
        ] {
            match (choose(&examples, &case.pilot, promise).unwrap(), theirs) {
                (Choice::Holds { threshold, coverage, risk, n }, Some(theirs)) => {
                    assert_eq!(n, examples.len());
                    near(threshold, theirs.0, &name);
                    near(coverage, theirs.1, &name);
                    near(risk, theirs.2, &name);
                }
                (Choice::NoneHolds { .. }, None) => {}
                (ours, theirs) => panic!("{name}, {promise:?}: {ours:?} and {theirs:?}"),
            }
        }
    }
}

/// `right` right answers and `wrong` wrong ones, all of one confidence.
fn alike(confidence: f64, right: usize, wrong: usize) -> Vec<Example> {
    (0..right + wrong).map(|i| Example { confidence, correct: i < right }).collect()
}

#[test]
fn what_would_do_is_said_where_none_holds() {
    let promise = Guarantee::LearnThenTest { alpha: 0.05, delta: 0.1 };
    let more = |right, wrong| match choose(&alike(0.9, right, wrong), &[0.9], promise).unwrap() {
        Choice::NoneHolds { more, n } => {
            assert_eq!(n, right + wrong);
            more
        }
        Choice::Holds { .. } => panic!("{wrong} of {} hold", right + wrong),
    };
    assert_eq!(more(90, 10), None, "a tenth is wrong, whatever the number");
    let (few, some) = (more(10, 0).unwrap(), more(40, 0).unwrap());
    assert!(few > some && some >= 5, "{few} and {some}: with 45 of 45 right it would hold");
    let Choice::Holds { coverage, risk, .. } = choose(&alike(0.9, 45, 0), &[0.9], promise).unwrap() else {
        panic!("45 of 45")
    };
    assert_eq!((coverage, risk), (1.0, 0.0));

    let promise = Guarantee::ConformalRiskControl { alpha: 0.05 };
    let none = choose(&alike(0.9, 18, 0), &[], promise).unwrap();
    assert!(matches!(none, Choice::NoneHolds { more: Some(_), .. }), "one more wrong one may come: {none:?}");
    assert!(matches!(choose(&alike(0.9, 19, 0), &[], promise).unwrap(), Choice::Holds { .. }));
}

#[test]
fn the_curve_has_a_point_for_each_confidence() {
    let examples = examples(&[0.9, 0.6, 0.9, 0.7], &[1, 0, 0, 1]);
    let curve = risk_coverage(&examples).unwrap();
    let points: Vec<[f64; 4]> =
        curve.iter().map(|p| [p.threshold, p.coverage, p.selective_risk, p.generalised_risk]).collect();
    assert_eq!(points, [[0.9, 0.5, 0.5, 0.25], [0.7, 0.75, 1.0 / 3.0, 0.25], [0.6, 1.0, 0.5, 0.5]]);
}

#[test]
fn bins_say_what_is_in_them() {
    let examples = examples(&[0.1, 0.5, 0.5, 1.0], &[0, 1, 0, 1]);
    let bins = reliability(&examples, Binning::EqualWidth(2)).unwrap();
    assert_eq!(bins.len(), 2);
    assert_eq!((bins[0].from, bins[0].to, bins[0].count), (0.0, 0.5, 3));
    assert_eq!((bins[1].mean_confidence, bins[1].accuracy), (1.0, 1.0));
}

#[test]
fn bad_input_is_refused() {
    let good = alike(0.9, 3, 1);
    for confidence in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        let bad = alike(confidence, 1, 0);
        assert!(is_refused(ece(&bad, Binning::EqualWidth(15))) && is_refused(brier(&bad)) && is_refused(augrc(&bad)));
        assert!(is_refused(choose(&bad, &[0.9], Guarantee::ConformalRiskControl { alpha: 0.1 })));
        assert!(is_refused(choose(&good, &[confidence], Guarantee::LearnThenTest { alpha: 0.1, delta: 0.1 })));
    }
    assert!(is_refused(aurc(&[])) && is_refused(ece(&good, Binning::EqualMass(0))));
    assert!(is_refused(choose(&good, &[], Guarantee::LearnThenTest { alpha: 0.1, delta: 0.1 })), "no pilot");
    for number in [0.0, 1.0, f64::NAN] {
        assert!(is_refused(choose(&good, &[0.9], Guarantee::LearnThenTest { alpha: 0.1, delta: number })));
        assert!(is_refused(choose(&good, &[0.9], Guarantee::ConformalRiskControl { alpha: number })));
    }
    assert!(is_refused(Temperature::new(0.0)) && is_refused(Temperature::new(f64::NAN)));
    assert!(serde_json::from_str::<Temperature>("-1").is_err());
}

#[test]
fn a_promise_is_written_as_its_method_and_numbers() {
    let json = r#"{"method":"learn-then-test","alpha":0.05,"delta":0.1}"#;
    let promise: Guarantee = serde_json::from_str(json).unwrap();
    assert_eq!(promise, Guarantee::LearnThenTest { alpha: 0.05, delta: 0.1 });
    assert_eq!(serde_json::to_string(&promise).unwrap(), json);
    assert!(
        serde_json::from_str::<Guarantee>(r#"{"method":"conformal-risk-control","alpha":0.05,"delta":0.1}"#).is_err()
    );
}

#[test]
fn no_temperature_is_made_up() {
    let refusal = |rows: &[f64], classes, labels: &[usize]| {
        Temperature::fit(&Labelled { rows, classes, labels }).unwrap_err().to_string()
    };
    let rows = [1.0, 0.0, 0.5, 1.0];
    assert!(refusal(&rows, 2, &[0, 0]).contains("class 0"));
    assert!(refusal(&rows, 2, &[0, 1]).contains("right on all"));
    assert!(refusal(&rows, 2, &[1, 0]).contains("chance"));
    assert!(refusal(&rows, 2, &[0, 2]).contains("label 2"));
    assert!(refusal(&rows, 2, &[0]).contains("4 numbers"));
    assert!(refusal(&rows, 1, &[0; 4]).contains("1 classes"));
    assert!(refusal(&[f64::NAN; 4], 2, &[0, 1]).contains("NaN"));
    assert!(refusal(&[], 2, &[]).contains("at least one example"));
}

fn any_examples() -> impl Strategy<Value = Vec<Example>> {
    // Rounded, so that there are ties.
    let example = (0_u8..=20, any::<bool>());
    let example = example.prop_map(|(tick, correct)| Example { confidence: f64::from(tick) / 20.0, correct });
    prop::collection::vec(example, 1..200)
}

proptest! {
    #[test]
    fn what_is_chosen_is_what_the_examples_show(examples in any_examples(), alpha in 0.01..0.9_f64, delta in 0.01..0.9_f64) {
        let pilot = [0.2, 0.8];
        for promise in [Guarantee::LearnThenTest { alpha, delta }, Guarantee::ConformalRiskControl { alpha }] {
            if let Choice::Holds { threshold, coverage, risk, n } = choose(&examples, &pilot, promise).unwrap() {
                let local: Vec<&Example> = examples.iter().filter(|example| example.confidence >= threshold).collect();
                let wrong = local.iter().filter(|example| !example.correct).count();
                prop_assert_eq!(coverage, local.len() as f64 / n as f64);
                let (kept, base) = match promise {
                    Guarantee::LearnThenTest { .. } => (p_value(wrong, local.len(), alpha) <= delta, local.len()),
                    Guarantee::ConformalRiskControl { .. } => (risk < alpha, n),
                };
                prop_assert!(kept);
                prop_assert_eq!(risk, wrong as f64 / base as f64);
            }
        }
    }

    #[test]
    fn the_order_of_examples_does_not_matter(mut examples in any_examples()) {
        let promise = Guarantee::LearnThenTest { alpha: 0.3, delta: 0.3 };
        let all = |examples: &[Example]| (choose(examples, &[0.5], promise).unwrap(), augrc(examples).unwrap(), aurc(examples).unwrap());
        let before = all(&examples);
        examples.reverse();
        prop_assert_eq!(before, all(&examples));
    }

    #[test]
    fn a_fitted_temperature_beats_its_neighbours(rows in prop::collection::vec((-5.0..5.0_f64, any::<bool>()), 2..60)) {
        let (logits, labels): (Vec<f64>, Vec<bool>) = rows.into_iter().unzip();
        if let Ok(fitted) = Temperature::fit_binary(&logits, &labels) {
            let loss = |t: f64| -> f64 {
                let t = Temperature::new(t).unwrap();
                logits.iter().zip(&labels).map(|(z, yes)| -t.probability(if *yes { *z } else { -z }).ln()).sum()
            };
            let least = loss(fitted.get());
            prop_assert!(least <= loss(fitted.get() * 1.01) + 1e-9 && least <= loss(fitted.get() / 1.01) + 1e-9);
        }
    }
}

#[test]
fn a_report_holds_what_its_parts_say() {
    // Twice as sure as it should be: of two classes, logits that are twice too large.
    let uniform = |seed| {
        let mut order: Vec<usize> = (0..2000).collect();
        shuffle(&mut order, seed);
        order.into_iter().map(|at| (at as f64 + 0.5) / 2000.0)
    };
    let examples: Vec<Example> = uniform(1)
        .zip(uniform(2))
        .map(|(sure, luck)| {
            let honest = 0.5 + sure / 2.0;
            let odds = 2.0 * (honest / (1.0 - honest)).ln();
            Example { confidence: 1.0 / (1.0 + (-odds).exp()), correct: luck < honest }
        })
        .collect();
    let guarantee = Guarantee::LearnThenTest { alpha: 0.1, delta: 0.1 };
    let report = calibrate(&examples, guarantee).unwrap();
    assert!((report.temperature - 2.0).abs() < 0.3, "{}", report.temperature);
    assert!(report.after.ece < 0.03 && report.before.ece > 0.06, "{} and {}", report.after.ece, report.before.ece);
    assert_eq!((report.pilot, report.quantiles.len()), (400, 21));
    assert_eq!(report.labels, Labels { given: 2000, ..Labels::default() });
    let Choice::Holds { threshold, coverage, n, .. } = report.choice else { panic!("{:?}", report.choice) };
    assert!(n == 1600 && threshold > 0.5 && (0.1..0.9).contains(&coverage), "{threshold} {coverage}");
    assert!(is_refused(calibrate(&examples[..4], guarantee)));
}

#[test]
fn a_calibration_is_one_models_own() {
    let source = Source {
        data_sha256: "d".repeat(64),
        weights_sha256: Some("ab".repeat(32)),
        behind: vec![],
        hypotheses: Vec::new(),
        date: "2026-11-25".to_string(),
    };
    let examples: Vec<Example> = (0..500)
        .map(|row| Example { confidence: if row % 9 == 0 { 0.6 } else { 0.95 }, correct: row % 18 != 0 })
        .collect();
    let report = calibrate(&examples, Guarantee::LearnThenTest { alpha: 0.1, delta: 0.1 }).unwrap();
    let calibration = Calibration::of(&report, source).unwrap();
    assert!(calibration.check(Some(&"AB".repeat(32))).is_ok() && calibration.check(None).is_ok());
    let error = calibration.check(Some(&"cd".repeat(32))).unwrap_err();
    assert!(
        error.kind() == ErrorKind::InvalidArtefact && error.to_string().contains("pilot-light calibrate"),
        "{error}"
    );
    for wrong in [
        Calibration { temperature: 0.0, ..calibration.clone() },
        Calibration { threshold: 1.5, ..calibration.clone() },
        Calibration { quantiles: vec![0.9, 0.1], ..calibration.clone() },
        Calibration { quantiles: vec![f64::NAN; 21], ..calibration },
    ] {
        assert!(wrong.check(None).is_err());
    }
}

/// scipy.stats.binomtest(k, n).proportion_ci(0.95, method='exact')
#[test]
fn intervals_of_a_share_are_those_of_scipy() {
    let cases = [
        (0, 1, 0.0, 0.975),
        (1, 1, 0.025000000000000022, 1.0),
        (0, 20, 0.0, 0.16843347098308548),
        (20, 20, 0.8315665290169145, 1.0),
        (38, 40, 0.8308031360405823, 0.9938863534006533),
        (190, 200, 0.9099724622984412, 0.9757658345278917),
        (3, 1000, 0.0006190999316499173, 0.008742023238657654),
    ];
    for (k, n, low, high) in cases {
        let found = interval(k, n, 0.05);
        assert!((found.0 - low).abs() < 1e-9 && (found.1 - high).abs() < 1e-9, "{k} of {n}: {found:?}");
    }
}

#[test]
fn where_labels_come_from_is_said() {
    let labels = Labels { given: 3, ..Labels::default() };
    assert_eq!(labels.to_string(), "3 labels came with the examples");
    let labels = Labels { asked: 20, unanswered: 4, models: vec!["one".to_string(), "other".to_string()], ..labels };
    let words = labels.to_string();
    for part in ["20 labels", "one and of other", "not to be right", "3 came with", "4 texts were left out"] {
        assert!(words.contains(part), "{words}");
    }
}
