//! The crate in a browser, on the CPU.
#![cfg(target_family = "wasm")]

mod browser;

use pilot_light::{Device, ErrorKind};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
async fn sequence_heads_give_the_reference_scores() {
    browser::sequence_heads(&Device::cpu()).await;
}

#[wasm_bindgen_test]
async fn token_heads_give_the_reference_labels() {
    browser::token_heads(&Device::cpu()).await;
}

#[wasm_bindgen_test]
async fn without_the_feature_webgpu_is_refused_by_name() {
    let error = Device::webgpu().await.err().expect("no GPU in this build");
    assert_eq!(error.kind(), ErrorKind::FeatureDisabled);
}
