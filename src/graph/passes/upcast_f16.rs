//! Models of 16-bit floats are computed in 32 bits: no CPU that a page meets computes in 16, nor does every GPU.

use burn::tensor::DType;

use crate::graph::attributes::Attribute;
use crate::graph::host;
use crate::graph::program::{Block, Program};

/// Numbers from which a constant is a weight: an operator by itself is left as it is.
const WEIGHT: usize = 1024;
/// ONNX's numbers for the two types.
const F16: i64 = 10;
const F32: i64 = 1;

/// Makes 32-bit floats of all 16-bit ones if the weights are such; says whether they were.
pub fn widen(program: &mut Program) -> bool {
    let is_weight =
        |tensor: &host::HostTensor| tensor.dtype() == DType::F16 && tensor.layout().num_elements() >= WEIGHT;
    let any = program.constants.values().any(is_weight) || has_weight(&program.block, &is_weight);
    if any {
        program.constants.values_mut().for_each(|tensor| *tensor = wide(tensor.clone()));
        program
            .types
            .iter_mut()
            .filter(|dtype| **dtype == Some(DType::F16))
            .for_each(|dtype| *dtype = Some(DType::F32));
        widen_block(&mut program.block);
    }
    any
}

fn wide(tensor: host::HostTensor) -> host::HostTensor {
    if tensor.dtype() == DType::F16 { host::cast(tensor, DType::F32) } else { tensor }
}

/// Some exporters have their weights in nodes.
fn has_weight(block: &Block, is_weight: &dyn Fn(&host::HostTensor) -> bool) -> bool {
    block.nodes.iter().any(|node| {
        let own = node.attributes.values().any(|value| matches!(value, Attribute::Tensor(tensor) if is_weight(tensor)));
        own || node.blocks.iter().any(|(_, block)| has_weight(block, is_weight))
    })
}

fn widen_block(block: &mut Block) {
    for node in &mut block.nodes {
        for (name, value) in node.attributes.iter_mut() {
            match value {
                Attribute::Tensor(tensor) => *tensor = wide(tensor.clone()),
                // The names under which operators are told a type.
                Attribute::Int(number) if *number == F16 && matches!(name, "to" | "dtype" | "output_dtype") => {
                    *number = F32
                }
                _ => {}
            }
        }
        node.blocks.iter_mut().for_each(|(_, block)| widen_block(block));
    }
}
