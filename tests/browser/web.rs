//! The crate in a browser: on the CPU, and with the feature `gpu` on a WebGPU adapter, which may be one in software.
#![cfg(target_family = "wasm")]

use golden::{sequence_heads, token_heads};
use pilot_light::Device;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[cfg(not(feature = "gpu"))]
mod cpu {
    use super::*;
    use pilot_light::ErrorKind;

    #[wasm_bindgen_test]
    async fn sequence_heads_give_the_reference_scores() {
        sequence_heads(&Device::cpu()).await;
    }

    #[wasm_bindgen_test]
    async fn token_heads_give_the_reference_labels() {
        token_heads(&Device::cpu()).await;
    }

    #[wasm_bindgen_test]
    async fn without_the_feature_webgpu_is_refused_by_name() {
        let error = Device::webgpu().await.err().expect("no GPU in this build");
        assert_eq!(error.kind(), ErrorKind::FeatureDisabled);
    }
}

#[cfg(feature = "gpu")]
#[wasm_bindgen_test]
async fn a_gpu_that_agrees_with_the_cpu_gives_the_reference_values() {
    let device = Device::webgpu().await.expect("a WebGPU adapter that agrees with the CPU");
    assert_eq!(device.kind(), pilot_light::device::DeviceKind::Webgpu);
    assert!(!device.adapter().is_empty());
    sequence_heads(&device).await;
    token_heads(&device).await;
    assert_eq!(device.fault(), None);
    assert!(Device::webgpu().await.is_ok(), "a device that is open can be had again");
}
