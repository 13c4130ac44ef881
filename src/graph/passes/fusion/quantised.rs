//! Fusion of quantised products, and of their biases.

use burn::tensor::DType;

use super::{Fused, Operand, Parts, Rule, both_ways, first};
use crate::graph::attributes::Attributes;
use crate::graph::host;
use crate::graph::ops::named::{
    ADD, CAST, DYNAMIC_QUANTIZE_LINEAR, DYNAMIC_QUANTIZE_MATMUL, MATMUL_INTEGER, MATMUL_NBITS, MUL,
};
use crate::graph::program::{Node, Slot};

pub const RULES: &[Rule] = &[dynamic_matmul, packed_bias];

/// `cast(quantise(x) · W) · (scale · weight_scale)`: one product of floats by 8-bit weights.
fn dynamic_matmul(parts: &Parts<'_>, node: &Node) -> Option<Fused> {
    if !node.is(MUL) {
        return None;
    }
    both_ways(node).find_map(|(product, scales)| {
        let cast = parts.producer(product, CAST).filter(|_| parts.single_use(product))?;
        let product = first(cast)?;
        let matmul = parts.producer(product, MATMUL_INTEGER).filter(|_| parts.single_use(product))?;
        let &[Some(numbers), Some(weights), zero, ref weight_zero @ ..] = &matmul.inputs[..] else { return None };
        let quantise = parts.producer(numbers, DYNAMIC_QUANTIZE_LINEAR)?;
        let [Some(own_numbers), Some(own_scale), own_zero] = quantise.outputs[..] else { return None };
        if own_numbers != numbers || zero != own_zero || zero.is_none() {
            return None;
        }
        let scales = parts.producer(scales, MUL)?;
        let (_, weight_scale) = both_ways(scales).find(|(scale, _)| *scale == own_scale)?;
        let mut inputs: Vec<Operand> = [first(quantise)?, weights, weight_scale].map(Operand::Slot).into();
        if let Some(zero) = weight_zero.first().copied().flatten() {
            inputs.push(Operand::Slot(zero));
        }
        Some(Fused { op: DYNAMIC_QUANTIZE_MATMUL, attributes: Attributes::default(), inputs })
    })
}

/// A quantised product and a constant bias.
fn packed_bias(parts: &Parts<'_>, node: &Node) -> Option<Fused> {
    if !node.is(ADD) {
        return None;
    }
    both_ways(node).find_map(|(product, bias)| {
        let at = parts.any_producer(product).filter(|_| parts.single_use(product))?;
        let op = at.op()?;
        // The index of the bias among the inputs.
        let index = if op.is(MATMUL_NBITS) {
            5
        } else if op.is(DYNAMIC_QUANTIZE_MATMUL) {
            4
        } else {
            return None;
        };
        let vector = parts.constant(bias).filter(|bias| bias.dtype() == DType::F32 && host::shape(bias).len() == 1)?;
        if at.inputs.len() > index || columns(parts, at) != Some(host::shape(vector)[0]) {
            return None;
        }
        let mut inputs: Vec<Operand> =
            at.inputs.iter().map(|slot: &Option<Slot>| slot.map_or(Operand::Missing, Operand::Slot)).collect();
        inputs.resize_with(index, || Operand::Missing);
        inputs.push(Operand::Slot(bias));
        Some(Fused { op, attributes: at.attributes.clone(), inputs })
    })
}

/// The number of columns of the product, where it is known.
fn columns(parts: &Parts<'_>, node: &Node) -> Option<usize> {
    if node.is(MATMUL_NBITS) {
        return usize::try_from(node.attributes.int("N", 0).ok()?).ok();
    }
    host::shape(parts.constant(node.inputs.get(1).copied().flatten()?)?).last().copied()
}
