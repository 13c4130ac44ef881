//! Telephone numbers: with a plus or 00 before the country; by the plan of North America; with a trunk zero; in
//! groups as nothing else is written; and any number that the words before it call one.
//!
//! # Source
//! ITU-T E.164 (at most 15 digits) and E.123 (how they are written); the North American Numbering Plan.

mod groups;

use std::ops::Range;

use super::ascii_fold::{before, byte_at, is_word, joins, run_end};
use super::{PiiLabel, Recogniser};
use groups::Groups;

/// Where the number that these digits start with ends, if it is one of that form.
type Form = fn(&Groups) -> Option<usize>;

const FORMS: [Form; 6] = [international, north_american, mobile_of_india, with_trunk_zero, grouped, called];

/// A telephone number.
pub const PHONE: Recogniser = Recogniser {
    label: PiiLabel::new("PHONE"),
    find: phones,
    #[cfg(test)]
    slow: &["(1) ", "+1", "0 ", "call "],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: Some(valid::phone),
};

/// Every telephone number in `text`, with its extension.
pub fn phones(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let groups = may_start(text, at).then(|| Groups::read(text, at));
        let ends = groups.iter().flat_map(|groups| FORMS.iter().filter_map(|form| form(groups)));
        match ends.max() {
            Some(end) => {
                let end = extension_end(text, end);
                found.push(at..end);
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

/// Whether a number may start at `at`: not in a word, and not in a longer number or a date.
fn may_start(text: &[u8], at: usize) -> bool {
    let previous = before(text, at);
    let goes_on = matches!(previous, b'-' | b'.' | b'/' | b':') && before(text, at - 1).is_ascii_digit();
    let starts = text[at].is_ascii_digit() || matches!(text[at], b'+' | b'(');
    starts && !joins(previous) && previous != b'+' && !goes_on
}

/// `+49 30 1234567`, `+41 (0)21 345 67 89`, `0049 30 1234567`, `011 49 30 1234567`.
fn international(groups: &Groups) -> Option<usize> {
    if groups.has_plus() {
        return groups.end(7..=15).filter(|_| groups.digits(1) != b"0");
    }
    let dialled_out = (groups.digits(2) == b"00" && groups.digits(3) != b"000") || groups.first() == b"011";
    groups.end(9..=18).filter(|end| dialled_out && *end > groups.first_end())
}

/// `212-555-0123`, `(212) 555-0123`, `1 212 555 0123`, `212.555.0123`, `212-5550123`, `2125550123`.
fn north_american(groups: &Groups) -> Option<usize> {
    if groups.has_plus() {
        return None;
    }
    let country = usize::from(groups.first() == b"1" || groups.first() == b"001");
    let count = [&[3, 3, 4][..], &[3, 7], &[10], &[11]]
        .into_iter()
        .find(|form| groups.lengths(country).starts_with(form))?
        .len();
    let end = groups.end_of(country + count)?;
    // Numbers with hyphens or dots have the form. Others have to be ones of the plan.
    let has_form = count > 1 && groups.gap(country + 1) != b' ';
    let digits = groups.digits(18);
    let digits = digits.strip_prefix(groups.first()).filter(|_| country == 1).unwrap_or(&digits);
    let planned = is_planned(digits.strip_prefix(b"1").unwrap_or(digits));
    let free = country + count > 1 || stands_alone(groups, end);
    ((has_form || planned) && free && !matches!(groups.gap(country + count), b'-' | b'.')).then_some(end)
}

/// The area from 200 on and its second digit not 9; the exchange from 200 on.
fn is_planned(digits: &[u8]) -> bool {
    digits.len() >= 10 && digits[0] >= b'2' && digits[1] <= b'8' && digits[3] >= b'2'
}

/// `9876543210`, `98765 43210`.
fn mobile_of_india(groups: &Groups) -> Option<usize> {
    let count = [&[10][..], &[5, 5]].into_iter().find(|form| groups.lengths(0).starts_with(form))?.len();
    groups.end_of(count).filter(|end| groups.digits(1)[0] >= b'6' && stands_alone(groups, *end))
}

/// `020 7946 0958`, `(07700) 900123`, `030/1234567`, `06 12 34 56 78`, `07700900123`.
fn with_trunk_zero(groups: &Groups) -> Option<usize> {
    let groups = groups.even();
    let trunk = !groups.has_plus() && groups.digits(1) == b"0" && groups.digits(2) != b"00" && groups.first().len() > 1;
    let end = groups.end(9..=12)?;
    let bare = end == groups.first_end();
    let dated = groups.gap(2) == b'/';
    (trunk && !dated && (!bare || (stands_alone(&groups, end) && groups.first().len() < 12))).then_some(end)
}

/// `(11) 7113-8192`, `28-64-27-85`, `0660 475 13 89`, `67 788 02 83`: an area in parentheses and a hyphen, or
/// four groups and more of which the last two are pairs.
fn grouped(groups: &Groups) -> Option<usize> {
    let lengths = groups.lengths(0);
    let separator = groups.gap(2);
    if groups.has_plus() || groups.first() == b"0" {
        return None;
    }
    if byte_at(groups.text, groups.at) == b'(' && separator == b'-' && lengths[0] <= 3 {
        return groups.end_of(3).filter(|_| lengths[1..3].iter().all(|length| (3..=4).contains(length)));
    }
    let count = (4..=5).rev().find(|count| {
        let Some(lengths) = lengths.get(..*count) else { return false };
        let digits: usize = lengths.iter().sum();
        let alike = (1..*count).all(|gap| groups.gap(gap) == separator);
        // Pairs with spaces between them could be anything.
        let pairs_alone = separator == b' ' && digits == count * 2;
        let sized = lengths.iter().all(|length| (2..=4).contains(length)) && lengths.ends_with(&[2, 2]);
        alike && sized && !pairs_alone && (8..=11).contains(&digits)
    })?;
    groups.end_of(count).filter(|_| matches!(groups.gap(count), 0 | b' '))
}

/// Whether a bare number is not part of a name, a path or a sum of money.
fn stands_alone(groups: &Groups, end: usize) -> bool {
    let Groups { text, at, .. } = *groups;
    let follows = match before(text, at) {
        b'-' => joins(before(text, at - 1)),
        previous => matches!(previous, b'#' | b'$' | b'_' | b'/' | b'='),
    };
    let next = byte_at(text, end);
    let goes_on = matches!(next, b'-' | b'_' | b'.' | b'/' | b'=') && byte_at(text, end + 1).is_ascii_digit();
    !follows && !joins(next) && !goes_on
}

/// A number behind `phone:`, `call me at` and the like.
fn called(groups: &Groups) -> Option<usize> {
    /// How far before it the word may stand, and how many words may be between.
    const NEAR: (usize, usize) = (24, 2);
    const NAMES: [&str; 16] = [
        "phone",
        "telephone",
        "tel",
        "mobile",
        "cell",
        "fax",
        "call",
        "dial",
        "whatsapp",
        "sms",
        "telefon",
        "telefono",
        "handy",
        "portable",
        "landline",
        "ring",
    ];
    let end = groups.end(6..=15)?;
    let Groups { text, at, .. } = *groups;
    let words = text[at.saturating_sub(NEAR.0)..at].to_ascii_lowercase();
    let words = words.split(|byte| !is_word(*byte)).filter(|word| !word.is_empty());
    let named = words.rev().take(NEAR.1 + 1).any(|word| NAMES.iter().any(|name| word == name.as_bytes()));
    named.then_some(end)
}

/// Where the extension behind a number ends: `x123`, `ext. 123`; the number's own end without one.
fn extension_end(text: &[u8], end: usize) -> usize {
    let skip = |at: usize, byte: u8| at + usize::from(byte_at(text, at) == byte);
    let name = skip(skip(end, b','), b' ');
    let name_end = run_end(text, name, |byte| byte.is_ascii_alphabetic()).min(name + 10);
    let words = text.get(name..name_end).unwrap_or(&[]).to_ascii_lowercase();
    if !["x", "ext", "extn", "extension"].iter().any(|known| words == known.as_bytes()) {
        return end;
    }
    let digits = skip(skip(name_end, b'.'), b' ');
    let digits_end = run_end(text, digits, |byte| byte.is_ascii_digit());
    if (1..=7).contains(&(digits_end - digits)) { digits_end } else { end }
}

/// Valid values, made at random.
#[cfg(all(test, not(target_family = "wasm")))]
mod valid {
    use proptest::prelude::*;

    use super::super::valid_values::{digits, grouped};

    pub fn phone() -> BoxedStrategy<String> {
        let forms = vec![
            "+1 AAA-EEE-NNNN",
            "(AAA) EEE-NNNN",
            "AAA-EEE-NNNN",
            "AAA.EEE.NNNN",
            "AAA EEE NNNN",
            "AAAEEENNNN",
            "1-AAA-EEE-NNNN x12",
            "001-AAA-EEE-NNNN",
        ];
        let national = (prop::sample::select(forms), 200..1000_u32, 200..1000_u32, digits(4)).prop_map(
            |(form, area, exchange, line)| {
                let area = if area / 10 % 10 == 9 { area - 10 } else { area };
                form.replace("AAA", &area.to_string()).replace("EEE", &exchange.to_string()).replace("NNNN", &line)
            },
        );
        let international =
            (1..100_u32, digits(12), 6_usize..12, prop::sample::select(vec!["", " ", "-", "."]), 2_usize..5).prop_map(
                |(country, digits, count, separator, size)| {
                    format!("+{country}{separator}{}", grouped(&digits[..count], size, separator))
                },
            );
        prop_oneof![national, international].boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    /// Numbers that are set aside for examples, or that say nothing.
    const NUMBERS: [&str; 45] = [
        "+12125550123",
        "+1 212 555 0123",
        "+1 (212) 555-0123",
        "+1-212-555-0123",
        "+44 20 7946 0958",
        "+44 (0)20 7946 0958",
        "+447700900123",
        "+49 30 1234567",
        "+49-30-123456-78",
        "+41 (0)21 345 67 89",
        "+46 (0)8 123 456 78",
        "+91 98765 43210",
        "+33.6.12.34.56.78",
        "+683 4123",
        "0049 30 1234567",
        "00 44 7700 900123",
        "001-212-555-0123",
        "011 49 30 1234567",
        "212-555-0123",
        "212.555.0123",
        "212/555-0123",
        "212 555 0123",
        "(212) 555-0123",
        "(212)555-0123",
        "(212) 555 0123",
        "1-212-555-0123",
        "1 (212) 555-0123",
        "2125550123",
        "12125550123",
        "123-4567890",
        "212-555-0123x123",
        "(212) 555-0123 ext. 4567",
        "+1-212-555-0123 x 89",
        "020 7946 0958",
        "07700 900123",
        "(07700) 900 123",
        "07700900123",
        "030/1234567",
        "06 12 34 56 78",
        "9876543210",
        "(11) 7113-8192",
        "(88) 158-1700",
        "28-64-27-85",
        "0660 475 13 89",
        "67 788 02 83",
    ];

    #[test]
    fn numbers() {
        for number in NUMBERS {
            for text in [
                number.to_string(),
                format!("({number}), or"),
                format!("a: {number}."),
                format!("{number}-Office\\,b"),
                format!("\n{number}\n12"),
            ] {
                assert_eq!(found(phones, &text), [number], "{text}");
            }
        }
        assert_eq!(found(phones, "212-555-0123,212-555-0124"), ["212-555-0123", "212-555-0124"]);
        assert_eq!(found(phones, "Phone:\n1234567"), ["1234567"]);
        assert_eq!(found(phones, "please call me at 555-0123"), ["555-0123"]);
        assert_eq!(found(phones, "＋49 30‑1234567"), ["＋49 30‑1234567"]);
    }

    #[test]
    fn other_numbers() {
        for text in [
            "2026-11-24 10:20:30",
            "24.11.2026 10:20",
            "01-02-2023 12:30",
            "02/08/29/193225",
            "1795478400",
            "1234567",
            "100 200 3000",
            "1 000 000 000",
            "order-2125550123",
            "A2125550123",
            "$2125550123",
            "/2125550123/",
            "123-456-789-0123",
            "12-345-678-9012",
            "123-456-7890-1234",
            "3.141592653589793",
            "978-3-16-148410-0",
            "192.168.100.200",
            "+1",
            "+123456",
            "+0123456789",
            "1e+1234567890",
            "(212)",
            "0",
            "0000000000",
            "12 34 56 78 90",
            "call 911",
            "0.1234567890",
            "12:345:678:9012",
        ] {
            assert_eq!(found(phones, text), [""; 0], "{text}");
        }
    }
}
