//! Functions of a file: a call is replaced by the nodes of the function's body (inlining).
//!
//! # Source
//! The ONNX specification, `FunctionProto` in `onnx.proto`.

use std::collections::HashMap;

use super::{Import, check_opsets};
use crate::error::{Error, Result};
use crate::formats::onnx::{self, Attribute, Function, Key};
use crate::graph::program::{Node, Slot};

/// What names mean in the graph, or in the body of a function.
pub struct Frame<'a> {
    /// The function; `None` for the graph.
    function: Option<Key<'a>>,
    pub opsets: &'a [(&'a str, i64)],
    /// The attributes of the call, which the body's nodes may refer to.
    attributes: Vec<(&'a str, Given<'a>)>,
    /// The slots of names, from the outermost graph to the one that is being read. `None` for an input that is left out.
    pub scopes: Vec<HashMap<&'a str, Option<Slot>>>,
}

impl<'a> Frame<'a> {
    pub fn of_graph(opsets: &'a [(&'a str, i64)]) -> Self {
        Self { function: None, opsets, attributes: Vec::new(), scopes: Vec::new() }
    }
}

/// The value of an attribute, and the number of frames at the place where it is written.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    pub value: &'a Attribute<'a>,
    pub frames: usize,
}

impl<'a> Import<'a> {
    /// The attributes of a node. Of those that refer to an attribute of the function's call, one that the call does not
    /// give is left out.
    pub fn given(&self, node: &'a onnx::Node<'a>) -> Result<Vec<(&'a str, Given<'a>)>> {
        let mut all = Vec::with_capacity(node.attributes.len());
        for (name, value) in &node.attributes {
            let Attribute::Reference(outer) = value else {
                all.push((*name, Given { value, frames: self.frames.len() }));
                continue;
            };
            match self.frames.last() {
                Some(frame) if frame.function.is_some() => {
                    let found = frame.attributes.iter().find(|(own, _)| own == outer);
                    all.extend(found.map(|(_, given)| (*name, *given)));
                }
                _ => {
                    return Err(Error::invalid_artefact(format!(
                        "the node '{}' ({}) refers to the attribute '{outer}' of a function, but is in none",
                        node.name, node.op_type
                    )));
                }
            }
        }
        Ok(all)
    }

    /// Imports the body of `function` in place of `node`, which calls it.
    pub fn call(
        &mut self,
        node: &'a onnx::Node<'a>,
        function: &'a Function<'a>,
        inputs: Vec<Option<Slot>>,
        given: Vec<(&'a str, Given<'a>)>,
        into: &mut Vec<Node>,
    ) -> Result<()> {
        let wrong = |what: String| {
            Error::invalid_artefact(format!(
                "the function '{}' of the domain '{}' {what}",
                function.name, function.domain
            ))
        };
        if self.frames.iter().any(|frame| frame.function == Some(function.key())) {
            return Err(wrong("calls itself".to_string()));
        }
        if inputs.len() > function.inputs.len() || node.outputs.len() > function.outputs.len() {
            return Err(wrong(format!(
                "has {} inputs and {} outputs, but the node '{}' has {} and {}",
                function.inputs.len(),
                function.outputs.len(),
                node.name,
                inputs.len(),
                node.outputs.len()
            )));
        }
        check_opsets(&function.opsets).map_err(|error| error.context(function.name))?;
        let mut attributes = given;
        for (name, value) in &function.defaults {
            if !attributes.iter().any(|(own, _)| own == name) {
                attributes.push((name, Given { value, frames: self.frames.len() + 1 }));
            }
        }
        let inputs = inputs.into_iter().chain(std::iter::repeat(None));
        let scopes = vec![function.inputs.iter().copied().zip(inputs).collect()];
        self.enter()?;
        self.frames.push(Frame { function: Some(function.key()), opsets: &function.opsets, attributes, scopes });
        for inner in &function.nodes {
            self.node(inner, into)?;
        }
        let mut outputs = Vec::with_capacity(node.outputs.len());
        for (outer, inner) in node.outputs.iter().zip(&function.outputs) {
            if !outer.is_empty() {
                outputs.push((*outer, self.slot(inner, &format!("the function '{}'", function.name))?));
            }
        }
        self.frames.pop();
        self.depth -= 1;
        outputs.into_iter().try_for_each(|(name, slot)| self.bind(name, slot))
    }
}
