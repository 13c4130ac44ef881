//! L-BFGS: minimises a smooth convex function.
//!
//! # Source
//! Nocedal and Wright, *Numerical Optimization* (2nd edition, 2006): the direction is algorithm 7.4 with the scaling
//! of equation 7.20, the loop algorithm 7.5, the step algorithm 3.1 (backtracking to sufficient decrease). Without
//! the Wolfe conditions a pair may lack positive curvature; such a pair is left out.

use super::dot;
use std::collections::VecDeque;

const MEMORY: usize = 10;
const MAX_ITERATIONS: usize = 1000;
/// Done when no component of the gradient is greater.
const TOLERANCE: f64 = 1e-8;
const SUFFICIENT_DECREASE: f64 = 1e-4;
const MAX_HALVINGS: usize = 50;

/// A step and the change of the gradient along it.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    curvature: f64,
}

/// `evaluate` gives the value at a point and writes the gradient to its second argument.
pub fn minimise(mut point: Vec<f64>, mut evaluate: impl FnMut(&[f64], &mut [f64]) -> f64) -> Vec<f64> {
    let mut gradient = vec![0.0; point.len()];
    let mut value = evaluate(&point, &mut gradient);
    let mut pairs = VecDeque::with_capacity(MEMORY);
    let mut next_gradient = gradient.clone();

    for _ in 0..MAX_ITERATIONS {
        if gradient.iter().all(|component| component.abs() <= TOLERANCE) {
            break;
        }
        let direction = direction(&gradient, &pairs);
        let slope = dot(&direction, &gradient);
        let mut length = 1.0;
        let mut accepted = None;
        for _ in 0..MAX_HALVINGS {
            let next: Vec<f64> = point.iter().zip(&direction).map(|(x, d)| x + length * d).collect();
            let next_value = evaluate(&next, &mut next_gradient);
            if next_value <= value + SUFFICIENT_DECREASE * length * slope {
                accepted = Some((next, next_value));
                break;
            }
            length /= 2.0;
        }
        // No step decreases the value any more: the point is as good as the arithmetic allows.
        let Some((next, next_value)) = accepted else { break };

        let step: Vec<f64> = next.iter().zip(&point).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&step, &change);
        if curvature > f64::EPSILON * dot(&change, &change) {
            if pairs.len() == MEMORY {
                pairs.pop_front();
            }
            pairs.push_back(Pair { step, change, curvature });
        }
        point = next;
        value = next_value;
        std::mem::swap(&mut gradient, &mut next_gradient);
    }
    point
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
    fn stays_where_the_gradient_is_zero() {
        let found = minimise(vec![3.0], |_, gradient| {
            gradient[0] = 0.0;
            1.0
        });
        assert_eq!(found, [3.0]);
    }
}
