//! Centrality of sentences in the graph of their similarities, and a choice without repetitions.

use std::cmp::Ordering;

/// The probability of a jump to any sentence: PageRank's usual 1 − 0.85.
const DAMPING: f64 = 0.15;
/// The iteration ends where no score changes by more.
const TOLERANCE: f64 = 1e-9;
const MOST_ITERATIONS: usize = 1000;
/// How much centrality counts in the choice of a sentence; the rest is that it says something else than those chosen.
const RELEVANCE: f64 = 0.7;
/// The cosine from which on a sentence repeats another.
const REPEATED: f32 = 0.95;

/// Cosines of vectors of length 1, as a matrix row by row; none is negative.
pub(super) fn similarities(vectors: &[Vec<f32>]) -> Vec<f32> {
    let mut matrix = vec![0.0; vectors.len() * vectors.len()];
    for (row, a) in vectors.iter().enumerate() {
        for (column, b) in vectors.iter().enumerate().take(row + 1) {
            let cosine = a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>().max(0.0);
            matrix[row * vectors.len() + column] = cosine;
            matrix[column * vectors.len() + row] = cosine;
        }
    }
    matrix
}

/// The centrality of each of `count` sentences; they add up to 1.
///
/// # Source
/// Erkan and Radev 2004, "LexRank: Graph-based Lexical Centrality as Salience in Text Summarization", section 3.3
/// (continuous LexRank): p = d / N + (1 − d) Bᵀp by power iteration, B being `similarities` with rows that add up to 1.
pub(super) fn centrality(similarities: &[f32], count: usize) -> Vec<f64> {
    damped_centrality(similarities, count, DAMPING)
}

fn damped_centrality(similarities: &[f32], count: usize, damping: f64) -> Vec<f64> {
    let uniform = 1.0 / count as f64;
    let mut scores = vec![uniform; count];
    if count == 0 {
        return scores;
    }
    let rows = || similarities.chunks_exact(count);
    let sums: Vec<f64> = rows().map(|row| row.iter().map(|x| f64::from(*x)).sum()).collect();
    for _ in 0..MOST_ITERATIONS {
        // One that is similar to none, not even to itself, passes its score to all.
        let lost: f64 = scores.iter().zip(&sums).filter(|(_, sum)| **sum <= 0.0).map(|(score, _)| score).sum();
        let mut next = vec![damping * uniform + (1.0 - damping) * lost * uniform; count];
        for ((row, sum), score) in rows().zip(&sums).zip(&scores).filter(|((_, sum), _)| **sum > 0.0) {
            let share = (1.0 - damping) * score / sum;
            next.iter_mut().zip(row).for_each(|(next, similarity)| *next += share * f64::from(*similarity));
        }
        let change = scores.iter().zip(&next).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        scores = next;
        if change < TOLERANCE {
            break;
        }
    }
    scores
}

/// The indices of the `most` candidates that are central and say different things, in the order in which they are chosen. None
/// repeats another: there may be fewer.
///
/// # Source
/// Carbonell and Goldstein 1998, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries",
/// equation 1, with the centrality as relevance, from 0 for the least central candidate to 1: centralities are close to one
/// another, and as shares of the largest they would hardly count.
pub(super) fn choose(scores: &[f64], similarities: &[f32], candidates: &[usize], most: usize) -> Vec<usize> {
    let of_candidates = || candidates.iter().map(|&index| scores[index]);
    let (least, largest) = (of_candidates().fold(f64::MAX, f64::min), of_candidates().fold(0.0, f64::max));
    let range = (largest - least).max(f64::MIN_POSITIVE);
    let mut left = candidates.to_vec();
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < most && !left.is_empty() {
        let value = |index: usize| {
            let same = chosen.iter().map(|&other| similarities[index * scores.len() + other]).fold(0.0, f32::max);
            RELEVANCE * (scores[index] - least) / range - (1.0 - RELEVANCE) * f64::from(same)
        };
        let by_value = |a: &usize, b: &usize| value(left[*a]).partial_cmp(&value(left[*b])).unwrap_or(Ordering::Equal);
        // Of equals the first.
        let Some(best) = (0..left.len()).rev().max_by(by_value) else { break };
        let best = left.remove(best);
        chosen.push(best);
        // The equation alone lets a repetition of a central sentence win over one that is hardly central.
        left.retain(|&index| similarities[index * scores.len() + best] < REPEATED);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// `tests/golden/tasks/centrality.py`.
    #[derive(Deserialize)]
    struct Golden {
        similarities: Vec<f32>,
        /// networkx's PageRank with its damping of 0.85.
        pagerank: Vec<f64>,
        /// Those of the package `lexrank`, without damping.
        lexrank: Vec<f64>,
    }

    #[test]
    fn centrality_is_that_of_networkx_and_of_lexrank() {
        let cases: Vec<Golden> =
            serde_json::from_str(include_str!("../../../tests/golden/tasks/centrality.json")).unwrap();
        assert!(cases.len() >= 4);
        for Golden { similarities, pagerank, lexrank } in cases {
            let count = pagerank.len();
            for (found, expected) in
                [(centrality(&similarities, count), pagerank), (damped_centrality(&similarities, count, 0.0), lexrank)]
            {
                assert_eq!(found.len(), count);
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
                }
            }
        }
    }

    #[test]
    fn what_is_similar_to_nothing_has_a_share() {
        assert!(centrality(&[], 0).is_empty());
        assert_eq!(centrality(&[0.0; 4], 2), [0.5, 0.5]);
    }

    #[test]
    fn a_repetition_is_not_chosen() {
        let unit = |x: f32, y: f32| vec![x / x.hypot(y), y / x.hypot(y)];
        let vectors = [unit(1.0, 0.1), unit(1.0, 0.1), unit(0.3, 1.0), unit(1.0, 0.2)];
        let similarities = similarities(&vectors);
        assert!((similarities[1] - 1.0).abs() < 1e-6 && (similarities[4] - similarities[1]).abs() < 1e-6);
        let scores = centrality(&similarities, 4);
        assert!(scores[0] > scores[2]);
        assert_eq!(choose(&scores, &similarities, &[0, 1, 2, 3], 2), [3, 2]);
        assert_eq!(choose(&scores, &similarities, &[0, 1], 5), [0]);
        assert!(choose(&scores, &similarities, &[], 5).is_empty());
    }
}
