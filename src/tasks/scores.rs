//! Scores from logits: softmax, sigmoid and the argmax.

/// Probabilities from logits, computed so that no exponential overflows.
pub(super) fn softmax(logits: &[f32]) -> Vec<f64> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = logits.iter().map(|logit| f64::from(logit - highest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|exponential| exponential / sum).collect()
}

/// The probability of one label by itself.
pub(super) fn sigmoid(logit: f32) -> f64 {
    1.0 / (1.0 + f64::from(-logit).exp())
}

/// The index and value of the largest number; `None` for an empty slice.
pub(super) fn largest(numbers: &[f64]) -> Option<(usize, f64)> {
    numbers.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))
}
