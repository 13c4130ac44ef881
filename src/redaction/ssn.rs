//! Social security numbers of the USA.
//!
//! # Source
//! Social Security Administration, "Social Security Number Randomization": no area 000, 666 or from 900 on,
//! no group 00, no serial 0000.

use std::ops::Range;

use super::ascii_fold::{before, byte_at, joins, run_end, run_start};
use super::separators::{Separator, separator};
use super::{PiiLabel, Recogniser};

/// How far before a bare number its name may stand.
const NAME_WITHIN: usize = 40;

/// A social security number of the USA.
pub const SSN: Recogniser = Recogniser {
    label: PiiLabel::new("SSN"),
    find: ssns,
    #[cfg(test)]
    slow: &["ssn ", "1-"],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: Some(valid::ssn),
};

/// Every such number in `text` with hyphens, spaces or dots; in one where the text says before what it is.
pub fn ssns(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if !text[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        // A number goes on over hyphens and dots: part of a longer one is not one.
        let end = run_end(text, at, |byte| byte.is_ascii_digit() || byte == b'-');
        let length = if joins(before(text, at)) { None } else { ssn_length(text, at) };
        match length {
            Some(length) => {
                found.push(at..at + length);
                at += length;
            }
            None => at = end,
        }
    }
    found
}

fn ssn_length(text: &[u8], at: usize) -> Option<usize> {
    let digits_end = |at: usize| run_end(&text[..text.len().min(at + 10)], at, |byte| byte.is_ascii_digit());
    // What is between two groups. Spaces may be between any numbers, spaced hyphens rarely are.
    let gap = |at: usize| {
        let plain = |gap: &Separator| !gap.wide || gap.sign == b'-';
        separator(text, at).filter(plain).filter(|gap| matches!(gap.sign, b'-' | b' ' | b'.'))
    };
    let first = digits_end(at);
    let (digits, end) = if first == at + 9 && is_named(text, at) {
        (text[at..first].to_vec(), first)
    } else {
        let one = gap(first).filter(|_| first == at + 3)?;
        let second = digits_end(one.end);
        let two =
            gap(second).filter(|two| second == one.end + 2 && two.sign == one.sign && !(two.broken && one.broken))?;
        let end = digits_end(two.end);
        ([&text[at..first], &text[one.end..second], &text[two.end..end]].concat(), end)
    };
    let next = byte_at(text, end);
    if digits.len() != 9 || joins(next) || (next == b'-' && byte_at(text, end + 1).is_ascii_digit()) {
        return None;
    }
    let (area, group, serial) = (&digits[..3], &digits[3..5], &digits[5..]);
    let right = area != b"000" && area != b"666" && area[0] != b'9' && group != b"00" && serial != b"0000";
    right.then_some(end - at)
}

/// Whether the words before `at` say that this is such a number.
fn is_named(text: &[u8], at: usize) -> bool {
    let from = at.saturating_sub(NAME_WITHIN);
    let words = text[run_start(text, from, at, |byte| byte != b'\n')..at].to_ascii_lowercase();
    [&b"ssn"[..], b"social security", b"social sec"]
        .iter()
        .any(|name| words.windows(name.len()).any(|window| window == *name))
}

/// Valid values, made at random.
#[cfg(all(test, not(target_family = "wasm")))]
mod valid {
    use proptest::prelude::*;

    pub fn ssn() -> BoxedStrategy<String> {
        let area = (1_u32..900).prop_filter("no such area", |area| *area != 666);
        (area, 1..100_u32, 1..10_000_u32, prop::sample::select(vec!["-", " ", " - "]))
            .prop_map(|(area, group, serial, separator)| {
                format!("{area:03}{separator}{group:02}{separator}{serial:04}")
            })
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn numbers() {
        for (text, number) in [
            ("123-45-6789", "123-45-6789"),
            ("SSN: 899 99 9999.", "899 99 9999"),
            ("(001-01-0001)", "001-01-0001"),
            ("is 665.01.0001,", "665.01.0001"),
            ("her SSN is 123456789", "123456789"),
            ("Social Security No. 123456789", "123456789"),
            ("123‑45‑6789", "123‑45‑6789"),
            ("is 123 - 45 - 6789", "123 - 45 - 6789"),
            ("is 123-45-\n6789.", "123-45-\n6789"),
            ("is 123\u{A0}45\u{A0}6789", "123\u{A0}45\u{A0}6789"),
            ("१२३-४५-६७८९", "१२३-४५-६७८९"),
        ] {
            assert_eq!(found(ssns, text), [number], "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "000-45-6789",
            "666-45-6789",
            "900-45-6789",
            "123-00-6789",
            "123-45-0000",
            "123-45 6789",
            "123  45  6789",
            "123\n45\n6789",
            "123-45-67890",
            "1123-45-6789",
            "2-123-45-6789",
            "123-45-6789-1",
            "123456789",
            "ssn: 1234567890",
            "ssn\n123456789",
            "123-45-678",
        ] {
            assert_eq!(found(ssns, text), [""; 0], "{text}");
        }
    }
}
