//! Upcast of 16-bit floats: such models are computed in 32 bits. No CPU that a page meets computes in 16 bits, and not
//! every GPU does.

use burn::tensor::DType;

use crate::graph::attributes::Attribute;
use crate::graph::host;
use crate::graph::program::{Block, Program};

/// Elements from which a constant counts as a weight. Models without weights, such as single operators, are left as they
/// are.
const WEIGHT: usize = 1024;
/// The numbers of the two types in ONNX.
const F16: i64 = 10;
const F32: i64 = 1;

/// Converts all 16-bit floats to 32 bits if the weights are 16-bit ones. Returns whether they are.
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

/// Whether a node has such a weight as an attribute, as some exporters write them.
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
                // The attributes that name a type.
                Attribute::Int(number) if *number == F16 && matches!(name, "to" | "dtype" | "output_dtype") => {
                    *number = F32
                }
                _ => {}
            }
        }
        node.blocks.iter_mut().for_each(|(_, block)| widen_block(block));
    }
}
