//! The device that a model runs on: the CPU, or a GPU that was proved right before it is trusted.

#[cfg_attr(not(feature = "gpu"), path = "webgpu_disabled.rs")]
mod webgpu;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::formats::safetensors::{HostTensor, Tensor};
use crate::models::{Activation, Config, Encoder, Family, HeadKind, Problem, Weights};

/// What runs the tensors' operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The CPU; in a page that is WebAssembly, which the field's users know it by.
    Wasm,
    /// A GPU by WebGPU or, natively, by what wgpu finds.
    Webgpu,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// WebGPU where it is there and proves right, else the CPU.
    Auto,
    /// The CPU.
    Wasm,
    /// WebGPU, or an error.
    Webgpu,
}

/// Which build of this crate runs in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum Build {
    /// With the SIMD that every browser has.
    Cpu,
    /// With relaxed SIMD: fused multiply and add, and the dot product of bytes.
    CpuRelaxed,
    /// The same, with threads.
    CpuThreads,
    /// With WebGPU beside the CPU.
    Gpu,
}

/// Which device is in use, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct DeviceReport {
    /// The device.
    pub kind: DeviceKind,
    /// What was asked for.
    pub requested: DeviceChoice,
    /// Why it became this one, in words.
    pub reason: String,
    /// The name of the GPU; empty for the CPU.
    pub adapter: String,
    /// The build that runs.
    pub build: Build,
    /// How many threads of the CPU share the work.
    pub threads: usize,
}

impl DeviceReport {
    /// The processor, where there was nothing to choose: in native programs.
    pub fn processor() -> Self {
        Self {
            kind: DeviceKind::Wasm,
            requested: DeviceChoice::Auto,
            reason: String::new(),
            adapter: String::new(),
            build: Build::Cpu,
            threads: 1,
        }
    }
}

/// A device to load models onto. Cheap to clone.
#[derive(Clone)]
pub struct Device {
    /// The GPU, as Burn knows it.
    #[cfg(feature = "gpu")]
    gpu: Option<burn::tensor::Device>,
    kind: DeviceKind,
    adapter: String,
    watch: webgpu::Watch,
}

impl Device {
    /// The CPU.
    pub fn cpu() -> Self {
        Self {
            #[cfg(feature = "gpu")]
            gpu: None,
            kind: DeviceKind::Wasm,
            adapter: String::new(),
            watch: webgpu::Watch::default(),
        }
    }

    /// A GPU, which has given the same numbers as the CPU for a golden input.
    ///
    /// # Errors
    /// Backend unavailable: there is none, it lacks a feature, or its numbers are others. Feature
    /// disabled: this crate was built without `gpu`.
    pub async fn webgpu() -> Result<Self> {
        let device = webgpu::open().await?;
        device.prove().await?;
        Ok(device)
    }

    /// What it is.
    pub fn kind(&self) -> DeviceKind {
        self.kind
    }

    /// The name of the GPU; empty for the CPU.
    pub fn adapter(&self) -> &str {
        &self.adapter
    }

    /// What went wrong with the device since it was opened, in words. A result that was computed while
    /// this was none is good; once it is there the device is to be given up.
    pub fn fault(&self) -> Option<String> {
        self.watch.fault()
    }

    /// The GPU, as Burn knows it; none on the CPU.
    #[cfg(feature = "gpu")]
    pub(crate) fn gpu(&self) -> Option<&burn::tensor::Device> {
        self.gpu.as_ref()
    }

    /// Runs the golden input on this device and on the CPU, and compares.
    async fn prove(&self) -> Result<()> {
        let theirs = golden_output(self).await?;
        let ours = golden_output(&Self::cpu()).await?;
        let unavailable = |message: String| Err(Error::new(ErrorKind::BackendUnavailable, message));
        if let Some(fault) = self.fault() {
            return unavailable(format!("it failed on a golden input: {fault}"));
        }
        let difference = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, |worst: f32, difference| {
            // A number that is none is the worst difference, and `max` would pass it over.
            if difference.is_nan() { f32::INFINITY } else { worst.max(difference) }
        });
        if ours.len() != theirs.len() || difference > TOLERANCE {
            return unavailable(format!(
                "its numbers differ from the CPU's by {difference:.1e} on a golden input, more than {TOLERANCE:.0e}"
            ));
        }
        Ok(())
    }
}

/// The largest difference that sums in another order explain, for numbers of about 1.
const TOLERANCE: f32 = 1e-3;

/// The hidden states of two texts, of which one is padded, in a layer of the size of the encoders that
/// this crate is made for, with weights made up here.
async fn golden_output(device: &Device) -> Result<Vec<f32>> {
    let config = Config {
        family: Family::Bert,
        head: HeadKind::None,
        hidden_size: 384,
        num_layers: 1,
        num_heads: 12,
        intermediate_size: 1536,
        vocab_size: 32,
        max_position_embeddings: 16,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        activation: Activation::Gelu,
        pad_token_id: 0,
        labels: Vec::new(),
        problem: Problem::SingleLabel,
    };
    let mut weights = golden_weights(&config)?;
    let encoder = Encoder::new(config, &mut weights, device)?;
    let long: Vec<u32> = (0..16).map(|index| index * 7 % 32).collect();
    let short = &long[3..14];
    let hidden = encoder.forward(&[&long, short]).await?;
    Ok([hidden.states(0, long.len()), hidden.states(1, short.len())].concat())
}

/// Weights between -0.1 and 0.1 from a linear congruential generator.
///
/// # Source
/// Knuth, The Art of Computer Programming 2, section 3.3.4, line 26 (the constants of MMIX).
fn golden_weights(config: &Config) -> Result<Weights> {
    let mut state = 1u64;
    let mut draw = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) / 5.0
    };
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let mut weights = Weights::default();
    let mut add = |name: &str, shape: &[usize]| {
        let data = (0..shape.iter().product()).map(|_| draw()).collect();
        weights.insert(name.to_string(), Tensor::Floats(HostTensor { shape: shape.to_vec(), data }))
    };
    add("embeddings.word_embeddings.weight", &[config.vocab_size, hidden])?;
    add("embeddings.position_embeddings.weight", &[config.max_position_embeddings, hidden])?;
    add("embeddings.token_type_embeddings.weight", &[config.type_vocab_size, hidden])?;
    for norm in
        ["embeddings.LayerNorm", "encoder.layer.0.attention.output.LayerNorm", "encoder.layer.0.output.LayerNorm"]
    {
        add(&format!("{norm}.weight"), &[hidden])?;
        add(&format!("{norm}.bias"), &[hidden])?;
    }
    for part in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"] {
        add(&format!("encoder.layer.0.{part}.weight"), &[hidden, hidden])?;
        add(&format!("encoder.layer.0.{part}.bias"), &[hidden])?;
    }
    for (part, outputs, inputs) in [("intermediate.dense", inner, hidden), ("output.dense", hidden, inner)] {
        add(&format!("encoder.layer.0.{part}.weight"), &[outputs, inputs])?;
        add(&format!("encoder.layer.0.{part}.bias"), &[outputs])?;
    }
    Ok(weights)
}
