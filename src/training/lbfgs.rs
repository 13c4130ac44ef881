//! L-BFGS: minimises a smooth convex function.
//!
//! # Source
//! Nocedal and Wright, *Numerical Optimization* (2nd edition, 2006): the direction is algorithm 7.4 with the scaling
//! of equation 7.20, the loop algorithm 7.5, the step algorithm 3.1 (backtracking to sufficient decrease). Without
//! the Wolfe conditions a pair may lack positive curvature; such a pair is left out.

use super::dot;
use std::collections::VecDeque;

const MEMORY: usize = 10;
const SUFFICIENT_DECREASE: f64 = 1e-4;
const MAX_HALVINGS: usize = 50;

/// When a search is done.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Done when no component of the gradient is greater.
    pub tolerance: f64,
    /// Or after so many accepted steps.
    pub iterations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tolerance: 1e-8, iterations: 1000 }
    }
}

/// A step and the change of the gradient along it.
#[derive(Clone, Debug)]
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    curvature: f64,
}

/// A search that is driven from outside: it says at which point it wants the function, and is given the value and the
/// gradient there. So an evaluation can be made in pieces.
#[derive(Clone, Debug)]
pub struct Search {
    limits: Limits,
    /// The best point so far, with its value and gradient.
    point: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
    pairs: VecDeque<Pair>,
    direction: Vec<f64>,
    slope: f64,
    /// The length of the step along the direction, and how often it was halved.
    length: f64,
    halvings: usize,
    /// The point to evaluate next.
    trial: Vec<f64>,
    iterations: usize,
    begun: bool,
    done: bool,
}

impl Search {
    /// A search from `start`.
    pub fn new(start: Vec<f64>, limits: Limits) -> Self {
        Self {
            limits,
            gradient: vec![0.0; start.len()],
            value: 0.0,
            pairs: VecDeque::with_capacity(MEMORY),
            direction: Vec::new(),
            slope: 0.0,
            length: 1.0,
            halvings: 0,
            trial: start.clone(),
            point: start,
            iterations: 0,
            begun: false,
            done: false,
        }
    }

    /// Where the function is wanted next; `None` when the search is done.
    pub fn wants(&self) -> Option<&[f64]> {
        (!self.done).then_some(&self.trial)
    }

    /// The best point so far.
    pub fn point(&self) -> &[f64] {
        &self.point
    }

    /// Takes the `value` and `gradient` at the point that was wanted.
    pub fn supply(&mut self, value: f64, gradient: &[f64]) {
        if !self.begun {
            self.begun = true;
            self.value = value;
            self.gradient.copy_from_slice(gradient);
            self.turn();
        } else if value <= self.value + SUFFICIENT_DECREASE * self.length * self.slope {
            self.accept(value, gradient);
            self.turn();
        } else {
            self.halvings += 1;
            // No step decreases the value any more: the point is as good as the arithmetic allows.
            if self.halvings == MAX_HALVINGS {
                self.done = true;
                return;
            }
            self.length /= 2.0;
            self.place();
        }
    }

    fn accept(&mut self, value: f64, gradient: &[f64]) {
        let step: Vec<f64> = self.trial.iter().zip(&self.point).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = gradient.iter().zip(&self.gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&step, &change);
        if curvature > f64::EPSILON * dot(&change, &change) {
            if self.pairs.len() == MEMORY {
                self.pairs.pop_front();
            }
            self.pairs.push_back(Pair { step, change, curvature });
        }
        self.point.copy_from_slice(&self.trial);
        self.value = value;
        self.gradient.copy_from_slice(gradient);
        self.iterations += 1;
    }

    /// Begins a step in a new direction.
    fn turn(&mut self) {
        let flat = self.gradient.iter().all(|component| component.abs() <= self.limits.tolerance);
        if flat || self.iterations >= self.limits.iterations {
            self.done = true;
            return;
        }
        self.direction = direction(&self.gradient, &self.pairs);
        self.slope = dot(&self.direction, &self.gradient);
        self.length = 1.0;
        self.halvings = 0;
        self.place();
    }

    fn place(&mut self) {
        let moved = self.point.iter().zip(&self.direction).map(|(x, d)| x + self.length * d);
        self.trial.clear();
        self.trial.extend(moved);
    }
}

/// `evaluate` gives the value at a point and writes the gradient to its second argument.
pub fn minimise(start: Vec<f64>, mut evaluate: impl FnMut(&[f64], &mut [f64]) -> f64) -> Vec<f64> {
    let mut gradient = vec![0.0; start.len()];
    let mut search = Search::new(start, Limits::default());
    while let Some(point) = search.wants() {
        let value = evaluate(point, &mut gradient);
        search.supply(value, &gradient);
    }
    search.point().to_vec()
}

/// Minus the gradient times the approximate inverse of the Hessian that the pairs, oldest first, give.
fn direction(gradient: &[f64], pairs: &VecDeque<Pair>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|component| -component).collect();
    let mut factors = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let factor = dot(&pair.step, &q) / pair.curvature;
        add(&mut q, -factor, &pair.change);
        factors.push(factor);
    }
    // Without a pair the scale of the function is not known: a first step of length one at most.
    let scale = match pairs.back() {
        Some(last) => last.curvature / dot(&last.change, &last.change),
        None => 1.0 / dot(gradient, gradient).sqrt().max(1.0),
    };
    q.iter_mut().for_each(|component| *component *= scale);
    for (pair, factor) in pairs.iter().zip(factors.into_iter().rev()) {
        let correction = factor - dot(&pair.change, &q) / pair.curvature;
        add(&mut q, correction, &pair.step);
    }
    q
}

fn add(target: &mut [f64], factor: f64, values: &[f64]) {
    for (slot, value) in target.iter_mut().zip(values) {
        *slot += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_minimum_of_a_stretched_bowl() {
        // Σ i²(x_i − i)² / 2, whose minimum is x_i = i.
        let found = minimise(vec![0.0; 20], |x, gradient| {
            let mut value = 0.0;
            for (i, (x, slot)) in x.iter().zip(gradient).enumerate() {
                let stretch = ((i + 1) * (i + 1)) as f64;
                let off = x - i as f64;
                *slot = stretch * off;
                value += stretch * off * off / 2.0;
            }
            value
        });
        for (i, x) in found.iter().enumerate() {
            assert!((x - i as f64).abs() < 1e-7, "component {i} is {x}");
        }
    }

    #[test]
    fn ends_after_as_many_steps_as_it_may_take() {
        let mut search = Search::new(vec![10.0; 4], Limits { tolerance: 0.0, iterations: 3 });
        let mut evaluations = 0;
        while let Some(point) = search.wants() {
            evaluations += 1;
            let gradient: Vec<f64> = point.iter().enumerate().map(|(i, x)| x * (i + 1) as f64).collect();
            let value = point.iter().zip(&gradient).map(|(x, g)| x * g / 2.0).sum();
            search.supply(value, &gradient);
        }
        assert!(search.iterations == 3 && evaluations >= 4);
        assert!(search.point().iter().all(|x| x.abs() < 10.0));
    }

    #[test]
    fn stays_where_the_gradient_is_zero() {
        let found = minimise(vec![3.0], |_, gradient| {
            gradient[0] = 0.0;
            1.0
        });
        assert_eq!(found, [3.0]);
    }
}
