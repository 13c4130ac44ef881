//! GPUs through wgpu.

use std::fmt::Display;
use std::sync::{Arc, OnceLock};

use burn_wgpu::wgpu;

use super::{CpuShare, Device, DeviceKind};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::Gpu;

/// Remembers the first thing that went wrong with a GPU.
#[derive(Clone, Default)]
pub struct Watch(Arc<OnceLock<String>>);

impl Watch {
    pub fn fault(&self) -> Option<String> {
        self.0.get().cloned()
    }

    /// Watches `device`, which panics on an error that nobody listens to. Here the result that an error spoilt is discarded,
    /// and the page goes on.
    fn listen(device: &wgpu::Device) -> Self {
        let watch = Self::default();
        let lost = watch.clone();
        device.set_device_lost_callback(move |reason, message| {
            lost.note(format!("the device was lost ({reason:?}): {message}"))
        });
        let failed = watch.clone();
        device.on_uncaptured_error(Arc::new(move |error| failed.note(error.to_string())));
        watch
    }

    fn note(&self, words: String) {
        // Only the first fault is stored: others are its consequences.
        let _ = self.0.set(words);
    }
}

/// The device, which serves all models.
static OPENED: OnceLock<Device> = OnceLock::new();

pub async fn open() -> Result<Device> {
    if let Some(device) = OPENED.get() {
        return match device.fault() {
            None => Ok(device.clone()),
            Some(fault) => Err(Error::new(ErrorKind::BackendUnavailable, format!("the GPU failed earlier: {fault}"))),
        };
    }
    let unavailable =
        |error: &dyn Display| Error::new(ErrorKind::BackendUnavailable, format!("no GPU could be opened: {error}"));
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let wanted = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..wgpu::RequestAdapterOptions::default()
    };
    let adapter = instance.request_adapter(&wanted).await.map_err(|error| unavailable(&error))?;
    let wanted = wgpu::DeviceDescriptor {
        required_limits: adapter.limits(),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..wgpu::DeviceDescriptor::default()
    };
    let (device, queue) = adapter.request_device(&wanted).await.map_err(|error| unavailable(&error))?;
    let watch = Watch::listen(&device);
    let gpu = Some(Gpu::new(device, queue, adapter.get_info().device_type == wgpu::DeviceType::Cpu));
    let device =
        Device { gpu, kind: DeviceKind::Webgpu, adapter: describe(&adapter), watch, on_cpu: CpuShare::default() };
    Ok(OPENED.get_or_init(|| device).clone())
}

/// The name of the GPU, as far as the browser or the driver reports it.
fn describe(adapter: &wgpu::Adapter) -> String {
    let info = adapter.get_info();
    let words: Vec<&str> = [info.name.as_str(), info.driver.as_str(), info.driver_info.as_str()]
        .into_iter()
        .filter(|words| !words.is_empty())
        .collect();
    if words.is_empty() { "unnamed adapter".to_string() } else { words.join(", ") }
}
