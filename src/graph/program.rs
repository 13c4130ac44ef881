//! A graph as it is worked on before it is run.

use std::collections::HashMap;

use burn::tensor::DType;

use super::Port;
use super::attributes::Attributes;
use super::host::HostTensor;
use super::ops::{InputSpec, NodeSpec};

/// The place of a value. Each is given once, by a node, as an input or as a constant; inner graphs have
/// slots of their own and see those of the outer ones.
pub type Slot = usize;

/// A graph and its constants.
#[derive(Default)]
pub struct Program {
    pub block: Block,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    pub constants: HashMap<Slot, HostTensor>,
    /// The type of each slot's numbers, where it is known.
    pub types: Vec<Option<DType>>,
}

/// Nodes in the order in which they are run.
#[derive(Default)]
pub struct Block {
    pub nodes: Vec<Node>,
    pub inputs: Vec<Slot>,
    pub outputs: Vec<Slot>,
}

/// An operation.
#[derive(Default)]
pub struct Node {
    pub name: String,
    pub op: String,
    pub domain: String,
    pub opset: i64,
    pub attributes: Attributes,
    /// None for one that is left out.
    pub inputs: Vec<Option<Slot>>,
    /// None for one that nobody wants.
    pub outputs: Vec<Option<Slot>>,
    /// The graphs within it, by the names of their attributes.
    pub blocks: Vec<(String, Block)>,
}

impl Program {
    /// A new slot.
    pub fn new_slot(&mut self, dtype: Option<DType>) -> Slot {
        self.types.push(dtype);
        self.types.len() - 1
    }

    /// A slot with a constant.
    pub fn new_constant(&mut self, tensor: HostTensor) -> Slot {
        let slot = self.new_slot(Some(tensor.dtype()));
        self.constants.insert(slot, tensor);
        slot
    }

    /// What is known of a node's inputs.
    pub fn input_specs(&self, node: &Node) -> Vec<Option<InputSpec>> {
        let spec = |slot: Slot| InputSpec { dtype: self.types[slot], constant: self.constants.get(&slot).cloned() };
        node.inputs.iter().map(|slot| slot.map(spec)).collect()
    }
}

impl Node {
    /// What its operator is told of it.
    pub fn spec<'a>(&'a self, inputs: &'a [Option<InputSpec>]) -> NodeSpec<'a> {
        NodeSpec {
            op: &self.op,
            domain: &self.domain,
            opset: self.opset,
            attributes: &self.attributes,
            inputs,
            outputs: self.outputs.len(),
        }
    }

    /// Whether it is this operator of the default domain.
    pub fn is(&self, op: &str) -> bool {
        self.op == op && self.domain.is_empty()
    }

    /// Its operator, for errors.
    pub fn operator(&self) -> String {
        let domain = if self.domain.is_empty() { "ai.onnx" } else { &self.domain };
        format!("{} of {domain}, opset {}", self.op, self.opset)
    }

    /// Its name and operator, for errors.
    pub fn words(&self) -> String {
        format!("'{}': {}", self.name, self.operator())
    }

    /// Every slot that it or a graph within it reads.
    pub fn reads(&self, each: &mut dyn FnMut(Slot)) {
        self.inputs.iter().flatten().for_each(|slot| each(*slot));
        for (_, block) in &self.blocks {
            block.nodes.iter().for_each(|node| node.reads(each));
            block.outputs.iter().for_each(|slot| each(*slot));
        }
    }
}

impl Block {
    /// Takes out the nodes of which nobody wants anything.
    pub fn prune(&mut self, types: usize) {
        let mut wanted = vec![false; types];
        self.mark(&mut wanted);
    }

    /// Marks what is wanted, from the end to the beginning, and keeps only what gives it.
    fn mark(&mut self, wanted: &mut [bool]) {
        self.outputs.iter().for_each(|slot| wanted[*slot] = true);
        let mut kept = Vec::with_capacity(self.nodes.len());
        for mut node in std::mem::take(&mut self.nodes).into_iter().rev() {
            if !node.outputs.iter().flatten().any(|slot| wanted[*slot]) {
                continue;
            }
            node.inputs.iter().flatten().for_each(|slot| wanted[*slot] = true);
            node.blocks.iter_mut().for_each(|(_, block)| block.mark(wanted));
            kept.push(node);
        }
        kept.reverse();
        self.nodes = kept;
    }
}
