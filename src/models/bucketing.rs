//! Length bucketing: which texts go through the model as one batch.

use crate::sort::order_by;

/// The most tokens of a batch, padding included: enough to keep the kernels busy, few enough that the attention scores of
/// a batch stay small.
const MAX_BATCH_TOKENS: usize = 2048;
/// The part of a batch's tokens that may be padding.
const MAX_PADDING: f64 = 0.125;

/// Groups texts of `lengths` tokens into batches of similar length, as lists of indices. Every index is in exactly one.
///
/// ```
/// use pilot_light::models::plan_batches;
///
/// assert_eq!(plan_batches(&[7, 100, 7, 100]), [[0, 2], [1, 3]]);
/// ```
pub fn plan_batches(lengths: &[usize]) -> Vec<Vec<usize>> {
    let order = order_by(lengths.len(), &|a, b| lengths[a].cmp(&lengths[b]));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut tokens = 0;
    for index in order {
        let length = lengths[index];
        match batches.last_mut() {
            Some(batch) if fits(batch.len(), tokens, length) => {
                batch.push(index);
                tokens += length;
            }
            _ => {
                batches.push(vec![index]);
                tokens = length;
            }
        }
    }
    batches
}

/// Whether a text of `length` tokens, the longest so far, fits into a batch of `count` texts with `tokens` in all.
fn fits(count: usize, tokens: usize, length: usize) -> bool {
    let padded = (count + 1) * length;
    let padding = padded - tokens - length;
    padded <= MAX_BATCH_TOKENS && padding as f64 <= MAX_PADDING * padded as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_lengths_go_together() {
        assert_eq!(plan_batches(&[64; 8]), [vec![0, 1, 2, 3, 4, 5, 6, 7]]);
        assert_eq!(plan_batches(&[3, 100]), [vec![0], vec![1]]);
        assert!(plan_batches(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn every_text_is_in_one_batch_and_padding_is_bounded(lengths in proptest::collection::vec(1usize..3000, 0..200)) {
            let batches = plan_batches(&lengths);
            let mut all: Vec<usize> = batches.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
            for batch in batches {
                let longest = batch.iter().map(|&index| lengths[index]).max().unwrap_or(0);
                let used: usize = batch.iter().map(|&index| lengths[index]).sum();
                let padded = batch.len() * longest;
                prop_assert!(batch.len() == 1 || padded <= MAX_BATCH_TOKENS);
                prop_assert!((padded - used) as f64 <= MAX_PADDING * padded as f64);
            }
        }
    }
}
