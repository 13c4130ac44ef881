//! Rotary position embeddings: the frequencies of a decoder, and their scaling for longer texts.

use serde::Deserialize;

use crate::error::{Error, Result};

/// The rotary position embedding of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// The angle by which each pair of numbers turns from one position to the next.
    frequencies: Vec<f32>,
    /// The factor of cosines and sines.
    magnitude: f32,
}

/// How frequencies are scaled for texts that are longer than those of the training.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Scaling {
    /// Not at all.
    #[default]
    None,
    /// Positions are divided by a factor.
    ///
    /// # Source
    /// Chen et al. 2023 (2306.15595), equation 4.
    Linear(f32),
    /// High frequencies stay, low ones are divided by a factor, and those between are interpolated.
    ///
    /// # Source
    /// `_compute_llama3_parameters` of transformers.
    Llama3 {
        /// The factor.
        factor: f32,
        /// Wavelengths above the original context divided by this are scaled.
        low: f32,
        /// Wavelengths below the original context divided by this are not.
        high: f32,
        /// The longest text of the training.
        original: f32,
    },
    /// The same by the number of turns within the original context, with a factor for attention.
    ///
    /// # Source
    /// Peng et al. 2023 (2309.00071), section 3.2; `_compute_yarn_parameters` of transformers.
    Yarn {
        /// The factor.
        factor: f32,
        /// The longest text of the training.
        original: f32,
        /// Frequencies that turn more often than this within the original context are not scaled.
        fast: f32,
        /// Those that turn less often are scaled.
        slow: f32,
        /// The factor of cosines and sines.
        magnitude: f32,
        /// Whether the bounds between fast and slow are whole numbers.
        truncate: bool,
    },
    /// Each frequency is divided by a factor of its own.
    Factors(Vec<f32>),
}

/// `rope_scaling` or `rope_parameters` of a `config.json`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ScalingField {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    factor: Option<f32>,
    low_freq_factor: Option<f32>,
    high_freq_factor: Option<f32>,
    original_max_position_embeddings: Option<f32>,
    attention_factor: Option<f32>,
    mscale: Option<f32>,
    mscale_all_dim: Option<f32>,
    beta_fast: Option<f32>,
    beta_slow: Option<f32>,
    truncate: Option<bool>,
    /// The base of the frequencies, which newer files have here.
    pub rope_theta: Option<f32>,
    /// Those of layers without a window and of layers with one, where they differ.
    full_attention: Option<Box<ScalingField>>,
    sliding_attention: Option<Box<ScalingField>>,
}

impl ScalingField {
    /// The field of layers without a window, and of layers with one of which the file says more than of all.
    pub fn by_layers(mut self) -> (Self, Self) {
        let local = self.sliding_attention.take().map(|local| *local).unwrap_or_default();
        (self.full_attention.take().map_or(self, |global| *global), local)
    }

    /// The scaling, for a model of this context.
    ///
    /// # Errors
    /// Invalid artefact: a field is missing or out of range. Unsupported: another type.
    pub fn scaling(&self, context: usize) -> Result<Scaling> {
        let number = |name: &str, value: Option<f32>| match value {
            Some(value) if value > 0.0 && value.is_finite() => Ok(value),
            value => Err(Error::invalid_artefact(format!(
                "config.json: rope_scaling: expected a positive {name}, got {value:?}"
            ))),
        };
        let original = self.original_max_position_embeddings;
        Ok(match self.rope_type.as_deref() {
            None | Some("default") => Scaling::None,
            Some("linear") => Scaling::Linear(number("factor", self.factor)?),
            Some("llama3") => Scaling::Llama3 {
                factor: number("factor", self.factor)?,
                low: number("low_freq_factor", self.low_freq_factor)?,
                high: number("high_freq_factor", self.high_freq_factor)?,
                original: number("original_max_position_embeddings", original)?,
            },
            Some("yarn") => {
                let original = number("original_max_position_embeddings", original.or(Some(context as f32)))?;
                let factor = number("factor", self.factor.or(Some(context as f32 / original)))?;
                let magnitude = match (self.attention_factor, self.mscale, self.mscale_all_dim) {
                    (Some(factor), ..) => factor,
                    (None, Some(scale), Some(all)) => yarn_magnitude(factor, scale) / yarn_magnitude(factor, all),
                    _ => yarn_magnitude(factor, 1.0),
                };
                Scaling::Yarn {
                    factor,
                    original,
                    fast: number("beta_fast", self.beta_fast.or(Some(32.0)))?,
                    slow: number("beta_slow", self.beta_slow.or(Some(1.0)))?,
                    magnitude,
                    truncate: self.truncate.unwrap_or(true),
                }
            }
            Some(other) => {
                return Err(Error::unsupported(format!(
                    "config.json: the rope_type '{other}' is not supported; known are default, linear, llama3 and yarn"
                )));
            }
        })
    }
}

/// The factor of cosines and sines that YaRN has by default.
pub fn yarn_magnitude(factor: f32, scale: f32) -> f32 {
    if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 }
}

impl Rope {
    /// The embedding of the first `size` numbers of a head, which is even, with the base `theta`.
    ///
    /// # Errors
    /// Invalid artefact: the factors are not one for each pair.
    ///
    /// # Source
    /// Su et al. 2021 (2104.09864), section 3.2.2.
    pub fn new(size: usize, theta: f32, scaling: &Scaling) -> Result<Self> {
        let pairs = size / 2;
        let plain: Vec<f32> = (0..pairs).map(|pair| theta.powf(-((2 * pair) as f32) / size as f32)).collect();
        let mut magnitude = 1.0;
        let frequencies = match scaling {
            Scaling::None => plain,
            Scaling::Linear(factor) => plain.into_iter().map(|frequency| frequency / factor).collect(),
            Scaling::Llama3 { factor, low, high, original } => {
                let scale = |frequency: f32| {
                    let turns = original * frequency / std::f32::consts::TAU;
                    if turns < *low {
                        frequency / factor
                    } else if turns > *high {
                        frequency
                    } else {
                        let smooth = (turns - low) / (high - low);
                        (1.0 - smooth) * frequency / factor + smooth * frequency
                    }
                };
                plain.into_iter().map(scale).collect()
            }
            Scaling::Yarn { factor, original, fast, slow, magnitude: of_attention, truncate } => {
                magnitude = *of_attention;
                // The pair that turns this often within the original context.
                let pair =
                    |turns: f32| size as f32 * (original / (turns * std::f32::consts::TAU)).ln() / (2.0 * theta.ln());
                let (mut low, mut high) = (pair(*fast), pair(*slow));
                if *truncate {
                    (low, high) = (low.floor(), high.ceil());
                }
                let (low, high) = (low.max(0.0), high.min(size as f32 - 1.0));
                let span = if high > low { high - low } else { 0.001 };
                let scale = |(index, frequency): (usize, f32)| {
                    let ramp = ((index as f32 - low) / span).clamp(0.0, 1.0);
                    frequency / factor * ramp + frequency * (1.0 - ramp)
                };
                plain.into_iter().enumerate().map(scale).collect()
            }
            Scaling::Factors(factors) if factors.len() == pairs => {
                plain.into_iter().zip(factors).map(|(frequency, factor)| frequency / factor).collect()
            }
            Scaling::Factors(factors) => {
                return Err(Error::invalid_artefact(format!(
                    "there are {} factors of rotary frequencies, expected {pairs}",
                    factors.len()
                )));
            }
        };
        Ok(Self { frequencies, magnitude })
    }

    /// The pairs of numbers of a head that are rotated.
    pub fn half(&self) -> usize {
        self.frequencies.len()
    }

    /// The cosines and sines of `count` positions from `first` on, each `[count, half]`.
    pub fn tables(&self, first: usize, count: usize) -> (Vec<f32>, Vec<f32>) {
        let angles = (first..first + count)
            .flat_map(|position| self.frequencies.iter().map(move |frequency| f64::from(position as f32 * frequency)));
        angles.map(|angle| (angle.cos() as f32 * self.magnitude, angle.sin() as f32 * self.magnitude)).unzip()
    }
}
