//! `text-classification`: labels for whole texts, by a published sequence head or by a head on embeddings.

use serde::{Deserialize, Serialize};

use super::scores::{sigmoid, softmax};
use super::{AnswerKind, LocalAnswer, Source, TaskDefinition, TextModel, TextReading};
use crate::error::{Error, Result};
use crate::graph::ComputeCost;
use crate::models::{Head, OutputKind, Problem, length_feature};
use crate::sort::sort_by;

/// `text-classification`: texts into labels.
///
/// ```
/// use pilot_light::{Device, LoadOptions, folder};
/// use pilot_light::tasks::{Task, TextClassification, TextClassificationOptions};
///
/// let path = "tests/golden/tiny-bert-seq".as_ref();
/// let model = folder::load(path, Task::TextClassification, &Device::cpu(), LoadOptions::default())?;
/// let texts = ["It rains.".to_string()];
/// let options = TextClassificationOptions { top_k: Some(1) };
/// let found = pollster::block_on(model.run::<TextClassification>(&texts, &options))?;
/// let likeliest = &found[0][0];
/// assert!(model.labels().contains(&likeliest.label) && likeliest.score > 0.0);
/// # Ok::<(), pilot_light::Error>(())
/// ```
pub struct TextClassification;

/// Options of `text-classification`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct TextClassificationOptions {
    /// How many labels, the likeliest first; all by default.
    #[cfg_attr(feature = "web", tsify(optional, type = "number | null"))]
    pub top_k: Option<usize>,
}

/// A label and its score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Classification {
    /// The label.
    pub label: String,
    /// From 0 to 1; for a model that estimates a number, the number.
    pub score: f64,
}

impl TaskDefinition for TextClassification {
    const NAME: &'static str = "text-classification";
    const ANSWER: Option<AnswerKind> = Some(AnswerKind::Label);
    type Model = TextModel;
    type Input = String;
    type Options = TextClassificationOptions;
    /// The labels of each text, the likeliest first.
    type Output = Vec<Vec<Classification>>;

    fn source() -> Source<TextModel> {
        Source::Text(OutputKind::TextLogits)
    }

    async fn run(model: &TextModel, texts: &[String], options: &TextClassificationOptions) -> Result<Self::Output> {
        Ok(classify(model, texts, options.top_k).await?.0)
    }

    fn labels(model: &TextModel) -> &[String] {
        model.labels()
    }

    fn check_answers(model: &TextModel) -> Result<()> {
        if model.labels.len() < 2 || model.problem != Problem::SingleLabel {
            return Err(Error::unsupported(
                "a cascade needs a model that gives one label, and this one may give several",
            ));
        }
        Ok(())
    }

    async fn answer(model: &TextModel, texts: &[String], _: &TextClassificationOptions) -> Result<Vec<LocalAnswer>> {
        let (found, readings) = classify(model, texts, Some(1)).await?;
        let likeliest = found.into_iter().flatten().zip(readings);
        Ok(likeliest.map(|(top, reading)| LocalAnswer::label(top.label, top.score, top.score, reading)).collect())
    }
}

/// The `top_k` likeliest labels of each text, and how the text was read.
async fn classify(
    model: &TextModel,
    texts: &[String],
    top_k: Option<usize>,
) -> Result<(Vec<Vec<Classification>>, Vec<TextReading>)> {
    let inputs = model.encode(texts)?;
    let mut logits = vec![Vec::new(); inputs.len()];
    let costs = match &model.head {
        Some(Head::Sequence { dense, activation, classifier }) => {
            let visit = |index: usize, states: &[f32], hidden: usize| {
                let mut first = dense.forward(&states[..hidden]);
                activation.apply(&mut first);
                logits[index] = classifier.forward(&first);
            };
            model.for_each_output(&inputs, visit).await?
        }
        Some(Head::Embedding(linear)) => {
            let (embeddings, costs) = model.embeddings(&inputs).await?;
            logits = embeddings.iter().map(|embedding| linear.forward(embedding)).collect();
            costs
        }
        Some(Head::EmbeddingAndLength(linear)) => {
            let (embeddings, costs) = model.embeddings(&inputs).await?;
            let features = embeddings.into_iter().zip(&inputs).map(|(mut features, input)| {
                features.push(length_feature(input.input_ids.len()));
                features
            });
            logits = features.map(|features| linear.forward(&features)).collect();
            costs
        }
        // A model without a head gives a text's logits itself; one with a head for tokens was refused when it was built.
        None | Some(Head::Token(_)) => {
            model.for_each_output(&inputs, |index, row, _| logits[index] = row.to_vec()).await?
        }
    };
    let found = logits.iter().map(|logits| ranked(model, logits, top_k)).collect();
    Ok((found, TextReading::of(&inputs, costs)))
}

fn ranked(model: &TextModel, logits: &[f32], top_k: Option<usize>) -> Vec<Classification> {
    let scores = match model.problem {
        Problem::SingleLabel => softmax(logits),
        Problem::MultiLabel => logits.iter().copied().map(sigmoid).collect(),
        Problem::Regression => logits.iter().copied().map(f64::from).collect(),
    };
    let labelled = model.labels.iter().zip(scores);
    let mut found: Vec<_> = labelled.map(|(label, score)| Classification { label: label.clone(), score }).collect();
    sort_by(&mut found, |a, b| b.score.total_cmp(&a.score));
    found.truncate(top_k.unwrap_or(usize::MAX));
    found
}

impl TextModel {
    /// Whether it estimates a single number, as a router does.
    pub fn estimates(&self) -> bool {
        self.task == super::Task::TextClassification && self.problem == Problem::Regression && self.labels.len() == 1
    }

    /// The number that it estimates for each text, and what that cost; for a model that
    /// [`estimates`](Self::estimates) one.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn estimate(&self, texts: &[String]) -> Result<Vec<(f64, ComputeCost)>> {
        let (found, readings) = classify(self, texts, None).await?;
        let number = |found: &Vec<Classification>| found.first().map_or(f64::NAN, |found| found.score);
        Ok(found.iter().zip(readings).map(|(found, reading)| (number(found), reading.cost)).collect())
    }
}
