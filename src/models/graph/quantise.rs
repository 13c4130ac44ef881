//! Products with constant matrices of floats become products with matrices of 8 bits.

use burn::tensor::DType;

use super::host;
use super::ops::{NEWEST_OPSET, OWN_DOMAIN, int8};
use super::program::{Block, Node, Program, Slot};
use crate::ops::gemm::Matrix;
use crate::ops::int8::Packed;

/// Rows and columns from which a matrix is worth it; a last layer for a few labels is not.
const LEAST: usize = 32;

/// Quantises the matrices of `program` that products are made with.
pub fn quantise(program: &mut Program) {
    let mut block = std::mem::take(&mut program.block);
    quantise_block(&mut block, program);
    program.block = block;
    // What was quantised nobody wants as it was.
    program.block.prune(program.types.len());
}

fn quantise_block(block: &mut Block, program: &mut Program) {
    for node in &mut block.nodes {
        node.blocks.iter_mut().for_each(|(_, inner)| quantise_block(inner, program));
        let matmul = node.is("MatMul") || (node.op == "MatMulBias" && node.domain == OWN_DOMAIN);
        if let [Some(x), Some(weights), bias @ ..] = &node.inputs[..]
            && matmul
            && program.types[*x] == Some(DType::F32)
            && let Some(packed) = pack(program, *weights)
        {
            let bias = bias.first().copied().flatten();
            let (x, mut attributes) = (*x, std::mem::take(&mut node.attributes));
            let constants = int8::constants(packed, &mut attributes);
            let constants = constants.map(|tensor| Some(program.new_constant(tensor)));
            *node = Node {
                name: std::mem::take(&mut node.name),
                op: "MatMulInt8".to_string(),
                domain: OWN_DOMAIN.to_string(),
                opset: NEWEST_OPSET,
                attributes,
                inputs: [&[Some(x)], &constants[..], &[bias]].concat(),
                outputs: std::mem::take(&mut node.outputs),
                blocks: Vec::new(),
            };
        }
    }
}

fn pack(program: &Program, slot: Slot) -> Option<Packed> {
    let weights = program.constants.get(&slot).filter(|weights| weights.dtype() == DType::F32)?;
    let &[rows, columns] = host::shape(weights) else { return None };
    let weights = host::contiguous(weights.clone());
    let fits = rows >= LEAST && columns >= LEAST;
    fits.then(|| Packed::quantise((rows, columns), Matrix::new(host::slice(&weights), columns)))
}
