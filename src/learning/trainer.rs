//! Training in pieces: multinomial logistic regression with weights, whose strength of the penalty cross-validation chooses.
//!
//! On features with a mean of 0 and a deviation of 1, x̃, it minimises
//!
//! ```text
//! J(V, b) = Σᵢ wᵢ [ log Σₖ exp(zᵢₖ) − zᵢ,label ] / Σᵢ wᵢ  +  l2 / 2 · ‖V‖²,     z = x̃ Vᵀ + b.
//! ```
//!
//! Where several labels may apply to a text, it is one logistic regression for each label, against all texts without it. With yₖ = 1
//! for a text's labels and 0 for the others, the term in brackets is their sum,
//!
//! ```text
//! Σₖ [ log(1 + exp(zᵢₖ)) − yᵢₖ zᵢₖ ],
//! ```
//!
//! in which no two of them have anything in common but the strength of the penalty. Both have the gradient (p − y) x̃ᵀ.
//!
//! Biases are not held back: they are how frequent labels are. Strengths are tried from the strongest on, each fold from its
//! last optimum, until the log loss of held-out examples rises. What the folds say of the examples that they did not see is
//! kept.
//!
//! A piece ends between two blocks of rows, at any point of the search: see `lbfgs::Search`. Blocks are the same in any piece, so
//! that the head is the same to the last bit.
//!
//! # Source
//! Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning* (2nd edition), sections 4.4 and 7.10.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::LabelSet;
use super::head::{Prediction, sigmoid, softmax};
use super::store::{Example, Store};
use crate::kernels::gemm::{Gemm, Init, Matrix};
use crate::sort::sort_by;
use crate::training::Linear;
use crate::training::lbfgs::{Limits, Search};

/// Parts of the examples, each of which heads that were trained on the others predict.
const FOLDS: usize = 3;
/// Strengths of the penalty, strongest first.
const STRENGTHS: [f64; 6] = [3.0, 1.0, 0.3, 0.1, 0.03, 0.01];
/// Rows whose gradients are added in 32 bits, at once.
const BLOCK: usize = 64;
/// A feature whose deviation is below this part of the greatest one holds an encoder's rounding, not a signal.
const LEAST_DEVIATION: f64 = 1e-5;
/// How near to the optimum a fold's head has to be, and the last one.
const FOLD_LIMITS: Limits = Limits { tolerance: 3e-3, iterations: 8 };
const LAST_LIMITS: Limits = Limits { tolerance: 1e-3, iterations: 20 };
/// A weaker penalty is tried while each lowers the log loss to this part, or less.
const WORTHWHILE: f64 = 0.98;

/// How much an example counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    /// In training.
    pub training: f64,
    /// In estimates of how often a head is right on the texts that come: one over the probability that it is here.
    pub population: f64,
}

/// What a head says of an example that it was not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its confidence.
    pub confidence: f32,
    /// Whether its labels are others than the example's.
    pub wrong: bool,
    /// How much the example counts, [`Weight::population`].
    pub weight: f64,
}

/// A trained head.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The head.
    pub head: Linear,
    /// The strength of the penalty.
    pub l2: f64,
    /// The mean of −ln(probability of the right labels) over held-out examples.
    pub log_loss: f64,
    /// What heads that were trained on two thirds of the examples say of the others.
    pub outcomes: Vec<Outcome>,
    /// The multiplications and additions that it took.
    pub operations: u64,
}

/// Training under way.
#[derive(Clone, Debug)]
pub struct Trainer {
    rows: Rows,
    /// Where the search of each fold begins.
    starts: Vec<Vec<f64>>,
    /// The strength that is tried.
    strength: usize,
    l2: f64,
    /// The fold that is held out; `FOLDS` in the last search.
    fold: usize,
    search: Search,
    sum: Sum,
    /// How many of the held-out blocks were predicted.
    tested: usize,
    loss: f64,
    outcomes: Vec<Outcome>,
    best: Option<Best>,
    operations: u64,
}

/// The best strength so far.
#[derive(Clone, Debug)]
struct Best {
    l2: f64,
    loss: f64,
    outcomes: Vec<Outcome>,
    optima: Vec<Vec<f64>>,
}

/// Standardised examples, those of each fold together.
#[derive(Clone, Debug)]
struct Rows {
    features: Vec<f32>,
    width: usize,
    classes: usize,
    labels: Vec<LabelSet>,
    /// Whether several may apply to a text.
    multi_label: bool,
    weights: Vec<Weight>,
    /// The rows of each fold.
    folds: [Range<usize>; FOLDS],
    mean: Vec<f64>,
    /// One over the deviation of each feature; 0 for one without a signal.
    scale: Vec<f64>,
}

/// A sum over rows under way.
#[derive(Clone, Debug, Default)]
struct Sum {
    /// The blocks of rows to add up, and how many were.
    blocks: Vec<Range<usize>>,
    at: usize,
    /// The point in 32 bits.
    point: Vec<f32>,
    value: f64,
    weight: f64,
    gradient: Vec<f64>,
}

impl Trainer {
    /// Training on all examples of `store`; `weigh` says how much an example counts. `None` where there are no two
    /// examples with other labels than each other's.
    pub fn new(store: &Store, weigh: impl Fn(&Example) -> Weight) -> Option<Self> {
        let rows = Rows::new(store, weigh)?;
        let zero = vec![0.0; rows.classes * (rows.width + 1)];
        let mut trainer = Self {
            starts: vec![zero.clone(); FOLDS],
            strength: 0,
            l2: STRENGTHS[0],
            fold: 0,
            search: Search::new(zero, FOLD_LIMITS),
            sum: Sum::default(),
            tested: 0,
            loss: 0.0,
            outcomes: Vec::new(),
            best: None,
            operations: 0,
            rows,
        };
        trainer.begin();
        Some(trainer)
    }

    /// The same, with the strengths from the one before `l2` on: with more examples weaker ones are best.
    #[must_use]
    pub fn starting_near(mut self, l2: f64) -> Self {
        let at = STRENGTHS.iter().position(|strength| *strength <= l2).unwrap_or(0);
        self.strength = at.saturating_sub(1);
        self.begin();
        self
    }

    /// Works for about so many multiplications and additions, in whole blocks of rows. Returns the head when
    /// it is trained; after that there is nothing more to do.
    pub fn work(&mut self, operations: u64) -> Option<Trained> {
        let each = 4 * (self.rows.width * self.rows.classes) as u64;
        let mut left = (operations / each.max(1)).max(1) as usize;
        loop {
            let done = if self.search.wants().is_some() {
                self.add_block()
            } else if self.fold < FOLDS {
                self.test_block()
            } else {
                return Some(self.finish());
            };
            self.operations += done as u64 * each;
            left = left.saturating_sub(done);
            if left == 0 {
                return None;
            }
        }
    }

    /// The multiplications and additions that it took so far.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Begins the search of the current fold.
    fn begin(&mut self) {
        let (start, limits) = match &self.best {
            Some(best) if self.fold == FOLDS => {
                self.l2 = best.l2;
                (mean_of(&best.optima), LAST_LIMITS)
            }
            _ => {
                self.l2 = STRENGTHS[self.strength];
                (self.starts[self.fold].clone(), FOLD_LIMITS)
            }
        };
        self.search = Search::new(start, limits);
        let blocks = (0..FOLDS).filter(|fold| *fold != self.fold).flat_map(|fold| self.rows.blocks(fold)).collect();
        self.sum = Sum { blocks, ..Sum::default() };
        self.tested = 0;
    }

    /// Adds some rows to the value and gradient at the point that the search wants.
    fn add_block(&mut self) -> usize {
        let Some(point) = self.search.wants() else { return 0 };
        let sum = &mut self.sum;
        if sum.at == 0 {
            sum.point.clear();
            sum.point.extend(point.iter().map(|&x| x as f32));
            (sum.value, sum.weight) = (0.0, 0.0);
            sum.gradient.clear();
            sum.gradient.resize(point.len(), 0.0);
        }
        let rows = self.rows.add(sum);
        if sum.at == sum.blocks.len() {
            let total = sum.weight.max(f64::MIN_POSITIVE);
            let l2 = self.l2;
            let mut penalty = 0.0;
            let weights = self.rows.classes * self.rows.width;
            for (at, (slot, x)) in sum.gradient.iter_mut().zip(point).enumerate() {
                // Biases are not held back.
                let l2 = if at < weights { l2 } else { 0.0 };
                *slot = *slot / total + l2 * x;
                penalty += l2 / 2.0 * x * x;
            }
            let value = sum.value / total + penalty;
            sum.at = 0;
            self.search.supply(value, &sum.gradient);
        }
        rows.max(1)
    }

    /// Predicts some of the held-out rows.
    fn test_block(&mut self) -> usize {
        let mut blocks = self.rows.blocks(self.fold).skip(self.tested);
        let block = blocks.next().unwrap_or_default();
        let last = blocks.next().is_none();
        let point: Vec<f32> = self.search.point().iter().map(|&x| x as f32).collect();
        let classes = self.rows.classes;
        for (row, logits) in block.clone().zip(self.rows.logits(&point, block.clone()).chunks_exact_mut(classes)) {
            let loss = self.rows.loss(logits, row);
            let Prediction { labels, confidence } = Prediction::of(logits, self.rows.multi_label);
            let weight = self.rows.weights[row];
            self.loss += weight.training * f64::from(loss);
            let wrong = labels != self.rows.labels[row];
            self.outcomes.push(Outcome { confidence, wrong, weight: weight.population });
        }
        self.tested += 1;
        if last {
            self.starts[self.fold] = self.search.point().to_vec();
            self.fold += 1;
            if self.fold == FOLDS {
                self.compare();
            }
            self.begin();
        }
        block.len().max(1)
    }

    /// Whether the strength is the best so far. If not, or if it is the last one, all examples are trained on.
    fn compare(&mut self) {
        let outcomes = std::mem::take(&mut self.outcomes);
        let loss = std::mem::take(&mut self.loss);
        let better = self.best.as_ref().is_none_or(|best| loss < best.loss);
        let worthwhile = self.best.as_ref().is_none_or(|best| loss < WORTHWHILE * best.loss);
        if better {
            self.best = Some(Best { l2: STRENGTHS[self.strength], loss, outcomes, optima: self.starts.clone() });
        }
        if worthwhile && self.strength + 1 < STRENGTHS.len() {
            self.strength += 1;
            self.fold = 0;
        }
    }

    fn finish(&mut self) -> Trained {
        let head = self.rows.plain(self.search.point());
        let (l2, loss) = self.best.as_ref().map_or((0.0, 0.0), |best| (best.l2, best.loss));
        let total: f64 = self.rows.weights.iter().map(|weight| weight.training).sum();
        let outcomes = self.best.as_mut().map(|best| std::mem::take(&mut best.outcomes)).unwrap_or_default();
        Trained { head, l2, log_loss: loss / total, outcomes, operations: self.operations }
    }
}

impl Rows {
    fn new(store: &Store, weigh: impl Fn(&Example) -> Weight) -> Option<Self> {
        let (space, examples) = (store.space(), store.examples());
        let first = &examples.first()?.origin.labels;
        if examples.iter().all(|example| example.origin.labels == *first) {
            return None;
        }
        let count = examples.len() as f64;
        let mut mean = vec![0.0; space.width];
        for example in examples {
            mean.iter_mut().zip(&example.embedding).for_each(|(sum, x)| *sum += f64::from(*x) / count);
        }
        let mut deviation = vec![0.0; space.width];
        for example in examples {
            let rows = deviation.iter_mut().zip(&mean).zip(&example.embedding);
            rows.for_each(|((sum, mean), x)| *sum += (f64::from(*x) - mean).powi(2) / count);
        }
        deviation.iter_mut().for_each(|variance| *variance = variance.sqrt());
        let least = LEAST_DEVIATION * deviation.iter().copied().fold(0.0, f64::max);
        let scale: Vec<f64> = deviation.iter().map(|&d| if d > least { 1.0 / d } else { 0.0 }).collect();
        // A key is random; in a label that was cut its size is not, but its last bits are.
        let fold_of = |example: &&Example| {
            (example.origin.key.to_bits().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize % FOLDS
        };
        let mut ordered: Vec<&Example> = examples.iter().collect();
        sort_by(&mut ordered, |a, b| fold_of(a).cmp(&fold_of(b)));
        let mut features = Vec::with_capacity(examples.len() * space.width);
        for example in &ordered {
            let columns = mean.iter().zip(&scale).zip(&example.embedding);
            features.extend(columns.map(|((mean, scale), x)| ((f64::from(*x) - mean) * scale) as f32));
        }
        let first = |fold: usize| ordered.partition_point(|example| fold_of(example) < fold);
        Some(Self {
            features,
            width: space.width,
            classes: space.labels.len(),
            labels: ordered.iter().map(|example| example.origin.labels.clone()).collect(),
            multi_label: space.multi_label,
            weights: ordered.iter().map(|example| weigh(example)).collect(),
            folds: std::array::from_fn(|fold| first(fold)..first(fold + 1)),
            mean,
            scale,
        })
    }

    /// The blocks of the rows of a fold.
    fn blocks(&self, fold: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let Range { start, end } = self.folds[fold];
        (start..end).step_by(BLOCK).map(move |at| at..end.min(at + BLOCK))
    }

    /// The head on plain features of parameters on standardised ones.
    fn plain(&self, parameters: &[f64]) -> Linear {
        let (weight, bias) = parameters.split_at(self.classes * self.width);
        let mut head = Linear { weight: Vec::with_capacity(weight.len()), bias: Vec::with_capacity(bias.len()) };
        for (row, bias) in weight.chunks_exact(self.width).zip(bias) {
            let scaled = row.iter().zip(&self.scale).map(|(w, scale)| w * scale);
            let shift: f64 = scaled.clone().zip(&self.mean).map(|(w, mean)| w * mean).sum();
            head.weight.extend(scaled.map(|w| w as f32));
            head.bias.push((bias - shift) as f32);
        }
        head
    }

    /// The features of a block, a row for each.
    fn features(&self, block: &Range<usize>) -> Matrix<'_> {
        Matrix::new(&self.features[block.start * self.width..block.end * self.width], self.width)
    }

    /// The logits of a block, a row for each.
    fn logits(&self, point: &[f32], block: Range<usize>) -> Vec<f32> {
        let (weight, bias) = point.split_at(self.classes * self.width);
        let weight = Matrix::transposed(weight, self.width);
        let mut product = Gemm::new((block.len(), self.classes, self.width), self.features(&block), &weight);
        product.init = Init::Columns(bias);
        let mut logits = vec![0.0; block.len() * self.classes];
        product.write(&mut logits, self.classes);
        logits
    }

    /// Adds the next block of `sum`; returns how many rows it has.
    fn add(&self, sum: &mut Sum) -> usize {
        let Some(block) = sum.blocks.get(sum.at).cloned() else { return 0 };
        sum.at += 1;
        let mut errors = self.logits(&sum.point, block.clone());
        let mut by_bias = vec![0.0_f32; self.classes];
        for (row, errors) in block.clone().zip(errors.chunks_exact_mut(self.classes)) {
            let weight = self.weights[row].training;
            sum.value += weight * f64::from(self.loss(errors, row));
            sum.weight += weight;
            self.labels[row].indices().iter().for_each(|label| errors[*label] -= 1.0);
            errors.iter_mut().for_each(|error| *error *= weight as f32);
            by_bias.iter_mut().zip(errors).for_each(|(slot, error)| *slot += *error);
        }
        let mut by_weight = vec![0.0_f32; self.classes * self.width];
        let errors = Matrix::transposed(&errors, self.classes);
        Gemm::new((self.classes, self.width, block.len()), errors, &self.features(&block))
            .write(&mut by_weight, self.width);
        sum.gradient.iter_mut().zip(by_weight.iter().chain(&by_bias)).for_each(|(slot, x)| *slot += f64::from(*x));
        block.len()
    }

    /// Turns the logits of a row into probabilities, and returns −ln of that of its labels.
    fn loss(&self, logits: &mut [f32], row: usize) -> f32 {
        let right: f32 = self.labels[row].indices().iter().map(|label| logits[*label]).sum();
        if !self.multi_label {
            return softmax(logits) - right;
        }
        let both: f32 = logits.iter().map(|z| z.max(0.0) + (-z.abs()).exp().ln_1p()).sum();
        logits.iter_mut().for_each(|logit| *logit = sigmoid(*logit));
        both - right
    }
}

fn mean_of(points: &[Vec<f64>]) -> Vec<f64> {
    let mut mean = vec![0.0; points.first().map_or(0, Vec::len)];
    for point in points {
        mean.iter_mut().zip(point).for_each(|(sum, x)| *sum += x / points.len() as f64);
    }
    mean
}

#[cfg(test)]
mod tests;
