//! Digits in groups, as numbers that people dial are written.

use std::ops::{Range, RangeInclusive};

use super::super::ascii_fold::{byte_at, run_end};

/// No number that can be dialled has more digits, the ones to dial out included.
const MAX_DIGITS: usize = 18;

/// Groups of digits, with a space, a hyphen, a dot or a slash between them, or with parentheses.
#[derive(Clone)]
pub struct Groups<'a> {
    /// The text that they are in.
    pub text: &'a [u8],
    /// Where they start, with a plus or a parenthesis where there is one.
    pub at: usize,
    ranges: Vec<Range<usize>>,
    /// What stands behind each group: a separator, or `(` for parentheses; a zero where the groups end.
    gaps: Vec<u8>,
}

impl<'a> Groups<'a> {
    /// The groups from `at` on. A plus may be before them; the first may be in parentheses, not all of them.
    pub fn read(text: &'a [u8], at: usize) -> Self {
        let mut groups = Self { text, at, ranges: Vec::new(), gaps: Vec::new() };
        let mut start = at + usize::from(groups.has_plus());
        let opened = byte_at(text, start) == b'(';
        start += usize::from(opened);
        let mut digits = 0;
        while byte_at(text, start).is_ascii_digit() {
            let end = run_end(text, start, |byte| byte.is_ascii_digit());
            digits += end - start;
            let (gap, next) = gap(text, end);
            let of_sentence = opened && groups.ranges.is_empty() && (gap == 0 || byte_at(text, end) != b')');
            if digits > MAX_DIGITS || of_sentence {
                break;
            }
            groups.ranges.push(start..end);
            groups.gaps.push(gap);
            if gap == 0 {
                break;
            }
            start = next;
        }
        groups
    }

    /// The first groups that look like one number: what stands between them is the same, but for the first
    /// gap, and behind the first each has from two to eight digits.
    pub fn even(&self) -> Self {
        let gaps = self.gaps.get(1..).unwrap_or(&[]);
        let same = gaps.iter().take_while(|gap| **gap == gaps[0]).count();
        let sized = self.ranges.iter().skip(1).take_while(|range| (2..=8).contains(&range.len())).count();
        let mut even = self.clone();
        even.ranges.truncate((same + 2).min(sized + 1));
        even
    }

    /// Whether a plus is before them.
    pub fn has_plus(&self) -> bool {
        byte_at(self.text, self.at) == b'+'
    }

    /// Where the most groups end that have so many digits together.
    pub fn end(&self, count: RangeInclusive<usize>) -> Option<usize> {
        let mut digits = 0;
        let sums = self.ranges.iter().map(|range| {
            digits += range.len();
            (digits, range.end)
        });
        sums.filter(|(digits, _)| count.contains(digits)).last().map(|(_, end)| end)
    }

    /// Where so many groups end.
    pub fn end_of(&self, groups: usize) -> Option<usize> {
        self.ranges.get(groups.checked_sub(1)?).map(|range| range.end)
    }

    /// Where the first group ends.
    pub fn first_end(&self) -> usize {
        self.ranges.first().map_or(0, |range| range.end)
    }

    /// The first group.
    pub fn first(&self) -> &'a [u8] {
        self.ranges.first().map_or(&[], |range| &self.text[range.clone()])
    }

    /// How long the groups are from that one on.
    pub fn lengths(&self, from: usize) -> Vec<usize> {
        self.ranges.iter().skip(from).map(Range::len).collect()
    }

    /// What stands behind so many groups.
    pub fn gap(&self, groups: usize) -> u8 {
        groups.checked_sub(1).and_then(|last| self.gaps.get(last)).copied().unwrap_or(0)
    }

    /// The first digits, so many where there are.
    pub fn digits(&self, count: usize) -> Vec<u8> {
        self.ranges.iter().flat_map(|range| &self.text[range.clone()]).take(count).copied().collect()
    }
}

/// What stands at `at`, and where the digits behind it start: one separator, or parentheses with one or two.
fn gap(text: &[u8], at: usize) -> (u8, usize) {
    let near = &text[..text.len().min(at + 3)];
    let end = run_end(near, at, |byte| b" -./()".contains(&byte));
    let between = &text[at..end];
    let parentheses = between.iter().any(|byte| matches!(byte, b'(' | b')'));
    match between {
        _ if !byte_at(text, end).is_ascii_digit() => (0, end),
        [] => (0, end),
        _ if parentheses => (b'(', end),
        [separator] => (*separator, end),
        _ => (0, end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_groups() {
        let groups = Groups::read(b"(030) 123-45.6", 0);
        assert_eq!((groups.lengths(0), groups.first()), (vec![3, 3, 2, 1], &b"030"[..]));
        assert_eq!((0..5).map(|groups_before| groups.gap(groups_before)).collect::<Vec<_>>(), [0, b'(', b'-', b'.', 0]);
        assert_eq!((groups.end(4..=8), groups.end_of(2), groups.end(10..=11)), (Some(12), Some(9), None));
        assert_eq!(groups.digits(4), b"0301");
        assert_eq!(groups.even().lengths(0), [3, 3, 2]);
    }

    #[test]
    fn groups_end_where_others_begin() {
        for (text, lengths) in [
            (&b"12  34"[..], vec![2]),
            (b"12 - 34", vec![2]),
            (b"12\n34", vec![2]),
            (b"12-", vec![2]),
            (b"x", vec![]),
            (b"", vec![]),
            (b"12345678901234567890", vec![]),
            (b"12 12345678901234567", vec![2]),
            (b"1(2)3", vec![1, 1, 1]),
        ] {
            assert_eq!(Groups::read(text, 0).lengths(0), lengths, "{text:?}");
        }
    }
}
