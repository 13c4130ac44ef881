//! A model for texts: tokenizer, backbone and head, run over batches of texts of similar length.

use super::{
    AnswerKind, AnswerOutput, EncoderSource, LocalAnswer, RunOptions, SentenceEmbedding, Task, TaskDefinition,
};
use crate::calibration::{Calibration, Example};
use crate::error::{Error, Result};
use crate::graph::ComputeCost;
use crate::models::{Backbone, Head, OutputKind, Problem, TextConfig, plan_batches};
use crate::tokenizer::{Encoding, Tokenizer};

/// A model for texts, loaded for a task.
///
/// [`run`](Self::run) is for callers that know the task, with its own options and output. A cascade, which does not, uses
/// [`answer`](Self::answer).
pub struct TextModel {
    pub(super) task: Task,
    pub(super) tokenizer: Tokenizer,
    pub(super) backbone: Backbone,
    /// What makes logits of the backbone's hidden states; `None` where the task is done without.
    pub(super) head: Option<Head>,
    /// The labels of the logits, by index; empty without logits.
    pub(super) labels: Vec<String>,
    pub(super) problem: Problem,
    pub(super) pad_token_id: u32,
    /// The most tokens of a text, special tokens included.
    pub(super) max_length: usize,
    /// How an embedding is made of the tokens' vectors.
    pub(super) sentence_embedding: SentenceEmbedding,
    calibration: Option<Calibration>,
    weights_sha256: Option<String>,
    /// Where the embeddings come from.
    pub(super) encoder: EncoderSource,
}

/// How a text was read.
#[derive(Clone, Copy)]
pub(super) struct TextReading {
    /// Whether only the beginning was read.
    pub truncated: bool,
    /// What it cost; of texts that went through the model together, an equal part.
    pub cost: ComputeCost,
}

impl TextReading {
    /// The readings of `inputs`, with the cost of each.
    pub(super) fn of(inputs: &[Encoding], costs: Vec<ComputeCost>) -> Vec<Self> {
        inputs.iter().zip(costs).map(|(input, cost)| Self { truncated: input.truncated, cost }).collect()
    }
}

/// The most tokens of a text where neither the model nor the tokenizer limits them: what BERT takes.
const DEFAULT_MAX_LENGTH: usize = 512;

impl TextModel {
    /// Puts a model together. `max_length` limits the tokens of a text in addition to the limits of tokenizer and model.
    ///
    /// # Errors
    /// Invalid artefact: the tokenizer and the model do not fit each other. Unsupported: the model does not give what the
    /// task needs.
    pub fn new(
        task: Task,
        tokenizer: Tokenizer,
        backbone: Backbone,
        head: Option<Head>,
        config: TextConfig,
        max_length: Option<usize>,
    ) -> Result<Self> {
        let logits = head.as_ref().map_or(backbone.output(), Head::output);
        let fits = match task.text_output() {
            Some(OutputKind::HiddenStates) => backbone.output() == OutputKind::HiddenStates,
            wanted => wanted == Some(logits),
        };
        if !fits {
            let (is, name) = (logits.model_name(), task.name());
            return Err(Error::unsupported(format!("the model is {is}, which {name} cannot be done with")));
        }
        if let Some(words) = config.vocab_size.filter(|&words| tokenizer.reaches(words)) {
            return Err(Error::invalid_artefact(format!(
                "the tokenizer does not fit the model: it has more tokens than the {words} words of config.json"
            )));
        }
        let limits = [config.max_length, backbone.max_length(), tokenizer.max_length(), max_length];
        let max_length = limits.into_iter().flatten().min().unwrap_or(DEFAULT_MAX_LENGTH);
        if max_length <= tokenizer.special_tokens() {
            return Err(Error::invalid_artefact(format!(
                "the model takes {max_length} tokens, which leaves no room for a text"
            )));
        }
        let labels = match logits {
            OutputKind::HiddenStates => Vec::new(),
            _ => {
                let count = head.as_ref().map_or(backbone.width(), |head| Some(head.label_count()));
                labels(config.labels, count)?
            }
        };
        let problem = match logits {
            OutputKind::HiddenStates | OutputKind::TokenLogits => Problem::SingleLabel,
            OutputKind::TextLogits => config.problem,
        };
        let pad_token_id = config.pad_token_id;
        let (calibration, weights_sha256) = (None, None);
        Ok(Self {
            task,
            tokenizer,
            backbone,
            head,
            labels,
            problem,
            pad_token_id,
            max_length,
            sentence_embedding: SentenceEmbedding::default(),
            calibration,
            weights_sha256,
            encoder: EncoderSource::default(),
        })
    }

    /// The same model, whose embeddings are made so; else they are means.
    #[must_use]
    pub fn with_sentence_embedding(self, sentence_embedding: SentenceEmbedding) -> Self {
        Self { sentence_embedding, ..self }
    }

    /// The same model with its calibration, and the SHA-256 of its weights.
    #[must_use]
    pub fn with_calibration(self, calibration: Option<Calibration>, weights_sha256: Option<String>) -> Self {
        Self { calibration, weights_sha256, ..self }
    }

    /// The same model, whose embeddings come from there.
    #[must_use]
    pub fn with_encoder(self, encoder: EncoderSource) -> Self {
        Self { encoder, ..self }
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

    /// The labels that it tells apart; empty for an encoder without a head.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Its calibration, where it has one.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// The SHA-256 of its weights in hexadecimal, where its manifest has it.
    pub fn weights_sha256(&self) -> Option<&String> {
        self.weights_sha256.as_ref()
    }

    /// The results of the task `T` for `texts`.
    ///
    /// # Errors
    /// Invalid input: the model was loaded for another task, an option makes no sense, or a text is too long for the task.
    /// Device lost: the device failed.
    pub async fn run<T>(&self, texts: &[String], options: &T::Options) -> Result<T::Output>
    where
        T: TaskDefinition<Model = Self, Input = String>,
    {
        if self.task.name() != T::NAME {
            let loaded = self.task.name();
            return Err(Error::invalid_input(format!("expected a model for {}, got one for {loaded}", T::NAME)));
        }
        T::run(self, texts, options).await
    }

    /// The one answer for each of `texts`, with the model's confidence.
    ///
    /// ```
    /// use pilot_light::tasks::{RunOptions, Task};
    /// use pilot_light::{Device, LoadOptions, folder};
    ///
    /// let path = "tests/golden/tiny-bert-seq".as_ref();
    /// let model = folder::load(path, Task::TextClassification, &Device::cpu(), LoadOptions::default())?;
    /// let answers = pollster::block_on(model.answer(&["It rains.".to_string()], &RunOptions::default()))?;
    /// assert!((0.0..=1.0).contains(&answers[0].confidence));
    /// # Ok::<(), pilot_light::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::run`]; unsupported for a task or an option without a single answer.
    pub async fn answer(&self, texts: &[String], options: &RunOptions) -> Result<Vec<LocalAnswer>> {
        self.check_answers()?;
        with_task!(self.task, T => T::answer(self, texts, &options.read()?).await)
    }

    /// Checks that the model gives one answer for each text, as [`Self::answer`] needs.
    ///
    /// # Errors
    /// Unsupported: it does not.
    pub fn check_answers(&self) -> Result<()> {
        with_task!(self.task, T => T::check_answers(self))
    }

    /// The labels that an answer may have under `options`, which a remote model is given.
    ///
    /// # Errors
    /// Invalid input: options that the task does not have.
    pub fn answer_labels(&self, options: &RunOptions) -> Result<Vec<String>> {
        with_task!(self.task, T => Ok(T::answer_labels(self, &options.read()?)))
    }

    /// The sentences that a text is compared with under `options`, one for each label; none for a model that was trained on
    /// its labels.
    ///
    /// # Errors
    /// Invalid input: there are no labels, the template lacks `{}`, or the task does not have the options.
    pub fn hypotheses(&self, options: &RunOptions) -> Result<Vec<String>> {
        with_task!(self.task, T => T::hypotheses(&options.read()?))
    }

    /// The examples that a calibration is made from: the model's confidence in its answer to each of `texts`, and whether
    /// that equals the right answer in `truths`, whose offsets count bytes.
    ///
    /// # Errors
    /// Invalid input: a label that the model does not have, an answer of another kind than the task's, or not one for each
    /// text. Else as [`Self::answer`].
    pub async fn examples(
        &self,
        texts: &[String],
        truths: &[AnswerOutput],
        options: &RunOptions,
    ) -> Result<Vec<Example>> {
        self.check_truths(truths, &self.answer_labels(options)?)?;
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
        let finds_entities = self.task.answer_kind() == Some(AnswerKind::Entities);
        for truth in truths {
            match truth {
                AnswerOutput::Label(_) if finds_entities => {
                    return Err(Error::invalid_input("this model finds entities: the right answer is a list of them"));
                }
                AnswerOutput::Entities(_) if !finds_entities => {
                    return Err(Error::invalid_input("this model gives one label: the right answer is one"));
                }
                AnswerOutput::Labels(_) => {
                    return Err(Error::invalid_input(
                        "this model does not give several labels: the right answer is not a set",
                    ));
                }
                AnswerOutput::Record(_) => {
                    return Err(Error::invalid_input("this model reads no records: the right answer is not one"));
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

    /// How many tokens the model reads of `text`.
    ///
    /// # Errors
    /// Invalid input: a text that the tokenizer refuses.
    pub fn count_tokens(&self, text: &str) -> Result<usize> {
        Ok(self.prompted(text, self.sentence_embedding.prompts.default_prompt())?.input_ids.len())
    }

    /// `texts` as tokens behind the default prompt, where the model has one; see [`Self::encode_with_prompt`].
    pub(super) fn encode(&self, texts: &[String]) -> Result<Vec<Encoding>> {
        self.encode_with_prompt(texts, self.sentence_embedding.prompts.default_prompt())
    }

    /// `prompt` and each of `texts` as tokens, truncated to what the model takes. Each has at least one token, also an empty
    /// text with a tokenizer that adds no special tokens.
    pub(super) fn encode_with_prompt(&self, texts: &[String], prompt: &str) -> Result<Vec<Encoding>> {
        let encode = |text: &String| {
            let mut encoding = self.prompted(text, prompt)?;
            if encoding.input_ids.is_empty() {
                encoding.input_ids.push(self.pad_token_id);
            }
            Ok(encoding)
        };
        texts.iter().map(encode).collect()
    }

    fn prompted(&self, text: &str, prompt: &str) -> Result<Encoding> {
        match prompt {
            "" => self.tokenizer.encode(text, self.max_length),
            prompt => self.tokenizer.encode(&format!("{prompt}{text}"), self.max_length),
        }
    }

    /// The tokens of a text that the model reads, without those around it and those of the default prompt.
    pub(super) fn room(&self) -> Result<usize> {
        let prompt = self.prompt_tokens(self.sentence_embedding.prompts.default_prompt())?;
        Ok(self.max_length.saturating_sub(self.tokenizer.special_tokens() + prompt).max(1))
    }

    /// How many tokens of an input are its prompt's, special tokens before it included, as sentence-transformers counts them:
    /// those of the prompt by itself, without the special token behind it.
    pub(super) fn prompt_tokens(&self, prompt: &str) -> Result<usize> {
        if prompt.is_empty() {
            return Ok(0);
        }
        let behind = self.tokenizer.special_tokens() > self.tokenizer.prefix_tokens();
        Ok(self.tokenizer.encode(prompt, self.max_length)?.input_ids.len() - usize::from(behind))
    }

    /// Runs the backbone over `inputs` in batches and calls `visit` for each with its index, its rows and their width:
    /// hidden states `[tokens, hidden]` or, without a head, logits. Gives what each input cost.
    pub(super) async fn for_each_output(
        &self,
        inputs: &[Encoding],
        mut visit: impl FnMut(usize, &[f32], usize),
    ) -> Result<Vec<ComputeCost>> {
        let mut costs = vec![ComputeCost::default(); inputs.len()];
        let lengths: Vec<usize> = inputs.iter().map(|input| input.input_ids.len()).collect();
        let batches = if self.backbone.batches() {
            plan_batches(&lengths)
        } else {
            (0..inputs.len()).map(|index| vec![index]).collect()
        };
        let gives_logits = self.backbone.output() != OutputKind::HiddenStates;
        for batch in batches {
            let ids: Vec<&[u32]> = batch.iter().map(|&index| inputs[index].input_ids.as_slice()).collect();
            let output = self.backbone.forward(&ids).await?;
            let width = output.width();
            if gives_logits && width != self.labels.len() {
                return Err(mismatch(self.labels.len(), width));
            }
            for (row, &index) in batch.iter().enumerate() {
                visit(index, output.rows(row, lengths[index]), width);
                costs[index] = output.cost().shared_by(batch.len());
            }
        }
        Ok(costs)
    }
}

/// The labels of `count` logits. A model without label names has numbered ones, as in transformers.
fn labels(named: Option<Vec<String>>, count: Option<usize>) -> Result<Vec<String>> {
    let labels = named.unwrap_or_else(|| (0..count.unwrap_or(0)).map(|index| format!("LABEL_{index}")).collect());
    match count {
        Some(count) if count != labels.len() => Err(mismatch(labels.len(), count)),
        _ => Ok(labels),
    }
}

fn mismatch(labels: usize, logits: usize) -> Error {
    Error::invalid_artefact(format!("config.json names {labels} labels, and the model tells {logits} apart"))
}
