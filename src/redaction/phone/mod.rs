//! Telephone numbers: with a plus or 00 before the country; as they are written within a country, where nothing else is
//! written so; and any number that the words before it call one.
//!
//! # Source
//! ITU-T E.164 (at most 15 digits) and E.123 (how they are written).

mod calling_codes;
mod groups;
mod national;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::ascii_fold::{before, byte_at, is_word, joins, run_end};
use super::{PiiLabel, Recogniser};
use groups::Groups;

/// Where the number that these digits start with ends, if it is one of that form.
type Form = fn(&Groups) -> Option<usize>;

const FORMS: [Form; 10] = [
    international,
    national::north_american,
    national::mobile_of_india,
    national::mobile_of_china,
    national::russian,
    national::with_trunk_zero,
    national::with_area_in_parentheses,
    national::in_pairs,
    national::in_groups,
    called,
];

/// A telephone number.
pub const PHONE: Recogniser = Recogniser {
    label: PiiLabel::new("PHONE"),
    find: phones,
    #[cfg(test)]
    slow: &["(1) ", "+1", "0 ", "call ", "1\n", "(1 2 ", "1 - ", "+1\n"],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: Some(valid::phone),
};

/// Every telephone number in `text`, with its extension.
pub fn phones(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = if may_start(text, at) { number_end(&Groups::read(text, at)) } else { None };
        match end {
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

/// Where the number that these groups start with ends.
fn number_end(groups: &Groups) -> Option<usize> {
    let end = |groups: &Groups| FORMS.iter().filter_map(|form| form(groups)).max();
    let Some(line) = groups.first_line() else { return end(groups) };
    // What a line has is one number or another on the next: one that goes on takes all of its digits.
    let both = || end(groups).filter(|end| *end == groups.last_end() && goes_on(groups, &line));
    if !line.has_plus() || line.may_be_whole() { end(&line).or_else(both) } else { both().or_else(|| end(&line)) }
}

/// Whether the digits on the next line may be of the number on this one. With a plus, they make it whole, or are more than
/// two, or as many as in the group before; without, they are not two rows of a table.
fn goes_on(groups: &Groups, line: &Groups) -> bool {
    let (text, end) = (groups.text, groups.last_end());
    let is_text = groups.at == 0 && end == text.len();
    let starts = groups.at == 0 || before(text, groups.at) == b'\n';
    let ends = end == text.len() || byte_at(text, end) == b'\n';
    let (here, next) = (line.lengths(0), groups.lengths(line.lengths(0).len()));
    let sized = next.iter().sum::<usize>() > 2 || here.last() == next.first();
    // The line may begin with a date.
    let dated = matches!(next[..], [4, 2, 2, ..] | [1 | 2, 1 | 2, 4, ..]);
    if dated {
        return false;
    }
    if line.has_plus() { sized || groups.may_be_whole() } else { is_text || !(starts && ends) }
}

/// `+49 30 1234567`, `+41 (0)21 345 67 89`, `0049 30 1234567`, `011 49 30 1234567`.
fn international(groups: &Groups) -> Option<usize> {
    if groups.has_plus() {
        return groups.end(7..=15).filter(|_| groups.digits(1) != b"0");
    }
    let first = groups.first();
    let dialled_out = (first.starts_with(b"00") && groups.digits(3) != b"000") || first == b"011";
    groups.end(9..=18).filter(|end| dialled_out && *end > groups.first_end())
}

/// A number behind `phone:`, `call me at` and the like.
fn called(groups: &Groups) -> Option<usize> {
    /// How far before it the word may stand, and how many words may be between.
    const NEAR: (usize, usize) = (24, 2);
    const NAMES: [&str; 40] = [
        "phone",
        "phones",
        "telephone",
        "tel",
        "telef",
        "mobile",
        "mobil",
        "movil",
        "cell",
        "cel",
        "celular",
        "cellulare",
        "cellphone",
        "fax",
        "call",
        "dial",
        "ring",
        "whatsapp",
        "viber",
        "sms",
        "telefon",
        "telefono",
        "telefone",
        "telefonnummer",
        "telefoon",
        "telefoonnummer",
        "telefonszam",
        "telemovel",
        "telefonu",
        "rufnummer",
        "handy",
        "handynummer",
        "festnetz",
        "mobilnummer",
        "portable",
        "landline",
        "gsm",
        "fon",
        "puhelin",
        "phonenumber",
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
        let international = (
            1..100_u32,
            digits(12),
            6_usize..12,
            prop::sample::select(vec!["", " ", "-", ".", "  ", " - ", " / "]),
            2_usize..5,
        )
            .prop_map(|(country, digits, count, separator, size)| {
                format!("+{country}{separator}{}", grouped(&digits[..count], size, separator))
            });
        prop_oneof![national, international].boxed()
    }
}
