//! Learning in a cascade: the head on the local model's embeddings is trained on what the remote models answer, and decides
//! what stays at home.

use serde::{Deserialize, Serialize};

use super::machine::{Learning, not_started};
use super::{Cascade, CascadeConfig, Decided};
use crate::error::{Error, Result};
use crate::learning::{
    Example, LearnOptions, Learner, LearningReport, MAX_LABELS, Observation, Space, Store, fnv_1a, zero_shot,
    zero_shot_each,
};
use crate::remote::AnswerForm;
use crate::tasks::{Embedded, HeadFiles, RunOptions, TextModel};
use crate::training::Linear;

/// Texts that are embedded in one pass where an encoder is another one.
const EMBEDDED_TOGETHER: usize = 16;

/// How a cascade learns. Its one local model gives embeddings: a model for feature extraction, with labels; or one for
/// text classification that is a head on embeddings, which is the first head.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct LearnConfig {
    /// The labels. None: those of the model's own head.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub labels: Vec<LearnLabel>,
    /// Whether several labels, or none, may apply to a text. Else each has one.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub multi_label: bool,
    /// Tells the encoder from others where no manifest has the digest of its weights.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub encoder: String,
    /// How it is known how sure a remote model was of its label; by default it is not.
    #[cfg_attr(feature = "web", tsify(optional))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<AgreementBy>,
    /// What is promised, and what may be kept.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub options: LearnOptions,
}

/// A label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(deny_unknown_fields)]
pub struct LearnLabel {
    /// Its name, as the remote models are asked for it.
    pub label: String,
    /// What texts with it are like, in words: the first head takes the label whose description is most similar. The name by
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub description: Option<String>,
}

/// How it is known how sure a remote model was of its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum AgreementBy {
    /// By the probabilities of its tokens, which its server is asked for; one that does not give them is taken to be sure.
    Logprobs,
}

/// What the caller of a cascade that learns knows of texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct Provenance {
    /// Who they came from. Of the room that each label would have if all had the same, one source fills at most a fourth. A
    /// digest of it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "web", tsify(optional))]
    pub source: Option<String>,
    /// How much a remote model's labels of them count in training, above 0 and at most 1.
    #[cfg_attr(feature = "web", tsify(optional))]
    pub agreement: f64,
}

impl Default for Provenance {
    fn default() -> Self {
        Self { source: None, agreement: 1.0 }
    }
}

impl Provenance {
    fn check(&self) -> Result<()> {
        if self.source.as_ref().is_some_and(String::is_empty) {
            return Err(Error::invalid_input("a source must not be empty"));
        }
        if !(self.agreement > 0.0 && self.agreement <= 1.0) {
            let wrong = format!("the agreement must be above 0 and at most 1, got {}", self.agreement);
            return Err(Error::invalid_input(wrong));
        }
        Ok(())
    }

    /// The number of the source; 0 where that is not known.
    pub(super) fn number(&self) -> u64 {
        self.source.as_ref().map_or(0, |source| fnv_1a(source.bytes()).max(1))
    }
}

/// What an answer of a cascade that learns rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct Learned {
    /// Whose labels it learns, and the promise is about: those of the remote models, which may be wrong themselves.
    pub labels_by: LabelsBy,
    /// The number of the head in charge; 0 for the first one before it was tested.
    pub version: u64,
    /// Whether a promise holds now.
    pub promised: bool,
    /// Whether the text was drawn to be checked.
    pub checked: bool,
    /// Whether what was learnt saved a request: the text stayed at home, and the first head would have sent it at the same promise.
    pub saved: bool,
}

/// Whose labels a promise is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum LabelsBy {
    /// The remote models.
    Remote,
}

/// Which part a cascade has among those that learn the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// It is alone.
    Alone,
    /// It learns, and hands out each label to be stored.
    Leads,
    /// Another one learns: it decides by the state that it is given, and hands out each label.
    Follows,
}

impl LearnConfig {
    /// Checks that a cascade with these settings can learn.
    pub(super) fn check(&self, config: &CascadeConfig) -> Result<()> {
        if config.router.is_some() || config.local.len() > 1 {
            return Err(Error::invalid_input("a cascade that learns has one local model and no router"));
        }
        if config.policy.check_rate != 0.0 || config.policy.threshold.is_some() {
            return Err(Error::invalid_input(
                "a cascade that learns has a check_rate and thresholds of its own: the policy must not have them",
            ));
        }
        if config.local.iter().any(|local| local.threshold.is_some() || local.calibration.is_some()) {
            return Err(Error::invalid_input(
                "a cascade that learns calibrates its heads itself: the local model must not have a threshold or a calibration",
            ));
        }
        Ok(())
    }

    /// What the examples have in common, and the first head.
    async fn start(&self, model: &TextModel) -> Result<(Space, Linear)> {
        let multi_label = self.multi_label;
        let mut labels: Vec<String> = self.labels.iter().map(|label| label.label.clone()).collect();
        let start = match model.embedding_head() {
            Some((head, several)) => {
                if several != multi_label {
                    return Err(Error::invalid_input(format!(
                        "multi_label must be {several}, as the model's head has it, got {multi_label}"
                    )));
                }
                if labels.is_empty() {
                    labels = model.labels().to_vec();
                } else if labels != model.labels() {
                    return Err(Error::invalid_input(format!(
                        "the labels must be those of the model's head, {}, got {}",
                        model.labels().join(", "),
                        labels.join(", ")
                    )));
                }
                let (weight, bias) = head.parameters();
                Linear { weight: weight.to_vec(), bias: bias.to_vec() }
            }
            None => {
                // Before thousands of texts are embedded for nothing.
                let wrong = || format!("a head can learn 2 to {MAX_LABELS} labels, got {}", labels.len());
                match labels.len() {
                    0 | 1 => return Err(Error::invalid_input(wrong())),
                    count if count > MAX_LABELS => return Err(Error::unsupported(wrong())),
                    _ => {}
                }
                let texts = self.labels.iter().map(|label| label.description.as_ref().unwrap_or(&label.label).clone());
                let described = model.embed(&texts.collect::<Vec<_>>()).await?;
                let described: Vec<_> = described.into_iter().map(|text| text.embedding).collect();
                if multi_label { zero_shot_each(&described)? } else { zero_shot(&described)? }
            }
        };
        let width = start.weight.len() / start.bias.len().max(1);
        let encoder = model.encoder().digest.as_ref().unwrap_or(&self.encoder);
        // Embeddings of fewer tokens are others.
        let encoder = format!("{encoder} {}", model.max_length());
        Ok((Space { encoder, width, labels, multi_label }, start))
    }
}

impl Cascade {
    /// Begins to learn, from `state` as [`learning_state`](Self::learning_state) gave it, or anew. It must be called before the
    /// first question, and may be called again. Where texts are kept and the state is of another encoder, its texts are embedded
    /// again, and a head is learnt from them: the examples without a text, the heads and their evidence are left out. Returns whether
    /// it goes on from something else than all of `state`, which is then to be stored in its place: texts that are no longer kept, or
    /// more than there is room for, must not stay where it was.
    ///
    /// # Errors
    /// Invalid input: the settings, or the state is of another encoder or of other labels. Invalid artefact: the state is of
    /// another version or broken. What was learnt before then stays. Unsupported: this cascade does not learn.
    pub async fn learn(&self, state: Option<&[u8]>, sharing: Sharing) -> Result<bool> {
        let Some(config) = &self.learn else {
            return Err(Error::unsupported("this cascade does not learn: its settings have no 'learn'"));
        };
        let (space, start) = config.start(self.embedder()?).await?;
        let options = config.options.clone();
        let learner = match state {
            Some(bytes) => match Learner::from_bytes(bytes, &space, options.clone()) {
                Ok(learner) => learner,
                // What another tab learns with another encoder would be embedded again whenever it stores something.
                Err(error) if sharing == Sharing::Follows => return Err(error),
                Err(error) => match self.embedded_anew(bytes, &space, &options).await? {
                    Some((store, left_out)) => {
                        let mut learner = Learner::new(store, start, options)?;
                        learner.go_on_counting(Learner::counters_of(bytes)?);
                        learner.count_left_out(left_out);
                        learner
                    }
                    None => return Err(error),
                },
            },
            None => Learner::new(options.store(space)?, start, options)?,
        };
        let differs = state.is_some_and(|state| learner.to_bytes() != state);
        self.machine.borrow_mut().set_learner(learner, sharing, state.is_some());
        Ok(differs)
    }

    /// All that was learnt, as bytes.
    ///
    /// # Errors
    /// Unsupported: this cascade does not learn.
    pub fn learning_state(&self) -> Result<Vec<u8>> {
        self.with_learner(|learner| Ok(learner.to_bytes()))
    }

    /// Adds the examples of `state`, a learning state of another cascade: none is lost or counted twice. Heads and evidence
    /// stay as they are.
    ///
    /// # Errors
    /// As [`learn`](Self::learn).
    pub async fn join_learning(&self, state: &[u8]) -> Result<()> {
        let Some(config) = &self.learn else { return Err(not_started()) };
        let space = self.with_learner(|learner| Ok(learner.store().space().clone()))?;
        match self.embedded_anew(state, &space, &config.options).await? {
            Some((store, left_out)) => self.with_learner(|learner| {
                learner.count_left_out(left_out);
                learner.join(&store)
            }),
            None => self.with_learner(|learner| learner.join(&Learner::examples_of(state)?)),
        }
    }

    /// The examples of `state` with the embeddings of this encoder, where they are of another one, texts are kept, and some
    /// have one; and how many were left out.
    async fn embedded_anew(
        &self,
        state: &[u8],
        space: &Space,
        options: &LearnOptions,
    ) -> Result<Option<(Store, usize)>> {
        let Ok(stored) = Learner::examples_of(state) else { return Ok(None) };
        let is_same = stored.space().encoder == space.encoder && stored.space().width == space.width;
        let answers = |space: &Space| (space.labels.clone(), space.multi_label);
        if !options.keep_texts || is_same || answers(stored.space()) != answers(space) {
            return Ok(None);
        }
        let with_text = |example: &Example| example.text.clone().map(|text| (text, example.origin.clone()));
        let (texts, origins): (Vec<String>, Vec<_>) = stored.examples().iter().filter_map(with_text).unzip();
        let mut store = options.store(space.clone())?;
        let mut left_out = stored.examples().len() - texts.len();
        for (texts, origins) in texts.chunks(EMBEDDED_TOGETHER).zip(origins.chunks(EMBEDDED_TOGETHER)) {
            let embedded = self.embedder()?.embed(texts).await?;
            for ((text, origin), Embedded { embedding, .. }) in texts.iter().zip(origins).zip(embedded) {
                // All else was checked when it was read: it is the embedding that has a number which is not finite.
                let added = store.add(Example { embedding, origin: origin.clone(), text: Some(text.clone()) });
                left_out += usize::from(added.is_err());
            }
        }
        Ok((!store.examples().is_empty()).then_some((store, left_out)))
    }

    /// What was learnt, and what holds now.
    ///
    /// # Errors
    /// Unsupported: this cascade does not learn.
    pub fn learning_report(&self) -> Result<LearningReport> {
        self.with_learner(|learner| Ok(learner.report()))
    }

    /// Trains for about so many multiplications and additions; returns whether there is more to do.
    ///
    /// # Errors
    /// As [`Learner::work`]; unsupported: this cascade does not learn.
    pub fn train(&self, operations: u64) -> Result<bool> {
        let clock = self.clock.monotonic_ms;
        let started_ms = clock();
        let mut machine = self.machine.borrow_mut();
        let learner = &mut machine.learning().ok_or_else(not_started)?.learner;
        if !learner.trains() {
            return Ok(false);
        }
        let before = learner.counters().operations;
        let more = learner.work(operations);
        let operations = learner.counters().operations - before;
        machine.enter_training(operations, clock() - started_ms, (self.clock.now)().now_ms);
        more
    }

    /// Returns to the head before.
    ///
    /// # Errors
    /// As [`Learner::rollback`]; unsupported: this cascade does not learn.
    pub fn roll_back(&self) -> Result<()> {
        self.with_learner(Learner::rollback)
    }

    /// The labels that came since the last call, each as bytes for [`give_label`](Self::give_label).
    pub fn take_labels(&self) -> Vec<Vec<u8>> {
        self.machine.borrow_mut().learning().map(Learning::take_labels).unwrap_or_default()
    }

    /// Learns a label that another cascade handed out.
    ///
    /// # Errors
    /// As [`Observation::from_bytes`] and [`Learner::observe`]; unsupported: this cascade does not learn.
    pub fn give_label(&self, label: &[u8]) -> Result<()> {
        self.with_learner(|learner| {
            Observation::from_bytes(label, learner.store().space())?.give(learner)?;
            Ok(())
        })
    }

    /// The files of the head in charge, for a folder next to `folder`, that of the encoder.
    ///
    /// # Errors
    /// Unsupported: this cascade does not learn. Else as [`TextModel::head_files`].
    pub fn export_head(&self, folder: &str) -> Result<HeadFiles> {
        let model = self.embedder()?;
        self.with_learner(|learner| {
            let (head, _) = learner.in_charge();
            let Space { labels, multi_label, .. } = learner.store().space();
            model.head_files(folder, labels, *multi_label, head.weight.clone(), head.bias.clone())
        })
    }

    /// The first step for each of `texts`.
    pub(super) async fn decide_learnt(
        &self,
        texts: &[String],
        options: &RunOptions,
        must_stay_local: bool,
        provenance: &Provenance,
    ) -> Result<Vec<Decided>> {
        provenance.check()?;
        let clock = self.clock.monotonic_ms;
        let started_ms = clock();
        let questions = self.questions(texts, options)?;
        let embedded = self.embedder()?.embed(texts).await?;
        let latency_ms = (clock() - started_ms) / texts.len().max(1) as f64;
        let mut machine = self.machine.borrow_mut();
        let decide = |(question, embedded)| {
            let now = (self.clock.now)();
            let step = machine.decide_learnt(question, embedded, latency_ms, must_stay_local, provenance, now)?;
            Ok(Decided { step, check: machine.take_check() })
        };
        questions.into_iter().zip(embedded).map(decide).collect()
    }

    /// What an answer is, by the labels that are learnt; `None` where the cascade does not learn.
    pub(super) fn learnt_form(&self) -> Option<Result<AnswerForm>> {
        let form = |learner: &mut Learner| {
            let Space { labels, multi_label, .. } = learner.store().space();
            let form = if *multi_label { AnswerForm::Labels } else { AnswerForm::Label };
            Ok(form(labels.clone()))
        };
        self.learn.as_ref().map(|_| self.with_learner(form))
    }

    fn embedder(&self) -> Result<&TextModel> {
        let model = self.models().models().first();
        model.ok_or_else(|| Error::unsupported("a cascade that learns needs a local model"))
    }

    fn with_learner<T>(&self, act: impl FnOnce(&mut Learner) -> Result<T>) -> Result<T> {
        let mut machine = self.machine.borrow_mut();
        act(&mut machine.learning().ok_or_else(not_started)?.learner)
    }
}
