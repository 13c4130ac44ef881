//! Cost rules: how many operations and bytes a step takes, from the shapes of its inputs and its output.

use super::attributes::Attributes;
use super::ops::int8::GATED;
use super::value::Value;
use crate::graph::ComputeCost;

/// How the operations of an operator are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostRule {
    /// A matrix product. The left matrix may be transposed by the attribute `transA`.
    MatMul,
    /// A convolution, whose weights are the input at this index.
    Conv {
        /// The index.
        weights: usize,
    },
    /// A transposed convolution.
    ConvTranspose,
    /// Attention over queries, keys and values.
    Attention,
    /// Attention over the keys and values of a cache, whose used part is not known here: what its memory could hold.
    CachedAttention,
    /// Attention, with the projection to queries, keys and values.
    PackedAttention,
    /// A recurrent layer.
    Rnn,
}

/// How the operations of one step are counted.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    rule: CostRule,
    trans_a: bool,
    /// Whether two columns of a product become one.
    gated: bool,
    /// Bytes of weights that are no input.
    weights: u64,
}

impl Counter {
    /// The counter of a node whose operator follows `rule`.
    pub fn new(rule: CostRule, attributes: &Attributes) -> Self {
        let flag = |name| attributes.flag(name, false).unwrap_or(false);
        let weights = attributes.gpu_weights().ok().flatten().map_or(0, |weights| weights.bytes() as u64);
        Self { rule, trans_a: flag("transA"), gated: flag(GATED), weights }
    }

    /// What a step takes that gives `output`; nothing where its shapes are not what they should be.
    pub fn count(self, inputs: &[Option<Sizes>], output: Option<&Sizes>) -> ComputeCost {
        let bytes = self.weights + inputs.iter().flatten().chain(output).map(|sizes| sizes.bytes).sum::<u64>();
        let operations = self.multiplications(inputs, output).unwrap_or(0).saturating_mul(2);
        ComputeCost { operations, bytes }
    }

    /// Multiplications, each of which is followed by an addition.
    fn multiplications(self, inputs: &[Option<Sizes>], output: Option<&Sizes>) -> Option<u64> {
        let input = |index: usize| inputs.get(index)?.as_ref();
        let out = output?.numbers();
        match self.rule {
            CostRule::MatMul => {
                let columns = if self.gated { 2 } else { 1 };
                Some(columns * out * input(0)?.last_but(usize::from(self.trans_a))?)
            }
            CostRule::Conv { weights } => {
                let weights = input(weights)?;
                Some(out * weights.numbers() / weights.shape.first().copied().filter(|count| *count > 0)? as u64)
            }
            CostRule::ConvTranspose => {
                let (x, weights) = (input(0)?, input(1)?);
                Some(
                    x.numbers() * weights.numbers() / weights.shape.first().copied().filter(|count| *count > 0)? as u64,
                )
            }
            CostRule::Attention => {
                let (queries, keys) = (input(0)?, input(1)?.last_but(1)?);
                Some((queries.numbers() + out) * keys)
            }
            CostRule::CachedAttention => Some(2 * out * input(3)?.last_but(1)?),
            CostRule::PackedAttention => {
                let (x, weights) = (input(0)?, input(1)?);
                let rows = x.numbers() / x.last_but(0)?.max(1);
                Some(rows * weights.numbers() + 2 * out * x.last_but(1)?)
            }
            CostRule::Rnn => {
                let x = input(0)?;
                let steps = x.numbers() / x.last_but(0)?.max(1);
                Some(steps * (input(1)?.numbers() + input(2)?.numbers()))
            }
        }
    }
}

/// The size of a value.
pub struct Sizes {
    shape: Vec<usize>,
    bytes: u64,
}

impl Sizes {
    /// That of `value`.
    pub fn of(value: &Value) -> Self {
        let shape = value.shape().to_vec();
        let numbers: usize = shape.iter().product();
        Self { bytes: (numbers * value.number_bytes()) as u64, shape }
    }

    fn numbers(&self) -> u64 {
        self.shape.iter().product::<usize>() as u64
    }

    /// A dimension, the last being 0.
    fn last_but(&self, index: usize) -> Option<u64> {
        self.shape.iter().rev().nth(index).map(|size| *size as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(shape: &[usize]) -> Option<Sizes> {
        Some(Sizes { shape: shape.to_vec(), bytes: shape.iter().product::<usize>() as u64 * 4 })
    }

    fn count(rule: CostRule, inputs: &[&[usize]], output: &[usize]) -> u64 {
        count_by(Counter { rule, trans_a: false, gated: false, weights: 0 }, inputs, output)
    }

    fn count_by(counter: Counter, inputs: &[&[usize]], output: &[usize]) -> u64 {
        let inputs: Vec<_> = inputs.iter().map(|shape| sizes(shape)).collect();
        counter.count(&inputs, sizes(output).as_ref()).operations
    }

    #[test]
    fn operations_are_those_of_the_textbook() {
        let product = CostRule::MatMul;
        assert_eq!(count(product, &[&[2, 3, 5], &[5, 7]], &[2, 3, 7]), 2 * 2 * 3 * 5 * 7);
        assert_eq!(count(product, &[&[5], &[5]], &[]), 2 * 5);
        assert_eq!(
            count_by(Counter { rule: product, trans_a: true, gated: false, weights: 0 }, &[&[5, 3], &[5, 7]], &[3, 7]),
            2 * 3 * 5 * 7
        );
        assert_eq!(
            count_by(Counter { rule: product, trans_a: false, gated: true, weights: 0 }, &[&[3, 5]], &[3, 7]),
            2 * 3 * 5 * 14
        );
        // 8 channels from 4 in 2 groups, a window of 3 × 3, an image of 10 × 10.
        let image = count(CostRule::Conv { weights: 1 }, &[&[1, 4, 10, 10], &[8, 2, 3, 3]], &[1, 8, 10, 10]);
        assert_eq!(image, 2 * 100 * 8 * 2 * 9);
        let upwards = count(CostRule::ConvTranspose, &[&[1, 4, 5, 5], &[4, 3, 2, 2]], &[1, 3, 10, 10]);
        assert_eq!(upwards, 2 * 25 * 4 * 3 * 4);
        // 2 heads of 8, 5 queries, 7 keys, values of 3.
        let heads = count(CostRule::Attention, &[&[1, 2, 5, 8], &[1, 2, 7, 8], &[1, 2, 7, 3]], &[1, 2, 5, 3]);
        assert_eq!(heads, 2 * 2 * 5 * 7 * (8 + 3));
        // A width of 16, 5 tokens: the three products, scores and mixture.
        let whole = count(CostRule::PackedAttention, &[&[1, 5, 16], &[16, 48]], &[1, 5, 16]);
        assert_eq!(whole, 2 * 5 * 16 * 48 + 2 * 2 * 5 * 5 * 16);
        // 4 gates of 6, 9 steps of 3 numbers.
        let recurrent = count(CostRule::Rnn, &[&[9, 1, 3], &[1, 24, 3], &[1, 24, 6]], &[9, 1, 1, 6]);
        assert_eq!(recurrent, 2 * 9 * 24 * (3 + 6));
    }

    #[test]
    fn shapes_that_do_not_fit_count_nothing() {
        assert_eq!(count(CostRule::Conv { weights: 1 }, &[&[1]], &[1]), 0);
        assert_eq!(count(CostRule::Conv { weights: 1 }, &[&[1], &[0, 3]], &[1]), 0);
        assert_eq!(
            Counter { rule: CostRule::Rnn, trans_a: false, gated: false, weights: 0 }.count(&[None], None),
            ComputeCost::default()
        );
    }
}
