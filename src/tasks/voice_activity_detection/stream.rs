//! Streaming detection: events as soon as they are certain.

use serde::{Deserialize, Serialize};

use super::options::{SpeechOptions, samples};
use super::{FRAME, State, VoiceActivityDetector, check_samples, seconds};
use crate::error::Result;

/// An event in a stream, as soon as it is certain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum SpeechEvent {
    /// Somebody began to speak.
    Start {
        /// When, in seconds from the stream's beginning.
        time: f64,
    },
    /// They stopped.
    End {
        /// When, in seconds from the stream's beginning.
        time: f64,
        /// The mean probability since the start.
        confidence: f64,
    },
}

/// The result of a piece of sound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct SpeechUpdate {
    /// The probability of speech in each frame of 32 ms that is complete.
    pub probabilities: Vec<f32>,
    /// The events in them.
    pub events: Vec<SpeechEvent>,
}

/// A stream of sound, in pieces of any length.
pub struct SpeechStream {
    state: State,
    /// Samples that do not fill a frame yet.
    pending: Vec<f32>,
    tracker: Tracker,
}

impl SpeechStream {
    /// An empty stream.
    ///
    /// # Errors
    /// Invalid input: the options make no sense.
    pub fn new(options: &SpeechOptions) -> Result<Self> {
        options.check()?;
        Ok(Self { state: State::default(), pending: Vec::new(), tracker: Tracker::new(options) })
    }

    /// Adds the next `samples`, at 16 kHz.
    ///
    /// # Errors
    /// Invalid input: a sample is not finite; nothing of the piece is added then. Device lost.
    pub async fn push(&mut self, detector: &VoiceActivityDetector, samples: &[f32]) -> Result<SpeechUpdate> {
        check_samples(samples)?;
        self.pending.extend_from_slice(samples);
        let whole = self.pending.len() / FRAME * FRAME;
        let rest = self.pending.split_off(whole);
        let frames = std::mem::replace(&mut self.pending, rest);
        let probabilities = detector.frames(&mut self.state, &frames).await?;
        let events = probabilities.iter().filter_map(|&probability| self.tracker.step(f64::from(probability)));
        Ok(SpeechUpdate { events: events.collect(), probabilities })
    }

    /// Ends the stream; an incomplete frame is filled up with silence.
    ///
    /// # Errors
    /// Device lost.
    pub async fn finish(mut self, detector: &VoiceActivityDetector) -> Result<SpeechUpdate> {
        let mut update = SpeechUpdate::default();
        let left = self.pending.len();
        if left > 0 {
            update = self.push(detector, &vec![0.0; FRAME - left]).await?;
        }
        let length = self.tracker.heard - if left > 0 { FRAME - left } else { 0 };
        update.events.extend(self.tracker.finish(length));
        Ok(update)
    }
}

/// Events from probabilities.
///
/// # Source
/// `VADIterator` of silero-vad 6.2.3.
pub struct Tracker {
    threshold: f64,
    end_threshold: f64,
    min_silence: f64,
    pad: f64,
    /// Samples so far.
    heard: usize,
    /// While somebody speaks: the sum of the probabilities since the start, and their number.
    speaking: Option<(f64, usize)>,
    /// The start of the current silence.
    silent_since: Option<usize>,
}

impl Tracker {
    /// At the beginning of a stream.
    pub fn new(options: &SpeechOptions) -> Self {
        Self {
            threshold: options.threshold,
            end_threshold: options.end_threshold(),
            min_silence: samples(options.min_silence_duration_ms),
            pad: options.pad(),
            heard: 0,
            speaking: None,
            silent_since: None,
        }
    }

    /// Processes the probability of the next frame.
    pub fn step(&mut self, probability: f64) -> Option<SpeechEvent> {
        self.heard += FRAME;
        if probability >= self.threshold {
            self.silent_since = None;
        }
        let Some((sum, count)) = &mut self.speaking else {
            if probability < self.threshold {
                return None;
            }
            self.speaking = Some((probability, 1));
            let start = (self.heard as f64 - self.pad - FRAME as f64).max(0.0);
            return Some(SpeechEvent::Start { time: seconds(start as usize) });
        };
        *sum += probability;
        *count += 1;
        if probability >= self.end_threshold {
            return None;
        }
        let since = *self.silent_since.get_or_insert(self.heard);
        if ((self.heard - since) as f64) < self.min_silence {
            return None;
        }
        self.silent_since = None;
        let end = since as f64 + self.pad - FRAME as f64;
        self.end(end as usize)
    }

    /// The end of the current speech, where the stream ends at `length`.
    pub fn finish(mut self, length: usize) -> Option<SpeechEvent> {
        self.end(length)
    }

    fn end(&mut self, end: usize) -> Option<SpeechEvent> {
        let (sum, count) = self.speaking.take()?;
        Some(SpeechEvent::End { time: seconds(end), confidence: sum / count as f64 })
    }
}
