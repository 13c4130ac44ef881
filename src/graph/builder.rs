//! Builder of graphs that are written in Rust, operator by operator.

use std::collections::HashMap;

use burn::tensor::{DType, TensorData};

use super::attributes::{Attribute, Attributes};
use super::ops::{Op, int8, named};
use super::program::{Node, Program, Slot};
use super::{Graph, GraphOptions, Port, host};
use crate::device::Device;
use crate::error::Result;
use crate::kernels::activation::Activation;
use crate::kernels::qlinear::QuantizedWeights;

/// A value of a graph that is being built.
#[derive(Clone, Copy)]
pub struct Operand(Slot);

/// Builds a graph, operator by operator. Operands are used in the builder that gave them.
///
/// A builder checks nothing: [`Self::finish`] refuses operators that are not used as they must be, and a run refuses
/// shapes that do not fit.
#[derive(Default)]
pub struct Builder(Program);

impl Builder {
    /// An input of elements of this type.
    pub fn input(&mut self, name: &str, dtype: DType) -> Operand {
        let slot = self.0.new_slot(Some(dtype));
        self.0.inputs.push(Port::tensor(name, dtype));
        self.0.block.inputs.push(slot);
        Operand(slot)
    }

    /// A constant of 32-bit floats, as many as `shape` has elements.
    pub fn floats(&mut self, shape: &[usize], numbers: Vec<f32>) -> Operand {
        Operand(self.0.new_constant(host::from_data(TensorData::new(numbers, shape))))
    }

    /// A constant vector of integers.
    pub fn ints(&mut self, numbers: &[i64]) -> Operand {
        Operand(self.0.new_constant(host::tensor(&[numbers.len()], numbers.to_vec())))
    }

    /// `x · weight + bias`, and the `activation` of it.
    pub fn linear(&mut self, x: Operand, weight: Operand, bias: Operand, activation: Option<Activation>) -> Operand {
        let mut attributes = Attributes::default();
        attributes.set_activation(activation);
        self.push(named::MATMUL_BIAS, &[x, weight, bias], attributes)
    }

    /// [`Self::linear`] with 8-bit weights.
    pub(crate) fn linear_int8(
        &mut self,
        x: Operand,
        weights: QuantizedWeights,
        bias: Operand,
        activation: Option<Activation>,
    ) -> Operand {
        let mut attributes = Attributes::default();
        let constants = int8::constants(weights, &mut attributes);
        let [quads, scales, sums] = constants.map(|tensor| Operand(self.0.new_constant(tensor)));
        attributes.set_activation(activation);
        self.push(named::MATMUL_INT8, &[x, quads, scales, sums, bias], attributes)
    }

    /// `softmax(q kᵀ · scale + mask) v`, each of `[batch, heads, seq, size]`.
    pub fn attention(&mut self, [q, k, v]: [Operand; 3], mask: Operand, scale: f32) -> Operand {
        self.node(named::FUSED_ATTENTION, &[q, k, v, mask], vec![("scale", Attribute::Float(scale))])
    }

    /// The layer normalisation of one term, or of the sum of two.
    pub fn layer_norm(&mut self, terms: &[Operand], scale: Operand, bias: Operand, epsilon: f32) -> Operand {
        let op = if terms.len() == 1 { named::LAYER_NORMALIZATION } else { named::ADD_LAYER_NORMALIZATION };
        let inputs: Vec<Operand> = terms.iter().copied().chain([scale, bias]).collect();
        self.node(op, &inputs, vec![("epsilon", Attribute::Float(epsilon))])
    }

    /// The root mean square normalisation of the last dimension of `x`, times `scale`.
    pub fn rms_norm(&mut self, x: Operand, scale: Operand, epsilon: f32) -> Operand {
        self.node(named::RMS_NORMALIZATION, &[x, scale], vec![("epsilon", Attribute::Float(epsilon))])
    }

    /// The rotary position embedding of `x`, `[batch, heads, seq, size]`. `cos` and `sin` are `[positions, size / 2]`,
    /// `positions` are 64-bit integers `[batch, seq]`.
    pub fn rotary_embedding(&mut self, x: Operand, [cos, sin]: [Operand; 2], positions: Operand) -> Operand {
        self.node(named::ROTARY_EMBEDDING, &[x, cos, sin, positions], Vec::new())
    }

    /// The sum of two tensors, broadcast to each other.
    pub fn add(&mut self, a: Operand, b: Operand) -> Operand {
        self.node(named::ADD, &[a, b], Vec::new())
    }

    /// The product of the elements of two tensors, broadcast to each other.
    pub fn mul(&mut self, a: Operand, b: Operand) -> Operand {
        self.node(named::MUL, &[a, b], Vec::new())
    }

    /// The tensors one after another along `axis`.
    pub fn concat(&mut self, parts: &[Operand], axis: i64) -> Operand {
        self.node(named::CONCAT, parts, vec![("axis", Attribute::Int(axis))])
    }

    /// The slices of `x` at `indices` along `axis`.
    pub fn gather(&mut self, x: Operand, indices: Operand, axis: i64) -> Operand {
        self.node(named::GATHER, &[x, indices], vec![("axis", Attribute::Int(axis))])
    }

    /// `x` in another shape; a 0 stands for the dimension that `x` has there, and one −1 for what is left.
    pub fn reshape(&mut self, x: Operand, shape: &[i64]) -> Operand {
        let shape = self.ints(shape);
        self.node(named::RESHAPE, &[x, shape], Vec::new())
    }

    /// `x` with its dimensions in the order `perm`.
    pub fn transpose(&mut self, x: Operand, perm: &[i64]) -> Operand {
        self.node(named::TRANSPOSE, &[x], vec![("perm", Attribute::Ints(perm.to_vec()))])
    }

    /// The part of `x` in the range `[start, end)` along `axis`.
    pub fn slice(&mut self, x: Operand, axis: i64, [start, end]: [i64; 2]) -> Operand {
        let bounds = [start, end, axis].map(|bound| self.ints(&[bound]));
        self.node(named::SLICE, &[x, bounds[0], bounds[1], bounds[2]], Vec::new())
    }

    /// An operator of the table.
    fn node(&mut self, op: &'static Op, inputs: &[Operand], attributes: Vec<(&str, Attribute)>) -> Operand {
        let mut all = Attributes::default();
        attributes.into_iter().for_each(|(name, value)| all.push(name, value));
        self.push(op, inputs, all)
    }

    fn push(&mut self, op: &'static Op, inputs: &[Operand], attributes: Attributes) -> Operand {
        let inputs = inputs.iter().map(|Operand(slot)| Some(*slot)).collect();
        let mut node = Node::new(String::new(), op, attributes, inputs, vec![None]);
        let (dtype, _) = op.gives[0].resolve(&node.spec(op, &self.0.input_specs(&node)));
        let slot = self.0.new_slot(dtype);
        node.name = format!("{} {slot}", op.name);
        node.outputs = vec![Some(slot)];
        self.0.block.nodes.push(node);
        Operand(slot)
    }

    /// The graph with these outputs, by their names.
    ///
    /// # Errors
    /// Internal: an operator is not used as it must be.
    pub fn finish(mut self, outputs: &[(&str, Operand)], device: &Device, options: &GraphOptions) -> Result<Graph> {
        for (name, Operand(slot)) in outputs {
            let dtype = self.0.types[*slot].unwrap_or(DType::F32);
            self.0.block.outputs.push(*slot);
            self.0.outputs.push(Port::tensor(name, dtype));
        }
        self.0.block.prune(self.0.types.len());
        Graph::of_program(self.0, HashMap::new(), false, device, options)
    }
}
