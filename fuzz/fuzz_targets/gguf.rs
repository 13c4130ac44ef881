//! Any bytes as a GGUF file: tensors and layers, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilot_light::formats::gguf;
use pilot_light::models::PackedLinear;

fuzz_target!(|bytes: &[u8]| {
    for tensor in gguf::read(bytes).unwrap_or_default() {
        if let Ok(layer) = PackedLinear::new(&tensor) {
            let _ = layer.forward(&vec![1.0; layer.shape().0]);
        }
    }
});
