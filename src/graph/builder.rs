//! Builder of graphs that are written in Rust, operator by operator.

use std::collections::HashMap;

use burn::tensor::{DType, TensorData};

use super::attributes::{Attribute, Attributes, GPU_WEIGHTS};
use super::blocks::{Blocks, Int8Blocks};
use super::ops::{Op, PRECISE, int8, named};
use super::program::{Node, Program, Slot};
use super::{Graph, GraphOptions, Port, host};
use crate::device::Device;
use crate::error::Result;
use crate::kernels::activation::Activation;
use crate::kernels::qlinear::{Precision, QuantizedWeights};

/// A value of a graph that is being built.
#[derive(Clone, Copy)]
pub struct Operand(Slot);

/// What follows the product of a linear layer with packed weights and its bias.
#[derive(Clone, Copy, Default)]
pub(crate) struct LinearEpilogue {
    /// Of each number.
    pub activation: Option<Activation>,
    /// Whether the activation is of the first half of the outputs, and is multiplied by the second.
    pub gated: bool,
    /// Is added at last, where the layer is not gated.
    pub residual: Option<Operand>,
}

impl LinearEpilogue {
    fn describe(&self, attributes: &mut Attributes) {
        attributes.set_activation(self.activation);
        if self.gated {
            attributes.push(int8::GATED, Attribute::Int(1));
        }
    }
}

/// The attention of a layer of a decoder.
#[derive(Clone, Copy, Debug)]
pub struct AttentionSettings {
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values, each for as many of queries.
    pub groups: usize,
    /// The size of a head.
    pub size: usize,
    /// The factor of the scores.
    pub scale: f32,
    /// The tokens that a query sees, its own included; `None`: all before it.
    pub window: Option<usize>,
    /// Whether pairs of neighbours are rotated, and not the halves of a head.
    pub interleaved: bool,
    /// Added to the variance where queries and keys are normalised.
    pub epsilon: f32,
}

/// The inputs of [`Builder::cached_attention`].
pub(crate) struct CachedInputs {
    /// Queries, `[1, sequence, heads · size]`.
    pub q: Operand,
    /// Keys and values, `[1, sequence, groups · size]`, where they do not follow the queries in their rows.
    pub kv: Option<[Operand; 2]>,
    /// The keys so far, `[groups, room, size]`.
    pub keys: Operand,
    /// The values so far, as the keys.
    pub values: Operand,
    /// How many tokens these are of, `[1]`.
    pub before: Operand,
    /// The cosines of the new positions, `[sequence, half]`.
    pub cos: Operand,
    /// Their sines.
    pub sin: Operand,
    /// The scales of the normalisation of each query and key, `[size]`.
    pub norms: Option<[Operand; 2]>,
}

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

    /// [`Self::linear`] with 8-bit weights, and with activations of this precision.
    pub(crate) fn linear_int8(
        &mut self,
        x: Operand,
        weights: QuantizedWeights,
        bias: Operand,
        epilogue: LinearEpilogue,
        precision: Precision,
    ) -> Operand {
        let mut attributes = Attributes::default();
        attributes.push(PRECISE, Attribute::Int(precision as i64));
        let constants = int8::constants(weights, &mut attributes);
        let [quads, scales, sums] = constants.map(|tensor| Some(Operand(self.0.new_constant(tensor))));
        epilogue.describe(&mut attributes);
        let inputs = [Some(x), quads, scales, sums, Some(bias), None, epilogue.residual];
        self.push_all(named::MATMUL_INT8, &inputs, attributes, 1)[0]
    }

    /// `x · weightsᵀ + bias` with blockwise quantised weights.
    pub(crate) fn linear_blocks(
        &mut self,
        x: Operand,
        weights: Blocks,
        bias: Option<Operand>,
        epilogue: LinearEpilogue,
    ) -> Operand {
        let mut constant = |tensor| Some(Operand(self.0.new_constant(tensor)));
        let (op, inputs, mut attributes) = match weights {
            Blocks::Int8(blocks) => {
                let Int8Blocks { constants, offsets, attributes, .. } = *blocks;
                let [quads, scales, sums] = constants.map(&mut constant);
                let offsets = offsets.and_then(constant);
                (named::MATMUL_INT8, vec![Some(x), quads, scales, sums, bias, offsets, epilogue.residual], attributes)
            }
            Blocks::Int4 { words, shape: (inputs, outputs) } => {
                let mut attributes = Attributes::default();
                attributes.push("inputs", Attribute::Int(inputs as i64));
                attributes.push("outputs", Attribute::Int(outputs as i64));
                (named::MATMUL_INT4, vec![Some(x), constant(words), bias, epilogue.residual], attributes)
            }
            Blocks::OnGpu(weights) => {
                let mut attributes = Attributes::default();
                attributes.push(GPU_WEIGHTS, Attribute::GpuWeights(weights));
                (named::MATMUL_ON_GPU, vec![Some(x), bias, epilogue.residual], attributes)
            }
        };
        epilogue.describe(&mut attributes);
        self.push_all(op, &inputs, attributes, 1)[0]
    }

    /// The attention of a decoder, and its keys and values with the new ones.
    pub(crate) fn cached_attention(&mut self, inputs: CachedInputs, settings: &AttentionSettings) -> [Operand; 3] {
        let CachedInputs { q, kv, keys, values, before, cos, sin, norms } = inputs;
        let two = |operands: Option<[Operand; 2]>| operands.map_or([None; 2], |operands| operands.map(Some));
        let mut inputs = vec![Some(q)];
        inputs.extend(two(kv));
        inputs.extend([keys, values, before, cos, sin].map(Some));
        inputs.extend(two(norms));
        let AttentionSettings { heads, groups, size, scale, window, interleaved, epsilon } = *settings;
        let window = window.unwrap_or(0);
        let mut attributes = Attributes::default();
        for (name, value) in [("heads", heads), ("groups", groups), ("size", size), ("window", window)] {
            attributes.push(name, Attribute::Int(value as i64));
        }
        attributes.push("interleaved", Attribute::Int(i64::from(interleaved)));
        attributes.push("scale", Attribute::Float(scale));
        attributes.push("epsilon", Attribute::Float(epsilon));
        let outputs = self.push_all(named::CACHED_ATTENTION, &inputs, attributes, 3);
        [outputs[0], outputs[1], outputs[2]]
    }

    /// The activation of `gate`, times `up`; without that of the first halves of rows, times the second.
    pub fn gated(&mut self, gate: Operand, up: Option<Operand>, activation: Activation) -> Operand {
        let mut attributes = Attributes::default();
        attributes.set_activation(Some(activation));
        let inputs: Vec<_> = std::iter::once(gate).chain(up).collect();
        self.push(named::GATED_ACTIVATION, &inputs, attributes)
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
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        self.push_all(op, &inputs, attributes, 1)[0]
    }

    /// An operator with inputs that may be left out, and its `count` outputs.
    fn push_all(
        &mut self,
        op: &'static Op,
        inputs: &[Option<Operand>],
        attributes: Attributes,
        count: usize,
    ) -> Vec<Operand> {
        let inputs = inputs.iter().map(|operand| operand.map(|Operand(slot)| slot)).collect();
        let mut node = Node::new(String::new(), op, attributes, inputs, vec![None; count]);
        for index in 0..count {
            let gives = op.gives[index.min(op.gives.len() - 1)];
            let (dtype, _) = gives.resolve(&node.spec(op, &self.0.input_specs(&node)));
            node.outputs[index] = Some(self.0.new_slot(dtype));
        }
        let outputs: Vec<_> = node.outputs.iter().flatten().map(|slot| Operand(*slot)).collect();
        node.name = format!("{} {}", op.name, self.0.types.len() - count);
        self.0.block.nodes.push(node);
        outputs
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
