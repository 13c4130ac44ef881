//! Ridge regression: a linear estimate of a number from features, such as the embeddings of texts.
//!
//! The estimate is `x·w + b`. Training minimises
//!
//! ```text
//! J(w, b) = 1/n Σ (y − x·w − b)²  +  penalty · Σ (σⱼ wⱼ)²
//! ```
//!
//! where σⱼ is the deviation of feature j, as for the [linear head](super): one penalty means the same for any encoder.
//!
//! # Source
//! Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning* (2nd edition), section 3.4.1.

use super::{LEAST_DEVIATION, Linear, dot, shuffle};
use crate::error::{Error, Result};

/// Penalties to choose from, strongest first.
pub const PENALTIES: [f64; 5] = [30.0, 10.0, 3.0, 1.0, 0.3];
/// Parts of the rows, each of which is estimated once from the others to choose the penalty.
const FOLDS: usize = 5;

/// Rows of features, each with a number that is to be estimated.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    /// Row by row, `[numbers.len(), width]`.
    pub features: &'a [f32],
    /// Features of a row.
    pub width: usize,
    /// The number of each row.
    pub numbers: &'a [f64],
}

/// Trains on all rows, with the penalty that does best where each fifth is estimated from the others; the fifths are
/// drawn by `seed`. Gives the estimate as a head of one output, and the penalty.
///
/// # Errors
/// Invalid input: sizes that do not fit together, a value that is not finite, fewer rows than fifths.
pub fn fit(targets: &Targets<'_>, seed: u64) -> Result<(Linear, f64)> {
    targets.check()?;
    let mut rows: Vec<usize> = (0..targets.numbers.len()).collect();
    shuffle(&mut rows, seed);
    let mut errors = [0.0; PENALTIES.len()];
    for fold in 0..FOLDS {
        let (held_out, others): (Vec<(usize, usize)>, Vec<_>) =
            rows.iter().copied().enumerate().partition(|(at, _)| at % FOLDS == fold);
        let row = |(_, row): (usize, usize)| row;
        let problem = Normal::new(targets, &others.into_iter().map(row).collect::<Vec<_>>());
        let held_out: Vec<usize> = held_out.into_iter().map(row).collect();
        for (error, penalty) in errors.iter_mut().zip(PENALTIES) {
            let head = problem.solve(penalty)?;
            let miss = |&row: &usize| (f64::from(head.forward(targets.row(row))[0]) - targets.numbers[row]).powi(2);
            *error += held_out.iter().map(miss).sum::<f64>();
        }
    }
    let best = errors.iter().zip(PENALTIES).min_by(|a, b| a.0.total_cmp(b.0)).map_or(PENALTIES[0], |best| best.1);
    Ok((Normal::new(targets, &rows).solve(best)?, best))
}

impl<'a> Targets<'a> {
    fn row(&self, index: usize) -> &'a [f32] {
        &self.features[index * self.width..][..self.width]
    }

    fn check(&self) -> Result<()> {
        let rows = self.numbers.len();
        if rows < FOLDS || self.width == 0 {
            return Err(Error::invalid_input(format!("{rows} rows are too few to learn from")));
        }
        if rows.checked_mul(self.width) != Some(self.features.len()) {
            let message = format!("{} values are not {rows} rows of width {}", self.features.len(), self.width);
            return Err(Error::invalid_input(message));
        }
        let finite = self.features.iter().all(|x| x.is_finite()) && self.numbers.iter().all(|x| x.is_finite());
        if finite { Ok(()) } else { Err(Error::invalid_input("a feature or a target is not a finite number")) }
    }
}

/// The normal equations of standardised features: (ZᵀZ/n + penalty·I) w = Zᵀ(y − ȳ)/n.
struct Normal {
    mean: Vec<f64>,
    /// One over the deviation of each feature; 0 for a feature without a signal.
    scale: Vec<f64>,
    level: f64,
    /// ZᵀZ/n, `[width, width]`.
    gram: Vec<f64>,
    /// Zᵀ(y − ȳ)/n
    moment: Vec<f64>,
}

impl Normal {
    fn new(targets: &Targets<'_>, rows: &[usize]) -> Self {
        let (width, count) = (targets.width, rows.len() as f64);
        let mut mean = vec![0.0; width];
        for &row in rows {
            mean.iter_mut().zip(targets.row(row)).for_each(|(sum, &x)| *sum += f64::from(x) / count);
        }
        let mut gram = vec![0.0; width * width];
        let mut moment = vec![0.0; width];
        let level = rows.iter().map(|&row| targets.numbers[row]).sum::<f64>() / count;
        for &row in rows {
            let centred: Vec<f64> = targets.row(row).iter().zip(&mean).map(|(&x, mean)| f64::from(x) - mean).collect();
            for (at, &x) in centred.iter().enumerate() {
                moment[at] += x * (targets.numbers[row] - level) / count;
                // The matrix is symmetric: its lower half is all that is needed.
                gram[at * width..][..=at].iter_mut().zip(&centred).for_each(|(sum, y)| *sum += x * y / count);
            }
        }
        let deviation = |at: usize| gram[at * width + at].sqrt();
        let least = LEAST_DEVIATION * (0..width).map(deviation).fold(0.0, f64::max);
        let scale: Vec<f64> =
            (0..width).map(|at| if deviation(at) > least { 1.0 / deviation(at) } else { 0.0 }).collect();
        for row in 0..width {
            moment[row] *= scale[row];
            (0..=row).for_each(|column| gram[row * width + column] *= scale[row] * scale[column]);
        }
        Self { mean, scale, level, gram, moment }
    }

    /// By Cholesky's decomposition L·Lᵀ.
    fn solve(&self, penalty: f64) -> Result<Linear> {
        let width = self.mean.len();
        let mut lower = self.gram.clone();
        for row in 0..width {
            for column in 0..=row {
                let (before, rest) = lower.split_at_mut(row * width);
                let other = if column == row { &rest[..column] } else { &before[column * width..][..column] };
                let sum = dot(&rest[..column], other);
                rest[column] = if column == row {
                    (rest[column] + penalty - sum).sqrt()
                } else {
                    (rest[column] - sum) / before[column * width + column]
                };
            }
        }
        let mut solution = self.moment.clone();
        for row in 0..width {
            let sum = dot(&lower[row * width..][..row], &solution[..row]);
            solution[row] = (solution[row] - sum) / lower[row * width + row];
        }
        for row in (0..width).rev() {
            let sum: f64 = (row + 1..width).map(|below| lower[below * width + row] * solution[below]).sum();
            solution[row] = (solution[row] - sum) / lower[row * width + row];
        }
        let weight: Vec<f64> = solution.iter().zip(&self.scale).map(|(w, scale)| w * scale).collect();
        let bias = self.level - dot(&weight, &self.mean);
        let weight: Vec<f32> = weight.into_iter().map(|w| w as f32).collect();
        if !weight.iter().all(|w| w.is_finite()) || !bias.is_finite() {
            return Err(Error::invalid_input("the features are so small that their weights overflow"));
        }
        Ok(Linear { weight, bias: vec![bias as f32] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between −1 and 1 without a pattern.
    fn noise(count: usize, seed: u64) -> Vec<f64> {
        let mut order: Vec<usize> = (0..count).collect();
        shuffle(&mut order, seed);
        order.into_iter().map(|at| 2.0 * at as f64 / count as f64 - 1.0).collect()
    }

    #[test]
    fn a_line_is_found_and_a_constant_feature_gets_no_weight() {
        let x = noise(400, 1);
        let features: Vec<f32> = x.iter().flat_map(|&x| [x as f32, 7.0]).collect();
        let numbers: Vec<f64> = x.iter().map(|x| 3.0 * x - 1.0).collect();
        let targets = Targets { features: &features, width: 2, numbers: &numbers };
        let (head, penalty) = fit(&targets, 1).expect("a line");
        assert_eq!(penalty, 0.3);
        // On a standardised feature the ridge leaves 1 / (1 + penalty) of the slope.
        assert!((head.weight[0] - 3.0 / 1.3).abs() < 1e-5 && head.weight[1] == 0.0, "{head:?}");
        assert!((head.bias[0] + 1.0).abs() < 0.02, "{head:?}");
    }

    #[test]
    fn the_gradient_is_zero_at_the_solution() {
        let (a, b, c) = (noise(60, 2), noise(60, 3), noise(60, 4));
        let features: Vec<f32> =
            (0..60).flat_map(|row| [a[row], a[row] + 0.3 * b[row], 5.0 * c[row]].map(|x| x as f32)).collect();
        let numbers: Vec<f64> = (0..60).map(|row| a[row] * c[row] + b[row]).collect();
        let targets = Targets { features: &features, width: 3, numbers: &numbers };
        let rows: Vec<usize> = (0..60).collect();
        let normal = Normal::new(&targets, &rows);
        let (head, penalty) = (normal.solve(0.7).expect("a solution"), 0.7);
        for at in 0..3 {
            let residual = |row: usize| f64::from(head.forward(targets.row(row))[0]) - numbers[row];
            let centred = |row: usize| f64::from(targets.row(row)[at]) - normal.mean[at];
            let fit: f64 = rows.iter().map(|&row| residual(row) * centred(row)).sum::<f64>() / 60.0;
            let ridge = penalty * f64::from(head.weight[at]) / normal.scale[at].powi(2);
            assert!((fit + ridge).abs() < 1e-5, "{at}: {fit} and {ridge}");
        }
    }

    #[test]
    fn invalid_targets_are_refused() {
        for (features, width, numbers) in [
            (vec![1.0; 4], 1, vec![1.0; 4]),
            (vec![1.0; 9], 2, vec![1.0; 5]),
            (vec![f32::NAN; 5], 1, vec![1.0; 5]),
            (vec![1.0; 5], 1, vec![f64::INFINITY; 5]),
        ] {
            assert!(fit(&Targets { features: &features, width, numbers: &numbers }, 1).is_err());
        }
    }
}
