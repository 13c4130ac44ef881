//! Prompt lookup: what followed the same tokens earlier on is tried as a draft of what follows now.
//!
//! # Source
//! Saxena 2023, <https://github.com/apoorvumang/prompt-lookup-decoding>.

/// The most tokens that must be the same.
const LONGEST: usize = 4;
/// The fewest tokens that must be the same.
const SHORTEST: usize = 2;
/// The most tokens of a draft.
const DRAFT: usize = 7;
/// The tokens that are searched.
const REACH: usize = 4096;

/// The tokens that followed the last occurrence of the longest end of `ids` that occurred before; empty where none did.
pub(super) fn draft(ids: &[u32], most: usize) -> &[u32] {
    let recent = &ids[ids.len().saturating_sub(REACH)..];
    for length in (SHORTEST..=LONGEST).rev() {
        let Some((before, end)) = recent.len().checked_sub(length).map(|at| recent.split_at(at)) else { continue };
        // The occurrence is followed by a token at least.
        let found = recent[..recent.len() - 1].windows(length).rposition(|window| window == end);
        if let Some(at) = found.filter(|at| *at < before.len()) {
            let start = at + length;
            return &recent[start..recent.len().min(start + DRAFT.min(most))];
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_follows_the_last_occurrence_of_the_longest_end() {
        assert_eq!(draft(&[1, 2, 3, 4, 5, 9, 2, 3], 10), [4, 5, 9, 2, 3]);
        assert_eq!(draft(&[1, 2, 3, 4, 5, 9, 2, 3], 2), [4, 5]);
        // Three tokens go before two that occurred later.
        assert_eq!(draft(&[1, 2, 3, 7, 2, 3, 8, 1, 2, 3], 1), [7]);
        assert_eq!(draft(&[2, 3, 7, 2, 3, 8, 2, 3], 1), [8]);
        assert_eq!(draft(&[5, 5, 5], 3), [5]);
        for none in [&[][..], &[1], &[1, 2], &[1, 2, 3, 4]] {
            assert!(draft(none, 9).is_empty());
        }
    }
}
