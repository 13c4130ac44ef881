//! Random numbers. A node with a seed draws the same ones in every graph, one without others in every node.

use std::f64::consts::TAU;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::DType;

use super::{NodeSpec, Prepared, dtype, one, sizes, wrong};
use crate::models::graph::attributes::Refusal;
use crate::models::graph::host;

/// Draws a number.
type Draw = Box<dyn Fn(&Generator) -> f64 + Send + Sync>;

/// How far the state goes on for each number: 2⁶⁴ divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// What nodes without a seed begin with.
static UNSEEDED: AtomicU64 = AtomicU64::new(0);

/// A generator of random numbers.
///
/// # Source
/// SplitMix64: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
pub struct Generator(AtomicU64);

impl Generator {
    fn of(node: &NodeSpec<'_>) -> Result<Self, Refusal> {
        let seed = match node.attributes.optional_float("seed")? {
            Some(seed) => u64::from(seed.to_bits()),
            None => UNSEEDED.fetch_add(1 << 32, Ordering::Relaxed),
        };
        Ok(Self(AtomicU64::new(seed)))
    }

    /// From 0 on, below 1.
    fn unit(&self) -> f64 {
        let x = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Numbers between the bounds of the node.
pub fn uniform(node: &NodeSpec<'_>) -> Result<Draw, Refusal> {
    let low = f64::from(node.attributes.float("low", 0.0)?);
    let high = f64::from(node.attributes.float("high", 1.0)?);
    Ok(Box::new(move |generator| low + (high - low) * generator.unit()))
}

/// Numbers of the normal distribution that the node names.
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

/// As many numbers as the node's shape says.
pub fn of_shape(node: &NodeSpec<'_>, draw: Draw) -> Prepared {
    let generator = Generator::of(node)?;
    let dtype = dtype(node, "dtype")?.unwrap_or(DType::F32);
    let shape = node.attributes.ints("shape")?.ok_or("it has no shape")?;
    let shape = sizes(&shape).map_err(|error| error.to_string())?;
    Ok(Box::new(move |inputs| {
        let numbers: Vec<f64> = (0..inputs.count(&shape)?).map(|_| draw(&generator)).collect();
        one(host::from_f64s(dtype, &shape, &numbers))
    }))
}

/// As many numbers as the input has.
pub fn like(node: &NodeSpec<'_>, draw: Draw) -> Prepared {
    let generator = Generator::of(node)?;
    let dtype = dtype(node, "dtype")?;
    Ok(Box::new(move |inputs| {
        let like = inputs.take(0)?;
        let numbers: Vec<f64> = (0..like.layout().num_elements()).map(|_| draw(&generator)).collect();
        one(host::from_f64s(dtype.unwrap_or(like.dtype()), host::shape(&like), &numbers))
    }))
}

/// One where a random number is below what the input says, nought elsewhere.
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

/// Places, each as often as the logarithm of its probability in the input says.
pub fn multinomial(node: &NodeSpec<'_>) -> Prepared {
    let generator = Generator::of(node)?;
    let dtype = dtype(node, "dtype")?.unwrap_or(DType::I32);
    let samples = node.attributes.int("sample_size", 1)?;
    let samples = usize::try_from(samples).map_err(|_| format!("its sample_size is {samples}"))?;
    Ok(Box::new(move |inputs| {
        let logits = inputs.take(0)?;
        let &[rows, classes] = host::shape(&logits) else {
            return wrong(format!("the shape {:?} is none of rows of classes", host::shape(&logits)));
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
