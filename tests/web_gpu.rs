//! The crate in a browser with a WebGPU adapter, which may be one in software.
#![cfg(target_family = "wasm")]

mod browser;

use pilot_light::Device;
use pilot_light::device::DeviceKind;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
async fn a_gpu_that_agrees_with_the_cpu_gives_the_reference_values() {
    let device = Device::webgpu().await.expect("a WebGPU adapter that agrees with the CPU");
    assert_eq!(device.kind(), DeviceKind::Webgpu);
    assert!(!device.adapter().is_empty());
    browser::sequence_heads(&device).await;
    browser::token_heads(&device).await;
    assert_eq!(device.fault(), None);
    assert!(Device::webgpu().await.is_ok(), "a device that is open can be had again");
}
