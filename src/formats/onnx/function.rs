//! Functions of ONNX files (`FunctionProto`): operators that the file itself defines.

use super::wire::fields;
use super::{Attribute, Node, Reader, domain, opset, too_large};
use crate::error::Result;

/// A function.
#[derive(Debug, Default)]
pub struct Function<'a> {
    /// Its name, which a node has as its operator.
    pub name: &'a str,
    /// Its domain.
    pub domain: &'a str,
    /// Which of several functions with this name it is.
    pub overload: &'a str,
    /// The names of its inputs. A node may leave the last ones out.
    pub inputs: Vec<&'a str>,
    /// The names of its outputs. A node may leave the last ones out.
    pub outputs: Vec<&'a str>,
    /// The attributes that have a default.
    pub defaults: Vec<(&'a str, Attribute<'a>)>,
    /// What it computes.
    pub nodes: Vec<Node<'a>>,
    /// The version of each operator set that its nodes use, by domain.
    pub opsets: Vec<(&'a str, i64)>,
}

/// What a node and the function that it calls have in common: domain, name and overload.
pub type Key<'a> = (&'a str, &'a str, &'a str);

impl<'a> Function<'a> {
    /// By what its calls find it.
    pub fn key(&self) -> Key<'a> {
        (self.domain, self.name, self.overload)
    }
}

impl<'a> Node<'a> {
    /// By what it finds a function.
    pub fn key(&self) -> Key<'a> {
        (self.domain, self.op_type, self.overload)
    }
}

impl Reader {
    pub(super) fn function<'a>(&mut self, bytes: &'a [u8]) -> Result<Function<'a>> {
        let mut function = Function::default();
        for field in fields(bytes) {
            let (number, value) = field?;
            match number {
                1 => function.name = value.str()?,
                4 => function.inputs.push(value.str()?),
                5 => function.outputs.push(value.str()?),
                7 => {
                    self.nodes = self.nodes.checked_sub(1).ok_or_else(|| too_large("has more nodes"))?;
                    function.nodes.push(self.node(value.bytes()?)?);
                    continue;
                }
                9 => function.opsets.push(opset(value.bytes()?)?),
                10 => function.domain = domain(value.str()?),
                11 => function.defaults.push(self.attribute(value.bytes()?)?),
                13 => function.overload = value.str()?,
                _ => continue,
            }
            self.part()?;
        }
        Ok(function)
    }
}
