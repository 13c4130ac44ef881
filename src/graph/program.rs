//! The intermediate representation of a graph: what the passes rewrite and `plan` turns into steps.

use std::collections::HashMap;

use burn::tensor::DType;

use super::attributes::Attributes;
use super::control::ControlOp;
use super::encoding::Encoding;
use super::host::HostTensor;
use super::ops::{Given, InputSpec, NEWEST_OPSET, NodeSpec, Op};
use super::texts::Texts;
use super::{Dim, Port};

/// The index of a value. Each is defined once, by a node, as an input, or as a constant (static single assignment).
/// Subgraphs have slots of their own and see those of the outer graphs.
pub type Slot = usize;

/// A graph and its constants.
#[derive(Default)]
pub struct Program {
    pub block: Block,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    pub constants: HashMap<Slot, HostTensor>,
    /// The element type of each slot, where it is known.
    pub types: Vec<Option<DType>>,
    /// The slots whose elements are of a type that Burn has none for.
    pub encodings: HashMap<Slot, Encoding>,
    /// The strings of the constants.
    pub texts: Texts,
}

/// Nodes in topological order.
#[derive(Default)]
pub struct Block {
    pub nodes: Vec<Node>,
    pub inputs: Vec<Slot>,
    pub outputs: Vec<Slot>,
    /// The dimensions that the file declares for the inputs and the outputs. Empty where no file did.
    pub declared: Declared,
}

/// Declared dimensions; `None` where not even their number is.
#[derive(Clone, Default)]
pub struct Declared {
    pub inputs: Vec<Option<Vec<Dim>>>,
    pub outputs: Vec<Option<Vec<Dim>>>,
}

/// A node of a graph.
pub struct Node {
    pub name: String,
    pub operator: Operator,
    pub opset: i64,
    pub attributes: Attributes,
    /// `None` for one that is left out.
    pub inputs: Vec<Option<Slot>>,
    /// `None` for one that is not used.
    pub outputs: Vec<Option<Slot>>,
    /// Its subgraphs, by the names of their attributes.
    pub blocks: Vec<(String, Block)>,
}

/// What a node does.
pub enum Operator {
    /// An operator of the table.
    Known(&'static Op),
    /// Control flow, which runs subgraphs.
    Control(ControlOp),
    /// An operator that is not in the table: constant folding refuses all of these in one error.
    Unknown { domain: String, name: String },
}

impl Program {
    /// A new slot.
    pub fn new_slot(&mut self, dtype: Option<DType>) -> Slot {
        self.types.push(dtype);
        self.types.len() - 1
    }

    /// A new slot with a constant.
    pub fn new_constant(&mut self, tensor: HostTensor) -> Slot {
        let slot = self.new_slot(Some(tensor.dtype()));
        self.constants.insert(slot, tensor);
        slot
    }

    /// Gives a slot what is known of the type of another.
    pub fn copy_type(&mut self, from: Slot, to: Slot) {
        self.types[to] = self.types[from].or(self.types[to]);
        if let Some(encoding) = self.encodings.get(&from) {
            self.encodings.insert(to, *encoding);
        }
    }

    /// Gives a slot a type.
    pub fn set_type(&mut self, slot: Slot, (dtype, encoding): Given) {
        self.types[slot] = dtype;
        match encoding {
            Some(encoding) => drop(self.encodings.insert(slot, encoding)),
            None => drop(self.encodings.remove(&slot)),
        }
    }

    /// What is known of a node's inputs.
    pub fn input_specs(&self, node: &Node) -> Vec<Option<InputSpec>> {
        let spec = |slot: Slot| InputSpec {
            dtype: self.types[slot],
            encoding: self.encodings.get(&slot).copied(),
            constant: self.constants.get(&slot).cloned(),
        };
        node.inputs.iter().map(|slot| slot.map(spec)).collect()
    }
}

impl Node {
    /// A node with an operator of the table and the newest operator set.
    pub fn new(
        name: String,
        op: &'static Op,
        attributes: Attributes,
        inputs: Vec<Option<Slot>>,
        outputs: Vec<Option<Slot>>,
    ) -> Self {
        let (operator, blocks) = (Operator::Known(op), Vec::new());
        Self { name, operator, opset: NEWEST_OPSET, attributes, inputs, outputs, blocks }
    }

    /// What its operator `op` knows of it.
    pub fn spec<'a>(&'a self, op: &'static Op, inputs: &'a [Option<InputSpec>]) -> NodeSpec<'a> {
        NodeSpec { op, opset: self.opset, attributes: &self.attributes, inputs, outputs: self.outputs.len() }
    }

    /// Its operator, where that is one of the table.
    pub fn op(&self) -> Option<&'static Op> {
        match self.operator {
            Operator::Known(op) => Some(op),
            Operator::Control(_) | Operator::Unknown { .. } => None,
        }
    }

    /// Whether `op` is its operator.
    pub fn is(&self, op: &'static Op) -> bool {
        self.op().is_some_and(|own| own.is(op))
    }

    /// Its operator, for errors.
    pub fn operator(&self) -> String {
        let (domain, name) = match &self.operator {
            Operator::Known(op) => (op.domain, op.name),
            Operator::Control(control) => (control.domain(), control.name()),
            Operator::Unknown { domain, name } => (domain.as_str(), name.as_str()),
        };
        let domain = if domain.is_empty() { "ai.onnx" } else { domain };
        format!("{name} of {domain}, opset {}", self.opset)
    }

    /// Its name and operator, for errors.
    pub fn description(&self) -> String {
        format!("'{}': {}", self.name, self.operator())
    }

    /// Calls `each` with every slot that the node or its subgraphs read.
    pub fn reads(&self, each: &mut dyn FnMut(Slot)) {
        self.inputs.iter().flatten().for_each(|slot| each(*slot));
        for (_, block) in &self.blocks {
            block.nodes.iter().for_each(|node| node.reads(each));
            block.outputs.iter().for_each(|slot| each(*slot));
        }
    }
}

impl Block {
    /// Removes the nodes whose outputs are not used (dead code elimination).
    pub fn prune(&mut self, types: usize) {
        let mut used = vec![false; types];
        self.mark(&mut used);
    }

    /// Marks the slots that are used, from the end to the beginning, and removes the other nodes.
    fn mark(&mut self, used: &mut [bool]) {
        self.outputs.iter().for_each(|slot| used[*slot] = true);
        let mut kept = Vec::with_capacity(self.nodes.len());
        for mut node in std::mem::take(&mut self.nodes).into_iter().rev() {
            if !node.outputs.iter().flatten().any(|slot| used[*slot]) {
                continue;
            }
            node.inputs.iter().flatten().for_each(|slot| used[*slot] = true);
            node.blocks.iter_mut().for_each(|(_, block)| block.mark(used));
            kept.push(node);
        }
        kept.reverse();
        self.nodes = kept;
    }
}
