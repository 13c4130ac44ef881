//! Fusion of layer normalisation.

use super::{Fused, Operand, Parts, Rule, both_ways, first, pair};
use crate::graph::attributes::{Attribute, Attributes};
use crate::graph::host;
use crate::graph::ops::named::{
    ADD, ADD_LAYER_NORMALIZATION, DIV, LAYER_NORMALIZATION, MUL, POW, REDUCE_MEAN, SQRT, SUB,
};
use crate::graph::program::{Node, Slot};

pub const RULES: &[Rule] = &[layer_norm];
/// The rules that apply once layer normalisations are fused.
pub const RULES_OF_SUMS: &[Rule] = &[layer_norm_of_sum];

/// The layer normalisation of a sum that has no other use.
fn layer_norm_of_sum(parts: &Parts<'_>, node: &Node) -> Option<Fused> {
    if !node.is(LAYER_NORMALIZATION) || node.outputs.iter().skip(1).any(Option::is_some) {
        return None;
    }
    let sum = first(node)?;
    let [x, residual] = pair(parts.producer(sum, ADD).filter(|_| parts.single_use(sum))?)?;
    let rest = node.inputs.iter().skip(1).map(|slot| slot.map_or(Operand::Missing, Operand::Slot));
    let inputs = [x, residual].map(Operand::Slot).into_iter().chain(rest).collect();
    Some(Fused { op: ADD_LAYER_NORMALIZATION, attributes: node.attributes.clone(), inputs })
}

/// `(x − mean(x)) / √(mean((x − mean(x))²) + ε) · scale + bias`, with means over the last axis.
fn layer_norm(parts: &Parts<'_>, node: &Node) -> Option<Fused> {
    if !node.is(ADD) {
        return None;
    }
    both_ways(node).find_map(|(product, bias)| {
        let vector = |slot: Slot| parts.constant(slot).filter(|tensor| host::shape(tensor).len() == 1);
        let bias_tensor = vector(bias)?;
        both_ways(parts.producer(product, MUL)?).find_map(|(normal, scale)| {
            let scale_tensor = vector(scale)?;
            if host::shape(scale_tensor) != host::shape(bias_tensor) || host::shape(scale_tensor) == [1] {
                return None;
            }
            let (x, epsilon) = normalised(parts, normal)?;
            let mut attributes = Attributes::of_ints(&[("axis", -1)]);
            attributes.push("epsilon", Attribute::Float(epsilon));
            let inputs = [x, scale, bias].map(Operand::Slot).into();
            Some(Fused { op: LAYER_NORMALIZATION, attributes, inputs })
        })
    })
}

/// `x` and `ε` of `(x − mean(x)) / √(variance(x) + ε)`.
fn normalised(parts: &Parts<'_>, slot: Slot) -> Option<(Slot, f32)> {
    let [centred, deviation] = pair(parts.producer(slot, DIV)?)?;
    let [x, mean] = pair(parts.producer(centred, SUB)?)?;
    if mean_of(parts, mean)? != x {
        return None;
    }
    let sum = parts.producer(first(parts.producer(deviation, SQRT)?)?, ADD)?;
    let (variance, epsilon) =
        both_ways(sum).find_map(|(variance, epsilon)| Some((variance, parts.scalar(epsilon)?)))?;
    let square = parts.any_producer(mean_of(parts, variance)?)?;
    let [base, power] = pair(square)?;
    let squared = square.is(POW) && parts.is(power, 2.0) || square.is(MUL) && base == power;
    // Some exporters subtract the mean a second time for the square.
    let same = base == centred || parts.producer(base, SUB).and_then(pair) == Some([x, mean]);
    (squared && same).then_some((x, epsilon))
}

/// The slot whose mean over the last axis is `slot`.
fn mean_of(parts: &Parts<'_>, slot: Slot) -> Option<Slot> {
    let node = parts.producer(slot, REDUCE_MEAN)?;
    let axes = match node.inputs.get(1).copied().flatten() {
        Some(axes) => host::to_i64s(parts.constant(axes)?),
        None => node.attributes.ints("axes").ok()??,
    };
    let keeps = node.attributes.flag("keepdims", true).ok()?;
    // The rank is not known, so the last axis is certain only where it is counted from the end.
    (axes == [-1] && keeps).then(|| first(node))?
}
