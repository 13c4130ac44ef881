//! Local models one behind the other: what the first is not sure of goes through the next.

use std::collections::BTreeSet;

use crate::calibration::Example;
use crate::cascade::Tier;
use crate::error::{Error, Result};
use crate::tasks::{AnswerOutput, LocalAnswer, Pipeline, RunOptions, Task};

/// Local models one behind the other, at least one. They do the same task and tell the same labels apart.
pub struct Chain(Vec<Pipeline>);

/// What the models of a chain made of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    /// The answer of the last one that looked.
    pub answer: LocalAnswer,
    /// All that looked, in their order.
    pub tiers: Vec<Tier>,
}

impl Chain {
    /// `models`, found to fit each other.
    ///
    /// # Errors
    /// Invalid input: there are none, or they do not do the same task with the same labels. Unsupported: one of them
    /// does not give one answer for each text.
    pub fn new(models: Vec<Pipeline>) -> Result<Self> {
        let first = models.first().ok_or_else(|| Error::invalid_input("a cascade needs a local model"))?;
        first.check_answers()?;
        let labels = |model: &Pipeline| -> BTreeSet<String> {
            model.answer_labels(&RunOptions::default()).into_iter().collect()
        };
        for (index, model) in models.iter().enumerate().skip(1) {
            model.check_answers()?;
            if model.task() != first.task() {
                return Err(Error::invalid_input(format!(
                    "the models of a chain do the same task: the first is for {}, and local[{index}] for {}",
                    first.task().name(),
                    model.task().name(),
                )));
            }
            if labels(model) != labels(first) {
                return Err(Error::invalid_input(format!(
                    "the models of a chain tell the same labels apart: the first knows {}, and local[{index}] {}",
                    first.answer_labels(&RunOptions::default()).join(", "),
                    model.answer_labels(&RunOptions::default()).join(", "),
                )));
            }
        }
        Ok(Self(models))
    }

    /// The models, in their order.
    pub fn models(&self) -> &[Pipeline] {
        &self.0
    }

    /// What they are for.
    pub fn task(&self) -> Task {
        self.0[0].task()
    }

    /// The labels that an answer may have under `options`.
    pub fn answer_labels(&self, options: &RunOptions) -> Vec<String> {
        self.0[0].answer_labels(options)
    }

    /// What the first `models` of them make of `texts`: each text goes from one to the next until one is sure of its
    /// answer. `weigh` says what the answer of a model, by its number, that took so many milliseconds comes to;
    /// `now_ms` is a clock.
    ///
    /// # Errors
    /// As [`Pipeline::answer`].
    pub async fn look(
        &self,
        texts: &[String],
        options: &RunOptions,
        models: usize,
        weigh: impl Fn(usize, &LocalAnswer, f64) -> Tier,
        now_ms: impl Fn() -> f64,
    ) -> Result<Vec<Looked>> {
        let mut looked: Vec<Option<Looked>> = texts.iter().map(|_| None).collect();
        let mut unsure: Vec<usize> = (0..texts.len()).collect();
        for (index, model) in self.0.iter().enumerate().take(models) {
            if unsure.is_empty() {
                break;
            }
            let started_ms = now_ms();
            let asked: Vec<String> = unsure.iter().map(|&text| texts[text].clone()).collect();
            let answers = model.answer(&asked, options).await?;
            let latency_ms = (now_ms() - started_ms) / asked.len() as f64;
            let mut still = Vec::new();
            for (text, answer) in unsure.into_iter().zip(answers) {
                let tier = weigh(index, &answer, latency_ms);
                if !tier.is_sure() {
                    still.push(text);
                }
                let mut tiers = looked[text].take().map_or_else(Vec::new, |before| before.tiers);
                tiers.push(tier);
                looked[text] = Some(Looked { answer, tiers });
            }
            unsure = still;
        }
        Ok(looked.into_iter().flatten().collect())
    }

    /// How sure the model number `tier` is of those of `texts` that the models before it leave to it, and whether it is
    /// right, by the right answers `truths`: what its calibration is made from.
    ///
    /// # Errors
    /// Invalid input: there is no such model. Else as [`Pipeline::examples`].
    pub async fn examples(
        &self,
        tier: usize,
        (texts, truths): (&[String], &[AnswerOutput]),
        options: &RunOptions,
        weigh: impl Fn(usize, &LocalAnswer, f64) -> Tier,
    ) -> Result<Vec<Example>> {
        let Some(model) = self.0.get(tier) else {
            return Err(Error::invalid_input(format!("there is no local[{tier}] among {} local models", self.0.len())));
        };
        if tier == 0 {
            return model.examples(texts, truths, options).await;
        }
        let before = self.look(texts, options, tier, weigh, || 0.0).await?;
        let reaches = |looked: &Looked| !looked.tiers.last().is_some_and(Tier::is_sure);
        let (texts, truths): (Vec<String>, Vec<AnswerOutput>) = before
            .iter()
            .zip(texts.iter().zip(truths))
            .filter(|(looked, _)| reaches(looked))
            .map(|(_, (text, truth))| (text.clone(), truth.clone()))
            .unzip();
        model.examples(&texts, &truths, options).await
    }
}
