//! Linear heads: what they predict, how one is made of descriptions alone, and what tells one from another.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::training::Linear;

/// What a cosine is multiplied with before the softmax.
///
/// # Source
/// The `scale` of sentence-transformers' `MultipleNegativesRankingLoss`; zero-shot classification has the same.
const SCALE: f32 = 20.0;

/// What a head says of a text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The likeliest label.
    pub label: usize,
    /// Its probability.
    pub confidence: f32,
}

/// The likeliest label of a text by `head`, and its probability: a softmax of `x Wᵀ + b`.
pub fn predict(head: &Linear, embedding: &[f32]) -> Prediction {
    likeliest(&probabilities(head, embedding))
}

/// The same, by the mean of the head's probabilities and the `shares` of a vote, where there is one.
pub fn predict_with(head: &Linear, shares: &[f32], embedding: &[f32]) -> Prediction {
    let mut mean = probabilities(head, embedding);
    if shares.iter().any(|share| *share > 0.0) {
        mean.iter_mut().zip(shares).for_each(|(probability, share)| *probability = (*probability + share) / 2.0);
    }
    likeliest(&mean)
}

fn probabilities(head: &Linear, embedding: &[f32]) -> Vec<f32> {
    let rows = head.weight.chunks_exact(embedding.len()).zip(&head.bias);
    let mut logits: Vec<f32> = rows.map(|(row, bias)| dot(row, embedding) + bias).collect();
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter_mut().for_each(|logit| *logit = (*logit - greatest).exp());
    let total: f32 = logits.iter().sum();
    logits.iter_mut().for_each(|logit| *logit /= total);
    logits
}

fn likeliest(probabilities: &[f32]) -> Prediction {
    let mut best = Prediction { label: 0, confidence: f32::NEG_INFINITY };
    for (label, &confidence) in probabilities.iter().enumerate() {
        if confidence > best.confidence {
            best = Prediction { label, confidence };
        }
    }
    best
}

/// The head that takes the label whose description is most similar: zero-shot classification, with `descriptions` holding
/// an embedding for each label.
///
/// # Errors
/// Invalid input: fewer than two labels, embeddings of different lengths, of no length or with a number that is not finite.
pub fn zero_shot(descriptions: &[Vec<f32>]) -> Result<Linear> {
    let width = descriptions.first().map_or(0, Vec::len);
    if descriptions.len() < 2 || width == 0 || descriptions.iter().any(|row| row.len() != width) {
        let message = "expected an embedding of the same length for each of at least 2 labels, got others";
        return Err(Error::invalid_input(message));
    }
    let mut weight = Vec::with_capacity(width * descriptions.len());
    for (label, row) in descriptions.iter().enumerate() {
        let norm = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
        if !norm.is_finite() {
            let message = format!("the embedding of label {label}'s description must have finite numbers");
            return Err(Error::invalid_input(message));
        }
        weight.extend(row.iter().map(|x| SCALE * x / norm.max(1e-12) as f32));
    }
    Ok(Linear { weight, bias: vec![0.0; descriptions.len()] })
}

/// Tells heads from one another: 64 bits of the numbers of one.
pub fn digest(head: &Linear) -> u64 {
    fnv_1a(head.weight.iter().chain(&head.bias).flat_map(|number| number.to_le_bytes()))
}

/// A digest of `bytes` that anybody can compute.
///
/// # Source
/// Fowler, Noll and Vo: FNV-1a of 64 bits.
pub(crate) fn fnv_1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// In eight sums, which become vector instructions.
pub fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (left_parts, right_parts) = (left.chunks_exact(8), right.chunks_exact(8));
    let rest: f32 = left_parts.remainder().iter().zip(right_parts.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in left_parts.zip(right_parts) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_the_direction_of_its_label() {
        let head = zero_shot(&[vec![2.0, 0.0, 0.0], vec![0.0, 3.0, 0.0]]).unwrap();
        let found = predict(&head, &[0.6, 0.8, 0.0]);
        assert_eq!(found.label, 1);
        // The softmax of 20 · (0.6, 0.8).
        assert!((found.confidence - 1.0 / (1.0 + (-4.0_f32).exp())).abs() < 1e-6);
        assert_eq!(predict(&head, &[0.5, 0.5, 0.0]), Prediction { label: 0, confidence: 0.5 });
        // A vote counts half, if there is one.
        let voted = predict_with(&head, &[0.25, 0.75], &[0.5, 0.5, 0.0]);
        assert_eq!(voted, Prediction { label: 1, confidence: 0.625 });
        assert_eq!(predict_with(&head, &[0.0, 0.0], &[0.5, 0.5, 0.0]).confidence, 0.5);
    }

    #[test]
    fn descriptions_that_make_no_head_are_refused() {
        assert!(zero_shot(&[vec![1.0]]).is_err());
        assert!(zero_shot(&[vec![1.0], vec![1.0, 2.0]]).is_err());
        assert!(zero_shot(&[vec![], vec![]]).is_err());
        assert!(zero_shot(&[vec![1.0], vec![f32::NAN]]).unwrap_err().to_string().contains("label 1's"));
    }

    #[test]
    fn a_digest_is_that_of_the_numbers() {
        let head = |x: f32| Linear { weight: vec![x, 2.0], bias: vec![0.0, 1.0] };
        assert_eq!(digest(&head(1.0)), digest(&head(1.0)));
        assert_ne!(digest(&head(1.0)), digest(&head(1.000_001)));
    }

    #[test]
    fn a_product_has_all_of_its_terms() {
        let row: Vec<f32> = (0..19).map(|i| i as f32).collect();
        assert_eq!(dot(&row, &row), (0..19).map(|i| i * i).sum::<i32>() as f32);
    }
}
