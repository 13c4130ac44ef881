//! The tasks, by their names.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a model is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Texts into vectors.
    FeatureExtraction,
    /// Texts into labels.
    TextClassification,
    /// Tokens into labels: finding names, places, personal data.
    TokenClassification,
    /// Texts into labels that the model was not trained on.
    ZeroShotClassification,
    /// Files into what they are.
    FileClassification,
    /// Sound into the stretches of it in which somebody speaks.
    VoiceActivityDetection,
    /// Pictures into the text in them.
    ImageToText,
}

impl Task {
    const ALL: [(&'static str, Self); 7] = [
        ("feature-extraction", Self::FeatureExtraction),
        ("text-classification", Self::TextClassification),
        ("token-classification", Self::TokenClassification),
        ("zero-shot-classification", Self::ZeroShotClassification),
        ("file-classification", Self::FileClassification),
        ("voice-activity-detection", Self::VoiceActivityDetection),
        ("image-to-text", Self::ImageToText),
    ];

    /// Whether what it is done with is texts.
    pub fn reads_texts(self) -> bool {
        !matches!(self, Self::FileClassification | Self::VoiceActivityDetection | Self::ImageToText)
    }

    /// The name that the hub knows it by.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, task)| *task == self).map_or("", |(name, _)| name)
    }
}

impl std::str::FromStr for Task {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, task)| *task).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name).join(", ");
            Error::unsupported(format!("the task '{name}' is not known; known are {names}"))
        })
    }
}
