//! Stretches of speech from the probabilities of frames.

use super::options::{SpeechOptions, samples};
use super::{FRAME, SAMPLE_RATE};

/// A stretch of speech, in samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its first sample.
    pub start: usize,
    /// The sample after its last.
    pub end: usize,
    /// The mean of its frames' probabilities.
    pub confidence: f64,
}

/// The stretches of speech in `length` samples, of which `probabilities` has one for each frame.
///
/// # Source
/// `get_speech_timestamps_from_probs` of silero-vad 6.2.3.
pub fn speech_spans(probabilities: &[f32], length: usize, options: &SpeechOptions) -> Vec<Span> {
    let mut finder = Finder::new(options);
    for (index, &probability) in probabilities.iter().enumerate() {
        finder.step(FRAME * index, f64::from(probability));
    }
    let found = finder.finish(length);
    let confidences: Vec<f64> = found.iter().map(|&(start, end)| mean(probabilities, start, end)).collect();
    let padded = pad(found, length, options.pad());
    padded.into_iter().zip(confidences).map(|((start, end), confidence)| Span { start, end, confidence }).collect()
}

/// The state of the search.
struct Finder {
    threshold: f64,
    end_threshold: f64,
    min_speech: f64,
    max_speech: f64,
    min_silence: f64,
    min_pause: f64,
    at_longest_pause: bool,
    found: Vec<(usize, usize)>,
    /// The start of the current speech.
    start: Option<usize>,
    /// The start of the current silence in it.
    silent_since: Option<usize>,
    /// Its pauses that were long enough to split it: start and length of each.
    pauses: Vec<(usize, usize)>,
    /// The start of the last of them and the end, 0 without one; for splitting at the last one.
    last_pause: usize,
    resumed: usize,
}

impl Finder {
    fn new(options: &SpeechOptions) -> Self {
        let max_speech = options.max_speech_duration_s.unwrap_or(f64::INFINITY) * SAMPLE_RATE as f64;
        Self {
            threshold: options.threshold,
            end_threshold: options.end_threshold(),
            min_speech: samples(options.min_speech_duration_ms),
            max_speech: max_speech - FRAME as f64 - 2.0 * options.pad(),
            min_silence: samples(options.min_silence_duration_ms),
            min_pause: samples(options.min_silence_at_max_speech),
            at_longest_pause: options.use_max_poss_sil_at_max_speech,
            found: Vec::new(),
            start: None,
            silent_since: None,
            pauses: Vec::new(),
            last_pause: 0,
            resumed: 0,
        }
    }

    /// Processes the frame that begins at `now`.
    fn step(&mut self, now: usize, probability: f64) {
        let is_speech = probability >= self.threshold;
        if is_speech && let Some(since) = self.silent_since.take() {
            if (now - since) as f64 > self.min_pause {
                self.pauses.push((since, now - since));
            }
            if self.resumed < self.last_pause {
                self.resumed = now;
            }
        }
        let Some(start) = self.start else {
            self.start = is_speech.then_some(now);
            return;
        };
        if (now - start) as f64 > self.max_speech && self.split(start, now) {
            return;
        }
        let Some(start) = self.start else { return };
        if probability < self.end_threshold {
            let since = *self.silent_since.get_or_insert(now);
            if !self.at_longest_pause && (now - since) as f64 > self.min_pause {
                self.last_pause = since;
            }
            if (now - since) as f64 >= self.min_silence {
                if (since - start) as f64 > self.min_speech {
                    self.found.push((start, since));
                }
                self.continue_from(None);
            }
        }
    }

    /// Splits speech that is too long. `true` if that is at `now`, for lack of a pause.
    fn split(&mut self, start: usize, now: usize) -> bool {
        // The first of the longest.
        let longest = self.pauses.iter().copied().rev().max_by_key(|pause| pause.1);
        match longest {
            Some((end, pause)) if self.at_longest_pause => {
                self.found.push((start, end));
                self.continue_from(Some(end + pause));
                false
            }
            _ if self.last_pause > 0 => {
                self.found.push((start, self.last_pause));
                self.continue_from((self.resumed >= self.last_pause).then_some(self.resumed));
                false
            }
            _ => {
                self.found.push((start, now));
                self.continue_from(None);
                true
            }
        }
    }

    fn continue_from(&mut self, start: Option<usize>) {
        self.start = start;
        self.silent_since = None;
        self.pauses.clear();
        (self.last_pause, self.resumed) = (0, 0);
    }

    fn finish(mut self, length: usize) -> Vec<(usize, usize)> {
        if let Some(start) = self.start
            && length.saturating_sub(start) as f64 > self.min_speech
        {
            self.found.push((start, length));
        }
        self.found
    }
}

/// The mean probability of the frames from `start` to `end`.
fn mean(probabilities: &[f32], start: usize, end: usize) -> f64 {
    let frames = probabilities.get(start / FRAME..end.div_ceil(FRAME).min(probabilities.len())).unwrap_or_default();
    frames.iter().map(|&probability| f64::from(probability)).sum::<f64>() / frames.len().max(1) as f64
}

/// Adds `pad` at both ends of each; neighbours share the gap between them where that is shorter than both pads.
fn pad(mut spans: Vec<(usize, usize)>, length: usize, pad: f64) -> Vec<(usize, usize)> {
    let earlier = |sample: usize| (sample as f64 - pad).max(0.0) as usize;
    let later = |sample: usize| (sample as f64 + pad).min(length as f64) as usize;
    if let Some(first) = spans.first_mut() {
        first.0 = earlier(first.0);
    }
    for index in 0..spans.len() {
        let Some(next) = spans.get(index + 1).map(|next| next.0) else {
            spans[index].1 = later(spans[index].1);
            break;
        };
        let between = next.saturating_sub(spans[index].1);
        if (between as f64) < 2.0 * pad {
            spans[index].1 += between / 2;
            spans[index + 1].0 = next - between / 2;
        } else {
            spans[index].1 = later(spans[index].1);
            spans[index + 1].0 = earlier(next);
        }
    }
    spans
}
