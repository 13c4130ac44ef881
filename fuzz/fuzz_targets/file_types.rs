//! Magika's `config.min.json`: a classifier that says something of any file, or an error.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use pilot_light::Device;
use pilot_light::graph::{Graph, GraphOptions};
use pilot_light::tasks::FileClassifier;

/// An ONNX file: one Identity of integers, [1, 8].
const IDENTITY: &[u8] = b"\x08\x08:?\x0a\x10\x0a\x01x\x12\x01y\x22\x08Identity\x12\x01gZ\x13\x0a\x01x\x12\x0e\x0a\x0c\x08\x06\x12\x08\x0a\x02\x08\x01\x0a\x02\x08\x08b\x13\x0a\x01y\x12\x0e\x0a\x0c\x08\x06\x12\x08\x0a\x02\x08\x01\x0a\x02\x08\x08B\x02\x10\x11";

fuzz_target!(|config: &str| {
    let graph = Graph::load(IDENTITY.to_vec(), HashMap::new(), &Device::cpu(), &GraphOptions::default());
    if let Ok(classifier) = FileClassifier::new(graph.expect("a graph"), config) {
        let _ = pollster::block_on(classifier.classify(config.as_bytes(), Some(2)));
    }
});
