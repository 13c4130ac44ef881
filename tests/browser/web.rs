//! The crate in a browser: on the CPU, and with the feature `gpu` on a WebGPU adapter, which may be one in software.
#![cfg(target_family = "wasm")]

use golden::sessions::{a_session_counts, a_session_refuses_what_does_not_fit};
use golden::{sequence_heads, token_heads};
use pilot_light::graph::open_webgpu;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[cfg(not(feature = "gpu"))]
mod cpu {
    use super::*;
    use pilot_light::{Device, ErrorKind};

    #[wasm_bindgen_test]
    async fn sequence_heads_give_the_reference_scores() {
        sequence_heads(&Device::cpu()).await;
    }

    #[wasm_bindgen_test]
    async fn token_heads_give_the_reference_labels() {
        token_heads(&Device::cpu()).await;
    }

    #[wasm_bindgen_test]
    fn tokenizers_with_patterns_give_the_reference_tokens() {
        golden::tokenizers::patterns_are_those_of_the_reference();
    }

    #[wasm_bindgen_test]
    fn the_browser_normalises_every_character_as_the_reference_does() {
        golden::tokenizers::normal_forms_are_those_of_the_reference();
    }

    #[wasm_bindgen_test]
    async fn sessions_keep_state() {
        a_session_counts(&Device::cpu()).await;
        a_session_refuses_what_does_not_fit(&Device::cpu()).await;
    }

    #[wasm_bindgen_test]
    async fn without_the_feature_webgpu_is_refused_by_name() {
        let error = open_webgpu().await.err().expect("no GPU in this build");
        assert_eq!(error.kind(), ErrorKind::FeatureDisabled);
    }
}

#[cfg(feature = "gpu")]
#[wasm_bindgen_test]
async fn a_gpu_that_agrees_with_the_cpu_gives_the_reference_values() {
    let device = open_webgpu().await.expect("a WebGPU adapter that agrees with the CPU");
    assert_eq!(device.kind(), pilot_light::device::DeviceKind::Webgpu);
    assert!(!device.adapter().is_empty());
    sequence_heads(&device).await;
    token_heads(&device).await;
    a_session_counts(&device).await;
    a_session_refuses_what_does_not_fit(&device).await;
    assert_eq!(device.fault(), None);
    assert!(open_webgpu().await.is_ok(), "a device that is open can be had again");
}
