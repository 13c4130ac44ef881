//! How sure a model is of a text that it wrote.

use crate::error::{Error, Result};

/// Rounding may lift the logarithm of a probability of one so far above 0.
const ROUNDING: f64 = 1e-6;

/// The length-normalised likelihood of a generated text, from 0 to 1: the geometric mean of the probabilities of its
/// tokens, exp(Σ ln p / n), from their natural logarithms. The likelihood itself falls with every token, so that a long
/// text would never be a sure one.
///
/// # Errors
/// Invalid input: no tokens, or a logarithm that is no probability's.
///
/// # Source
/// Malinin and Gales, *Uncertainty estimation in autoregressive structured prediction* (2021, 2002.07650): sequence
/// likelihoods normalised by length.
pub fn length_normalised_likelihood(log_probabilities: &[f64]) -> Result<f64> {
    if log_probabilities.is_empty() {
        return Err(Error::invalid_input("a text without tokens has no likelihood"));
    }
    if let Some(wrong) = log_probabilities.iter().find(|log| log.is_nan() || **log > ROUNDING) {
        return Err(Error::invalid_input(format!("{wrong} is not the logarithm of a probability")));
    }
    let mean = log_probabilities.iter().sum::<f64>() / log_probabilities.len() as f64;
    Ok(mean.exp().min(1.0))
}
