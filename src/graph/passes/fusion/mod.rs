//! Fusion: operators that exporters decompose are fused again. Each rule matches a node and the ones before it, and gives
//! the one operator that replaces them. The parts are pruned afterwards where they have no other use.

mod activations;
mod attention;
mod linear;
mod norm;
mod quantised;

use std::collections::HashMap;

use crate::graph::attributes::Attributes;
use crate::graph::host::{self, HostTensor};
use crate::graph::ops::Op;
use crate::graph::ops::named::{ADD, MUL};
use crate::graph::options::Fusion;
use crate::graph::program::{Block, Node, Program, Slot};

/// Applies the rules that `fusion` allows.
pub fn fuse(program: &mut Program, fusion: &Fusion) {
    let rules: [(bool, &[Rule]); 6] = [
        (fusion.layer_norm, norm::RULES),
        (fusion.layer_norm, norm::RULES_OF_SUMS),
        (fusion.activations, activations::RULES),
        (fusion.attention, attention::RULES),
        (fusion.quantised, quantised::RULES),
        (fusion.linear, linear::RULES),
    ];
    let mut block = std::mem::take(&mut program.block);
    for (_, rules) in rules.iter().filter(|(enabled, _)| *enabled) {
        fuse_block(&mut block, program, rules);
        // The parts that a rule has left would count as uses in the next one.
        block.prune(program.types.len());
    }
    program.block = block;
}

/// Matches a node and the ones before it; `None` where the pattern does not match.
type Rule = fn(&Parts<'_>, &Node) -> Option<Fused>;

/// A fused operator.
struct Fused {
    op: &'static Op,
    attributes: Attributes,
    inputs: Vec<Operand>,
}

/// An input of a fused operator.
enum Operand {
    /// A value of the graph.
    Slot(Slot),
    /// An input that is left out.
    Missing,
    /// A new constant.
    Constant(HostTensor),
    /// The output of another new operator.
    Of(Box<Fused>),
}

/// What a rule sees: the nodes before the one that it matches.
struct Parts<'a> {
    nodes: &'a [Node],
    /// The index of the node that defines a slot.
    producers: &'a HashMap<Slot, usize>,
    /// The number of uses of each slot.
    uses: &'a HashMap<Slot, usize>,
    constants: &'a HashMap<Slot, HostTensor>,
}

fn fuse_block(block: &mut Block, program: &mut Program, rules: &[Rule]) {
    for (_, inner) in block.nodes.iter_mut().flat_map(|node| &mut node.blocks) {
        fuse_block(inner, program, rules);
    }
    let mut uses = HashMap::new();
    let mut count = |slot: Slot| *uses.entry(slot).or_default() += 1;
    block.nodes.iter().for_each(|node| node.reads(&mut count));
    block.outputs.iter().for_each(|slot| count(*slot));
    let (mut done, mut producers) = (Vec::<Node>::with_capacity(block.nodes.len()), HashMap::new());
    for node in std::mem::take(&mut block.nodes) {
        let parts = Parts { nodes: &done, producers: &producers, uses: &uses, constants: &program.constants };
        let fused = rules.iter().find_map(|rule| rule(&parts, &node));
        let node = match fused {
            None => node,
            Some(fused) => {
                let mut inputs = Vec::with_capacity(fused.inputs.len());
                for operand in fused.inputs {
                    inputs.push(slot_of(operand, &node, program, &mut done, &mut producers));
                }
                Node::new(node.name, fused.op, fused.attributes, inputs, node.outputs)
            }
        };
        node.outputs.iter().flatten().for_each(|slot| {
            producers.insert(*slot, done.len());
        });
        done.push(node);
    }
    block.nodes = done;
}

/// The slot of `operand`; a new operator for it is inserted before `node`.
fn slot_of(
    operand: Operand,
    node: &Node,
    program: &mut Program,
    done: &mut Vec<Node>,
    producers: &mut HashMap<Slot, usize>,
) -> Option<Slot> {
    match operand {
        Operand::Slot(slot) => Some(slot),
        Operand::Missing => None,
        Operand::Constant(tensor) => Some(program.new_constant(tensor)),
        Operand::Of(fused) => {
            let inputs =
                fused.inputs.into_iter().map(|operand| slot_of(operand, node, program, done, producers)).collect();
            let slot = program.new_slot(Some(burn::tensor::DType::F32));
            producers.insert(slot, done.len());
            done.push(Node::new(node.name.clone(), fused.op, fused.attributes, inputs, vec![Some(slot)]));
            Some(slot)
        }
    }
}

impl<'a> Parts<'a> {
    /// The node that defines `slot`, if its operator is `op`.
    fn producer(&self, slot: Slot, op: &'static Op) -> Option<&'a Node> {
        self.any_producer(slot).filter(|node| node.is(op))
    }

    /// The node that defines `slot`.
    fn any_producer(&self, slot: Slot) -> Option<&'a Node> {
        self.producers.get(&slot).map(|index| &self.nodes[*index])
    }

    /// Whether `slot` has a single use.
    fn single_use(&self, slot: Slot) -> bool {
        self.uses.get(&slot) == Some(&1)
    }

    /// The constant in `slot`.
    fn constant(&self, slot: Slot) -> Option<&'a HostTensor> {
        self.constants.get(&slot)
    }

    /// The constant in `slot`, if it is one float that cannot change a shape by broadcasting.
    fn scalar(&self, slot: Slot) -> Option<f32> {
        let tensor = self.constant(slot)?;
        let one =
            tensor.layout().num_elements() == 1 && host::shape(tensor).len() <= 1 && host::is_float(tensor.dtype());
        one.then(|| host::to_f64s(tensor)[0] as f32)
    }

    /// Whether the constant in `slot` is this number.
    fn is(&self, slot: Slot, number: f32) -> bool {
        self.scalar(slot).is_some_and(|found| (found - number).abs() <= 1e-6 * number.abs().max(1.0))
    }

    /// The other factor of a product, of which one is the constant `number`.
    fn other_factor(&self, node: &Node, number: f32) -> Option<Slot> {
        if node.is(MUL) { self.other_input(node, number) } else { None }
    }

    /// The other term of a sum, of which one is the constant `number`.
    fn other_term(&self, node: &Node, number: f32) -> Option<Slot> {
        if node.is(ADD) { self.other_input(node, number) } else { None }
    }

    fn other_input(&self, node: &Node, number: f32) -> Option<Slot> {
        let [a, b] = pair(node)?;
        if self.is(b, number) {
            Some(a)
        } else if self.is(a, number) {
            Some(b)
        } else {
            None
        }
    }
}

/// The two inputs of a node.
fn pair(node: &Node) -> Option<[Slot; 2]> {
    match node.inputs[..] {
        [Some(a), Some(b)] => Some([a, b]),
        _ => None,
    }
}

/// The two inputs of a node, in both orders.
fn both_ways(node: &Node) -> impl Iterator<Item = (Slot, Slot)> {
    pair(node).into_iter().flat_map(|[a, b]| [(a, b), (b, a)])
}

/// The first input of a node.
fn first(node: &Node) -> Option<Slot> {
    node.inputs.first().copied().flatten()
}
