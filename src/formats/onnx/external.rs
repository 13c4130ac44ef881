//! The external data of an ONNX file: which other files have its tensors.

use std::collections::BTreeSet;

use super::{Attribute, Graph, Model, Node, Storage, Tensor};

impl<'a> Model<'a> {
    /// The files that have tensors of this one, relative to its folder.
    pub fn external_files(&self) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        of_graph(&self.graph, &mut found);
        for function in &self.functions {
            function.nodes.iter().for_each(|node| of_node(node, &mut found));
            function.defaults.iter().for_each(|(_, value)| of_attribute(value, &mut found));
        }
        found
    }
}

fn of_graph<'a>(graph: &Graph<'a>, found: &mut BTreeSet<&'a str>) {
    graph.initializers.iter().for_each(|tensor| of_tensor(tensor, found));
    graph.nodes.iter().for_each(|node| of_node(node, found));
}

fn of_node<'a>(node: &Node<'a>, found: &mut BTreeSet<&'a str>) {
    node.attributes.iter().for_each(|(_, value)| of_attribute(value, found));
}

fn of_attribute<'a>(value: &Attribute<'a>, found: &mut BTreeSet<&'a str>) {
    match value {
        Attribute::Tensor(tensor) => of_tensor(tensor, found),
        Attribute::Graph(graph) => of_graph(graph, found),
        _ => {}
    }
}

fn of_tensor<'a>(tensor: &Tensor<'a>, found: &mut BTreeSet<&'a str>) {
    if let Storage::External(data) = &tensor.storage {
        found.insert(data.location);
    }
}
