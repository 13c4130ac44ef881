//! Logistic regression: trains a linear head on features, such as the embeddings of texts.
//!
//! The head's logits are `x Wᵀ + b`, one row of `W` per class, and their softmax is the answer. Training minimises
//!
//! ```text
//! J(W, b) = mean over the rows of [ log Σₖ exp(zₖ) − z_label ]  +  l2 / 2 · Σ (σⱼ Wₖⱼ)²
//! ```
//!
//! where σⱼ is the deviation of feature j: the penalty sees standardised features, so that one strength means the
//! same for any encoder. The scaling is folded back into `W` and `b`, and the head works on the plain features.
//!
//! Everything is computed in double precision in a fixed order: the same input gives the same head, bit for bit, on
//! the same platform (`exp` and `ln` may round differently on another).
//!
//! # Source
//! Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning* (2nd edition), sections 4.4 and 18.3.2.

pub(crate) mod lbfgs;
pub mod ridge;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One example in so many is held out to choose the strength of the penalty.
const HOLD_OUT: usize = 5;

/// A feature whose deviation is below this part of the greatest one holds an encoder's rounding, not a signal
/// (all-MiniLM-L6-v2 has three such), and gets no weight.
const LEAST_DEVIATION: f64 = 1e-5;

/// Strengths of the penalty to choose from, strongest first.
pub const L2_GRID: [f64; 8] = [0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4, 3e-5];

/// Labelled rows of features.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// Row by row, `[labels.len(), width]`.
    pub features: &'a [f32],
    /// Features of a row.
    pub width: usize,
    /// The class of each row, below `classes`.
    pub labels: &'a [usize],
    /// How many classes there are.
    pub classes: usize,
    /// Rows with the same number here depend on one another (parts of one document, near duplicates) and stay on one
    /// side of a split. Without it every row is a group.
    pub groups: Option<&'a [usize]>,
}

/// A linear head: `logits = x weightᵀ + bias`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// Row by row, `[classes, width]`.
    pub weight: Vec<f32>,
    /// `[classes]`.
    pub bias: Vec<f32>,
}

/// How well a head does on examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// How many rows.
    pub count: usize,
    /// The part of the rows whose most likely class is right.
    pub accuracy: f64,
    /// The mean of `−ln(probability of the right class)`.
    pub log_loss: f64,
}

/// The scores of one strength of the penalty on held-out rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// The strength.
    pub l2: f64,
    /// The scores on the held-out rows.
    pub held_out: Scores,
}

/// The best trial, and all of them in the order of their grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The best one.
    pub best: Trial,
    /// All of them.
    pub trials: Vec<Trial>,
}

/// Trains a head on all of the examples.
///
/// ```
/// use pilot_light::training::{Examples, fit};
///
/// let (features, labels) = ([0.0, 0.1, 0.9, 1.0], [0, 0, 1, 1]);
/// let examples = Examples { features: &features, width: 1, labels: &labels, classes: 2, groups: None };
/// let head = fit(&examples, 0.001)?;
/// let logits = head.forward(&[0.95]);
/// assert!(logits[1] > logits[0]);
/// # Ok::<(), pilot_light::Error>(())
/// ```
///
/// # Errors
/// Invalid input: sizes that do not fit together, a value that is not finite, a class without an example, a strength
/// that is not positive.
pub fn fit(examples: &Examples, l2: f64) -> Result<Linear> {
    examples.check()?;
    let rows: Vec<usize> = (0..examples.labels.len()).collect();
    Problem::new(examples, &rows, l2)?.solve(None).map(|solution| solution.head)
}

/// Tries each strength of the penalty on a held-out fifth of the groups, drawn by `seed`, and takes the one with the
/// least log loss; of equals, the first in `grid`.
///
/// Log loss and not accuracy, because a cascade relies on the probabilities and not only on the answer.
///
/// # Errors
/// Invalid input: as for [`fit`], and an empty grid or too few groups to hold some out.
pub fn choose_l2(examples: &Examples, grid: &[f64], seed: u64) -> Result<Choice> {
    examples.check()?;
    let (train, held_out) = examples.split(seed)?;
    let mut trials: Vec<Trial> = Vec::with_capacity(grid.len());
    let mut start = None;
    for &l2 in grid {
        // Neighbouring strengths have neighbouring optima: each search starts where the last one ended.
        let solution = Problem::new(examples, &train, l2)?.solve(start)?;
        trials.push(Trial { l2, held_out: solution.head.scores_of(examples, &held_out) });
        start = Some(solution.parameters);
    }
    let best = trials.iter().copied().min_by(|a, b| a.held_out.log_loss.total_cmp(&b.held_out.log_loss));
    let best = best.ok_or_else(|| Error::invalid_input("no strength of the penalty to choose from"))?;
    Ok(Choice { best, trials })
}

impl Linear {
    /// How well this head does on `examples`.
    ///
    /// # Errors
    /// Invalid input: sizes that do not fit this head or one another, a value that is not finite, no rows.
    pub fn scores(&self, examples: &Examples) -> Result<Scores> {
        examples.check_sizes()?;
        if examples.classes != self.bias.len() || examples.classes * examples.width != self.weight.len() {
            return Err(Error::invalid_input(format!(
                "a head of {} classes and {} weights cannot score {} classes of width {}",
                self.bias.len(),
                self.weight.len(),
                examples.classes,
                examples.width
            )));
        }
        let rows: Vec<usize> = (0..examples.labels.len()).collect();
        Ok(self.scores_of(examples, &rows))
    }

    /// The logits of one row.
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        let rows = self.weight.chunks_exact(x.len()).zip(&self.bias);
        rows.map(|(row, bias)| row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>() + bias).collect()
    }

    fn scores_of(&self, examples: &Examples, rows: &[usize]) -> Scores {
        let weight: Vec<f64> = self.weight.iter().map(|&w| f64::from(w)).collect();
        let bias: Vec<f64> = self.bias.iter().map(|&b| f64::from(b)).collect();
        let (mut right, mut loss) = (0, 0.0);
        let mut probabilities = vec![0.0; bias.len()];
        for &row in rows {
            let label = examples.labels[row];
            loss += softmax_loss(&weight, &bias, examples.row(row), label, &mut probabilities);
            let likeliest =
                (0..probabilities.len()).rev().max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
            right += usize::from(likeliest == Some(label));
        }
        let count = rows.len();
        Scores { count, accuracy: right as f64 / count as f64, log_loss: loss / count as f64 }
    }
}

impl<'a> Examples<'a> {
    fn row(&self, index: usize) -> &'a [f32] {
        &self.features[index * self.width..][..self.width]
    }

    fn check(&self) -> Result<()> {
        self.check_sizes()?;
        if self.classes < 2 {
            return Err(Error::invalid_input("a head needs at least two classes"));
        }
        // Each class needs an example: this also bounds what is allocated per class.
        if self.classes > self.labels.len() {
            return Err(Error::invalid_input(format!(
                "{} examples are too few for {} classes",
                self.labels.len(),
                self.classes
            )));
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<()> {
        let rows = self.labels.len();
        if rows == 0 || self.width == 0 {
            return Err(Error::invalid_input("there are no examples"));
        }
        if rows.checked_mul(self.width) != Some(self.features.len()) {
            return Err(Error::invalid_input(format!(
                "{} values are not {rows} rows of width {}",
                self.features.len(),
                self.width
            )));
        }
        if let Some(groups) = self.groups.filter(|groups| groups.len() != rows) {
            return Err(Error::invalid_input(format!("{} groups for {rows} rows", groups.len())));
        }
        if let Some(row) = self.labels.iter().position(|&label| label >= self.classes) {
            return Err(Error::invalid_input(format!(
                "row {row} has label {}, and there are {} classes",
                self.labels[row], self.classes
            )));
        }
        if let Some(index) = self.features.iter().position(|value| !value.is_finite()) {
            return Err(Error::invalid_input(format!(
                "feature {} of row {} is not a finite number",
                index % self.width,
                index / self.width
            )));
        }
        Ok(())
    }

    /// The rows to train on and those held out: a fifth of the groups, drawn by `seed`.
    fn split(&self, seed: u64) -> Result<(Vec<usize>, Vec<usize>)> {
        let group = |row: usize| self.groups.map_or(row, |groups| groups[row]);
        let mut order: Vec<usize> = (0..self.labels.len()).map(group).collect();
        crate::sort::sort(&mut order);
        order.dedup();
        let count = order.len() / HOLD_OUT;
        if count == 0 {
            return Err(Error::invalid_input(format!("{} groups are too few to hold some out", order.len())));
        }
        shuffle(&mut order, seed);
        let mut drawn = order[..count].to_vec();
        crate::sort::sort(&mut drawn);
        Ok((0..self.labels.len()).partition(|&row| drawn.binary_search(&group(row)).is_err()))
    }
}

/// What is minimised: the examples to train on, their scaling and the strength of the penalty.
struct Problem<'a> {
    examples: &'a Examples<'a>,
    rows: &'a [usize],
    mean: Vec<f64>,
    /// One over the deviation of each feature; 0 for a feature without a signal.
    scale: Vec<f64>,
    l2: f64,
}

struct Solution {
    head: Linear,
    parameters: Vec<f64>,
}

impl<'a> Problem<'a> {
    fn new(examples: &'a Examples, rows: &'a [usize], l2: f64) -> Result<Self> {
        if !(l2.is_finite() && l2 > 0.0) {
            return Err(Error::invalid_input(format!("the strength of the penalty must be positive, got {l2}")));
        }
        let mut counts = vec![0_usize; examples.classes];
        for &row in rows {
            counts[examples.labels[row]] += 1;
        }
        if let Some(class) = counts.iter().position(|&count| count == 0) {
            return Err(Error::invalid_input(format!("class {class} has no example to train on")));
        }
        let (mean, scale) = standardisation(examples, rows);
        Ok(Self { examples, rows, mean, scale, l2 })
    }

    /// Searches from `start`, or from zero. The rows of the result sum to zero then, which makes it unique.
    fn solve(&self, start: Option<Vec<f64>>) -> Result<Solution> {
        let size = self.examples.classes * (self.examples.width + 1);
        let start = start.unwrap_or_else(|| vec![0.0; size]);
        let parameters = lbfgs::minimise(start, |point, gradient| self.evaluate(point, gradient));
        let (weight, bias) = self.fold(&parameters);
        let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<f32>>();
        let head = Linear { weight: single(&weight), bias: single(&bias) };
        if !head.weight.iter().chain(&head.bias).all(|value| value.is_finite()) {
            return Err(Error::invalid_input("the features are so small that their weights overflow"));
        }
        Ok(Solution { head, parameters })
    }

    /// The weight and bias on plain features of parameters on standardised ones: `classes × width` weights, then one
    /// bias per class.
    fn fold(&self, parameters: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (weight, bias) = parameters.split_at(self.examples.classes * self.examples.width);
        let mut bias = bias.to_vec();
        let mut folded = Vec::with_capacity(weight.len());
        for (row, bias) in weight.chunks_exact(self.examples.width).zip(&mut bias) {
            let start = folded.len();
            folded.extend(row.iter().zip(&self.scale).map(|(w, scale)| w * scale));
            *bias -= dot(&folded[start..], &self.mean);
        }
        (folded, bias)
    }

    /// `J` at the parameters; its gradient is written to `gradient`.
    fn evaluate(&self, parameters: &[f64], gradient: &mut [f64]) -> f64 {
        let width = self.examples.width;
        let (weight, bias) = self.fold(parameters);
        let (by_weight, by_bias) = gradient.split_at_mut(weight.len());
        by_weight.fill(0.0);
        by_bias.fill(0.0);

        // The gradient on plain features: the error of each class's probability times the features.
        let mut value = 0.0;
        let mut probabilities = vec![0.0; bias.len()];
        for &row in self.rows {
            let (features, label) = (self.examples.row(row), self.examples.labels[row]);
            value += softmax_loss(&weight, &bias, features, label, &mut probabilities);
            probabilities[label] -= 1.0;
            for (error, (by_weight, by_bias)) in
                probabilities.iter().zip(by_weight.chunks_exact_mut(width).zip(&mut *by_bias))
            {
                *by_bias += error;
                for (slot, &x) in by_weight.iter_mut().zip(features) {
                    *slot += error * f64::from(x);
                }
            }
        }

        // The same on standardised features, by the chain rule, and the penalty.
        let count = self.rows.len() as f64;
        for (row, by_bias) in by_weight.chunks_exact_mut(width).zip(&mut *by_bias) {
            for (slot, (mean, scale)) in row.iter_mut().zip(self.mean.iter().zip(&self.scale)) {
                *slot = (*slot - *by_bias * mean) * scale / count;
            }
            *by_bias /= count;
        }
        let weights = &parameters[..weight.len()];
        for (slot, w) in by_weight.iter_mut().zip(weights) {
            *slot += self.l2 * w;
        }
        value / count + self.l2 / 2.0 * dot(weights, weights)
    }
}

/// Writes the probability of each class to `probabilities` and gives `−ln` of the label's.
fn softmax_loss(weight: &[f64], bias: &[f64], features: &[f32], label: usize, probabilities: &mut [f64]) -> f64 {
    for (logit, (row, bias)) in probabilities.iter_mut().zip(weight.chunks_exact(features.len()).zip(bias)) {
        *logit = bias + row.iter().zip(features).map(|(w, &x)| w * f64::from(x)).sum::<f64>();
    }
    let greatest = probabilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let label_logit = probabilities[label];
    let mut total = 0.0;
    for probability in probabilities.iter_mut() {
        *probability = (*probability - greatest).exp();
        total += *probability;
    }
    for probability in probabilities.iter_mut() {
        *probability /= total;
    }
    total.ln() + greatest - label_logit
}

/// The mean of each feature over the rows and one over its deviation.
fn standardisation(examples: &Examples, rows: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let count = rows.len() as f64;
    let mut mean = vec![0.0; examples.width];
    for &row in rows {
        for (sum, &x) in mean.iter_mut().zip(examples.row(row)) {
            *sum += f64::from(x);
        }
    }
    for sum in &mut mean {
        *sum /= count;
    }
    let mut deviation = vec![0.0; examples.width];
    for &row in rows {
        for ((sum, &x), mean) in deviation.iter_mut().zip(examples.row(row)).zip(&mean) {
            *sum += (f64::from(x) - mean).powi(2);
        }
    }
    for sum in &mut deviation {
        *sum = (*sum / count).sqrt();
    }
    let least = LEAST_DEVIATION * deviation.iter().copied().fold(0.0, f64::max);
    let scale = deviation.iter().map(|&d| if d > least { 1.0 / d } else { 0.0 }).collect();
    (mean, scale)
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

/// Fisher and Yates' shuffle, with the SplitMix64 generator of Steele, Lea and Flood (2014): the same seed gives the same
/// order.
pub fn shuffle(items: &mut [usize], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut random = state;
        random = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        random = (random ^ (random >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        random ^= random >> 31;
        items.swap(last, (random % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests;
