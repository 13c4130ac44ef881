//! Fusion of products and convolutions with what follows them: bias, scale, batch normalisation, activation.

use burn::tensor::DType;

use super::{Fused, Operand, Parts, Rule, both_ways, first, pair};
use crate::graph::attributes::{ACTIVATION, Attributes};
use crate::graph::host::{self, HostTensor};
use crate::graph::ops::named::{
    ADD, BATCH_NORMALIZATION, CONV, CONV_ACTIVATION, GELU, HARD_SIGMOID, HARD_SWISH, MATMUL, MATMUL_BIAS, MUL, RELU,
    SIGMOID, SWISH, TRANSPOSE,
};
use crate::graph::program::{Node, Slot};
use crate::kernels::activation::Activation;

pub const RULES: &[Rule] = &[matmul_bias, product_activation, batch_norm, channel_factor, channel_bias];

/// A product with a constant matrix, and a constant bias.
fn matmul_bias(parts: &Parts<'_>, node: &Node) -> Option<Fused> {
    if !node.is(ADD) {
        return None;
    }
    both_ways(node).find_map(|(product, bias)| {
        let matmul = parts.producer(product, MATMUL).filter(|_| parts.single_use(product))?;
        let [a, b] = pair(matmul)?;
        let (weights, bias_tensor) = (floats(parts, b)?, floats(parts, bias)?);
        let &[_, columns] = host::shape(weights) else { return None };
        let (last, front) = host::shape(bias_tensor).split_last()?;
        // A bias with leading ones must not have more dimensions than the product.
        if *last != columns || front.iter().any(|dim| *dim != 1) || front.len() > 2 {
            return None;
        }
        let bias = if front.is_empty() {
            Operand::Slot(bias)
        } else {
            Operand::Constant(host::reshape(bias_tensor.clone(), &[columns]))
        };
        if front.len() == 2 && !rank_is_3(parts, a) {
            return None;
        }
        let inputs = vec![Operand::Slot(a), Operand::Slot(b), bias];
        Some(Fused { op: MATMUL_BIAS, attributes: Attributes::default(), inputs })
    })
}

/// Whether the value in `slot` certainly has three dimensions.
fn rank_is_3(parts: &Parts<'_>, slot: Slot) -> bool {
    let transposed = || parts.producer(slot, TRANSPOSE)?.attributes.ints("perm").ok()?;
    transposed().is_some_and(|perm| perm.len() == 3)
}

/// A convolution or a product, and an activation.
fn product_activation(parts: &Parts<'_>, node: &Node) -> Option<Fused> {
    let activation = activation(node)?;
    let product = first(node)?;
    let producer = parts.any_producer(product).filter(|_| parts.single_use(product))?;
    let op = if producer.is(CONV) || producer.is(CONV_ACTIVATION) {
        CONV_ACTIVATION
    } else if producer.is(MATMUL_BIAS) {
        MATMUL_BIAS
    } else {
        return None;
    };
    if producer.attributes.has(ACTIVATION) {
        return None;
    }
    let mut attributes = producer.attributes.clone();
    attributes.set_activation(Some(activation));
    let inputs = producer.inputs.iter().map(|slot| slot.map_or(Operand::Missing, Operand::Slot)).collect();
    Some(Fused { op, attributes, inputs })
}

/// The activation that `node` is.
fn activation(node: &Node) -> Option<Activation> {
    let float = |name, default| node.attributes.float(name, default).ok();
    let op = node.op()?;
    if op.is(RELU) {
        Some(Activation::Relu)
    } else if op.is(SIGMOID) {
        Some(Activation::Sigmoid)
    } else if op.is(SWISH) {
        Some(Activation::Swish(float("alpha", 1.0)?))
    } else if op.is(GELU) {
        match node.attributes.string("approximate", "none").ok()? {
            "none" => Some(Activation::Gelu),
            "tanh" => Some(Activation::GeluTanh),
            _ => None,
        }
    } else if op.is(HARD_SWISH) {
        Some(Activation::HardSwish(1.0 / 6.0, 0.5))
    } else if op.is(HARD_SIGMOID) {
        Some(Activation::HardSigmoid(float("alpha", 0.2)?, float("beta", 0.5)?))
    } else {
        None
    }
}

/// A convolution and a batch normalisation.
fn batch_norm(parts: &Parts<'_>, node: &Node) -> Option<Fused> {
    if !node.is(BATCH_NORMALIZATION) || node.outputs.len() > 1 || node.attributes.flag("training_mode", false).ok()? {
        return None;
    }
    let &[Some(x), Some(scale), Some(bias), Some(mean), Some(variance)] = &node.inputs[..] else { return None };
    let conv = Conv::of(parts, x)?;
    let numbers = |slot| Some(host::to_f64s(floats(parts, slot)?)).filter(|numbers| numbers.len() == conv.channels);
    let epsilon = f64::from(node.attributes.float("epsilon", 1e-5).ok()?);
    let (scale, bias, mean, variance) = (numbers(scale)?, numbers(bias)?, numbers(mean)?, numbers(variance)?);
    let factors: Vec<f64> =
        scale.iter().zip(&variance).map(|(scale, variance)| scale / (variance + epsilon).sqrt()).collect();
    let shifts = (0..conv.channels).map(|channel| bias[channel] - mean[channel] * factors[channel]).collect();
    conv.scaled(parts, &factors, shifts)
}

/// A convolution and a constant factor for each channel.
fn channel_factor(parts: &Parts<'_>, node: &Node) -> Option<Fused> {
    if !node.is(MUL) {
        return None;
    }
    both_ways(node).find_map(|(product, by)| {
        let conv = Conv::of(parts, product)?;
        let factors = conv.per_channel(parts, by)?;
        let shifts = vec![0.0; conv.channels];
        conv.scaled(parts, &factors, shifts)
    })
}

/// A convolution and a constant bias for each channel.
fn channel_bias(parts: &Parts<'_>, node: &Node) -> Option<Fused> {
    if !node.is(ADD) {
        return None;
    }
    both_ways(node).find_map(|(product, bias)| {
        let conv = Conv::of(parts, product)?;
        let shifts = conv.per_channel(parts, bias)?;
        let factors = vec![1.0; conv.channels];
        conv.scaled(parts, &factors, shifts)
    })
}

/// A convolution with constant weights, a single use, and no activation yet.
struct Conv<'a> {
    node: &'a Node,
    weights: &'a HostTensor,
    channels: usize,
}

impl<'a> Conv<'a> {
    fn of(parts: &Parts<'a>, slot: Slot) -> Option<Self> {
        let node = parts.producer(slot, CONV).filter(|_| parts.single_use(slot))?;
        let weights = floats(parts, node.inputs.get(1).copied().flatten()?)?;
        let channels = *host::shape(weights).first()?;
        if let Some(bias) = node.inputs.get(2).copied().flatten() {
            floats(parts, bias).filter(|bias| host::shape(bias) == [channels])?;
        }
        (host::shape(weights).len() > 2).then_some(Self { node, weights, channels })
    }

    /// The constant in `slot` as a number for each channel: a scalar, or `[channels, 1, 1]` with or without a leading 1.
    fn per_channel(&self, parts: &Parts<'_>, slot: Slot) -> Option<Vec<f64>> {
        if let Some(number) = parts.scalar(slot) {
            return Some(vec![number.into(); self.channels]);
        }
        let tensor = floats(parts, slot)?;
        let mut wanted = vec![1; host::shape(self.weights).len()];
        wanted[1] = self.channels;
        let shape = host::shape(tensor);
        (shape == wanted || shape == &wanted[1..]).then(|| host::to_f64s(tensor))
    }

    /// The convolution with each channel scaled by its factor and shifted.
    fn scaled(&self, parts: &Parts<'_>, factors: &[f64], mut shifts: Vec<f64>) -> Option<Fused> {
        let bias = self.node.inputs.get(2).copied().flatten().and_then(|slot| parts.constant(slot));
        if let Some(bias) = bias {
            let bias = host::to_f64s(bias);
            shifts.iter_mut().zip(bias.iter().zip(factors)).for_each(|(shift, (bias, factor))| *shift += bias * factor);
        }
        let weights = if factors.iter().all(|factor| *factor == 1.0) {
            Operand::Slot(self.node.inputs[1]?)
        } else {
            let mut numbers = host::to_f64s(self.weights);
            let each = numbers.len() / self.channels.max(1);
            for (channel, factor) in factors.iter().enumerate() {
                numbers[channel * each..][..each].iter_mut().for_each(|number| *number *= factor);
            }
            Operand::Constant(host::from_f64s(DType::F32, host::shape(self.weights), &numbers))
        };
        let bias = Operand::Constant(host::from_f64s(DType::F32, &[self.channels], &shifts));
        let inputs = vec![Operand::Slot(first(self.node)?), weights, bias];
        Some(Fused { op: CONV, attributes: self.node.attributes.clone(), inputs })
    }
}

/// The constant in `slot`, if it has 32-bit floats.
fn floats<'a>(parts: &Parts<'a>, slot: Slot) -> Option<&'a HostTensor> {
    parts.constant(slot).filter(|tensor| tensor.dtype() == DType::F32)
}
