//! Linear heads: what they predict, how one is made of descriptions alone, and what tells one from another.

use serde::{Deserialize, Serialize};

use super::LabelSet;
use crate::error::{Error, Result};
use crate::training::Linear;

/// What a cosine is multiplied with before the softmax.
///
/// # Source
/// The `scale` of sentence-transformers' `MultipleNegativesRankingLoss`; zero-shot classification has the same.
const SCALE: f32 = 20.0;

/// What a head says of a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The likeliest label; where several may apply, the likeliest set of them.
    pub labels: LabelSet,
    /// Its probability.
    pub confidence: f32,
}

impl Prediction {
    /// What is likeliest by the probability of each label.
    ///
    /// With `multi_label` labels are taken to apply independently of one another, given the text. So the likeliest set has the
    /// labels that are likelier than not, and its probability is that all of them apply and no others,
    ///
    /// ```text
    /// P(set) = Π over labels of max(p, 1 − p).
    /// ```
    pub(super) fn of(probabilities: &[f32], multi_label: bool) -> Self {
        let labelled = probabilities.iter().copied().enumerate();
        if multi_label {
            let confidence = probabilities.iter().map(|p| p.max(1.0 - p)).product();
            return Self { labels: labelled.filter(|(_, p)| *p > 0.5).map(|(label, _)| label).collect(), confidence };
        }
        let (mut likeliest, mut confidence) = (0, f32::NEG_INFINITY);
        for (label, probability) in labelled {
            if probability > confidence {
                (likeliest, confidence) = (label, probability);
            }
        }
        Self { labels: likeliest.into(), confidence }
    }
}

/// The likeliest label of a text by `head`, and its probability: a softmax of `x Wᵀ + b`. With `multi_label` the likeliest set of
/// labels, each of which has the probability 1 / (1 + exp(−z)) by its own z of these.
pub fn predict(head: &Linear, embedding: &[f32], multi_label: bool) -> Prediction {
    predict_with(head, &[], embedding, multi_label)
}

/// The same, by the mean of the head's probabilities and the `shares` of a vote; none where nobody voted.
pub(super) fn predict_with(head: &Linear, shares: &[f32], embedding: &[f32], multi_label: bool) -> Prediction {
    let rows = head.weight.chunks_exact(embedding.len()).zip(&head.bias);
    let mut mean: Vec<f32> = rows.map(|(row, bias)| dot(row, embedding) + bias).collect();
    match multi_label {
        true => mean.iter_mut().for_each(|logit| *logit = sigmoid(*logit)),
        false => _ = softmax(&mut mean),
    }
    mean.iter_mut().zip(shares).for_each(|(probability, share)| *probability = (*probability + share) / 2.0);
    Prediction::of(&mean, multi_label)
}

/// The probability of one label by itself.
pub(super) fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// Turns logits into probabilities; returns the logarithm of the sum of their exponentials.
pub(super) fn softmax(logits: &mut [f32]) -> f32 {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter_mut().for_each(|logit| *logit = (*logit - greatest).exp());
    let total: f32 = logits.iter().sum();
    logits.iter_mut().for_each(|probability| *probability /= total);
    total.ln() + greatest
}

/// The head that takes the label whose description is most similar: zero-shot classification, with `descriptions` holding
/// an embedding for each label.
///
/// # Errors
/// Invalid input: fewer than two labels, embeddings of different lengths, of no length or with a number that is not finite.
pub fn zero_shot(descriptions: &[Vec<f32>]) -> Result<Linear> {
    let weight = directions(descriptions)?.into_iter().flatten().map(|x| SCALE * x).collect();
    Ok(Linear { weight, bias: vec![0.0; descriptions.len()] })
}

/// The head that takes each label whose description is more similar than the mean of the other ones, as directions. With two
/// labels it takes the one that [`zero_shot`] does, as surely.
///
/// # Errors
/// As [`zero_shot`].
pub fn zero_shot_each(descriptions: &[Vec<f32>]) -> Result<Linear> {
    let directions = directions(descriptions)?;
    let width = directions.first().map_or(0, Vec::len);
    let sum: Vec<f32> = (0..width).map(|at| directions.iter().map(|row| row[at]).sum()).collect();
    let against = |row: &Vec<f32>| {
        let others = direction(&sum.iter().zip(row).map(|(sum, x)| sum - x).collect::<Vec<f32>>());
        row.iter().zip(others).map(|(x, other)| SCALE * (x - other)).collect::<Vec<f32>>()
    };
    Ok(Linear { weight: directions.iter().flat_map(against).collect(), bias: vec![0.0; descriptions.len()] })
}

/// The direction of each description.
fn directions(descriptions: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
    let width = descriptions.first().map_or(0, Vec::len);
    if descriptions.len() < 2 || width == 0 || descriptions.iter().any(|row| row.len() != width) {
        let message = "expected an embedding of the same length for each of at least 2 labels, got others";
        return Err(Error::invalid_input(message));
    }
    if let Some(label) = descriptions.iter().position(|row| !row.iter().all(|x| x.is_finite())) {
        let message = format!("the embedding of label {label}'s description must have finite numbers");
        return Err(Error::invalid_input(message));
    }
    Ok(descriptions.iter().map(|row| direction(row)).collect())
}

/// The same direction with a length of 1.
fn direction(row: &[f32]) -> Vec<f32> {
    let norm = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    row.iter().map(|x| x / norm.max(1e-12) as f32).collect()
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
        let found = predict(&head, &[0.6, 0.8, 0.0], false);
        assert_eq!(found.labels, LabelSet::from(1));
        // The softmax of 20 · (0.6, 0.8).
        assert!((found.confidence - 1.0 / (1.0 + (-4.0_f32).exp())).abs() < 1e-6);
        let predicted = |label: usize, confidence| Prediction { labels: label.into(), confidence };
        assert_eq!(predict(&head, &[0.5, 0.5, 0.0], false), predicted(0, 0.5));
        // A vote counts half.
        let voted = predict_with(&head, &[0.25, 0.75], &[0.5, 0.5, 0.0], false);
        assert_eq!(voted, predicted(1, 0.625));
    }

    #[test]
    fn a_set_has_the_labels_that_are_likelier_than_not_and_the_probability_of_just_these() {
        let head = Linear { weight: vec![1.0, 2.0, -1.0], bias: vec![0.0, 0.0, 0.5] };
        let [p, q, r] = [1.0_f32, 2.0, -0.5].map(sigmoid);
        let found = predict(&head, &[1.0], true);
        assert_eq!(found.labels.indices(), [0, 1]);
        assert!((found.confidence - p * q * (1.0 - r)).abs() < 1e-6, "{found:?}");
        // No other set is likelier.
        let probability = |set: usize| (0..3).map(|at| [p, q, r].map(|p| [1.0 - p, p])[at][set >> at & 1]).product();
        let all: Vec<f32> = (0..8).map(probability).collect();
        assert!((all.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(all.iter().all(|other| *other < found.confidence + 1e-6));
        assert_eq!(predict(&head, &[-9.0], true).labels.indices(), [2]);
        let voted = predict_with(&head, &[0.0, 1.0, 1.0], &[1.0], true);
        assert_eq!(voted.labels.indices(), [1, 2]);
        let halves = [1.0 - p / 2.0, (1.0 + q) / 2.0, (1.0 + r) / 2.0];
        assert!((voted.confidence - halves.iter().product::<f32>()).abs() < 1e-6);
        // A vote of all against all labels is one.
        assert_eq!(predict_with(&head, &[0.0; 3], &[1.0], true).labels, LabelSet::default());
    }

    #[test]
    fn descriptions_of_several_labels_are_compared_with_the_others() {
        let axes = [vec![2.0, 0.0, 0.0], vec![0.0, 3.0, 0.0], vec![0.0, 0.0, 1.0]];
        let head = zero_shot_each(&axes).unwrap();
        let labels = |x: [f32; 3]| predict(&head, &x, true).labels.indices().to_vec();
        // 0.71 is more than half of 0.71 twice over the square root of a half, and 0.58 is less than 0.82.
        assert_eq!(
            (labels([0.71, 0.71, 0.0]), labels([1.0, 0.0, 0.0]), labels([0.58; 3])),
            (vec![0, 1], vec![0], vec![])
        );
        let (one, both) = (zero_shot(&axes[..2]).unwrap(), zero_shot_each(&axes[..2]).unwrap());
        let (one, both) = (predict(&one, &[0.6, 0.7, 0.0], false), predict(&both, &[0.6, 0.7, 0.0], true));
        assert_eq!((one.labels, one.confidence > 0.8), (both.labels, true));
        assert!((one.confidence.powi(2) - both.confidence).abs() < 1e-5, "the other one does not apply, as surely");
        assert!(zero_shot_each(&axes[..1]).is_err());
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
