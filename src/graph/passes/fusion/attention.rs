//! Fusion of attention.

use super::{Fused, Operand, Parts, Rule, both_ways, first, pair};
use crate::graph::attributes::{Attribute, Attributes};
use crate::graph::ops::named::{ADD, DIV, FUSED_ATTENTION, MATMUL, MUL, SOFTMAX, TRANSPOSE};
use crate::graph::program::{Node, Slot};

pub const RULES: &[Rule] = &[attention];

/// `softmax(q kᵀ · scale + mask) v`, whose products have no other use.
fn attention(parts: &Parts<'_>, node: &Node) -> Option<Fused> {
    if !node.is(MATMUL) {
        return None;
    }
    let [weights, values] = pair(node)?;
    let softmax = parts.producer(weights, SOFTMAX).filter(|softmax| parts.single_use(weights) && is_last(softmax))?;
    let mut scores = first(softmax)?;
    let mut mask = Operand::Missing;
    if let Some(sum) = parts.producer(scores, ADD) {
        let (product, bias) = both_ways(sum).find(|(product, _)| is_scores(parts, *product))?;
        (scores, mask) = (product, Operand::Slot(bias));
    }
    let (product, scale) = scaled(parts, scores);
    let product = parts.producer(product, MATMUL).filter(|_| parts.single_use(product) && parts.single_use(scores))?;
    let [queries, keys] = pair(product)?;
    let keys = transposed_back(parts, keys)?;
    let mut attributes = Attributes::default();
    attributes.push("scale", Attribute::Float(scale));
    let inputs = vec![Operand::Slot(queries), keys, Operand::Slot(values), mask];
    Some(Fused { op: FUSED_ATTENTION, attributes, inputs })
}

fn is_last(softmax: &Node) -> bool {
    let default = if softmax.opset < 13 { 1 } else { -1 };
    // The axis 3 is the last of the four dimensions of attention.
    matches!(softmax.attributes.int("axis", default), Ok(-1 | 3))
}

fn is_scores(parts: &Parts<'_>, slot: Slot) -> bool {
    let (product, _) = scaled(parts, slot);
    parts.producer(product, MATMUL).is_some()
}

/// The slot that `slot` is a multiple of, and the factor.
fn scaled(parts: &Parts<'_>, slot: Slot) -> (Slot, f32) {
    let multiple = || {
        let node = parts.any_producer(slot)?;
        if node.is(MUL) {
            both_ways(node).find_map(|(of, by)| Some((of, parts.scalar(by)?)))
        } else if node.is(DIV) {
            pair(node).and_then(|[of, by]| Some((of, 1.0 / parts.scalar(by)?)))
        } else {
            None
        }
    };
    multiple().unwrap_or((slot, 1.0))
}

/// The keys as `[batch, heads, seq, size]`, from the four dimensions that `keys` is known to have.
fn transposed_back(parts: &Parts<'_>, keys: Slot) -> Option<Operand> {
    // Only a transposition shows that there are four.
    let mut source = keys;
    if let Some(node) = parts.producer(keys, MUL) {
        source = node.inputs.iter().flatten().copied().find(|slot| parts.producer(*slot, TRANSPOSE).is_some())?;
    }
    let perm = parts.producer(source, TRANSPOSE)?.attributes.ints("perm").ok()??;
    if perm.len() != 4 || perm[..2] == [2, 3] {
        return None;
    }
    let mut attributes = Attributes::default();
    attributes.push("perm", Attribute::Ints(vec![0, 1, 3, 2]));
    Some(Operand::Of(Box::new(Fused { op: TRANSPOSE, attributes, inputs: vec![Operand::Slot(keys)] })))
}
