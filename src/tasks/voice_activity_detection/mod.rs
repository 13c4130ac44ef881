//! `voice-activity-detection`: the stretches of speech in a sound, with Silero's model for sequences of frames at 16 kHz.
//!
//! # Source
//! The package silero-vad 6.2.3: `silero_vad_16k_sequence.onnx`, and the code around it in `sequence_vad.py` and
//! `utils_vad.py`.

mod options;
mod resample;
mod segments;
mod stream;
#[cfg(all(test, not(target_family = "wasm")))]
mod tests;

use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};

pub use options::SpeechOptions;
pub use resample::resample;
pub use stream::{SpeechEvent, SpeechStream, SpeechUpdate};

use self::segments::speech_spans;
use super::graph_io::FloatTensor;
use super::{ModelFile, ModelFiles, Source, TaskDefinition};
use crate::error::{Error, Result};
use crate::graph::{Dim, Graph};

/// Samples in a second, as the model was trained on.
const SAMPLE_RATE: usize = 16_000;
/// Samples of a frame, for which the model gives one probability.
const FRAME: usize = 512;
/// Samples before a frame that the model is given with it.
const CONTEXT: usize = 64;
/// Numbers in each of the model's two LSTM states.
const STATE: usize = 128;
/// Frames in one run of the model, 16 seconds.
const MAX_FRAMES: usize = 512;

/// A stretch of speech.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct SpeechSegment {
    /// Where it begins, in seconds.
    pub start: f64,
    /// Where it ends, in seconds.
    pub end: f64,
    /// The mean probability of its frames.
    pub confidence: f64,
}

/// `voice-activity-detection`, and its model.
pub struct VoiceActivityDetector {
    graph: Graph,
}

/// The LSTM state between frames.
#[derive(Clone, Debug, PartialEq)]
struct State {
    context: Vec<f32>,
    hidden: Vec<f32>,
    cell: Vec<f32>,
}

impl TaskDefinition for VoiceActivityDetector {
    const NAME: &'static str = "voice-activity-detection";
    type Model = Self;
    /// Samples of one channel, from -1 to 1, at 16 kHz.
    type Input = Vec<f32>;
    type Options = SpeechOptions;
    /// The stretches of speech in each sound.
    type Output = Vec<Vec<SpeechSegment>>;

    fn source() -> Source<Self> {
        const MODEL: &str = "silero_vad_16k_sequence.onnx";
        let build = |files: &mut ModelFiles<'_>| Self::new(files.graph(MODEL)?);
        Source::Files { files: const { &[ModelFile::graph(MODEL)] }, build }
    }

    async fn run(model: &Self, sounds: &[Vec<f32>], options: &SpeechOptions) -> Result<Vec<Vec<SpeechSegment>>> {
        let mut found = Vec::with_capacity(sounds.len());
        for samples in sounds {
            found.push(model.detect(samples, SAMPLE_RATE, options).await?);
        }
        Ok(found)
    }
}

impl Default for State {
    fn default() -> Self {
        Self { context: vec![0.0; CONTEXT], hidden: vec![0.0; STATE], cell: vec![0.0; STATE] }
    }
}

impl VoiceActivityDetector {
    /// Checks the inputs and outputs of the graph.
    ///
    /// # Errors
    /// Invalid artefact: it is not Silero's model for sequences at 16 kHz.
    pub fn new(graph: Graph) -> Result<Self> {
        let takes = |name: &str, width: usize| {
            let port = graph.inputs().iter().find(|port| port.name == name);
            let last = port.and_then(|port| port.dims.as_deref()?.last());
            last == Some(&Dim::Fixed(width))
        };
        let gives = |name: &str| graph.outputs().iter().any(|port| port.name == name);
        let fits = takes("input", CONTEXT + FRAME) && takes("h", STATE) && takes("c", STATE);
        if graph.inputs().len() != 3 || !fits || !["speech_probs", "hn", "cn"].into_iter().all(gives) {
            return Err(Error::invalid_artefact("the model is not silero_vad_16k_sequence.onnx, or one like it"));
        }
        Ok(Self { graph })
    }

    /// The stretches of speech in `samples`, one channel from -1 to 1 at 16 kHz. [`resample`] converts other
    /// rates.
    ///
    /// # Errors
    /// Invalid input: a sample is not finite, or an option makes no sense. Unsupported: another rate. Device lost.
    pub async fn detect(&self, samples: &[f32], rate: usize, options: &SpeechOptions) -> Result<Vec<SpeechSegment>> {
        if rate != SAMPLE_RATE {
            return Err(Error::unsupported(format!(
                "the sample rate must be {SAMPLE_RATE} Hz, got {rate}; resample the sound first"
            )));
        }
        options.check()?;
        let probabilities = self.probabilities(samples).await?;
        let spans = speech_spans(&probabilities, samples.len(), options);
        let segment = |span: &segments::Span| SpeechSegment {
            start: seconds(span.start),
            end: seconds(span.end),
            confidence: span.confidence,
        };
        Ok(spans.iter().map(segment).collect())
    }

    /// The probability of speech in each frame of 32 ms; the last one is filled up with silence.
    ///
    /// # Errors
    /// As [`Self::detect`].
    pub async fn probabilities(&self, samples: &[f32]) -> Result<Vec<f32>> {
        check_samples(samples)?;
        let mut state = State::default();
        let whole = samples.len() / FRAME * FRAME;
        let mut probabilities = self.frames(&mut state, &samples[..whole]).await?;
        if whole < samples.len() {
            let mut last = samples[whole..].to_vec();
            last.resize(FRAME, 0.0);
            probabilities.extend(self.frames(&mut state, &last).await?);
        }
        Ok(probabilities)
    }

    /// The probabilities of whole frames that continue the sound of `state`.
    async fn frames(&self, state: &mut State, samples: &[f32]) -> Result<Vec<f32>> {
        let mut probabilities = Vec::with_capacity(samples.len() / FRAME);
        for block in samples.chunks(MAX_FRAMES * FRAME) {
            let count = block.len() / FRAME;
            let lstm_state = |numbers: &[f32]| TensorData::new(numbers.to_vec(), vec![1, 1, STATE]);
            let inputs = vec![
                (
                    "input".to_string(),
                    TensorData::new(with_context(&state.context, block), vec![count, CONTEXT + FRAME]),
                ),
                ("h".to_string(), lstm_state(&state.hidden)),
                ("c".to_string(), lstm_state(&state.cell)),
            ];
            let outputs = self.graph.run(inputs).await?;
            let output = |name: &str, count: usize| {
                let found = outputs.iter().find(|output| output.0 == name);
                let numbers =
                    found.map(|output| FloatTensor::try_from(&output.1)).transpose()?.map(|tensor| tensor.data);
                numbers.filter(|numbers| numbers.len() == count).ok_or_else(|| {
                    Error::invalid_artefact(format!("the model does not give {count} numbers as {name}"))
                })
            };
            probabilities.extend(output("speech_probs", count)?);
            let context = block[block.len() - CONTEXT..].to_vec();
            *state = State { context, hidden: output("hn", STATE)?, cell: output("cn", STATE)? };
        }
        Ok(probabilities)
    }
}

/// Whole frames, each after its context: `[frames, CONTEXT + FRAME]`.
fn with_context(context: &[f32], samples: &[f32]) -> Vec<f32> {
    let mut frames = Vec::with_capacity(samples.len() / FRAME * (CONTEXT + FRAME));
    let mut context = context;
    for frame in samples.chunks_exact(FRAME) {
        frames.extend_from_slice(context);
        frames.extend_from_slice(frame);
        context = &frame[FRAME - CONTEXT..];
    }
    frames
}

fn check_samples(samples: &[f32]) -> Result<()> {
    match samples.iter().position(|sample| !sample.is_finite()) {
        Some(index) => Err(Error::invalid_input(format!("sample {index} must be finite, got {}", samples[index]))),
        None => Ok(()),
    }
}

/// The time of a sample in seconds.
fn seconds(sample: usize) -> f64 {
    sample as f64 / SAMPLE_RATE as f64
}
