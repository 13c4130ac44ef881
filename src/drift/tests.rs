use super::*;
use crate::calibration::risk_control::Guarantee;

/// Numbers from 0 to below 1 that look random: SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// What a calibration keeps of these examples' confidences, with a threshold that leaves a tenth below it.
fn calibration(mut confidences: Vec<f64>) -> Calibration {
    confidences.sort_by(f64::total_cmp);
    let n = confidences.len();
    let tenth = n / 10;
    Calibration {
        promise: Guarantee::LearnThenTest { alpha: 0.05, delta: 0.1 },
        temperature: 1.0,
        threshold: (confidences[tenth - 1] + confidences[tenth]) / 2.0,
        coverage: 1.0 - tenth as f64 / n as f64,
        n,
        quantiles: (0..=20).map(|step| confidences[step * (n - 1) / 20]).collect(),
        ..crate::policy::calibration(1.0, 0.5)
    }
}

/// Counts of so many answers, span after span.
fn counts(cuts: &Cuts, spans: usize, of_span: usize, mut draw: impl FnMut(usize) -> f64) -> Vec<Vec<u64>> {
    let mut all = vec![vec![0; cuts.parts()]; spans];
    for (span, counts) in all.iter_mut().enumerate() {
        (0..of_span).for_each(|_| counts[cuts.part(draw(span))] += 1);
    }
    all
}

fn evidence(cuts: &Cuts, spans: &[Vec<u64>]) -> f64 {
    let spans: Vec<&[u64]> = spans.iter().map(Vec::as_slice).collect();
    cuts.evidence(&spans, 0)
}

#[test]
fn logarithms_of_the_gamma_function_are_those_of_factorials() {
    let mut factorial = 0.0;
    for n in 1..200 {
        assert!((ln_gamma(f64::from(n)) - factorial).abs() < 1e-12 * factorial.max(1.0), "{n}");
        factorial += f64::from(n).ln();
    }
    assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-12);
}

#[test]
fn the_parts_are_those_of_the_quantiles_and_of_the_threshold() {
    let examples: Vec<f64> = (0..1000).map(|at| (f64::from(at) + 0.5) / 1000.0).collect();
    let cuts = Cuts::of(&calibration(examples.clone()));
    assert_eq!(cuts.parts(), 21, "19 quantiles and the threshold");
    assert_eq!((cuts.part(0.0), cuts.part(1.0)), (0, 20));
    let mut counts = vec![0; cuts.parts()];
    examples.iter().for_each(|confidence| counts[cuts.part(*confidence)] += 1);
    let watch = cuts.report(&[&counts], 0);
    assert!((watch.deferral_rate - 0.1).abs() < 1e-9 && (watch.expected_deferral_rate - 0.1).abs() < 1e-3);
    let sum: f64 = watch.parts.iter().map(|part| part.expected).sum();
    assert!((sum - 1.0).abs() < 1e-12);
    assert!(watch.parts.iter().all(|part| (part.expected - part.seen).abs() < 0.002), "{:?}", watch.parts);
    assert!(!watch.doubtful && watch.answers == 1000);
}

#[test]
fn confidences_that_are_all_alike_are_compared_only_where_they_differ() {
    let saturated: Vec<f64> = (0..1000).map(|at| (f64::from(at) / 500.0).min(1.0 - 1e-7)).collect();
    let cuts = Cuts::of(&calibration(saturated.clone()));
    assert_eq!(cuts.parts(), 12, "10 quantiles below the half that is alike, the threshold");
    let mut random = Random(3);
    let spans = counts(&cuts, 40, 50, |_| saturated[(random.next() * 1000.0) as usize]);
    assert!(evidence(&cuts, &spans) < ALARM);
    let cuts = Cuts::of(&calibration(vec![0.5; 100]));
    assert_eq!((cuts.parts(), cuts.report(&[&[7]], 0).doubtful), (1, false));
}

/// All ways in which four answers can fall into the parts, each with its chance by the urn: the mean wealth is what was
/// staked, which makes the false alarms as rare as Ville's inequality says.
#[test]
fn on_average_nobody_wins_while_nothing_has_changed() {
    let marks = vec![Mark { at: 0.3, below: 2.0 }, Mark { at: 0.6, below: 3.0 }];
    let cuts = Cuts { name: String::new(), marks, ranks: 6.0, threshold: None };
    let ranks = [2.0, 1.0, 3.0];
    let mut mean = [0.0; 5];
    for turn in 0..3usize.pow(4) {
        let (mut chance, mut urn, mut spans) = (1.0, ranks, Vec::new());
        for answer in 0..4 {
            let part = turn / 3usize.pow(answer) % 3;
            chance *= urn[part] / urn.iter().sum::<f64>();
            urn[part] += 1.0;
            let mut counts = vec![0; 3];
            counts[part] = 1;
            spans.push(counts);
        }
        let sums = spans.iter().fold(vec![(0.0, 0.0); 2], |mut sums, counts| {
            sums[0] = (sums[0].0 + counts[0] as f64, sums[0].1 + (counts[1] + counts[2]) as f64);
            sums[1] = (sums[1].0 + (counts[0] + counts[1]) as f64, sums[1].1 + counts[2] as f64);
            sums
        });
        for (cut, now) in sums.iter().enumerate() {
            mean[cut] += chance * cuts.wealth(cut, (0.0, 0.0), *now);
        }
        // Who begins after the first answer.
        let first = if spans[0][0] == 1 { (1.0, 0.0) } else { (0.0, 1.0) };
        mean[2] += chance * cuts.wealth(0, first, sums[0]);
        mean[3] += chance;
        mean[4] += chance * f64::from(evidence(&cuts, &spans) >= 1.5);
    }
    mean[..4].iter().for_each(|mean| assert!((mean - 1.0).abs() < 1e-12, "{mean}"));
    assert!(mean[4] <= 1.0 / 1.5);
}

/// 1,000 calibrations on 300 examples, each followed by 2,000 answers like them and looked at after every 40: the
/// chance of 1 % would be exceeded by 21 alarms with a chance of less than 0.1 %.
#[test]
fn false_alarms_are_as_rare_as_promised_however_often_one_looks() {
    let mut alarms = 0;
    for seed in 0..1000 {
        let mut random = Random(seed);
        let cuts = Cuts::of(&calibration((0..300).map(|_| random.next()).collect()));
        let spans = counts(&cuts, 50, 40, |_| random.next());
        alarms += usize::from(evidence(&cuts, &spans) >= ALARM);
    }
    println!("{alarms} false alarms in 1,000");
    assert!(alarms <= 21, "{alarms}");
}

/// How many of 100 runs are alarmed, when from the span `at` on a confidence is the power `power` of what it was.
fn alarmed(spans: usize, at: usize, power: f64) -> usize {
    let run = |seed: u64| {
        let mut random = Random(seed + 7_000);
        let cuts = Cuts::of(&calibration((0..500).map(|_| random.next()).collect()));
        let spans = counts(&cuts, spans, 20, |span| random.next().powf(if span < at { 1.0 } else { power }));
        evidence(&cuts, &spans) >= ALARM
    };
    (0..100u64).filter(|seed| run(*seed)).count()
}

/// With the power 1.5, 21 % of the answers are below the threshold in the place of 10 %; with 0.6, 2 %.
#[test]
fn a_change_is_noticed_whether_it_comes_early_or_late_and_whichever_way_it_goes() {
    let found = [alarmed(25, 0, 1.5), alarmed(15, 0, 0.6), alarmed(130, 100, 1.5)];
    println!("of 100 changes noticed: {found:?} within 500 answers, 300, and 600 after 2,000 like the examples");
    assert!(found.iter().all(|found| *found >= 90), "{found:?}");
}

#[test]
fn an_alarm_stays() {
    let cuts = Cuts::of(&calibration((0..500).map(|at| f64::from(at) / 500.0).collect()));
    let mut spans: Vec<Vec<u64>> = (0..5).map(|_| vec![40; 1]).collect();
    spans.iter_mut().for_each(|counts| counts.resize(cuts.parts(), 0));
    assert!(evidence(&cuts, &spans) >= ALARM);
    let mut random = Random(1);
    spans.extend(counts(&cuts, 100, 50, |_| random.next()));
    assert!(evidence(&cuts, &spans) >= ALARM);
}
