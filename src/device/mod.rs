//! Devices: the CPU, or a GPU whose results were compared with the CPU's before it is used.

#[cfg_attr(not(feature = "gpu"), path = "webgpu_disabled.rs")]
mod webgpu;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

#[cfg(feature = "gpu")]
pub use crate::gpu::Counts as GpuCounts;

use crate::error::{Error, ErrorKind, Result};

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The CPU. In a page that is WebAssembly, by which name users of such libraries know it.
    Wasm,
    /// A GPU by WebGPU or, natively, by what wgpu finds.
    Webgpu,
}

/// The device that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// WebGPU where it is available and its results are right, else the CPU.
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
    /// With baseline SIMD.
    Cpu,
    /// With relaxed SIMD: fused multiply-add, and the dot product of bytes.
    CpuRelaxed,
    /// With relaxed SIMD and threads.
    CpuThreads,
    /// With WebGPU in addition to the CPU.
    Gpu,
}

/// Which device is in use, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(tsify::Tsify))]
pub struct DeviceReport {
    /// The device.
    pub kind: DeviceKind,
    /// The device that was asked for.
    pub requested: DeviceChoice,
    /// Why this device was chosen.
    pub reason: String,
    /// The name of the GPU; empty for the CPU.
    pub adapter: String,
    /// The build that runs.
    pub build: Build,
    /// The number of CPU threads.
    pub threads: usize,
}

impl DeviceReport {
    /// The CPU without a choice, as in native programs.
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
    #[cfg(feature = "gpu")]
    gpu: Option<crate::gpu::Gpu>,
    kind: DeviceKind,
    adapter: String,
    watch: webgpu::Watch,
    on_cpu: CpuShare,
}

/// The runs of a model that the CPU computes although the model is on a GPU: those whose largest input has at most so many
/// elements.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuShare(Arc<AtomicUsize>);

impl CpuShare {
    pub(crate) fn has(&self, elements: usize) -> bool {
        elements <= self.0.load(Ordering::Relaxed)
    }
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
            on_cpu: CpuShare::default(),
        }
    }

    /// A GPU for which `output` gives the numbers that it gives for the CPU. Most callers want
    /// `graph::open_webgpu`, which has such a check.
    ///
    /// # Errors
    /// Backend unavailable: there is no GPU, it lacks a feature, or its numbers differ. Feature disabled: this crate was
    /// built without `gpu`. And the errors of `output`.
    pub async fn webgpu(output: impl AsyncFn(&Self) -> Result<Vec<f32>>) -> Result<Self> {
        let device = webgpu::open().await?;
        device.check(output).await?;
        Ok(device)
    }

    /// Its kind.
    pub fn kind(&self) -> DeviceKind {
        self.kind
    }

    /// The name of the GPU; empty for the CPU.
    pub fn adapter(&self) -> &str {
        &self.adapter
    }

    /// The same device for one more model, which has a [`Self::share_with_cpu`] of its own.
    pub fn for_model(&self) -> Self {
        Self { on_cpu: CpuShare::default(), ..self.clone() }
    }

    /// Leaves runs to the CPU whose largest input has at most so many elements, which are tokens for a model of texts: a GPU needs
    /// some time for any run, and a short one may be over sooner without it. It holds for what was loaded onto this device or
    /// its clones, and at once; nothing is left to the CPU before.
    pub fn share_with_cpu(&self, elements: usize) {
        self.on_cpu.0.store(elements, Ordering::Relaxed);
    }

    pub(crate) fn cpu_share(&self) -> CpuShare {
        self.on_cpu.clone()
    }

    /// What went wrong with the device since it was opened. A result that was computed while this was `None` is good. Once
    /// there is a fault, the device must be given up.
    pub fn fault(&self) -> Option<String> {
        self.watch.fault()
    }

    /// Lets a GPU begin with what was recorded for it and not yet submitted.
    pub(crate) fn flush(&self) {
        #[cfg(feature = "gpu")]
        if let Some(gpu) = &self.gpu {
            gpu.flush();
        }
    }

    /// Whether it is a GPU in software, which the CPU computes.
    pub(crate) fn is_software(&self) -> bool {
        #[cfg(feature = "gpu")]
        return self.gpu.as_ref().is_some_and(crate::gpu::Gpu::is_software);
        #[cfg(not(feature = "gpu"))]
        false
    }

    /// What the GPU was given to do since it was opened; `None` on the CPU.
    #[cfg(feature = "gpu")]
    pub fn gpu_counts(&self) -> Option<GpuCounts> {
        self.gpu.as_ref().map(crate::gpu::Gpu::counts)
    }

    /// The GPU; `None` on the CPU.
    #[cfg(feature = "gpu")]
    pub(crate) fn gpu(&self) -> Option<&crate::gpu::Gpu> {
        self.gpu.as_ref()
    }

    /// Compares what `output` gives on this device with what it gives on the CPU.
    async fn check(&self, output: impl AsyncFn(&Self) -> Result<Vec<f32>>) -> Result<()> {
        let found = output(self).await?;
        let expected = output(&Self::cpu()).await?;
        let unavailable = |message: String| Err(Error::new(ErrorKind::BackendUnavailable, message));
        if let Some(fault) = self.fault() {
            return unavailable(format!("the GPU failed on a fixed input: {fault}"));
        }
        let difference = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        // NaN is the worst difference, and `max` would pass it over.
        let worse =
            |worst: f32, difference: f32| if difference.is_nan() { f32::INFINITY } else { worst.max(difference) };
        let worst = difference.fold(0.0, worse);
        if found.len() != expected.len() || worst > TOLERANCE {
            return unavailable(format!(
                "the GPU's numbers differ from the CPU's by {worst:.1e} on a fixed input, expected at most {TOLERANCE:.0e}"
            ));
        }
        Ok(())
    }
}

/// The largest difference that sums in another order explain, for numbers of about 1.
const TOLERANCE: f32 = 1e-3;
