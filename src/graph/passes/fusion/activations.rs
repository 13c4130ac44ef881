//! Fusion of GELU, hard swish and swish.

use super::{Fused, Operand, Parts, Rule, both_ways, first, pair};
use crate::graph::attributes::{Attribute, Attributes};
use crate::graph::ops::Op;
use crate::graph::ops::named::{ADD, CLIP, DIV, ERF, GELU, HARD_SWISH, MUL, POW, SIGMOID, SWISH, TANH};
use crate::graph::program::{Node, Slot};
use crate::kernels::gelu::{TANH_CUBE, TANH_FACTOR};

pub const RULES: &[Rule] = &[gelu, tanh_gelu, hard_swish, swish];

const SQRT_2: f32 = std::f32::consts::SQRT_2;

/// `x · 0.5 · (1 + erf(x / √2))`, in any order of the factors.
fn gelu(parts: &Parts<'_>, node: &Node) -> Option<Fused> {
    let (x, argument) = halved_product(parts, node, ERF)?;
    let scaled = parts.any_producer(argument)?;
    let from = if scaled.is(DIV) {
        pair(scaled).filter(|[_, by]| parts.is(*by, SQRT_2)).map(|[x, _]| x)
    } else {
        parts.other_factor(scaled, 1.0 / SQRT_2)
    };
    (from? == x).then(|| Fused { op: GELU, attributes: Attributes::default(), inputs: vec![Operand::Slot(x)] })
}

/// `x · 0.5 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`.
fn tanh_gelu(parts: &Parts<'_>, node: &Node) -> Option<Fused> {
    let (x, argument) = halved_product(parts, node, TANH)?;
    let sum = parts.other_factor(parts.producer(argument, MUL)?, TANH_FACTOR as f32)?;
    let is_cubic = |slot: Slot| {
        let mut factors = Vec::new();
        collect_factors(parts, slot, x, &mut factors, 4);
        let cubes = factors.iter().filter(|factor| **factor == Factor::X).count()
            + 3 * factors.iter().filter(|factor| **factor == Factor::Cube).count();
        let numbers: Vec<f32> =
            factors.iter().filter_map(|factor| if let Factor::Number(n) = factor { Some(*n) } else { None }).collect();
        cubes == 3
            && numbers.len() == 1
            && (numbers[0] - TANH_CUBE as f32).abs() < 1e-6
            && !factors.contains(&Factor::Other)
    };
    let sum = parts.producer(sum, ADD)?;
    both_ways(sum).find(|(own, cubic)| *own == x && is_cubic(*cubic))?;
    let mut attributes = Attributes::default();
    attributes.push("approximate", Attribute::String("tanh".to_string()));
    Some(Fused { op: GELU, attributes, inputs: vec![Operand::Slot(x)] })
}

#[derive(PartialEq)]
enum Factor {
    X,
    Cube,
    Number(f32),
    Other,
}

/// The factors of the product in `slot`, nested products flattened.
fn collect_factors(parts: &Parts<'_>, slot: Slot, x: Slot, into: &mut Vec<Factor>, depth: usize) {
    if slot == x {
        into.push(Factor::X);
    } else if let Some(number) = parts.scalar(slot) {
        into.push(Factor::Number(number));
    } else if let Some(node) = parts.producer(slot, MUL).filter(|_| depth > 0) {
        node.inputs.iter().flatten().for_each(|slot| collect_factors(parts, *slot, x, into, depth - 1));
    } else if let Some([base, power]) = parts.producer(slot, POW).and_then(pair) {
        into.push(if base == x && parts.is(power, 3.0) { Factor::Cube } else { Factor::Other });
    } else {
        into.push(Factor::Other);
    }
}

/// `x` and `a` of the product `x · 0.5 · (1 + f(a))`.
fn halved_product(parts: &Parts<'_>, node: &Node, f: &'static Op) -> Option<(Slot, Slot)> {
    if !node.is(MUL) {
        return None;
    }
    let one_plus = |slot: Slot| {
        let inner = parts.other_term(parts.producer(slot, ADD)?, 1.0)?;
        first(parts.producer(inner, f)?)
    };
    let half_of = |slot: Slot| parts.other_factor(parts.producer(slot, MUL)?, 0.5);
    // (x · (1 + f)) · 0.5
    if let Some(product) = parts.other_factor(node, 0.5) {
        let product = parts.producer(product, MUL)?;
        return both_ways(product).find_map(|(x, sum)| Some((x, one_plus(sum)?)));
    }
    both_ways(node).find_map(|(a, b)| {
        // x · (0.5 · (1 + f)), or (0.5 · x) · (1 + f)
        let inner = half_of(b).and_then(one_plus).map(|argument| (a, argument));
        inner.or_else(|| Some((half_of(a)?, one_plus(b)?)))
    })
}

/// `x · clip(x + 3, 0, 6) / 6`.
fn hard_swish(parts: &Parts<'_>, node: &Node) -> Option<Fused> {
    let product = if node.is(DIV) {
        pair(node).filter(|[_, by]| parts.is(*by, 6.0)).map(|[product, _]| product)?
    } else {
        parts.other_factor(node, 1.0 / 6.0)?
    };
    let product = parts.producer(product, MUL)?;
    let x = both_ways(product).find_map(|(x, clipped)| {
        let clip = parts.producer(clipped, CLIP)?;
        let bound = |index: usize, name: &str| match clip.inputs.get(index).copied().flatten() {
            Some(slot) => parts.scalar(slot),
            None => clip.attributes.optional_float(name).ok().flatten(),
        };
        if bound(1, "min") != Some(0.0) || bound(2, "max") != Some(6.0) {
            return None;
        }
        let sum = parts.producer(first(clip)?, ADD)?;
        (parts.other_term(sum, 3.0)? == x).then_some(x)
    })?;
    Some(Fused { op: HARD_SWISH, attributes: Attributes::default(), inputs: vec![Operand::Slot(x)] })
}

/// `x · sigmoid(x)`.
fn swish(parts: &Parts<'_>, node: &Node) -> Option<Fused> {
    if !node.is(MUL) {
        return None;
    }
    let (x, _) = both_ways(node).find(|(x, gate)| parts.producer(*gate, SIGMOID).and_then(first) == Some(*x))?;
    Some(Fused { op: SWISH, attributes: Attributes::default(), inputs: vec![Operand::Slot(x)] })
}
