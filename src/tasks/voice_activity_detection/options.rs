//! When probabilities of speech make a stretch of it.

use serde::{Deserialize, Serialize};

use super::SAMPLE_RATE;
use crate::error::{Error, Result};

/// When probabilities of speech make a stretch of it; names, meanings and defaults are silero-vad's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct SpeechOptions {
    /// The probability from which speech begins.
    pub threshold: f64,
    /// The probability below which it ends; 0.15 below `threshold` without it.
    #[cfg_attr(feature = "web", tsify(optional, type = "number | null"))]
    pub neg_threshold: Option<f64>,
    /// What is shorter is no speech.
    pub min_speech_duration_ms: f64,
    /// What is longer is parted at its longest pause; nothing is without it.
    #[cfg_attr(feature = "web", tsify(optional, type = "number | null"))]
    pub max_speech_duration_s: Option<f64>,
    /// Silence that is shorter does not end speech.
    pub min_silence_duration_ms: f64,
    /// What is added at both ends.
    pub speech_pad_ms: f64,
    /// Silence, in milliseconds, at which speech that is too long may be parted.
    pub min_silence_at_max_speech: f64,
    /// Whether speech that is too long is parted at the longest such silence, not the last.
    pub use_max_poss_sil_at_max_speech: bool,
}

impl Default for SpeechOptions {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            neg_threshold: None,
            min_speech_duration_ms: 250.0,
            max_speech_duration_s: None,
            min_silence_duration_ms: 100.0,
            speech_pad_ms: 30.0,
            min_silence_at_max_speech: 98.0,
            use_max_poss_sil_at_max_speech: true,
        }
    }
}

impl SpeechOptions {
    /// Checks that they make sense.
    ///
    /// # Errors
    /// Invalid input: a threshold is not between 0 and 1, or a duration is negative or no number.
    pub fn check(&self) -> Result<()> {
        let thresholds = [("threshold", Some(self.threshold)), ("neg_threshold", self.neg_threshold)];
        for (name, threshold) in thresholds {
            if threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
                return Err(Error::invalid_input(format!("{name} is not between 0 and 1")));
            }
        }
        let durations = [
            ("min_speech_duration_ms", self.min_speech_duration_ms),
            ("max_speech_duration_s", self.max_speech_duration_s.unwrap_or(f64::INFINITY)),
            ("min_silence_duration_ms", self.min_silence_duration_ms),
            ("speech_pad_ms", self.speech_pad_ms),
            ("min_silence_at_max_speech", self.min_silence_at_max_speech),
        ];
        for (name, duration) in durations {
            let longest = if name == "max_speech_duration_s" { f64::INFINITY } else { f64::MAX };
            if !(0.0..=longest).contains(&duration) {
                return Err(Error::invalid_input(format!("{name} is no duration")));
            }
        }
        Ok(())
    }

    pub(super) fn end_threshold(&self) -> f64 {
        self.neg_threshold.unwrap_or_else(|| (self.threshold - 0.15).max(0.01))
    }

    pub(super) fn pad(&self) -> f64 {
        samples(self.speech_pad_ms)
    }
}

/// Milliseconds as samples, which need not be whole.
pub(super) fn samples(milliseconds: f64) -> f64 {
    SAMPLE_RATE as f64 * milliseconds / 1000.0
}
