//! Prepack of weights: the constant matrices of products are laid out for the kernels. They are quantised to 8 bits where
//! that is asked for, else packed into panels of floats, so that a product need not pack them each time. Each is freed
//! before the next is packed. Matrices that the file has in blocks get the accuracy level of 8 bits.
//!
//! Products in 8 bits get the attribute `precise` where activations are to have 13 bits.

use std::collections::HashMap;

use burn::tensor::DType;

use crate::graph::attributes::{Attribute, Attributes};
use crate::graph::host::{self, HostTensor};
use crate::graph::ops::PRECISE;
use crate::graph::ops::matmul_nbits::{ACCURACY_LEVEL, INT8};
use crate::graph::ops::named::{GEMM, MATMUL, MATMUL_BIAS, MATMUL_INT8, MATMUL_NBITS, MATMUL_PANELS};
use crate::graph::ops::{int8, panels};
use crate::graph::program::{Block, Node, Program, Slot};
use crate::kernels::gemm::Matrix;
use crate::kernels::qlinear::QuantizedWeights;

/// The least rows and columns of a matrix that is worth packing; a classifier of a few labels is not.
const LEAST: usize = 32;

/// The form of the packed matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// 8-bit integers.
    Int8,
    /// Panels of 32-bit floats, for the CPU.
    Panels,
}

/// Packs the matrices of `program`. With `precise`, activations of products in 8 bits are to have 13 bits, and all matrices
/// in blocks are multiplied so.
pub fn pack(program: &mut Program, form: Form, precise: bool) {
    let mut uses = HashMap::new();
    let mut count = |slot: Slot| *uses.entry(slot).or_insert(0) += 1;
    program.block.nodes.iter().for_each(|node| node.reads(&mut count));
    program.block.outputs.iter().for_each(|slot| count(*slot));
    let mut block = std::mem::take(&mut program.block);
    pack_block(&mut block, program, form, precise, &uses);
    program.block = block;
}

fn pack_block(block: &mut Block, program: &mut Program, form: Form, precise: bool, uses: &HashMap<Slot, usize>) {
    for node in &mut block.nodes {
        node.blocks.iter_mut().for_each(|(_, inner)| pack_block(inner, program, form, precise, uses));
        if (form == Form::Int8 || precise) && node.is(MATMUL_NBITS) {
            node.attributes.set(ACCURACY_LEVEL, Attribute::Int(INT8));
            node.attributes.set(PRECISE, Attribute::Int(i64::from(precise)));
        }
        let Some(transposed) = product(node, program) else { continue };
        let [Some(x), Some(slot), ref bias @ ..] = node.inputs[..] else { continue };
        let Some(matrix) = program.constants.get(&slot).filter(|_| program.types[x] == Some(DType::F32)) else {
            continue;
        };
        let &[mut rows, mut columns] = host::shape(matrix) else { continue };
        if matrix.dtype() != DType::F32 || rows < LEAST || columns < LEAST {
            continue;
        }
        let matrix = host::contiguous(matrix.clone());
        if uses.get(&slot) == Some(&1) {
            program.constants.remove(&slot);
        }
        let mut numbers = Matrix::new(host::slice(&matrix), columns);
        if transposed {
            numbers = Matrix::transposed(numbers.data, columns);
            (rows, columns) = (columns, rows);
        }
        let (sizes, bias) = ((rows, columns), bias.first().copied().flatten());
        // The attributes of a `Gemm` have been taken into account.
        let mut attributes = if node.is(GEMM) { Attributes::default() } else { std::mem::take(&mut node.attributes) };
        let (op, constants): (_, Vec<HostTensor>) = match form {
            Form::Int8 => {
                attributes.push(PRECISE, Attribute::Int(i64::from(precise)));
                (MATMUL_INT8, int8::constants(QuantizedWeights::quantise(sizes, numbers), &mut attributes).into())
            }
            Form::Panels => (MATMUL_PANELS, vec![panels::constant(sizes, numbers, &mut attributes)]),
        };
        let constants: Vec<_> = constants.into_iter().map(|tensor| Some(program.new_constant(tensor))).collect();
        let inputs = [&[Some(x)], &constants[..], &[bias]].concat();
        let (name, outputs) = (std::mem::take(&mut node.name), std::mem::take(&mut node.outputs));
        *node = Node::new(name, op, attributes, inputs, outputs);
    }
}

/// Whether the constant matrix of a product is transposed; `None` where `node` is not a product with an optional bias.
fn product(node: &Node, program: &Program) -> Option<bool> {
    if node.is(MATMUL) || node.is(MATMUL_BIAS) {
        return Some(false);
    }
    let attributes = node.is(GEMM).then_some(&node.attributes)?;
    let plain = attributes.float("alpha", 1.0).ok()? == 1.0
        && attributes.float("beta", 1.0).ok()? == 1.0
        && !attributes.flag("transA", false).ok()?;
    let transposed = attributes.flag("transB", false).ok()?;
    let columns =
        *host::shape(program.constants.get(&node.inputs.get(1).copied().flatten()?)?).get(usize::from(!transposed))?;
    let bias = match node.inputs.get(2).copied().flatten() {
        None => true,
        Some(slot) => host::shape(program.constants.get(&slot)?) == [columns],
    };
    (plain && bias).then_some(transposed)
}
