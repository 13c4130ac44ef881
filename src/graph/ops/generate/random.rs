//! Random operators. A node with a seed draws the same numbers in every graph; each node without one draws others.

use std::f64::consts::TAU;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::DType;

use super::{NodeSpec, Prepared, dtype, one, sizes, wrong};
use crate::graph::attributes::Refusal;
use crate::graph::host::{self, BOOL};

/// Draws one number.
type Draw = Box<dyn Fn(&Generator) -> f64 + Send + Sync>;

/// The increment of the state for each number: 2⁶⁴ divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The seed of the next node without one.
static UNSEEDED: AtomicU64 = AtomicU64::new(0);

/// A random number generator.
///
/// # Source
/// SplitMix64: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
pub struct Generator(AtomicU64);

impl Generator {
    fn of(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        Ok(Self::seeded(node.attributes.optional_float("seed")?.map(|seed| u64::from(seed.to_bits()))))
    }

    fn seeded(seed: Option<u64>) -> Self {
        Self(AtomicU64::new(seed.unwrap_or_else(|| UNSEEDED.fetch_add(1 << 32, Ordering::Relaxed))))
    }

    /// A number in [0, 1).
    fn unit(&self) -> f64 {
        let x = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The uniform distribution of the node.
pub fn uniform(node: &NodeSpec<'_>) -> Result<Draw, Refusal> {
    let low = f64::from(node.attributes.float("low", 0.0)?);
    let high = f64::from(node.attributes.float("high", 1.0)?);
    Ok(Box::new(move |generator| low + (high - low) * generator.unit()))
}

/// The normal distribution of the node.
///
/// # Source
/// Box and Muller 1958, "A note on the generation of random normal deviates".
pub fn normal(node: &NodeSpec<'_>) -> Result<Draw, Refusal> {
    let mean = f64::from(node.attributes.float("mean", 0.0)?);
    let scale = f64::from(node.attributes.float("scale", 1.0)?);
    Ok(Box::new(move |generator| {
        let (radius, angle) = ((1.0 - generator.unit()).ln(), TAU * generator.unit());
        mean + scale * (-2.0 * radius).sqrt() * angle.cos()
    }))
}

/// A random tensor of the shape in the attributes.
pub fn of_shape(node: &NodeSpec<'_>, draw: Draw) -> Prepared {
    let generator = Generator::of(node)?;
    let dtype = dtype(node, "dtype")?.unwrap_or(DType::F32);
    let shape = node.attributes.ints("shape")?.ok_or("the attribute shape is missing")?;
    let shape = sizes(&shape).map_err(|error| error.to_string())?;
    Ok(Box::new(move |inputs| {
        let numbers: Vec<f64> = (0..inputs.count(&shape)?).map(|_| draw(&generator)).collect();
        one(host::from_f64s(dtype, &shape, &numbers))
    }))
}

/// A random tensor of the shape of the input.
pub fn like(node: &NodeSpec<'_>, draw: Draw) -> Prepared {
    let generator = Generator::of(node)?;
    let dtype = dtype(node, "dtype")?;
    Ok(Box::new(move |inputs| {
        let like = inputs.take(0)?;
        let numbers: Vec<f64> = (0..like.layout().num_elements()).map(|_| draw(&generator)).collect();
        one(host::from_f64s(dtype.unwrap_or(like.dtype()), host::shape(&like), &numbers))
    }))
}

/// Bernoulli: one with the probability that the input gives, else zero.
pub fn bernoulli(node: &NodeSpec<'_>) -> Prepared {
    let generator = Generator::of(node)?;
    let dtype = dtype(node, "dtype")?;
    Ok(Box::new(move |inputs| {
        let likely = inputs.take(0)?;
        let out: Vec<i64> =
            host::to_f64s(&likely).into_iter().map(|likely| i64::from(generator.unit() < likely)).collect();
        one(host::from_i64s(dtype.unwrap_or(likely.dtype()), host::shape(&likely), &out))
    }))
}

/// Dropout, and its mask. In training mode each element is dropped with the probability `ratio`, and the others are scaled
/// so that the mean is preserved; else all are kept.
pub fn dropout(node: &NodeSpec<'_>) -> Prepared {
    // Before opset 12, inference drops nothing, whatever these attributes are.
    node.attributes.get("ratio");
    node.attributes.get("is_test");
    let generator = Generator::seeded(node.attributes.optional_int("seed")?.map(i64::cast_unsigned));
    let mask_type = (node.opset >= 10).then_some(BOOL);
    let outputs = node.outputs;
    Ok(Box::new(move |inputs| {
        let x = inputs.take(0)?;
        let ratio = inputs.optional(1).map_or(0.5, |ratio| host::to_f64s(&ratio).first().copied().unwrap_or(0.5));
        let trains = inputs.optional_ints(2).is_some_and(|flag| flag.iter().any(|flag| *flag != 0));
        if trains && !(0.0..1.0).contains(&ratio) {
            return wrong(format!("the ratio is {ratio}, expected a number in [0, 1)"));
        }
        let drops = trains && ratio > 0.0;
        if !drops && outputs < 2 {
            return one(x);
        }
        let shape = host::shape(&x).to_vec();
        let kept: Vec<i64> =
            (0..x.layout().num_elements()).map(|_| i64::from(!drops || generator.unit() >= ratio)).collect();
        let mask = host::from_i64s(mask_type.unwrap_or(x.dtype()), &shape, &kept);
        if !drops {
            return Ok(vec![x, mask]);
        }
        let numbers = host::to_f64s(&x).into_iter().zip(&kept);
        let numbers: Vec<f64> = numbers.map(|(x, kept)| if *kept == 1 { x / (1.0 - ratio) } else { 0.0 }).collect();
        let out = host::from_f64s(x.dtype(), &shape, &numbers);
        Ok(if outputs < 2 { vec![out] } else { vec![out, mask] })
    }))
}

/// Multinomial: indices drawn with the log-probabilities that the input gives.
pub fn multinomial(node: &NodeSpec<'_>) -> Prepared {
    let generator = Generator::of(node)?;
    let dtype = dtype(node, "dtype")?.unwrap_or(DType::I32);
    let samples = node.attributes.int("sample_size", 1)?;
    let samples = usize::try_from(samples)
        .map_err(|_| format!("the attribute sample_size is {samples}, which is not supported"))?;
    Ok(Box::new(move |inputs| {
        let logits = inputs.take(0)?;
        let &[rows, classes] = host::shape(&logits) else {
            return wrong(format!("the input has the shape {:?}, expected [batch, classes]", host::shape(&logits)));
        };
        if classes == 0 {
            return wrong("there are no classes to draw from");
        }
        let mut out = Vec::with_capacity(inputs.count(&[rows, samples])?);
        for row in host::to_f64s(&logits).chunks_exact(classes) {
            let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|logit| (logit - max).exp()).sum();
            for _ in 0..samples {
                let mut left = generator.unit() * sum;
                let mut takes = |logit: &f64| {
                    left -= (logit - max).exp();
                    left < 0.0
                };
                out.push(row.iter().position(&mut takes).unwrap_or(classes - 1) as i64);
            }
        }
        one(host::from_i64s(dtype, &[rows, samples], &out))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::attributes::Attributes;
    use crate::graph::ops::{Inputs, find};
    use crate::graph::options::Limits;
    use crate::graph::texts::Texts;

    #[test]
    fn dropout_in_training_drops_as_often_as_asked_and_keeps_the_mean() {
        let (attributes, limits) = (Attributes::default(), Limits::default());
        let node = NodeSpec {
            op: find("", "Dropout").expect("an operator"),
            opset: 22,
            attributes: &attributes,
            inputs: &[],
            outputs: 2,
        };
        let ones = host::from_f64s(DType::F32, &[100, 100], &[1.0; 10_000]);
        let ratio = host::from_f64s(DType::F32, &[], &[0.25]);
        let run = |trains| {
            let trains = host::from_i64s(BOOL, &[], &[trains]);
            let inputs = vec![Some(ones.clone()), Some(ratio.clone()), Some(trains)];
            let outputs = dropout(&node).expect("a kernel")(&mut Inputs::new(inputs, &limits, Texts::default()))
                .expect("two outputs");
            (host::to_f64s(&outputs[0]), host::to_i64s(&outputs[1]))
        };

        let (numbers, mask) = run(1);
        assert!(numbers.iter().zip(&mask).all(|(x, kept)| (x - *kept as f64 / 0.75).abs() < 1e-6));
        // Six standard deviations are 260.
        let kept: i64 = mask.iter().sum();
        assert!((kept - 7_500).abs() < 260, "{kept} of 10,000 elements remain");

        assert_eq!(run(0), (vec![1.0; 10_000], vec![1; 10_000]));
    }
}
