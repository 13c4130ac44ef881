//! Runs an ONNX file and prints its inputs, its outputs and what it computes.
//!
//! ```sh
//! cargo run --example run_onnx -- [FILE]
//! ```
//!
//! Without FILE, the model is `examples/xor.onnx`, which computes `a xor b` for rows of two numbers. Every input is filled with
//! the truth table of two bits, over and over; dimensions that the file leaves open are 4.

use std::collections::HashMap;
use std::path::Path;

use pilot_light::Device;
use pilot_light::graph::{DType, Dim, Graph, GraphOptions, Port, TensorData};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const XOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/xor.onnx");
const TRUTH_TABLE: [f32; 8] = [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
/// The size of a dimension that may be any.
const ROWS: usize = 4;

fn main() -> Result<()> {
    let file = std::env::args().nth(1).unwrap_or_else(|| XOR.to_string());
    for (name, tensor) in run(Path::new(&file))? {
        println!("{name} {:?}: {tensor}", tensor.shape());
    }
    Ok(())
}

/// The outputs of the model in `file`, by name.
pub fn run(file: &Path) -> Result<Vec<(String, TensorData)>> {
    let bytes = std::fs::read(file)?;
    // Files with weights next to the model would be in the map, by name.
    let graph = Graph::load(bytes, HashMap::new(), &Device::cpu(), &GraphOptions::default())?;
    for Port { name, dtype, dims, .. } in graph.inputs() {
        eprintln!("input {name}: {dtype:?} {dims:?}");
    }
    let inputs = graph.inputs().iter().map(|port| Ok((port.name.clone(), fill(port)?))).collect::<Result<_>>()?;
    Ok(pollster::block_on(graph.run(inputs))?)
}

/// A tensor of the type and shape that `port` takes.
fn fill(port: &Port) -> Result<TensorData> {
    if matches!(port.dtype, DType::Bool(_)) {
        return Err(format!("expected an input of numbers, got the booleans of '{}'", port.name).into());
    }
    let dims = port.dims.as_deref().unwrap_or(&[]);
    let shape: Vec<usize> = dims.iter().map(|dim| if let Dim::Fixed(size) = dim { *size } else { ROWS }).collect();
    let numbers: Vec<f32> = TRUTH_TABLE.into_iter().cycle().take(shape.iter().product()).collect();
    Ok(TensorData::new(numbers, shape).convert_dtype(port.dtype))
}
