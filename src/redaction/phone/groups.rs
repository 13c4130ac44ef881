//! Digits in groups, as numbers that people dial are written.

use std::ops::{Range, RangeInclusive};

use super::super::ascii_fold::{byte_at, run_end};
use super::super::separators::{Separator, separator};
use super::calling_codes;

/// No number that can be dialled has more digits, the ones to dial out included.
const MAX_DIGITS: usize = 18;
/// From so many digits on a number within a country may be whole.
const MAY_BE_WHOLE: usize = 10;

/// Groups of digits with separators between them.
#[derive(Clone)]
pub struct Groups<'a> {
    /// The text that they are in.
    pub text: &'a [u8],
    /// Where they start, with a plus or a parenthesis where there is one.
    pub at: usize,
    /// How many of the first are in parentheses.
    pub area: usize,
    ranges: Vec<Range<usize>>,
    /// What stands behind each group; `None` where they end.
    gaps: Vec<Option<Separator>>,
}

impl<'a> Groups<'a> {
    /// The groups from `at` on. A plus may be before them; the first ones may be in parentheses, not all of them. A line may
    /// end between two of them. What may be a whole number ends with its line, and before two spaces that
    /// are not its separator.
    pub fn read(text: &'a [u8], at: usize) -> Self {
        let mut groups = Self { text, at, area: 0, ranges: Vec::new(), gaps: Vec::new() };
        let mut start = at + usize::from(groups.has_plus());
        let opened = byte_at(text, start) == b'(';
        start += usize::from(opened);
        start += usize::from(opened && byte_at(text, start) == b' ');
        let (mut digits, mut broken, mut spaced) = (0, false, false);
        while byte_at(text, start).is_ascii_digit() {
            let end = run_end(text, start, |byte| byte.is_ascii_digit());
            digits += end - start;
            groups.ranges.push(start..end);
            let gap = separator(text, end).filter(|gap| {
                let apart = gap.broken || (gap.wide && gap.sign == b' ' && !spaced);
                byte_at(text, gap.end).is_ascii_digit() && !(gap.broken && broken) && !(apart && groups.may_be_whole())
            });
            let parenthesis = gap.and_then(|gap| text[end..gap.end].iter().find(|byte| matches!(byte, b'(' | b')')));
            if opened && groups.area == 0 && parenthesis == Some(&b')') {
                groups.area = groups.ranges.len();
            }
            let inner = opened && groups.area == 0 && parenthesis.is_some();
            if digits > MAX_DIGITS || inner {
                groups.ranges.pop();
                break;
            }
            groups.gaps.push(gap);
            let Some(gap) = gap else { break };
            broken |= gap.broken;
            spaced |= gap.wide && !gap.broken && gap.sign == b' ';
            start = gap.end;
        }
        if opened && groups.area == 0 {
            groups.ranges.clear();
            groups.gaps.clear();
        }
        groups
    }

    /// The groups before the end of a line; `None` where no line ends between them.
    pub fn first_line(&self) -> Option<Self> {
        let last = self.gaps.iter().position(|gap| gap.is_some_and(|gap| gap.broken))?;
        let mut line = self.clone();
        line.ranges.truncate(last + 1);
        line.gaps.truncate(last);
        line.gaps.push(None);
        Some(line)
    }

    /// The first groups that look like one number: what stands between them is the same, but for the first
    /// gap, and behind the first each has from two to nine digits.
    pub fn even(&self) -> Self {
        let sign = |gap: &Option<Separator>| gap.map(|gap| gap.sign);
        let gaps = self.gaps.get(1..).unwrap_or(&[]);
        // A line may end at any place.
        let is_same = |gap: &&Option<Separator>| sign(gap) == sign(&gaps[0]) || gap.is_some_and(|gap| gap.broken);
        let same = gaps.iter().take_while(is_same).count();
        let sized = self.ranges.iter().skip(1).take_while(|range| (2..=9).contains(&range.len())).count();
        let mut even = self.clone();
        even.ranges.truncate((same + 2).min(sized + 1));
        even
    }

    /// Whether a plus is before them.
    pub fn has_plus(&self) -> bool {
        byte_at(self.text, self.at) == b'+'
    }

    /// Whether they are enough digits for a number, the zero of `+41 (0)21` aside.
    pub fn may_be_whole(&self) -> bool {
        let digits = self.digits(MAX_DIGITS);
        let dialled_out = [&b"00"[..], b"011"].into_iter().find_map(|prefix| digits.strip_prefix(prefix));
        match if self.has_plus() { Some(&digits[..]) } else { dialled_out } {
            Some(abroad) => {
                abroad.len().saturating_sub(usize::from(self.group(1) == b"0")) >= calling_codes::shortest(abroad)
            }
            None => digits.len() >= MAY_BE_WHOLE,
        }
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

    /// Where the last group ends.
    pub fn last_end(&self) -> usize {
        self.ranges.last().map_or(0, |range| range.end)
    }

    /// The first group.
    pub fn first(&self) -> &'a [u8] {
        self.group(0)
    }

    /// The group of that index; empty behind the last.
    pub fn group(&self, index: usize) -> &'a [u8] {
        self.ranges.get(index).map_or(&[], |range| &self.text[range.clone()])
    }

    /// How long the groups are from that one on.
    pub fn lengths(&self, from: usize) -> Vec<usize> {
        self.ranges.iter().skip(from).map(Range::len).collect()
    }

    /// The sign of what stands behind so many groups; 0 where they end.
    pub fn gap(&self, groups: usize) -> u8 {
        self.separator(groups).map_or(0, |gap| gap.sign)
    }

    /// Whether any of the first gaps, so many, is a hyphen, a dot or a slash with spaces around it.
    pub fn is_spread(&self, gaps: usize) -> bool {
        self.gaps.iter().take(gaps).flatten().any(|gap| gap.wide && !gap.broken && gap.sign != b' ')
    }

    /// The first digits, so many where there are.
    pub fn digits(&self, count: usize) -> Vec<u8> {
        self.ranges.iter().flat_map(|range| &self.text[range.clone()]).take(count).copied().collect()
    }

    fn separator(&self, groups: usize) -> Option<Separator> {
        groups.checked_sub(1).and_then(|last| *self.gaps.get(last)?)
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
        let groups = Groups::read(b"( 030 ) 12  34 - 56\n78", 0);
        assert_eq!((groups.lengths(0), groups.is_spread(2), groups.is_spread(3)), (vec![3, 2, 2, 2, 2], false, true));
        let line = groups.first_line().unwrap();
        assert_eq!((line.lengths(0), line.gap(4), line.last_end()), (vec![3, 2, 2, 2], 0, 19));
        assert!(line.first_line().is_none());
    }

    #[test]
    fn groups_end_where_others_begin() {
        for (text, lengths) in [
            (&b"12   34"[..], vec![2]),
            (b"12, 34", vec![2]),
            (b"12\n\n34", vec![2]),
            (b"12\n34\n56", vec![2, 2]),
            (b"12-", vec![2]),
            (b"x", vec![]),
            (b"", vec![]),
            (b"12345678901234567890", vec![]),
            (b"12 12345678901234567", vec![2]),
            (b"1234567890  12", vec![10]),
            (b"1234567890 12", vec![10, 2]),
            (b"1234567890\n12", vec![10]),
            (b"1(2)3", vec![1, 1, 1]),
            (b"(12 34)", vec![]),
            (b"(12-34) 56", vec![2, 2, 2]),
            (b"(1 (23) 45)", vec![]),
        ] {
            assert_eq!(Groups::read(text, 0).lengths(0), lengths, "{text:?}");
        }
    }
}
