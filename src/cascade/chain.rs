//! Local models one behind the other: what the first is not sure of goes through the next. And a router, which guesses
//! which general model is for what the last is not sure of.

use std::collections::BTreeSet;

use crate::calibration::Example;
use crate::error::{Error, Result};
use crate::policy::{Routing, Tier};
use crate::tasks::{AnswerOutput, LocalAnswer, RunOptions, Task, TextModel};

/// Local models one behind the other, at least one. They do the same task and tell the same labels apart.
pub struct Chain {
    models: Vec<TextModel>,
    router: Option<Router>,
}

/// A model that guesses how much better the second general model will do than the first.
struct Router {
    model: TextModel,
    min_gain: f64,
}

/// What the models of a chain made of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    /// The answer of the last one that looked.
    pub answer: LocalAnswer,
    /// All that looked, in their order.
    pub tiers: Vec<Tier>,
    /// What the router expects, where it was asked.
    pub routing: Option<Routing>,
}

impl Chain {
    /// `models`, found to fit each other.
    ///
    /// # Errors
    /// Invalid input: there are none, or they do not do the same task with the same labels. Unsupported: one of them
    /// does not give one answer for each text.
    pub fn new(models: Vec<TextModel>) -> Result<Self> {
        let first = models.first().ok_or_else(|| Error::invalid_input("a cascade needs a local model"))?;
        first.check_answers()?;
        let list = |model: &TextModel| model.answer_labels(&RunOptions::default());
        let labels = |model: &TextModel| -> Result<BTreeSet<String>> { Ok(BTreeSet::from_iter(list(model)?)) };
        for (index, model) in models.iter().enumerate().skip(1) {
            model.check_answers()?;
            if model.task() != first.task() {
                return Err(Error::invalid_input(format!(
                    "the models of a chain do the same task: the first is for {}, and local[{index}] for {}",
                    first.task().name(),
                    model.task().name(),
                )));
            }
            if labels(model)? != labels(first)? {
                return Err(Error::invalid_input(format!(
                    "the models of a chain tell the same labels apart: the first knows {}, and local[{index}] {}",
                    list(first)?.join(", "),
                    list(model)?.join(", "),
                )));
            }
        }
        Ok(Self { models, router: None })
    }

    /// The same, with `model` to guess how much better the second general model will do than the first, which is worth it
    /// from `min_gain` on.
    ///
    /// # Errors
    /// Invalid input: the model does not estimate a single number.
    pub fn with_router(self, model: TextModel, min_gain: f64) -> Result<Self> {
        if !model.estimates() {
            return Err(Error::invalid_input(
                "the router is no model that estimates a gain: 'pilot-light train --router' makes one",
            ));
        }
        Ok(Self { router: Some(Router { model, min_gain }), ..self })
    }

    /// The models, in their order.
    pub fn models(&self) -> &[TextModel] {
        &self.models
    }

    /// What they are for.
    pub fn task(&self) -> Task {
        self.models[0].task()
    }

    /// The labels that an answer may have under `options`.
    ///
    /// # Errors
    /// As [`TextModel::answer_labels`].
    pub fn answer_labels(&self, options: &RunOptions) -> Result<Vec<String>> {
        self.models[0].answer_labels(options)
    }

    /// What the first `models` of them make of `texts`: each text goes from one to the next until one is sure of its
    /// answer. `weigh` says what the answer of a model, by its number, that took so many milliseconds comes to;
    /// `now_ms` is a clock.
    ///
    /// # Errors
    /// As [`TextModel::answer`].
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
        for (index, model) in self.models.iter().enumerate().take(models) {
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
                looked[text] = Some(Looked { answer, tiers, routing: None });
            }
            unsure = still;
        }
        Ok(looked.into_iter().flatten().collect())
    }

    /// Asks the router, if there is one, about those of `texts` that no local model was sure of when it `looked` at them.
    ///
    /// # Errors
    /// As [`TextModel::estimate`].
    pub async fn route(&self, texts: &[String], looked: &mut [Looked], now_ms: impl Fn() -> f64) -> Result<()> {
        let Some(Router { model, min_gain }) = &self.router else { return Ok(()) };
        let (asked, unsure): (Vec<String>, Vec<&mut Looked>) = texts
            .iter()
            .zip(looked)
            .filter(|(_, looked)| !is_sure(looked))
            .map(|(text, looked)| (text.clone(), looked))
            .unzip();
        let started_ms = now_ms();
        let estimates = model.estimate(&asked).await?;
        let latency_ms = (now_ms() - started_ms) / asked.len().max(1) as f64;
        for (looked, (gain, work)) in unsure.into_iter().zip(estimates) {
            looked.routing = Some(Routing { gain, min_gain: *min_gain, latency_ms, work });
        }
        Ok(())
    }

    /// How sure the model number `tier` is of those of `texts` that the models before it leave to it, and whether it is
    /// right, by the right answers `truths`: what its calibration is made from.
    ///
    /// # Errors
    /// Invalid input: there is no such model. Else as [`TextModel::examples`].
    pub async fn examples(
        &self,
        tier: usize,
        (texts, truths): (&[String], &[AnswerOutput]),
        options: &RunOptions,
        weigh: impl Fn(usize, &LocalAnswer, f64) -> Tier,
    ) -> Result<Vec<Example>> {
        let Some(model) = self.models.get(tier) else {
            return Err(Error::invalid_input(format!(
                "there is no local[{tier}] among {} local models",
                self.models.len()
            )));
        };
        if tier == 0 {
            return model.examples(texts, truths, options).await;
        }
        let before = self.look(texts, options, tier, weigh, || 0.0).await?;
        let (texts, truths): (Vec<String>, Vec<AnswerOutput>) = before
            .iter()
            .zip(texts.iter().zip(truths))
            .filter(|(looked, _)| !is_sure(looked))
            .map(|(_, (text, truth))| (text.clone(), truth.clone()))
            .unzip();
        model.examples(&texts, &truths, options).await
    }
}

/// Whether one of the local models was.
fn is_sure(looked: &Looked) -> bool {
    looked.tiers.last().is_some_and(Tier::is_sure)
}
