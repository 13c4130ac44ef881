//! Options of `voice-activity-detection`: the thresholds between speech and silence.

use serde::{Deserialize, Serialize};

use super::SAMPLE_RATE;
use crate::error::{Error, Result};

/// Options of `voice-activity-detection`; names, meanings and defaults are those of silero-vad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(default, deny_unknown_fields)]
pub struct SpeechOptions {
    /// The minimum probability at which speech begins.
    pub threshold: f64,
    /// The probability below which speech ends; by default 0.15 below `threshold`.
    #[cfg_attr(feature = "web", tsify(optional, type = "number | null"))]
    pub neg_threshold: Option<f64>,
    /// Shorter speech is ignored.
    pub min_speech_duration_ms: f64,
    /// Longer speech is split at its longest pause; by default it is not split.
    #[cfg_attr(feature = "web", tsify(optional, type = "number | null"))]
    pub max_speech_duration_s: Option<f64>,
    /// Shorter silence does not end speech.
    pub min_silence_duration_ms: f64,
    /// Padding at both ends.
    pub speech_pad_ms: f64,
    /// The minimum silence, in milliseconds, at which speech that is too long may be split.
    pub min_silence_at_max_speech: f64,
    /// Whether speech that is too long is split at the longest such silence, and not at the last.
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
    /// Checks the ranges.
    ///
    /// # Errors
    /// Invalid input: a threshold is not between 0 and 1, or a duration is negative or NaN.
    pub fn check(&self) -> Result<()> {
        let thresholds = [("threshold", Some(self.threshold)), ("neg_threshold", self.neg_threshold)];
        for (name, threshold) in thresholds {
            if let Some(threshold) = threshold.filter(|threshold| !(0.0..=1.0).contains(threshold)) {
                return Err(Error::invalid_input(format!("{name} must be between 0 and 1, got {threshold}")));
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
                return Err(Error::invalid_input(format!("{name} must be a duration, got {duration}")));
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

/// Milliseconds as samples, not rounded.
pub(super) fn samples(milliseconds: f64) -> f64 {
    SAMPLE_RATE as f64 * milliseconds / 1000.0
}
