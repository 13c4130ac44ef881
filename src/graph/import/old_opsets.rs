//! Operators of the operator sets 1 to 6, rewritten to what they are in operator set 7.
//!
//! # Source
//! ONNX's version converter, `onnx/version_converter/convert.h`, and for what it leaves out `docs/Changelog.md`.

use super::Import;
use crate::error::{Error, Result};
use crate::formats::onnx::Element;
use crate::graph::attributes::{Attribute, Attributes};
use crate::graph::host;
use crate::graph::ops::named;
use crate::graph::program::{Node, Operator};

/// The first operator set whose operators are read as they are.
pub const FIRST_CURRENT: i64 = 7;

impl Import<'_> {
    /// Rewrites `node`; nodes that it needs before it are added to `into`.
    ///
    /// # Errors
    /// Unsupported: it is in training mode. Invalid artefact: an attribute has a value that the operator does not have.
    pub fn upgrade(&mut self, node: &mut Node, into: &mut Vec<Node>) -> Result<()> {
        let Operator::Known(op) = node.operator else { return Ok(()) };
        let (opset, attributes) = (node.opset, &mut node.attributes);
        // Which inputs an operator may overwrite, as Caffe had it.
        attributes.remove("consumed_inputs");
        match op.name {
            "Add" | "Sub" | "Mul" | "Div" | "Pow" | "And" | "Or" | "Xor" | "Equal" | "Greater" | "Less" => {
                attributes.remove("broadcast");
                if let Some(Attribute::Int(axis)) = attributes.remove("axis") {
                    self.align(node, axis, into);
                }
            }
            // One slope for each channel.
            "PRelu" => self.align(node, 1, into),
            "BatchNormalization" => {
                if let Some(Attribute::Int(0)) = attributes.remove("is_test") {
                    return Err(Error::unsupported(format!("{}: training mode is not supported", node.description())));
                }
            }
            "Cast" => {
                if let Some(Attribute::String(name)) = attributes.get("to") {
                    let element = Element::from_name(name).map_err(|error| error.context(op.name))?;
                    attributes.set("to", Attribute::Int(element as i64));
                }
            }
            "Concat" if opset < 4 && !attributes.has("axis") => attributes.set("axis", Attribute::Int(1)),
            "LpPool" | "GlobalLpPool" => {
                if let Some(&Attribute::Float(p)) = attributes.get("p") {
                    attributes.set("p", Attribute::Int(p as i64));
                }
            }
            "Pad" => attributes.rename("paddings", "pads"),
            "Reshape" => {
                if let Some(Attribute::Ints(shape)) = attributes.remove("shape") {
                    let constant = host::tensor(&[shape.len()], shape);
                    node.inputs.push(Some(self.program.new_constant(constant)));
                }
            }
            // The defaults had fewer digits.
            "Selu" if opset < 6 => {
                for (name, value) in [("alpha", 1.6732), ("gamma", 1.0507)] {
                    if !attributes.has(name) {
                        attributes.set(name, Attribute::Float(value));
                    }
                }
            }
            "Upsample" => {
                let scale = |attribute| if let Some(Attribute::Float(scale)) = attribute { scale } else { 1.0 };
                let [height, width] = ["height_scale", "width_scale"].map(|name| scale(attributes.remove(name)));
                if !attributes.has("scales") {
                    attributes.set("scales", Attribute::Floats(vec![1.0, 1.0, height, width]));
                }
                if matches!(attributes.get("mode"), Some(Attribute::String(mode)) if mode == "bilinear") {
                    attributes.set("mode", Attribute::String("linear".to_string()));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Aligns the dimensions of the second input with those of the first one from `axis` on.
    fn align(&mut self, node: &mut Node, axis: i64, into: &mut Vec<Node>) {
        let &[Some(first), Some(second)] = &node.inputs[..] else { return };
        let slot = self.program.new_slot(None);
        let (name, inputs) = (format!("{} (second input)", node.name), vec![Some(second), Some(first)]);
        let attributes = Attributes::of_ints(&[("axis", axis)]);
        into.push(Node::new(name, named::ALIGN_DIMENSIONS, attributes, inputs, vec![Some(slot)]));
        node.inputs[1] = Some(slot);
    }
}
