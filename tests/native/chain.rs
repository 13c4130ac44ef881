//! Local models, one behind the other: what goes from one to the next, and which models fit together.

use std::sync::atomic::{AtomicU32, Ordering};

use pilot_light::ErrorKind;
use pilot_light::cascade::{
    Cascade, CascadeConfig, Clock, Envelope, LocalModels, Now, OffsetUnit, RemoteConfig, RouterConfig, Step,
};
use pilot_light::device::DeviceReport;
use pilot_light::policy::{Decision, LocalConfig, Policy, Privacy};
use pilot_light::tasks::{Answer, AnswerOutput, RunOptions, Task};
use pollster::block_on;

use crate::support::{golden, load};

const TEXTS: [&str; 3] = ["The rain began.", "What a joyful day!", "I lost my keys again, and it is late."];

fn models(names: &[&str]) -> Result<LocalModels, pilot_light::Error> {
    LocalModels::new(names.iter().map(|name| load(&golden(name), Task::TextClassification)).collect())
}

/// A clock that moves on by 6 ms whenever it is read.
fn clock() -> Clock {
    static READ: AtomicU32 = AtomicU32::new(0);
    Clock {
        now: || Now { now_ms: 0.0, random: 0.5 },
        monotonic_ms: || 6.0 * f64::from(READ.fetch_add(1, Ordering::Relaxed)),
    }
}

fn cascade(models: LocalModels, thresholds: &[f64], config: CascadeConfig) -> Cascade {
    let local =
        thresholds.iter().map(|&threshold| LocalConfig { threshold: Some(threshold), ..LocalConfig::default() });
    let config = CascadeConfig { local: local.collect(), ..config };
    Cascade::new(models, config, DeviceReport::processor(), OffsetUnit::Bytes, clock()).unwrap()
}

/// The envelopes of `texts`, which all stay local.
fn decide(cascade: &Cascade, texts: &[String]) -> Vec<Envelope> {
    let decided = block_on(cascade.decide(texts, &RunOptions::default(), false)).unwrap();
    let envelope = |step| match step {
        Step::Done(envelope) => *envelope,
        other => panic!("{other:?}"),
    };
    decided.into_iter().map(|decided| envelope(decided.step)).collect()
}

#[test]
fn what_the_first_is_not_confident_of_goes_through_the_next() {
    let texts: Vec<String> = TEXTS.map(String::from).to_vec();
    let options = RunOptions::default();
    let (first, second) = (models(&["tiny-bert-seq"]).unwrap(), models(&["tiny-xlmr-seq"]).unwrap());
    let alone = |models: &LocalModels| block_on(models.models()[0].answer(&texts, &options)).unwrap();
    let (of_first, of_second) = (alone(&first), alone(&second));
    // Between the lowest and the highest confidence, so that some texts stay and some go on.
    let mut scores: Vec<f64> = of_first.iter().map(|answer| answer.confidence).collect();
    scores.sort_by(f64::total_cmp);
    let threshold = f64::midpoint(scores[0], scores[2]);
    let both = models(&["tiny-bert-seq", "tiny-xlmr-seq"]).unwrap();
    let both = cascade(both, &[threshold, 0.999], CascadeConfig::default());
    let decided = decide(&both, &texts);
    for (index, Envelope { output, decision, tier, .. }) in decided.iter().enumerate() {
        let stays = of_first[index].confidence >= threshold;
        assert_eq!((decision.tiers.len(), *tier), if stays { (1, 0) } else { (2, 1) });
        let expected = if stays { &of_first[index] } else { &of_second[index] };
        assert_eq!(*output, expected.output);
        assert!((decision.tiers[0].score - of_first[index].confidence).abs() < 1e-6);
        assert_eq!(decision.tiers[0].latency_ms, 2.0, "a third of the time that three took together");
    }
    let gone = decided.iter().filter(|envelope| envelope.decision.tiers.len() == 2).count();
    assert!(0 < gone && gone < texts.len(), "{gone}");
    // For a calibration of the second model these are all examples.
    let neutral = AnswerOutput::Label(Answer { label: "neutral".to_string(), score: None });
    let examples = |tier| block_on(both.score_examples(tier, &texts, vec![neutral.clone(); 3], &options));
    assert_eq!((examples(0).unwrap().len(), examples(1).unwrap().len()), (3, gone));
    assert_eq!(examples(2).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_router_is_asked_about_what_no_local_model_is_confident_of() {
    let texts: Vec<String> = TEXTS.map(String::from).to_vec();
    let options = RunOptions::default();
    let router = || load(&golden("tiny-router"), Task::TextClassification);
    let gains = block_on(router().estimate(&texts)).unwrap();
    let models_of = || models(&["tiny-bert-seq"]).unwrap();
    let answers = block_on(models_of().models()[0].answer(&texts, &options)).unwrap();
    let most = answers.iter().map(|answer| answer.confidence).fold(0.0, f64::max);
    // Nothing leaves, so that each decision is in an envelope.
    let remote: RemoteConfig = serde_json::from_str(r#"{"model":"any"}"#).unwrap();
    let config = CascadeConfig {
        remotes: vec![remote.clone(), remote],
        router: Some(RouterConfig { min_gain: 0.125 }),
        policy: Policy { privacy: Privacy::LocalOnly, ..Policy::default() },
        ..CascadeConfig::default()
    };
    let routed = cascade(models_of().with_router(router(), 0.125).unwrap(), &[most], config);
    let decided = decide(&routed, &texts);
    for (Envelope { decision: Decision { tiers, routing, .. }, .. }, (gain, work)) in decided.iter().zip(gains) {
        match routing {
            None => assert!(tiers[0].is_sure()),
            Some(routing) => {
                assert!(!tiers[0].is_sure() && (routing.gain - gain).abs() < 1e-6);
                assert_eq!((routing.min_gain, routing.work.operations > 0), (0.125, work.operations > 0));
            }
        }
    }
    assert_eq!(decided.iter().filter(|envelope| envelope.decision.routing.is_some()).count(), 2);
    let other = load(&golden("tiny-bert-seq"), Task::TextClassification);
    assert_eq!(models_of().with_router(other, 0.1).err().unwrap().kind(), ErrorKind::InvalidInput);
}

#[test]
fn models_that_do_not_fit_each_other_are_refused() {
    assert!(models(&["tiny-bert-seq", "tiny-bert-seq", "tiny-xlmr-seq"]).is_ok());
    assert_eq!(models(&[]).err().unwrap().kind(), ErrorKind::InvalidInput);
    let sequence = || load(&golden("tiny-bert-seq"), Task::TextClassification);
    let token = load(&golden("tiny-bert-token"), Task::TokenClassification);
    let error = LocalModels::new(vec![sequence(), token]).err().unwrap();
    assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains("local[1]"), "{error}");
    let error = models(&["tiny-bert-seq", "tiny-distilbert-seq"]).err().unwrap();
    assert!(error.to_string().contains("negative, neutral, positive, and local[1] ham, spam"), "{error}");
}
