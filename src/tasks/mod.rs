//! The tasks that models are used for, named as the Hugging Face hub names them.
//!
//! Each task is one file, which implements [`TaskDefinition`], and one line of the table below, which also exports what is
//! `pub` in the file. Tasks that read texts share [`TextModel`]; the others have a model of their own.

#[macro_use]
mod definition;

mod feature_extraction;
mod file_classification;
mod image_to_text;
mod summarization;
mod text_classification;
mod token_classification;
mod voice_activity_detection;
mod zero_shot_classification;

tasks! { $
    /// Texts into vectors.
    FeatureExtraction: feature_extraction::FeatureExtraction,
    /// Texts into what they say in short.
    Summarization: summarization::Summarization,
    /// Texts into labels.
    TextClassification: text_classification::TextClassification,
    /// Tokens into labels: names, places, personal data.
    TokenClassification: token_classification::TokenClassification,
    /// Texts into labels that the model was not trained on.
    ZeroShotClassification: zero_shot_classification::ZeroShotClassification,
    /// Files into content types.
    FileClassification: file_classification::FileClassifier,
    /// Sound into the stretches of it in which somebody speaks.
    VoiceActivityDetection: voice_activity_detection::VoiceActivityDetector,
    /// Images into the text in them.
    ImageToText: image_to_text::ImageReader,
}

mod answer;
mod embedder;
mod graph_io;
pub(crate) mod mentions;
mod options;
mod pii;
mod pooling;
mod record;
mod scores;
mod sentence_embedding;
mod task;
mod task_model;
mod text_model;
mod windows;

pub(crate) use with_task;

pub use answer::{Answer, AnswerKind, AnswerOutput, Answers, LocalAnswer};
pub use definition::{FileKind, ModelFile, ModelFiles, Source, TaskDefinition};
pub use embedder::{Embedded, EncoderSource, HeadFiles, head_scores};
pub use options::RunOptions;
pub use pooling::Pooling;
pub use record::{DelegatedFields, ExtractedRecord, FieldSource, RecordField, RecordSpan, is_same_value};
pub use sentence_embedding::{Prompts, SentenceEmbedding, SentenceModule};
pub use task_model::TaskModel;
pub use text_model::TextModel;

use text_model::TextReading;
