//! Prompt lookup: what followed the same tokens earlier on is tried as a draft of what follows now.
//!
//! # Source
//! Saxena 2023, <https://github.com/apoorvumang/prompt-lookup-decoding>.

/// The most tokens that must be the same.
const LONGEST: usize = 4;
/// The fewest tokens that must be the same.
const SHORTEST: usize = 2;
/// Tokens of a draft. It is read with the token before it, and the kernels compute four rows at once: a longer one costs as much
/// for each of its tokens.
const LENGTH: usize = 3;
/// Tokens of a draft that must be right for the draft to pay: reading it takes about as long as one more token by itself.
const PAYS: i32 = 1;
/// What is kept of earlier gains and losses, in tokens.
const KEPT: i32 = 3;
/// The tokens that are searched.
const REACH: usize = 4096;

/// The drafts of a reply.
#[derive(Default)]
pub(super) struct Drafts {
    /// The tokens that the last drafts have gained. Where they have lost some, only the surest drafts are tried.
    balance: i32,
}

impl Drafts {
    /// At most `most` tokens that followed the last occurrence of the longest end of `ids` that occurred before; empty where
    /// none did.
    pub fn draft<'a>(&self, ids: &'a [u32], most: usize) -> &'a [u32] {
        let found = following(ids, if self.balance < 0 { LONGEST } else { SHORTEST });
        &found[..found.len().min(most).min(LENGTH)]
    }

    /// Takes in that the first `right` tokens of a draft were right.
    pub fn learn(&mut self, right: usize) {
        self.balance = (self.balance + right as i32 - PAYS).clamp(-KEPT, KEPT);
    }
}

/// What followed the last occurrence of the longest end of `ids` that occurred before, of `shortest` tokens at least.
fn following(ids: &[u32], shortest: usize) -> &[u32] {
    let recent = &ids[ids.len().saturating_sub(REACH)..];
    for length in (shortest..=LONGEST).rev() {
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
        let found = following(ids, SHORTEST);
        &found[..found.len().min(most)]
    }

    #[test]
    fn drafts_that_do_not_pay_need_a_longer_end() {
        let ids = [1, 2, 3, 4, 5, 9, 2, 3];
        let sure = [1, 2, 3, 4, 5, 9, 1, 2, 3, 4];
        let mut drafts = Drafts::default();
        assert_eq!(drafts.draft(&ids, 99), [4, 5, 9]);
        assert_eq!(drafts.draft(&ids, 2), [4, 5]);
        drafts.learn(1);
        assert_eq!(drafts.draft(&ids, 99).len(), 3, "it has paid");
        drafts.learn(0);
        assert_eq!(drafts.draft(&ids, 99), [0; 0]);
        assert_eq!(drafts.draft(&sure, 99), [5, 9, 1]);
        drafts.learn(2);
        assert_eq!(drafts.draft(&ids, 99).len(), 3);
        // No loss or gain counts for ever.
        (0..99).for_each(|_| drafts.learn(0));
        (0..2).for_each(|_| drafts.learn(3));
        assert_eq!(drafts.draft(&ids, 99).len(), 3);
        (0..99).for_each(|_| drafts.learn(3));
        (0..4).for_each(|_| drafts.learn(0));
        assert!(drafts.draft(&ids, 99).is_empty());
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
