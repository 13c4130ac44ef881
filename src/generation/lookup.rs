//! Prompt lookup: what followed the same tokens earlier on is tried as a draft of what follows now.
//!
//! # Source
//! Saxena 2023, <https://github.com/apoorvumang/prompt-lookup-decoding>.

/// The most tokens that must be the same.
const LONGEST: usize = 4;
/// The fewest tokens that must be the same.
const SHORTEST: usize = 2;
/// Tokens of a draft: the next length where the whole draft before was right, else the first one. The kernels compute four rows
/// at once, and a draft is read with the token before it.
const LENGTHS: [usize; 3] = [3, 7, 15];
/// The tokens that are searched.
const REACH: usize = 4096;

/// The drafts of a reply.
#[derive(Default)]
pub(super) struct Drafts {
    /// The index of the length of the next one.
    length: usize,
}

impl Drafts {
    /// At most `most` tokens that followed the last occurrence of the longest end of `ids` that occurred before; empty where
    /// none did.
    pub fn draft<'a>(&self, ids: &'a [u32], most: usize) -> &'a [u32] {
        let found = following(ids);
        &found[..found.len().min(most).min(LENGTHS[self.length])]
    }

    /// Takes in that of a draft of `length` tokens the first `right` were right.
    pub fn learn(&mut self, length: usize, right: usize) {
        self.length = if right == length { (self.length + 1).min(LENGTHS.len() - 1) } else { 0 };
    }
}

/// What followed the last occurrence of the longest end of `ids` that occurred before.
fn following(ids: &[u32]) -> &[u32] {
    let recent = &ids[ids.len().saturating_sub(REACH)..];
    for length in (SHORTEST..=LONGEST).rev() {
        let Some((before, end)) = recent.len().checked_sub(length).map(|at| recent.split_at(at)) else { continue };
        // The occurrence is followed by a token at least.
        let found = recent[..recent.len() - 1].windows(length).rposition(|window| window == end);
        if let Some(at) = found.filter(|at| *at < before.len()) {
            return &recent[at + length..];
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(ids: &[u32], most: usize) -> &[u32] {
        Drafts { length: LENGTHS.len() - 1 }.draft(ids, most)
    }

    #[test]
    fn drafts_grow_while_all_of_them_is_right() {
        let ids: Vec<u32> = (0..50).chain(0..4).collect();
        let mut drafts = Drafts::default();
        for (length, right) in [(3, 3), (7, 7), (15, 15), (15, 14), (3, 2), (3, 3), (7, 0), (3, 3)] {
            assert_eq!(drafts.draft(&ids, 99).len(), length);
            drafts.learn(length, right);
        }
        assert_eq!(drafts.draft(&ids, 2).len(), 2);
    }

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
