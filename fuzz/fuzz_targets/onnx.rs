//! The loader of ONNX files, and what it loads on zeros.
//!
//!     cargo install cargo-fuzz
//!     mkdir -p fuzz/corpus/onnx
//!     cargo +nightly fuzz run onnx fuzz/corpus/onnx ~/.cache/pilot-light/conformance/onnx-1.22.0/node
//!
//! It begins from the files of the last folder, and stores new ones in the first.
#![no_main]

use std::collections::HashMap;

use burn::tensor::TensorData;
use libfuzzer_sys::fuzz_target;
use pilot_light::Device;
use pilot_light::graph::{Dim, Graph, GraphOptions, Limits, Port};

const LIMITS: Limits = Limits { max_nodes: 1_000, max_elements: 1 << 16, max_depth: 4 };
/// The size of a free dimension.
const FREE: usize = 2;

fuzz_target!(|bytes: &[u8]| {
    let options = GraphOptions { limits: LIMITS, ..GraphOptions::default() };
    let Ok(graph) = Graph::load(bytes.to_vec(), HashMap::new(), &Device::cpu(), &options) else { return };
    if let Some(inputs) = graph.inputs().iter().map(zeros).collect() {
        let _ = pollster::block_on(graph.run(inputs));
    }
});

/// Zeros for a port; `None` if there are too many.
fn zeros(port: &Port) -> Option<(String, TensorData)> {
    let dims: Vec<usize> = match &port.dims {
        Some(dims) => dims.iter().map(|dim| if let Dim::Fixed(size) = dim { *size } else { FREE }).collect(),
        None => vec![FREE],
    };
    let count = dims.iter().try_fold(1_usize, |count, &dim| count.checked_mul(dim))?;
    let bytes = vec![0; (count <= LIMITS.max_elements).then(|| count * port.dtype.size())?];
    Some((port.name.clone(), TensorData::try_from_bytes_vec(bytes, dims, port.dtype).ok()?))
}
