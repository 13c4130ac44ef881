//! Local models, one behind the other: a text goes from one to the next until one is confident. And a router, which
//! estimates which remote model is worth asking.

use std::collections::BTreeSet;

use super::machine::no_tier;
use crate::calibration::Example;
use crate::error::{Error, Result};
use crate::policy::{Routing, Tier};
use crate::tasks::{AnswerOutput, LocalAnswer, RunOptions, Task, TextModel};

/// Local models, one behind the other. They do the same task with the same labels.
pub struct LocalModels {
    models: Vec<TextModel>,
    router: Option<Router>,
}

/// A model that estimates how much better the second remote model will do than the first.
struct Router {
    model: TextModel,
    min_gain: f64,
}

/// The result of the local models for one text.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalResult {
    /// The answer of the last model that was asked.
    pub answer: LocalAnswer,
    /// The models that were asked, in their order.
    pub tiers: Vec<Tier>,
    /// The router's estimate, where it was asked.
    pub routing: Option<Routing>,
}

impl LocalModels {
    /// `models`, checked to fit each other.
    ///
    /// # Errors
    /// Invalid input: there is no model, or they do not do the same task with the same labels. Unsupported: one of them
    /// does not give one answer for each text.
    pub fn new(models: Vec<TextModel>) -> Result<Self> {
        let first =
            models.first().ok_or_else(|| Error::invalid_input("a cascade needs at least one local model, got none"))?;
        first.check_answers()?;
        let list = |model: &TextModel| model.answer_labels(&RunOptions::default());
        let labels = |model: &TextModel| -> Result<BTreeSet<String>> { Ok(BTreeSet::from_iter(list(model)?)) };
        for (index, model) in models.iter().enumerate().skip(1) {
            model.check_answers()?;
            if model.task() != first.task() {
                return Err(Error::invalid_input(format!(
                    "local models must do the same task: the first is for {}, and local[{index}] for {}",
                    first.task().name(),
                    model.task().name(),
                )));
            }
            if labels(model)? != labels(first)? {
                return Err(Error::invalid_input(format!(
                    "local models must have the same labels: the first has {}, and local[{index}] {}",
                    list(first)?.join(", "),
                    list(model)?.join(", "),
                )));
            }
        }
        Ok(Self { models, router: None })
    }

    /// No models: those that a cascade does not run itself, and whose records it is given.
    pub fn none() -> Self {
        Self { models: Vec::new(), router: None }
    }

    /// One that gives embeddings, for a cascade that learns.
    ///
    /// # Errors
    /// Unsupported: it gives none.
    pub fn embedder(model: TextModel) -> Result<Self> {
        model.check_embeds()?;
        Ok(Self { models: vec![model], router: None })
    }

    /// The same, with a router: `model` estimates how much better the second remote model will do than the first. At
    /// `min_gain` or more the second is asked first.
    ///
    /// # Errors
    /// Invalid input: the model does not estimate a single number.
    pub fn with_router(self, model: TextModel, min_gain: f64) -> Result<Self> {
        if !model.estimates() {
            return Err(Error::invalid_input(
                "the router must be a model that estimates a gain: 'pilot-light train --router' makes one",
            ));
        }
        Ok(Self { router: Some(Router { model, min_gain }), ..self })
    }

    /// The models, in their order.
    pub fn models(&self) -> &[TextModel] {
        &self.models
    }

    /// The task that they do.
    ///
    /// # Errors
    /// Unsupported: the list is empty.
    pub fn task(&self) -> Result<Task> {
        Ok(self.first()?.task())
    }

    /// The labels that an answer may have under `options`.
    ///
    /// # Errors
    /// As [`TextModel::answer_labels`]; unsupported: there are no models.
    pub fn answer_labels(&self, options: &RunOptions) -> Result<Vec<String>> {
        self.first()?.answer_labels(options)
    }

    fn first(&self) -> Result<&TextModel> {
        let first = self.models.first();
        first.ok_or_else(|| Error::unsupported("this cascade has no models of its own: it is given records"))
    }

    /// The results of the first `models` of them for `texts`: each text goes from one to the next until one is confident.
    /// `weigh` gives the tier of an answer, by the number of the model and the milliseconds that it took; `now_ms` is a
    /// clock.
    ///
    /// # Errors
    /// As [`TextModel::answer`].
    pub async fn run(
        &self,
        texts: &[String],
        options: &RunOptions,
        models: usize,
        weigh: impl Fn(usize, &LocalAnswer, f64) -> Tier,
        now_ms: impl Fn() -> f64,
    ) -> Result<Vec<LocalResult>> {
        let mut results: Vec<Option<LocalResult>> = texts.iter().map(|_| None).collect();
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
                let mut tiers = results[text].take().map_or_else(Vec::new, |before| before.tiers);
                tiers.push(tier);
                results[text] = Some(LocalResult { answer, tiers, routing: None });
            }
            unsure = still;
        }
        Ok(results.into_iter().flatten().collect())
    }

    /// Asks the router, if there is one, about those of `texts` whose `results` are not confident.
    ///
    /// # Errors
    /// As [`TextModel::estimate`].
    pub async fn route(&self, texts: &[String], results: &mut [LocalResult], now_ms: impl Fn() -> f64) -> Result<()> {
        let Some(Router { model, min_gain }) = &self.router else { return Ok(()) };
        let (asked, unsure): (Vec<String>, Vec<&mut LocalResult>) = texts
            .iter()
            .zip(results)
            .filter(|(_, result)| !is_sure(result))
            .map(|(text, result)| (text.clone(), result))
            .unzip();
        let started_ms = now_ms();
        let estimates = model.estimate(&asked).await?;
        let latency_ms = (now_ms() - started_ms) / asked.len().max(1) as f64;
        for (result, (gain, work)) in unsure.into_iter().zip(estimates) {
            result.routing = Some(Routing { gain, min_gain: *min_gain, latency_ms, work });
        }
        Ok(())
    }

    /// The confidence of the model number `tier` in its answers to those of `texts` that the models before it are not
    /// confident of, and whether they are right by `truths`: the examples for its calibration.
    ///
    /// # Errors
    /// Invalid input: there is no such model. Else as [`TextModel::examples`].
    pub async fn examples(
        &self,
        tier: usize,
        texts: &[String],
        truths: &[AnswerOutput],
        options: &RunOptions,
        weigh: impl Fn(usize, &LocalAnswer, f64) -> Tier,
    ) -> Result<Vec<Example>> {
        let model = self.models.get(tier);
        let model = model.ok_or_else(|| Error::invalid_input(no_tier(tier, self.models.len())))?;
        if tier == 0 {
            return model.examples(texts, truths, options).await;
        }
        let before = self.run(texts, options, tier, weigh, || 0.0).await?;
        let (texts, truths): (Vec<String>, Vec<AnswerOutput>) = before
            .iter()
            .zip(texts.iter().zip(truths))
            .filter(|(result, _)| !is_sure(result))
            .map(|(_, (text, truth))| (text.clone(), truth.clone()))
            .unzip();
        model.examples(&texts, &truths, options).await
    }
}

/// Whether the last model that was asked is confident.
fn is_sure(result: &LocalResult) -> bool {
    result.tiers.last().is_some_and(Tier::is_sure)
}
