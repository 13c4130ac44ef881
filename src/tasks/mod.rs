//! What models are used for, one file for each task, named as the Hugging Face hub names them.

mod answer;
mod feature_extraction;
mod file_classification;
mod graph_io;
mod image_to_text;
mod options;
mod personal_data;
mod task;
mod text_classification;
mod token_classification;
mod voice_activity_detection;
mod zero_shot_classification;

pub use answer::{Answer, AnswerOutput, LocalAnswer};
pub use feature_extraction::{Features, Pooling};
pub use file_classification::{FileClassification, FileClassifier};
pub use image_to_text::{ImageReader, ImageText, ImageToTextOptions, TextLine};
pub use options::{RunOptions, RunOutput};
pub use personal_data::PersonalData;
pub use task::Task;
pub use text_classification::Classification;
pub use token_classification::{Aggregation, Entity, EntityGroup, to_utf16};
pub use voice_activity_detection::{
    SpeechEvent, SpeechOptions, SpeechSegment, SpeechStream, SpeechUpdate, VoiceActivityDetector, resample,
};
pub use zero_shot_classification::ZeroShot;

use crate::calibration::{Calibration, Example};
use crate::error::{Error, Result};
use crate::graph::ComputeCost;
use crate::models::{Backbone, Head, Hidden, Problem, TextConfig, plan_batches};
use crate::tokenizer::{Encoding, Tokenizer};

/// A model loaded for a task.
pub struct Pipeline {
    task: Task,
    tokenizer: Tokenizer,
    backbone: Backbone,
    head: Head,
    labels: Vec<String>,
    problem: Problem,
    pad_token_id: u32,
    max_length: usize,
    calibration: Option<Calibration>,
    weights_sha256: Option<String>,
}

/// How a text was read.
#[derive(Clone, Copy)]
struct Reading {
    /// Whether only its beginning was.
    truncated: bool,
    /// What it took; of texts that went through the model together, an equal part.
    work: ComputeCost,
}

/// The most tokens of a text, where neither model nor tokenizer tell: what BERT and its kin take.
const USUAL_MAX_LENGTH: usize = 512;

impl Pipeline {
    /// Puts a model together. `max_length` bounds the tokens of a text beside what tokenizer and model
    /// allow.
    ///
    /// # Errors
    /// Invalid artefact: the tokenizer and the model do not fit each other. Unsupported: the model's
    /// head is not one for the task.
    pub fn new(
        task: Task,
        tokenizer: Tokenizer,
        backbone: Backbone,
        head: Head,
        config: TextConfig,
        max_length: Option<usize>,
    ) -> Result<Self> {
        let fits = match task {
            Task::FeatureExtraction | Task::ZeroShotClassification => {
                !matches!(head, Head::TextLogits | Head::TokenLogits)
            }
            Task::TextClassification => matches!(
                head,
                Head::Sequence { .. } | Head::TextLogits | Head::Embedding(_) | Head::EmbeddingAndLength(_)
            ),
            Task::TokenClassification => matches!(head, Head::Token(_) | Head::TokenLogits),
            Task::FileClassification | Task::VoiceActivityDetection | Task::ImageToText => false,
        };
        if !fits {
            let is = match head {
                Head::None => "a bare encoder",
                Head::Sequence { .. } | Head::TextLogits | Head::Embedding(_) | Head::EmbeddingAndLength(_) => {
                    "a classifier of whole texts"
                }
                Head::Token(_) | Head::TokenLogits => "a classifier of tokens",
            };
            return Err(Error::unsupported(format!("the model is {is}, which {} cannot be done with", task.name())));
        }
        if let Some(words) = config.vocab_size.filter(|&words| tokenizer.reaches(words)) {
            return Err(Error::invalid_artefact(format!(
                "the tokenizer does not fit the model: it has more tokens than the {words} words of config.json"
            )));
        }
        let limits = [config.max_length, backbone.max_length(), tokenizer.max_length(), max_length];
        let max_length = limits.into_iter().flatten().min().unwrap_or(USUAL_MAX_LENGTH);
        if max_length <= tokenizer.special_tokens() {
            return Err(Error::invalid_artefact(format!(
                "the model takes {max_length} tokens, which leaves no room for a text"
            )));
        }
        let labels = labels(&backbone, &head, config.labels)?;
        let TextConfig { problem, pad_token_id, .. } = config;
        let problem = match head {
            Head::Sequence { .. } | Head::TextLogits | Head::EmbeddingAndLength(_) => problem,
            _ => Problem::SingleLabel,
        };
        Ok(Self {
            task,
            tokenizer,
            backbone,
            head,
            labels,
            problem,
            pad_token_id,
            max_length,
            calibration: None,
            weights_sha256: None,
        })
    }

    /// The same model, with what is known of how far it may be trusted, and the SHA-256 of its weights.
    #[must_use]
    pub fn with_calibration(self, calibration: Option<Calibration>, weights_sha256: Option<String>) -> Self {
        Self { calibration, weights_sha256, ..self }
    }

    /// The SHA-256 of its weights, in hexadecimal, where its manifest tells it.
    pub fn weights_sha256(&self) -> Option<&String> {
        self.weights_sha256.as_ref()
    }

    /// What is known of how far it may be trusted.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// The same model, which reads at most `max_length` tokens of a text.
    #[must_use]
    pub fn with_max_length(self, max_length: usize) -> Self {
        let max_length = max_length.clamp(self.tokenizer.special_tokens() + 1, self.max_length);
        Self { max_length, ..self }
    }

    /// What the model was loaded for.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The labels that it tells apart; empty for an encoder.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The result of the task for each of `texts`.
    ///
    /// # Errors
    /// Invalid input: an option that makes no sense, or a text that is too long for the task. Device
    /// lost: the device failed.
    pub async fn run(&self, texts: &[String], options: &RunOptions) -> Result<RunOutput> {
        match self.task {
            Task::FeatureExtraction => Ok(RunOutput::Features(self.features(texts, options).await?)),
            Task::TextClassification => Ok(RunOutput::Classifications(self.classify(texts, options.top_k).await?.0)),
            Task::TokenClassification => match options.aggregation_strategy.unwrap_or_default() {
                Aggregation::None => Ok(RunOutput::Entities(self.entities(texts).await?)),
                Aggregation::Simple => Ok(RunOutput::EntityGroups(
                    self.entity_groups(texts).await?.into_iter().map(|found| found.0).collect(),
                )),
            },
            Task::ZeroShotClassification => Ok(RunOutput::ZeroShots(self.zero_shot(texts, options).await?.0)),
            // Refused when the pipeline was made.
            Task::FileClassification | Task::VoiceActivityDetection | Task::ImageToText => {
                Err(Error::internal(format!("{} is not done with texts", self.task.name())))
            }
        }
    }

    /// The one answer for each of `texts`, with how sure the model is of it.
    ///
    /// # Errors
    /// As [`Self::run`]; unsupported for a task or an option that has no single answer.
    pub async fn answer(&self, texts: &[String], options: &RunOptions) -> Result<Vec<LocalAnswer>> {
        let label = |label: String, score: f64, confidence: f64, reading: Reading| LocalAnswer {
            output: AnswerOutput::Label(Answer { label, score: Some(score) }),
            confidence,
            truncated: reading.truncated,
            work: reading.work,
        };
        self.check_answers()?;
        match self.task {
            Task::TextClassification => {
                let (all, readings) = self.classify(texts, Some(1)).await?;
                let tops = all.into_iter().flatten().zip(readings);
                Ok(tops.map(|(top, reading)| label(top.label, top.score, top.score, reading)).collect())
            }
            Task::TokenClassification => {
                let found = self.entity_groups(texts).await?;
                Ok(found
                    .into_iter()
                    .map(|(groups, confidence, work)| LocalAnswer {
                        output: AnswerOutput::Entities(groups),
                        confidence,
                        truncated: false,
                        work,
                    })
                    .collect())
            }
            Task::ZeroShotClassification => {
                if options.multi_label == Some(true) {
                    return Err(Error::unsupported(
                        "a cascade needs one label for each text; multi_label may give several",
                    ));
                }
                let (all, readings) = self.zero_shot(texts, options).await?;
                let tops = all.into_iter().zip(readings).filter_map(|(found, reading)| {
                    let confidence = found.confidence();
                    let (top, score) = found.labels.into_iter().zip(found.scores).next()?;
                    Some(label(top, score, confidence, reading))
                });
                Ok(tops.collect())
            }
            // Refused above.
            _ => Ok(Vec::new()),
        }
    }

    /// How sure the model is of its answer to each of `texts`, and whether that says the same as the right one in
    /// `truths`, whose places count bytes: what a calibration is made from.
    ///
    /// # Errors
    /// Invalid input: a label that the model does not know, an answer that is not one to its task, or not one for each
    /// text. Else as [`Self::answer`].
    pub async fn examples(
        &self,
        texts: &[String],
        truths: &[AnswerOutput],
        options: &RunOptions,
    ) -> Result<Vec<Example>> {
        self.check_truths(truths, &self.answer_labels(options))?;
        if truths.len() != texts.len() {
            return Err(Error::invalid_input(format!("{} answers to {} texts", truths.len(), texts.len())));
        }
        let answers = self.answer(texts, options).await?;
        let example = |(answer, truth): (LocalAnswer, &AnswerOutput)| Example {
            confidence: answer.confidence,
            correct: answer.output.says_the_same(truth),
        };
        Ok(answers.into_iter().zip(truths).map(example).collect())
    }

    fn check_truths(&self, truths: &[AnswerOutput], known: &[String]) -> Result<()> {
        let finds_entities = self.task == Task::TokenClassification;
        for truth in truths {
            match truth {
                AnswerOutput::Label(_) if finds_entities => {
                    return Err(Error::invalid_input("this model finds entities: the right answer is a list of them"));
                }
                AnswerOutput::Entities(_) if !finds_entities => {
                    return Err(Error::invalid_input("this model gives one label: the right answer is one"));
                }
                _ => {}
            }
            if let Some(label) = truth.labels().find(|label| !known.iter().any(|known| known == label)) {
                let known = known.join(", ");
                return Err(Error::invalid_input(format!("the model does not know the label '{label}', but {known}")));
            }
        }
        Ok(())
    }

    /// Finds out whether the model gives one answer for each text, as [`Self::answer`] wants.
    ///
    /// # Errors
    /// Unsupported: it does not.
    pub fn check_answers(&self) -> Result<()> {
        match self.task {
            Task::FeatureExtraction => {
                Err(Error::unsupported("feature-extraction has no answer that a general model could give"))
            }
            Task::TextClassification if self.labels.len() < 2 || self.problem != Problem::SingleLabel => {
                Err(Error::unsupported("a cascade needs a model that gives one label, and this one may give several"))
            }
            _ => Ok(()),
        }
    }

    /// How many tokens the model reads of `text`.
    ///
    /// # Errors
    /// Invalid input: a text that the tokenizer refuses.
    pub fn count_tokens(&self, text: &str) -> Result<usize> {
        Ok(self.tokenizer.encode(text, self.max_length)?.input_ids.len())
    }

    /// `texts` as tokens, cut at what the model takes; at least one for each, also for an empty text of a tokenizer
    /// that puts nothing around it.
    fn encode(&self, texts: &[String]) -> Result<Vec<Encoding>> {
        let encode = |text: &String| {
            let mut encoding = self.tokenizer.encode(text, self.max_length)?;
            if encoding.input_ids.is_empty() {
                encoding.input_ids.push(self.pad_token_id);
            }
            Ok(encoding)
        };
        texts.iter().map(encode).collect()
    }

    /// Runs the model up to its head over `inputs` in batches, and gives what comes out for each, rows of
    /// so many numbers, to `visit` with its index: hidden states for each token or, of a model that brings its own
    /// head, logits. Gives what each took.
    async fn for_each_output(
        &self,
        inputs: &[Encoding],
        mut visit: impl FnMut(usize, &[f32], usize),
    ) -> Result<Vec<ComputeCost>> {
        let mut works = vec![ComputeCost::default(); inputs.len()];
        let lengths: Vec<usize> = inputs.iter().map(|input| input.input_ids.len()).collect();
        let batches = if self.backbone.batches() {
            plan_batches(&lengths)
        } else {
            (0..inputs.len()).map(|index| vec![index]).collect()
        };
        let own_head = matches!(self.head, Head::TextLogits | Head::TokenLogits);
        for batch in batches {
            let ids: Vec<&[u32]> = batch.iter().map(|&index| inputs[index].input_ids.as_slice()).collect();
            let hidden: Hidden = self.backbone.forward(&ids).await?;
            let width = hidden.hidden();
            if own_head && width != self.labels.len() {
                return Err(mismatch(self.labels.len(), width));
            }
            for (row, &index) in batch.iter().enumerate() {
                visit(index, hidden.states(row, lengths[index]), width);
                works[index] = hidden.work().shared_by(batch.len());
            }
        }
        Ok(works)
    }

    /// The sentences that a text is compared with under `options`, one for each label; none of a model that was trained
    /// on its labels.
    ///
    /// # Errors
    /// Invalid input: there are no labels, or no place for them.
    pub fn hypotheses(&self, options: &RunOptions) -> Result<Vec<String>> {
        match self.task {
            Task::ZeroShotClassification => zero_shot_classification::hypotheses(options),
            _ => Ok(Vec::new()),
        }
    }

    /// The labels that an answer may have under `options`, as a general model is to be told them.
    pub fn answer_labels(&self, options: &RunOptions) -> Vec<String> {
        match self.task {
            Task::ZeroShotClassification => options.candidate_labels.clone().unwrap_or_default(),
            Task::TokenClassification => token_classification::group_names(&self.labels),
            _ => self.labels.clone(),
        }
    }
}

/// The labels of a model's head; those of a graph that come without names are numbered, as transformers does.
fn labels(backbone: &Backbone, head: &Head, named: Option<Vec<String>>) -> Result<Vec<String>> {
    let told = match backbone {
        Backbone::Graph(graph) => graph.width(),
        Backbone::Encoder(encoder) => Some(encoder.config().labels.len()),
    };
    let labels = named.unwrap_or_else(|| (0..told.unwrap_or(0)).map(|index| format!("LABEL_{index}")).collect());
    match (head, told) {
        (Head::None, _) => Ok(Vec::new()),
        (Head::TextLogits | Head::TokenLogits, Some(width)) if width != labels.len() => {
            Err(mismatch(labels.len(), width))
        }
        _ => Ok(labels),
    }
}

fn mismatch(labels: usize, logits: usize) -> Error {
    Error::invalid_artefact(format!("config.json names {labels} labels, and the model tells {logits} apart"))
}

/// Probabilities from logits, computed so that no exponential overflows.
fn softmax(logits: &[f32]) -> Vec<f64> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let odds: Vec<f64> = logits.iter().map(|logit| f64::from(logit - highest).exp()).collect();
    let sum: f64 = odds.iter().sum();
    odds.into_iter().map(|odds| odds / sum).collect()
}

fn sigmoid(logit: f32) -> f64 {
    1.0 / (1.0 + f64::from(-logit).exp())
}

/// The index and value of the largest number; none for no numbers.
fn largest(numbers: &[f64]) -> Option<(usize, f64)> {
    numbers.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))
}
