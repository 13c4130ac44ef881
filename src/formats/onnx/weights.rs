//! The tensors of an ONNX file as a whole: which other files have them, and of what type most of them are.

use std::collections::BTreeSet;

use super::{Attribute, Element, Graph, Model, Node, Storage, Tensor};

impl<'a> Model<'a> {
    /// The files that have tensors of this one, relative to its folder.
    pub fn external_files(&self) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        self.each_tensor(&mut |tensor| {
            if let Storage::External(data) = &tensor.storage {
                found.insert(data.location);
            }
        });
        found
    }

    /// How many numbers of each type that weights have are in its tensors: the types by the names that transformers.js has
    /// for them.
    pub fn weights(&self) -> [(&'static str, u64); 5] {
        let mut sums = [("fp32", 0), ("fp16", 0), ("bf16", 0), ("int8", 0), ("uint8", 0)];
        self.each_tensor(&mut |tensor| {
            let at = match Element::from_number(tensor.element) {
                Ok(Element::F32) => 0,
                Ok(Element::F16) => 1,
                Ok(Element::BF16) => 2,
                Ok(Element::I8) => 3,
                Ok(Element::U8) => 4,
                _ => return,
            };
            let count = tensor.dims.iter().map(|dim| u64::try_from(*dim).unwrap_or(0)).fold(1, u64::saturating_mul);
            sums[at].1 = u64::saturating_add(sums[at].1, count);
        });
        sums
    }

    fn each_tensor(&self, visit: &mut dyn FnMut(&Tensor<'a>)) {
        of_graph(&self.graph, visit);
        for function in &self.functions {
            function.nodes.iter().for_each(|node| of_node(node, visit));
            function.defaults.iter().for_each(|(_, value)| of_attribute(value, visit));
        }
    }
}

fn of_graph<'a>(graph: &Graph<'a>, visit: &mut dyn FnMut(&Tensor<'a>)) {
    graph.initializers.iter().for_each(&mut *visit);
    graph.nodes.iter().for_each(|node| of_node(node, visit));
}

fn of_node<'a>(node: &Node<'a>, visit: &mut dyn FnMut(&Tensor<'a>)) {
    node.attributes.iter().for_each(|(_, value)| of_attribute(value, visit));
}

fn of_attribute<'a>(value: &Attribute<'a>, visit: &mut dyn FnMut(&Tensor<'a>)) {
    match value {
        Attribute::Tensor(tensor) => visit(tensor),
        Attribute::Graph(graph) => of_graph(graph, visit),
        _ => {}
    }
}
