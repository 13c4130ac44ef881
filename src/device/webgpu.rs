//! GPUs through wgpu.

use std::sync::{Arc, OnceLock};

use burn::tensor::wgpu::{WgpuSetup, wgpu};

use super::{Device, DeviceKind};
use crate::error::{Error, ErrorKind, Result};

/// Remembers the first thing that went wrong with a GPU.
#[derive(Clone, Default)]
pub struct Watch(Arc<OnceLock<String>>);

impl Watch {
    pub fn fault(&self) -> Option<String> {
        self.0.get().cloned()
    }

    /// Watches `device` in place of the runtime, which panics on an error. Here the result that an error spoilt is
    /// discarded, and the page goes on.
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

/// The device: the runtime can be set up only once.
static OPENED: OnceLock<Device> = OnceLock::new();

pub async fn open() -> Result<Device> {
    if let Some(device) = OPENED.get() {
        return match device.fault() {
            None => Ok(device.clone()),
            Some(fault) => Err(Error::new(ErrorKind::BackendUnavailable, format!("the GPU failed earlier: {fault}"))),
        };
    }
    let setup = burn::tensor::Device::wgpu_options().init_with_setup_async().await;
    let (gpu, setup) =
        setup.map_err(|error| Error::new(ErrorKind::BackendUnavailable, format!("no GPU could be opened: {error}")))?;
    let watch = Watch::listen(&setup.device);
    let device = Device { gpu: Some(gpu), kind: DeviceKind::Webgpu, adapter: describe(&setup), watch };
    Ok(OPENED.get_or_init(|| device).clone())
}

/// The name of the GPU, as far as the browser or the driver reports it.
fn describe(setup: &WgpuSetup) -> String {
    let info = setup.adapter.get_info();
    let words: Vec<&str> = [info.name.as_str(), info.driver.as_str(), info.driver_info.as_str()]
        .into_iter()
        .filter(|words| !words.is_empty())
        .collect();
    if words.is_empty() { "unnamed adapter".to_string() } else { words.join(", ") }
}
