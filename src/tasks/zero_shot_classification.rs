//! `zero-shot-classification`: labels that the model was not trained on, by the similarity of embeddings.

use serde::{Deserialize, Serialize};

use super::scores::softmax;
use super::{AnswerKind, LocalAnswer, Source, TaskDefinition, TextModel, TextReading};
use crate::error::{Error, Result};
use crate::graph::ComputeCost;
use crate::models::OutputKind;
use crate::sort::sort_by;

/// `zero-shot-classification`: texts into labels that the model was not trained on.
///
/// ```
/// use pilot_light::{Device, LoadOptions, folder};
/// use pilot_light::tasks::{Task, ZeroShotClassification, ZeroShotClassificationOptions};
///
/// let path = "tests/golden/tiny-bert-seq".as_ref();
/// let model = folder::load(path, Task::ZeroShotClassification, &Device::cpu(), LoadOptions::default())?;
/// let candidate_labels = vec!["sport".to_string(), "weather".to_string()];
/// let options = ZeroShotClassificationOptions { candidate_labels, ..Default::default() };
/// let found = pollster::block_on(model.run::<ZeroShotClassification>(&["It rains.".to_string()], &options))?;
/// assert_eq!(found[0].labels.len(), 2);
/// assert!(found[0].scores[0] >= found[0].scores[1]);
/// # Ok::<(), pilot_light::Error>(())
/// ```
pub struct ZeroShotClassification;

/// Options of `zero-shot-classification`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct ZeroShotClassificationOptions {
    /// The labels to choose from.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub candidate_labels: Vec<String>,
    /// A sentence with `{}` where the label goes; "This example is {}." by default.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub hypothesis_template: Option<String>,
    /// Whether several labels may be right.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub multi_label: bool,
}

/// The labels of a text, the likeliest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct ZeroShot {
    /// The text.
    pub sequence: String,
    /// The labels.
    pub labels: Vec<String>,
    /// The score of each label, from 0 to 1.
    pub scores: Vec<f64>,
}

impl ZeroShot {
    /// The confidence in the first label, from 0.5 to 1: (1 + margin) / 2, where the margin is the difference between the
    /// scores of the first and the second label. Of two labels it is the first one's probability. Of more it is 0.5 as
    /// well where there is nothing to choose between; a temperature, which leaves 0.5 as it is, needs that.
    ///
    /// # Source
    /// The margin: Scheffer et al., *Active hidden Markov models for information extraction* (2001).
    pub fn confidence(&self) -> f64 {
        let score = |at: usize| self.scores.get(at).copied().unwrap_or(0.0);
        (1.0 + score(0) - score(1)) / 2.0
    }
}

/// What a cosine is multiplied with before the softmax.
///
/// # Source
/// The `scale` of sentence-transformers' `MultipleNegativesRankingLoss`, which models of this kind were
/// trained with.
const SCALE: f32 = 20.0;
const TEMPLATE: &str = "This example is {}.";

impl TaskDefinition for ZeroShotClassification {
    const NAME: &'static str = "zero-shot-classification";
    const ANSWER: Option<AnswerKind> = Some(AnswerKind::Label);
    type Model = TextModel;
    type Input = String;
    type Options = ZeroShotClassificationOptions;
    type Output = Vec<ZeroShot>;

    fn source() -> Source<TextModel> {
        Source::Text(OutputKind::HiddenStates)
    }

    async fn run(model: &TextModel, texts: &[String], options: &Self::Options) -> Result<Vec<ZeroShot>> {
        Ok(classify(model, texts, options).await?.0)
    }

    fn answer_labels(_: &TextModel, options: &Self::Options) -> Vec<String> {
        options.candidate_labels.clone()
    }

    fn hypotheses(options: &Self::Options) -> Result<Vec<String>> {
        hypotheses(options)
    }

    async fn answer(model: &TextModel, texts: &[String], options: &Self::Options) -> Result<Vec<LocalAnswer>> {
        if options.multi_label {
            return Err(Error::unsupported("a cascade needs one label for each text; multi_label may give several"));
        }
        let (all, readings) = classify(model, texts, options).await?;
        let likeliest = all.into_iter().zip(readings).filter_map(|(found, reading)| {
            let confidence = found.confidence();
            let (label, score) = found.labels.into_iter().zip(found.scores).next()?;
            Some(LocalAnswer::label(label, score, confidence, reading))
        });
        Ok(likeliest.collect())
    }
}

/// The labels of each text, and how the text was read; the labels are embedded once, for all texts.
async fn classify(
    model: &TextModel,
    texts: &[String],
    options: &ZeroShotClassificationOptions,
) -> Result<(Vec<ZeroShot>, Vec<TextReading>)> {
    let hypotheses = hypotheses(options)?;
    let inputs = model.encode(texts)?;
    let (hypotheses, of_labels) = model.embeddings(&model.encode(&hypotheses)?).await?;
    let (embeddings, costs) = model.embeddings(&inputs).await?;
    let found = texts.iter().zip(&embeddings).map(|(text, embedding)| {
        let cosines: Vec<f32> = hypotheses.iter().map(|label| dot(label, embedding)).collect();
        let scores = if options.multi_label {
            cosines.iter().map(|&cosine| f64::from(cosine.clamp(0.0, 1.0))).collect()
        } else {
            softmax(&cosines.iter().map(|cosine| cosine * SCALE).collect::<Vec<_>>())
        };
        let mut ranked: Vec<(&String, f64)> = options.candidate_labels.iter().zip(scores).collect();
        sort_by(&mut ranked, |a, b| b.1.total_cmp(&a.1));
        ZeroShot {
            sequence: text.clone(),
            labels: ranked.iter().map(|(label, _)| (*label).clone()).collect(),
            scores: ranked.iter().map(|(_, score)| *score).collect(),
        }
    });
    let of_labels = of_labels.into_iter().sum::<ComputeCost>().shared_by(texts.len());
    let costs = costs.into_iter().map(|cost| cost + of_labels).collect();
    Ok((found.collect(), TextReading::of(&inputs, costs)))
}

/// The sentence of each of the candidate labels.
fn hypotheses(options: &ZeroShotClassificationOptions) -> Result<Vec<String>> {
    let labels = &options.candidate_labels;
    if labels.is_empty() || labels.iter().any(|label| label.trim().is_empty()) {
        return Err(Error::invalid_input("zero-shot-classification needs candidate_labels, none of them empty"));
    }
    let template = options.hypothesis_template.as_deref().unwrap_or(TEMPLATE);
    if !template.contains("{}") {
        return Err(Error::invalid_input(format!(
            "the hypothesis_template '{template}' has no {{}} where the label goes"
        )));
    }
    Ok(labels.iter().map(|label| template.replacen("{}", label, 1)).collect())
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confidence(scores: &[f64]) -> f64 {
        ZeroShot { sequence: String::new(), labels: Vec::new(), scores: scores.to_vec() }.confidence()
    }

    #[test]
    fn the_margin_counts() {
        assert_eq!(confidence(&[0.75, 0.25]), 0.75, "of two labels it is the probability");
        assert_eq!(confidence(&[0.25; 4]), 0.5);
        assert_eq!(confidence(&[0.5, 0.25, 0.25]), 0.625);
        assert_eq!(confidence(&[1.0]), 1.0);
    }
}
