//! Graphs that are written here, operator by operator.

use std::collections::HashMap;

use burn::tensor::{DType, TensorData};

use super::attributes::{Attribute, Attributes};
use super::ops::{NEWEST_OPSET, OWN_DOMAIN, int8};
use super::program::{Node, Program, Slot};
use super::{Graph, GraphOptions, Port, host};
use crate::device::Device;
use crate::error::Result;
use crate::kernels::qlinear::Packed;

/// A value of the graph that is being built.
#[derive(Clone, Copy)]
pub struct Operand(Slot);

/// Builds a graph of 32-bit floats.
#[derive(Default)]
pub struct Builder(Program);

impl Builder {
    /// An input.
    pub fn input(&mut self, name: &str) -> Operand {
        let slot = self.0.new_slot(Some(DType::F32));
        self.0.inputs.push(Port { name: name.to_string(), dtype: DType::F32, dims: None });
        self.0.block.inputs.push(slot);
        Operand(slot)
    }

    /// Floats that are known; there are as many as `shape` says.
    pub fn floats(&mut self, shape: &[usize], numbers: Vec<f32>) -> Operand {
        Operand(self.0.new_constant(host::from_data(TensorData::new(numbers, shape))))
    }

    /// Integers that are known: a shape, places.
    pub fn ints(&mut self, numbers: &[i64]) -> Operand {
        Operand(self.0.new_constant(host::tensor(&[numbers.len()], numbers.to_vec())))
    }

    /// An operator of ONNX.
    pub fn node(&mut self, op: &str, inputs: &[Operand], attributes: Vec<(&str, Attribute)>) -> Operand {
        self.push("", op, inputs, attributes)
    }

    /// `x · weight + bias`, and the function `activation` of it, `""` being none.
    pub fn linear(&mut self, x: Operand, weight: Operand, bias: Operand, activation: &str) -> Operand {
        let attributes = match activation {
            "" => Vec::new(),
            name => vec![("activation", Attribute::String(name.to_string()))],
        };
        self.push(OWN_DOMAIN, "MatMulBias", &[x, weight, bias], attributes)
    }

    /// The same with weights of 8 bits.
    pub fn linear_int8(&mut self, x: Operand, weights: Packed, bias: Operand, activation: &str) -> Operand {
        let mut attributes = Attributes::default();
        let constants = int8::constants(weights, &mut attributes);
        let [quads, scales, sums] = constants.map(|tensor| Operand(self.0.new_constant(tensor)));
        if !activation.is_empty() {
            attributes.push("activation", Attribute::String(activation.to_string()));
        }
        self.push_all(OWN_DOMAIN, "MatMulInt8", &[x, quads, scales, sums, bias], attributes)
    }

    /// `softmax(q kᵀ · scale + mask) v`, each of `[batch, heads, seq, size]`.
    pub fn attention(&mut self, [q, k, v]: [Operand; 3], mask: Operand, scale: f32) -> Operand {
        self.push(OWN_DOMAIN, "Attention", &[q, k, v, mask], vec![("scale", Attribute::Float(scale))])
    }

    /// The layer normalisation of one term, or of the sum of two.
    pub fn layer_norm(&mut self, terms: &[Operand], scale: Operand, bias: Operand, epsilon: f32) -> Operand {
        let (domain, op) =
            if terms.len() == 1 { ("", "LayerNormalization") } else { (OWN_DOMAIN, "AddLayerNormalization") };
        let inputs: Vec<Operand> = terms.iter().copied().chain([scale, bias]).collect();
        self.push(domain, op, &inputs, vec![("epsilon", Attribute::Float(epsilon))])
    }

    fn push(&mut self, domain: &str, op: &str, inputs: &[Operand], attributes: Vec<(&str, Attribute)>) -> Operand {
        let mut all = Attributes::default();
        attributes.into_iter().for_each(|(name, value)| all.push(name, value));
        self.push_all(domain, op, inputs, all)
    }

    fn push_all(&mut self, domain: &str, op: &str, inputs: &[Operand], attributes: Attributes) -> Operand {
        let slot = self.0.new_slot(Some(DType::F32));
        self.0.block.nodes.push(Node {
            name: format!("{op} {slot}"),
            op: op.to_string(),
            domain: domain.to_string(),
            opset: NEWEST_OPSET,
            attributes,
            inputs: inputs.iter().map(|Operand(slot)| Some(*slot)).collect(),
            outputs: vec![Some(slot)],
            blocks: Vec::new(),
        });
        Operand(slot)
    }

    /// The graph whose only output is `output`.
    ///
    /// # Errors
    /// Internal: an operator is not used as it is meant to be.
    pub fn finish(mut self, output: Operand, device: &Device) -> Result<Graph> {
        self.0.block.outputs.push(output.0);
        self.0.outputs.push(Port { name: "output".to_string(), dtype: DType::F32, dims: None });
        Graph::of_program(self.0, HashMap::new(), false, device, &GraphOptions::default())
    }
}
