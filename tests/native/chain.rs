//! Local models one behind the other: what goes from one to the next, and what fits together.

use std::cell::RefCell;

use pilot_light::ErrorKind;
use pilot_light::cascade::{CascadeConfig, Chain, Delegation, OffsetUnit};
use pilot_light::device::DeviceReport;
use pilot_light::policy::{LocalConfig, Tier};
use pilot_light::tasks::{Answer, AnswerOutput, LocalAnswer, RunOptions, Task};
use pollster::block_on;

use crate::support::{golden, load};

const TEXTS: [&str; 3] = ["The rain began.", "What a joyful day!", "I lost my keys again, and it is late."];

fn chain(names: &[&str]) -> Result<Chain, pilot_light::Error> {
    Chain::new(names.iter().map(|name| load(&golden(name), Task::TextClassification)).collect())
}

fn delegation(thresholds: &[f64]) -> Delegation {
    let local =
        thresholds.iter().map(|&threshold| LocalConfig { threshold: Some(threshold), ..LocalConfig::default() });
    let device = DeviceReport::processor();
    let config = CascadeConfig { local: local.collect(), ..CascadeConfig::default() };
    Delegation::new(config, device, OffsetUnit::Bytes).unwrap()
}

fn weigh(delegation: &Delegation) -> impl Fn(usize, &LocalAnswer, f64) -> Tier {
    |tier, answer, latency_ms| delegation.weigh(tier, answer, latency_ms)
}

#[test]
fn what_the_first_is_not_sure_of_goes_through_the_next() {
    let texts: Vec<String> = TEXTS.map(String::from).to_vec();
    let options = RunOptions::default();
    let (first, second) = (chain(&["tiny-bert-seq"]).unwrap(), chain(&["tiny-xlmr-seq"]).unwrap());
    let alone = |chain: &Chain| block_on(chain.models()[0].answer(&texts, &options)).unwrap();
    let (of_first, of_second) = (alone(&first), alone(&second));
    // Between the least and the most certain, so that some stay and some go on.
    let mut scores: Vec<f64> = of_first.iter().map(|answer| answer.confidence).collect();
    scores.sort_by(f64::total_cmp);
    let threshold = f64::midpoint(scores[0], scores[2]);
    let delegation = delegation(&[threshold, 0.999]);
    let both = chain(&["tiny-bert-seq", "tiny-xlmr-seq"]).unwrap();
    let clock = RefCell::new(0.0);
    let now_ms = || {
        *clock.borrow_mut() += 6.0;
        *clock.borrow()
    };
    let looked = block_on(both.look(&texts, &options, 2, weigh(&delegation), now_ms)).unwrap();
    for (index, looked) in looked.iter().enumerate() {
        let stays = of_first[index].confidence >= threshold;
        assert_eq!(looked.tiers.len(), if stays { 1 } else { 2 });
        let expected = if stays { &of_first[index] } else { &of_second[index] };
        assert_eq!(looked.answer.output, expected.output);
        assert!((looked.tiers[0].score - of_first[index].confidence).abs() < 1e-6);
        assert_eq!(looked.tiers[0].latency_ms, 2.0, "a third of the time that three took together");
    }
    let gone = looked.iter().filter(|looked| looked.tiers.len() == 2).count();
    assert!(0 < gone && gone < texts.len(), "{gone}");
    // For a calibration of the second model these are all that there is.
    let neutral = AnswerOutput::Label(Answer { label: "neutral".to_string(), score: None });
    let truths = vec![neutral; 3];
    let examples = |tier| block_on(both.examples(tier, (&texts, &truths), &options, weigh(&delegation)));
    assert_eq!((examples(0).unwrap().len(), examples(1).unwrap().len()), (3, gone));
    assert_eq!(examples(2).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_router_is_asked_about_what_no_local_model_is_sure_of() {
    let texts: Vec<String> = TEXTS.map(String::from).to_vec();
    let options = RunOptions::default();
    let router = || load(&golden("tiny-router"), Task::TextClassification);
    let gains = block_on(router().estimate(&texts)).unwrap();
    let chain = chain(&["tiny-bert-seq"]).unwrap().with_router(router(), 0.125).unwrap();
    let answers = block_on(chain.models()[0].answer(&texts, &options)).unwrap();
    let most = answers.iter().map(|answer| answer.confidence).fold(0.0, f64::max);
    let delegation = delegation(&[most]);
    let mut looked = block_on(chain.look(&texts, &options, 1, weigh(&delegation), || 0.0)).unwrap();
    block_on(chain.route(&texts, &mut looked, || 0.0)).unwrap();
    for (looked, (gain, work)) in looked.iter().zip(gains) {
        match looked.routing {
            None => assert!(looked.tiers[0].is_sure()),
            Some(routing) => {
                assert!(!looked.tiers[0].is_sure() && (routing.gain - gain).abs() < 1e-6);
                assert_eq!((routing.min_gain, routing.work.operations > 0), (0.125, work.operations > 0));
            }
        }
    }
    assert_eq!(looked.iter().filter(|looked| looked.routing.is_some()).count(), 2);
    let other = load(&golden("tiny-bert-seq"), Task::TextClassification);
    assert_eq!(chain.with_router(other, 0.1).err().unwrap().kind(), ErrorKind::InvalidInput);
}

#[test]
fn models_that_do_not_fit_each_other_are_refused() {
    assert!(chain(&["tiny-bert-seq", "tiny-bert-seq", "tiny-xlmr-seq"]).is_ok());
    assert_eq!(chain(&[]).err().unwrap().kind(), ErrorKind::InvalidInput);
    let sequence = || load(&golden("tiny-bert-seq"), Task::TextClassification);
    let token = load(&golden("tiny-bert-token"), Task::TokenClassification);
    let error = Chain::new(vec![sequence(), token]).err().unwrap();
    assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains("local[1]"), "{error}");
    let error = chain(&["tiny-bert-seq", "tiny-distilbert-seq"]).err().unwrap();
    assert!(error.to_string().contains("negative, neutral, positive, and local[1] ham, spam"), "{error}");
}
