//! What a cascade that learns does with a text, and with what a remote model says of it.

use std::collections::HashMap;

use super::{Fallback, Machine, Purpose};
use crate::cascade::envelope::Consultation;
use crate::cascade::learning::{LabelsBy, Learned, Provenance, Sharing};
use crate::cascade::{Check, Now, Step};
use crate::error::{Error, Result};
use crate::learning::{self, Learner, MAX_TEXT_BYTES, Observation, Prediction, Route, Space};
use crate::policy::{Decision, Tier, Verdict};
use crate::remote::Question;
use crate::tasks::{Answer, AnswerOutput, Answers, Embedded, head_scores};
use crate::usage::ledger::{LearningCosts, Tally};

/// Above every confidence: what stays where nothing is promised.
const NONE_STAYS: f64 = 2.0;
/// A label counts for a little, however unsure it is.
const LEAST_AGREEMENT: f64 = 0.01;

/// A learner, and the texts that were sent for it.
pub struct Learning {
    pub learner: Learner,
    sharing: Sharing,
    /// By the number of the question.
    samples: HashMap<u32, Sample>,
    /// The labels that came since the last call of `take_labels`.
    labels: Vec<Vec<u8>>,
}

/// A text that was sent.
struct Sample {
    embedding: Vec<f32>,
    decision: learning::Decision,
    /// As in [`Observation`].
    source: u64,
    /// How much its label counts, by the caller.
    agreement: f64,
    /// The text itself, where texts are kept.
    text: Option<String>,
}

impl Machine {
    /// Uses `learner` from now on. With `goes_on` the labels of texts that were sent before count for it.
    pub fn set_learner(&mut self, learner: Learner, sharing: Sharing, goes_on: bool) {
        let before = self.learning.take().filter(|_| goes_on);
        let (samples, labels) = before.map(|before| (before.samples, before.labels)).unwrap_or_default();
        self.learning = Some(Learning { learner, sharing, samples, labels });
    }

    /// The learner, where there is one.
    pub fn learning(&mut self) -> Option<&mut Learning> {
        self.learning.as_mut()
    }

    /// The first step for `question`, whose text the local model has embedded in `latency_ms`.
    ///
    /// # Errors
    /// Invalid input: nothing was learnt from, or an embedding with a number that is not finite.
    pub fn decide_learnt(
        &mut self,
        question: Question,
        Embedded { embedding, truncated, work }: Embedded,
        latency_ms: f64,
        stays_local: bool,
        provenance: &Provenance,
        now: Now,
    ) -> Result<Step> {
        let allowed = self.allowed(&question, stays_local);
        let may_leave = Decision { tiers: Vec::new(), allowed, routing: None, offers: Vec::new() }.verdict();
        let Some(Learning { learner, .. }) = &mut self.learning else { return Err(not_started()) };
        // Of a text that must not leave nobody would learn the label: the learner does not hear of it.
        let (prediction, decision) = if may_leave == Verdict::Asks {
            let decision = learner.decide(&embedding, now.now_ms, now.random)?;
            (decision.prediction.clone(), Some(decision))
        } else {
            (learner.predict(&embedding)?, None)
        };
        let checked = decision.as_ref().is_some_and(|decision| decision.route == Route::Checked);
        let saved = decision.as_ref().is_some_and(|decision| learner.saves(&embedding, decision));
        let (output, tier) = weigh(learner, &embedding, &prediction);
        let tier = Tier { latency_ms, work, ..tier };
        let (labels_by, version, promised) = (LabelsBy::Remote, learner.version(), tier.calibrated);
        let learned = Learned { labels_by, version, promised, checked, saved };
        let fallback = Fallback { output, truncated, tier, learned: Some(learned) };
        let (source, agreement) = (provenance.number(), provenance.agreement);
        let keeps = learner.keeps_texts() && question.text.len() <= MAX_TEXT_BYTES;
        let sample = decision.map(|decision| {
            let text = keeps.then(|| question.text.clone());
            Sample { embedding, decision, source, agreement, text }
        });
        let decision = Decision { tiers: vec![tier], allowed, routing: None, offers: Vec::new() };
        match decision.verdict() {
            Verdict::Asks => Ok(self.delegate_sample(question, Purpose::Answer(fallback), decision, sample)),
            Verdict::Stays(reason) => {
                if checked {
                    let purpose = Purpose::Check { given: fallback.output.clone(), since_ms: now.now_ms };
                    let decision = Decision { tiers: Vec::new(), ..decision.clone() };
                    if let Step::Delegate { call, redact } =
                        self.delegate_sample(question.clone(), purpose, decision, sample)
                    {
                        self.drawn = Some(Check { call, redact });
                    }
                }
                Ok(self.give(&question, Purpose::Answer(fallback), Consultation::new(decision, reason), now.now_ms))
            }
        }
    }

    fn delegate_sample(
        &mut self,
        question: Question,
        purpose: Purpose,
        decision: Decision,
        sample: Option<Sample>,
    ) -> Step {
        let step = self.delegate(question, purpose, decision);
        if let (Some(learning), Step::Delegate { call, .. }, Some(sample)) = (&mut self.learning, &step, sample) {
            learning.samples.insert(*call, sample);
        }
        step
    }

    /// Whether the answer to the question `call` will be learnt from. Such a check must not be left out because there are
    /// others: which texts are answered would then depend on what is sure.
    pub(super) fn is_sample(&self, call: u32) -> bool {
        self.learning.as_ref().is_some_and(|learning| learning.samples.contains_key(&call))
    }

    /// Learns what a remote model said to the question `call`, if it said anything.
    pub(super) fn learn_from(&mut self, call: u32, output: Option<&AnswerOutput>, now: Now) {
        let Some(learning) = &mut self.learning else { return };
        let Some(Sample { embedding, decision, source, agreement, text }) = learning.samples.remove(&call) else {
            return;
        };
        let answers = match output {
            Some(AnswerOutput::Label(answer)) => std::slice::from_ref(answer),
            Some(AnswerOutput::Labels(Answers { labels })) => labels,
            _ => return,
        };
        // A label that is not in the set never counts.
        let (names, space) = (output.iter().flat_map(|output| output.labels()), learning.learner.store().space());
        let Some(labels) = space.label_set(&names.collect::<Vec<_>>()) else { return };
        let (time_ms, key) = (now.now_ms, now.random);
        let score = |Answer { score, .. }: &Answer| score.filter(|_| self.scores_count).unwrap_or(1.0);
        let sure: f64 = answers.iter().map(score).product();
        let agreement = (agreement * sure).max(LEAST_AGREEMENT);
        let observation = Observation { embedding, decision, labels, agreement, source, time_ms, key, text };
        if learning.sharing != Sharing::Alone {
            learning.labels.push(observation.to_bytes(space));
        }
        if learning.sharing != Sharing::Follows {
            // The numbers were checked when it was decided about the text.
            let _ = observation.give(&mut learning.learner);
        }
    }

    /// Enters into the ledger what training has taken: `operations` on numbers, in so many milliseconds.
    pub fn enter_training(&mut self, operations: u64, local_ms: f64, now_ms: f64) {
        let training = Tally { operations, local_ms, ..Tally::default() };
        self.answered.enter_learning(now_ms, &LearningCosts { training, ..LearningCosts::default() });
    }

    /// Forgets that the question `call` was to be learnt from.
    pub(super) fn forget_sample(&mut self, call: u32) {
        if let Some(learning) = &mut self.learning {
            learning.samples.remove(&call);
        }
    }
}

impl Learning {
    /// The labels that came since the last call, each as bytes.
    pub fn take_labels(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.labels)
    }
}

/// What the head in charge says of a text, and how far it is trusted: the score is the head's own, which an exported one gives
/// too, and the confidence is that of its vote with the neighbours.
fn weigh(learner: &Learner, embedding: &[f32], prediction: &Prediction) -> (AnswerOutput, Tier) {
    let (head, threshold) = learner.in_charge();
    let Space { labels, multi_label, .. } = learner.store().space();
    let scores = head_scores(&head.weight, &head.bias, embedding, *multi_label);
    let answer = |at: &usize| Some(Answer { label: labels.get(*at)?.clone(), score: scores.get(*at).copied() });
    let mut answers = prediction.labels.indices().iter().filter_map(answer);
    let output = match (multi_label, answers.next()) {
        (false, Some(answer)) => AnswerOutput::Label(answer),
        (_, first) => AnswerOutput::Labels(Answers { labels: first.into_iter().chain(answers).collect() }),
    };
    let confidence = f64::from(prediction.confidence);
    let tier = Tier {
        score: confidence,
        temperature: 1.0,
        confidence,
        threshold: threshold.map_or(NONE_STAYS, f64::from),
        calibrated: threshold.is_some(),
        latency_ms: 0.0,
        work: Default::default(),
    };
    (output, tier)
}

pub(in crate::cascade) fn not_started() -> Error {
    Error::invalid_input("the cascade has not begun to learn: 'learn' must be called first")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cascade::tests::{NOW, allow, completion, consulted, done, machine, question, remote, response, sent};
    use crate::cascade::{Envelope, Route as Answered};
    use crate::graph::ComputeCost;
    use crate::learning::{LearnOptions, Store, zero_shot, zero_shot_each};
    use crate::policy::{Policy, Privacy, Reason};
    use crate::remote::AnswerForm;
    use crate::usage::ledger::Ledger;
    use crate::usage::summary::{LearningAccount, summary};

    const LABELS: [&str; 2] = ["ham", "spam"];

    fn learner() -> Learner {
        let labels = LABELS.map(String::from).to_vec();
        let space = Space { encoder: String::new(), width: 2, labels, multi_label: false };
        let start = zero_shot(&[vec![0.6, 0.8], vec![0.8, 0.6]]).unwrap();
        Learner::new(Store::new(space, 1 << 20).unwrap(), start, LearnOptions::default()).unwrap()
    }

    fn learning(policy: Policy, sharing: Sharing) -> Machine {
        let mut machine = machine(vec![remote("any")], policy);
        machine.set_learner(learner(), sharing, false);
        machine
    }

    fn now(at: u64) -> Now {
        // Numbers that never come twice, and look random.
        Now { random: (at as f64 * 0.618_033_988_749_895).fract(), ..NOW }
    }

    /// A text of the first label for even numbers, else of the second.
    fn decide(machine: &mut Machine, at: u64, stays_local: bool) -> Step {
        let embedding = if at.is_multiple_of(2) { vec![1.0, 0.0] } else { vec![0.0, 1.0] };
        let embedded = Embedded { embedding, truncated: false, work: ComputeCost::default() };
        let provenance = Provenance { source: Some("ann".to_string()), agreement: 0.5 };
        machine.decide_learnt(question("a"), embedded, 2.0, stays_local, &provenance, now(at)).unwrap()
    }

    /// Answers the question of `step`, or its check, as a remote model would.
    fn answer(machine: &mut Machine, call: u32, at: u64) -> Step {
        let request = sent(machine.enqueue(call, false, None, now(at)).unwrap().step);
        let label = LABELS[(at % 2) as usize];
        machine.receive(request.call, &completion(&format!(r#"{{"label":"{label}"}}"#)), now(at)).unwrap().step
    }

    /// Takes texts until one stays at home; returns how many there were.
    fn until_promised(machine: &mut Machine) -> u64 {
        (1..5000)
            .find(|&at| match decide(machine, at, false) {
                Step::Delegate { call, .. } => {
                    done(answer(machine, call, at));
                    while machine.learning().unwrap().learner.work(u64::MAX).unwrap() {}
                    false
                }
                _ => true,
            })
            .expect("one stays")
    }

    /// What the ledger says of learning since the last call.
    fn learnt(machine: &mut Machine) -> LearningAccount {
        let ledger = Ledger::read(&machine.take_record().expect("a record")).unwrap();
        summary(&ledger).learning.expect("something was saved or cost")
    }

    fn counts(machine: &mut Machine) -> (u64, u64, usize) {
        let learning = machine.learning().unwrap();
        let counters = learning.learner.counters();
        (counters.texts, counters.labels, learning.samples.len())
    }

    #[test]
    fn it_learns_from_what_it_delegates_until_texts_stay() {
        let mut machine = learning(allow(), Sharing::Alone);
        let Step::Delegate { call, .. } = decide(&mut machine, 1, false) else { panic!("nothing is promised yet") };
        let envelope = done(answer(&mut machine, call, 1));
        let Envelope { learning, calibrated, threshold, confidence, route, decision, .. } = envelope;
        assert!(decision.explain().contains("no answer is trusted yet"), "{}", decision.explain());
        let learned =
            Learned { labels_by: LabelsBy::Remote, version: 0, promised: false, checked: false, saved: false };
        assert_eq!((learning, calibrated, route), (Some(learned), false, Answered::Remote));
        assert!(threshold > confidence);
        until_promised(&mut machine);
        let (mut stayed, mut saved) = (0, 0);
        machine.take_record();
        for at in 0..20 {
            match decide(&mut machine, at, false) {
                Step::Done(envelope) => {
                    let learned = envelope.learning.unwrap();
                    assert!(learned.promised && learned.version > 0 && envelope.calibrated);
                    // The first head is wrong on every text.
                    assert_eq!(learned.saved, !learned.checked);
                    saved += u64::from(learned.saved);
                    let AnswerOutput::Label(Answer { label, score }) = envelope.output else { panic!("a label") };
                    assert_eq!(label, LABELS[(at % 2) as usize]);
                    // The head's own score, and its confidence with the vote of the neighbours.
                    assert!(score.is_some_and(|score| score > 0.5) && envelope.confidence >= envelope.threshold);
                    stayed += 1;
                }
                step => panic!("{step:?}"),
            }
        }
        assert_eq!(stayed, 20);
        machine.enter_training(1000, 2.5, NOW.now_ms);
        let learnt = learnt(&mut machine);
        assert_eq!((learnt.saved_requests, learnt.checks.tally.attempts), (saved, 0));
        assert_eq!((learnt.training.tally.operations, learnt.training.tally.local_ms), (1000, 2.5));
        assert!(saved > 10, "{saved}");
        assert!(machine.learning().unwrap().take_labels().is_empty(), "alone it hands out nothing");
    }

    #[test]
    fn which_of_several_labels_apply_is_learnt_until_texts_stay() {
        let mut machine = learning(allow(), Sharing::Alone);
        let space = machine.learning().unwrap().learner.store().space().clone();
        let space = Space { multi_label: true, ..space };
        let start = zero_shot_each(&[vec![0.6, 0.8], vec![0.8, 0.6]]).unwrap();
        let learner = Learner::new(Store::new(space, 1 << 20).unwrap(), start, LearnOptions::default()).unwrap();
        machine.set_learner(learner, Sharing::Alone, false);
        // None, one, the other, both.
        let labels = |at: u64| (0..2).filter(move |label| at >> label & 1 == 1).map(|label| LABELS[label as usize]);
        let decide = |machine: &mut Machine, at: u64| {
            let embedding = vec![(at & 1) as f32 + 0.1, (at >> 1 & 1) as f32 + 0.1];
            let embedded = Embedded { embedding, truncated: false, work: ComputeCost::default() };
            let form = AnswerForm::Labels(LABELS.map(String::from).to_vec());
            let question = Question { form, ..question("a") };
            machine.decide_learnt(question, embedded, 2.0, false, &Provenance::default(), now(at)).unwrap()
        };
        let said = |output: &AnswerOutput| match output {
            AnswerOutput::Labels(Answers { labels }) => labels.clone(),
            other => panic!("{other:?}"),
        };
        let names = |labels: &[Answer]| labels.iter().map(|answer| answer.label.clone()).collect::<Vec<_>>();
        let (mut stayed, mut checks) = (0, 0);
        for at in 1..3000 {
            let (step, right) = (decide(&mut machine, at), labels(at).collect::<Vec<_>>());
            let answer = |machine: &mut Machine, call| {
                let request = sent(machine.enqueue(call, false, None, now(at)).unwrap().step);
                let backwards: Vec<_> = right.iter().rev().collect();
                machine
                    .receive(request.call, &completion(&json!({ "labels": backwards }).to_string()), now(at))
                    .unwrap()
                    .step
            };
            if let Some(check) = machine.take_check() {
                consulted(answer(&mut machine, check.call));
                checks += 1;
            }
            match step {
                Step::Delegate { call, .. } => {
                    let envelope = done(answer(&mut machine, call));
                    assert_eq!(names(&said(&envelope.output)), right, "in the order of the labels");
                }
                Step::Done(envelope) => {
                    let found = said(&envelope.output);
                    assert_eq!(names(&found), right);
                    assert!(found.iter().all(|answer| answer.score.is_some_and(|score| score > 0.5)));
                    assert!(envelope.confidence >= envelope.threshold && envelope.learning.unwrap().promised);
                    stayed += 1;
                }
                step => panic!("{step:?}"),
            }
            while machine.learning().unwrap().learner.work(u64::MAX).unwrap() {}
        }
        let counters = machine.learning().unwrap().learner.counters();
        assert!(stayed > 1500 && checks > 100, "{stayed} and {checks} checked");
        assert_eq!((counters.checked_wrong, counters.foreign_labels), (0, 0));
        let ledger = Ledger::read(&machine.take_record().expect("a record")).unwrap();
        let agreement = summary(&ledger).agreement.expect("some were checked");
        assert_eq!((agreement.checked, agreement.agreed), (checks, checks), "in any order it is the same set");
    }

    #[test]
    fn checks_are_learnt_from_however_many_there_are_and_take_their_turn() {
        let mut machine = learning(Policy { max_concurrent: 1, ..allow() }, Sharing::Alone);
        let texts = until_promised(&mut machine);
        let mut checks = Vec::new();
        for at in texts + 1..texts + 200 {
            let Step::Done(envelope) = decide(&mut machine, at, false) else { continue };
            let check = machine.take_check();
            assert_eq!(check.is_some(), envelope.learning.unwrap().checked);
            checks.extend(check.map(|check| (check.call, at)));
        }
        assert!(checks.len() > 10, "{checks:?}");
        let (_, labels, samples) = counts(&mut machine);
        assert_eq!(samples, checks.len());
        let steps: Vec<Step> =
            checks.iter().map(|(call, at)| machine.enqueue(*call, false, None, now(*at)).unwrap().step).collect();
        let waits = steps.iter().filter(|step| matches!(step, Step::Wait { .. })).count();
        assert_eq!(waits, checks.len() - 1);
        for (at, (call, text)) in checks.iter().enumerate() {
            if at > 0 {
                sent(machine.resume(*call, now(*text)).unwrap().step);
            }
            let label = LABELS[(text % 2) as usize];
            let event = completion(&format!(r#"{{"label":"{label}"}}"#));
            consulted(machine.receive(*call, &event, now(*text)).unwrap().step);
        }
        assert_eq!(counts(&mut machine), (texts + 199, labels + checks.len() as u64, 0));
        let tally = learnt(&mut machine).checks.tally;
        assert_eq!((tally.answers, tally.attempts), (checks.len() as u64, checks.len() as u64));
    }

    #[test]
    fn nothing_is_learnt_of_a_text_that_must_not_leave() {
        let mut stays = learning(allow(), Sharing::Leads);
        assert_eq!(done(decide(&mut stays, 1, true)).reason, Reason::MustStayLocal);
        let mut local_only = learning(Policy { privacy: Privacy::LocalOnly, ..allow() }, Sharing::Leads);
        assert_eq!(done(decide(&mut local_only, 1, false)).reason, Reason::LocalOnly);
        for machine in [&mut stays, &mut local_only] {
            assert_eq!(counts(machine), (0, 0, 0));
            assert!(machine.learning().unwrap().take_labels().is_empty());
        }
    }

    #[test]
    fn a_text_is_kept_only_where_that_is_wanted_and_it_may_leave() {
        for keep_texts in [false, true] {
            let mut machine = learning(allow(), Sharing::Leads);
            let options = LearnOptions { keep_texts, ..LearnOptions::default() };
            let learner = &mut machine.learning().unwrap().learner;
            let space = learner.store().space().clone();
            let start = zero_shot(&[vec![0.6, 0.8], vec![0.8, 0.6]]).unwrap();
            *learner = Learner::new(options.store(space.clone()).unwrap(), start, options).unwrap();
            done(decide(&mut machine, 1, true));
            let Step::Delegate { call, .. } = decide(&mut machine, 1, false) else { panic!("nothing is promised yet") };
            done(answer(&mut machine, call, 1));
            let learning = machine.learning().unwrap();
            let text = keep_texts.then(|| "a".to_string());
            assert_eq!(Observation::from_bytes(&learning.take_labels()[0], &space).unwrap().text, text);
            let kept: Vec<_> = learning.learner.store().examples().iter().map(|example| &example.text).collect();
            assert_eq!(kept, [&text]);
        }
    }

    #[test]
    fn a_failure_another_label_and_an_abort_are_not_learnt_from() {
        let mut machine = learning(allow(), Sharing::Leads);
        let eggs = completion(r#"{"label":"eggs"}"#);
        // What is not among the labels is asked about once more.
        for events in [vec![response(400, "{}")], vec![eggs.clone(), eggs]] {
            let Step::Delegate { call, .. } = decide(&mut machine, 1, false) else { panic!("nothing is promised") };
            let mut step = machine.enqueue(call, false, None, NOW).unwrap().step;
            for event in events {
                step = machine.receive(sent(step).call, &event, NOW).unwrap().step;
            }
            assert!(done(step).degraded);
        }
        let Step::Delegate { call, .. } = decide(&mut machine, 1, false) else { panic!("nothing is promised") };
        machine.abandon(call, NOW);
        let Step::Delegate { call, .. } = decide(&mut machine, 1, false) else { panic!("nothing is promised") };
        machine.decline(call, Reason::RedactorUnavailable, String::new(), NOW).unwrap();
        assert_eq!(counts(&mut machine), (4, 0, 0));
    }

    #[test]
    fn a_label_counts_as_far_as_the_caller_and_the_remote_model_are_sure() {
        let mut machine = learning(allow(), Sharing::Leads);
        let space = machine.learning().unwrap().learner.store().space().clone();
        let sure = |logprob: f64| {
            let content = json!({ "label": "spam" }).to_string();
            let tokens = [("{\"label\":\"", -1.0), ("spam", logprob), ("\"}", -1.0)];
            let tokens = tokens.map(|(token, logprob)| json!({ "token": token, "logprob": logprob }));
            let choice = json!({ "message": { "content": content }, "logprobs": { "content": tokens } });
            response(200, &json!({ "choices": [choice] }).to_string())
        };
        let unsaid = || completion(r#"{"label":"spam"}"#);
        let mut sources = Vec::new();
        let said = || [(unsaid(), 0.5), (sure(0.8_f64.ln()), 0.4), (sure(-999.0), LEAST_AGREEMENT)];
        // Where nobody asked for it, it does not count.
        let unasked = [(sure(0.8_f64.ln()), 0.5)];
        for (number, (event, expected)) in said().into_iter().chain(unasked).enumerate() {
            machine.scores_count = number < said().len();
            let Step::Delegate { call, .. } = decide(&mut machine, 1, false) else { panic!("nothing is promised yet") };
            machine.enqueue(call, false, None, now(1)).unwrap();
            done(machine.receive(call, &event, now(1)).unwrap().step);
            let labels = machine.learning().unwrap().take_labels();
            let observation = Observation::from_bytes(&labels[0], &space).unwrap();
            assert!((observation.agreement - expected).abs() < 1e-6, "{} {expected}", observation.agreement);
            sources.push(observation.source);
        }
        let number = |source: Option<&str>| Provenance { source: source.map(String::from), agreement: 1.0 }.number();
        assert_eq!(sources, [number(Some("ann")); 4]);
        assert_eq!(number(None), 0);
        assert_ne!(number(Some("ann")), number(Some("bob")));
    }

    #[test]
    fn a_source_that_floods_one_label_gets_a_part_of_it() {
        let mut machine = learning(allow(), Sharing::Alone);
        let learner = machine.learning().unwrap();
        // Room for 64 examples.
        let space = learner.learner.store().space().clone();
        let start = zero_shot(&[vec![0.6, 0.8], vec![0.8, 0.6]]).unwrap();
        let store = Store::new(space, 64 * 136).unwrap();
        learner.learner = Learner::new(store, start, LearnOptions::default()).unwrap();
        for at in 1..100 {
            let Step::Delegate { call, .. } = decide(&mut machine, 2 * at, false) else { break };
            done(answer(&mut machine, call, 2 * at));
        }
        let examples = machine.learning().unwrap().learner.store().examples().len();
        assert_eq!(examples, 64 / 2 / 4);
    }

    #[test]
    fn one_that_follows_hands_out_labels_and_learns_none() {
        let (mut leads, mut follows) = (learning(allow(), Sharing::Leads), learning(allow(), Sharing::Follows));
        for machine in [&mut leads, &mut follows] {
            let Step::Delegate { call, .. } = decide(machine, 1, false) else { panic!("nothing is promised yet") };
            done(answer(machine, call, 1));
        }
        let handed_out = |machine: &mut Machine| machine.learning().unwrap().take_labels();
        let (one, other) = (handed_out(&mut leads), handed_out(&mut follows));
        assert_eq!((one.len(), &one), (1, &other));
        assert_eq!((counts(&mut leads).1, counts(&mut follows).1), (1, 0));
        assert!(handed_out(&mut leads).is_empty());
    }

    #[test]
    fn what_was_sent_for_a_learner_counts_for_the_next_one_where_that_goes_on() {
        for goes_on in [true, false] {
            let mut machine = learning(allow(), Sharing::Leads);
            let Step::Delegate { call, .. } = decide(&mut machine, 1, false) else { panic!("nothing is promised yet") };
            machine.set_learner(learner(), Sharing::Leads, goes_on);
            done(answer(&mut machine, call, 1));
            assert_eq!(counts(&mut machine).1, u64::from(goes_on));
        }
    }
}
