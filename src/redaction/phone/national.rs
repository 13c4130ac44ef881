//! Telephone numbers as they are written within a country.
//!
//! # Source
//! The North American Numbering Plan; the national formats of libphonenumber for the others.

use super::super::ascii_fold::{before, byte_at, is_word, joins, run_end};
use super::groups::Groups;

/// `212-555-0123`, `(212) 555-0123`, `1 212 555 0123`, `212.555.0123`, `212-5550123`, `2125550123`.
pub fn north_american(groups: &Groups) -> Option<usize> {
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
    let has_form = count > 1 && groups.gap(country + 1) != b' ' && !groups.is_spread(country + count - 1);
    let digits = groups.digits(18);
    let digits = digits.strip_prefix(groups.first()).filter(|_| country == 1).unwrap_or(&digits);
    let planned = is_planned(digits.strip_prefix(b"1").unwrap_or(digits));
    let free = country + count > 1 || stands_alone(groups, end);
    // A page and a year, or a row of numbers.
    let other = (count == 3 && groups.gap(country + 2) == b'(')
        || (!has_form && groups.lengths(country + count).starts_with(&[4, 4]));
    ((has_form || planned) && free && !other && !matches!(groups.gap(country + count), b'-' | b'.')).then_some(end)
}

/// The area from 200 on and its second digit not 9; the exchange from 200 on.
fn is_planned(digits: &[u8]) -> bool {
    digits.len() >= 10 && digits[0] >= b'2' && digits[1] <= b'8' && digits[3] >= b'2'
}

/// `9876543210`, `98765 43210`.
pub fn mobile_of_india(groups: &Groups) -> Option<usize> {
    let count = [&[10][..], &[5, 5]].into_iter().find(|form| groups.lengths(0).starts_with(form))?.len();
    groups.end_of(count).filter(|end| groups.digits(1)[0] >= b'6' && stands_alone(groups, *end))
}

/// `13800138000`, `138 0013 8000`, `86 138-0013-8000`.
pub fn mobile_of_china(groups: &Groups) -> Option<usize> {
    let country = usize::from(groups.first() == b"86");
    let count = [&[11][..], &[3, 4, 4]].into_iter().find(|form| groups.lengths(country).starts_with(form))?.len();
    let end = groups.end_of(country + count)?;
    let is_mobile = matches!(groups.group(country), [b'1', b'3'..=b'9', ..]);
    (is_mobile && !groups.has_plus() && !groups.is_spread(country + count - 1) && stands_alone(groups, end))
        .then_some(end)
}

/// `8 (912) 345-67-89`, `8 912 345 67 89`, `8-912-345-67-89`, `89123456789`; 7 without its plus.
pub fn russian(groups: &Groups) -> Option<usize> {
    let (country, area) = match groups.first() {
        [country, rest @ ..] if rest.len() == 10 => (country, &rest[..3]),
        [country] => (country, groups.group(1)),
        _ => return None,
    };
    let planned =
        !groups.has_plus() && matches!(country, b'7' | b'8') && matches!(area, [b'3' | b'4' | b'7'..=b'9', _, _]);
    let bare = groups.first().len() == 11;
    // Of bare numbers those of mobiles alone: the others could be anything.
    let end = groups.end(11..=11).filter(|_| planned && (!bare || area[0] == b'9'))?;
    let sized = bare || groups.lengths(1).iter().take_while(|length| **length >= 2).sum::<usize>() >= 10;
    (sized && stands_alone(groups, end)).then_some(end)
}

/// `020 7946 0958`, `(07700) 900123`, `030/1234567`, `030 / 1234567`, `06 12 34 56 78`, `07700900123`.
pub fn with_trunk_zero(groups: &Groups) -> Option<usize> {
    let groups = groups.even();
    let trunk = !groups.has_plus() && groups.digits(1) == b"0" && groups.digits(2) != b"00" && groups.first().len() > 1;
    let end = groups.end(9..=12)?;
    let bare = end == groups.first_end();
    // The end of a card with another check digit.
    let in_row = goes_before(&groups) && groups.lengths(0) == [4, 4, 4];
    let dated = groups.gap(2) == b'/' || (groups.gap(1) == b'/' && is_year(groups.group(1)));
    (trunk && !dated && !in_row && (!bare || (stands_alone(&groups, end) && groups.first().len() < 12))).then_some(end)
}

/// `(11) 98765-4321`, `(912) 345-67-89`, `(55) 1234 5678`, `(88) 158-1700`, `(0-312) 34567`, `(2) 2123 4567`, `(1) 995-8140`.
pub fn with_area_in_parentheses(groups: &Groups) -> Option<usize> {
    let area: Vec<u8> = (0..groups.area).flat_map(|index| groups.group(index)).copied().collect();
    if is_year(&area) {
        return None;
    }
    let lengths = groups.lengths(groups.area);
    let count = (1..=lengths.len()).find(|count| {
        let digits: usize = lengths[..*count].iter().sum();
        // What follows a number in parentheses may be other numbers, unless a hyphen is in it or the area has a zero.
        let hyphen = groups.gap(groups.area + 1) == b'-';
        let sized = match area[..] {
            [] | [b'0', b'0', ..] | [_, _, _, _, _, _, ..] => false,
            [_] => match lengths[..*count] {
                [4, 4] => !(is_year(groups.group(1)) && is_year(groups.group(2))),
                [3 | 4, 3 | 4] => hyphen,
                _ => false,
            },
            [b'0', _, _, ..] => (5..=9).contains(&digits),
            _ => (7..=9).contains(&digits) || (digits == 6 && hyphen),
        };
        let goes_on = matches!(groups.gap(groups.area + count), b'-' | b'.');
        sized && lengths[..*count].iter().all(|length| *length >= 2) && !goes_on
    })?;
    let count = groups.area + count;
    groups.end_of(count).filter(|_| !groups.is_spread(count))
}

/// `28-64-27-85`, `0660 475 13 89`, `67 788 02 83`: four groups and more of which the last two are pairs.
pub fn in_pairs(groups: &Groups) -> Option<usize> {
    let lengths = groups.lengths(0);
    let separator = groups.gap(2);
    if groups.has_plus() || groups.first() == b"0" || groups.area > 0 {
        return None;
    }
    let count = (4..=5).rev().find(|count| {
        let Some(lengths) = lengths.get(..*count) else { return false };
        let digits: usize = lengths.iter().sum();
        let alike = (1..*count).all(|gap| groups.gap(gap) == separator) && !groups.is_spread(count - 1);
        // Pairs with spaces between them could be anything.
        let pairs_alone = separator == b' ' && digits == count * 2;
        let sized = lengths.iter().all(|length| (2..=4).contains(length)) && lengths.ends_with(&[2, 2]);
        alike && sized && !pairs_alone && (8..=11).contains(&digits)
    })?;
    groups.end_of(count).filter(|_| matches!(groups.gap(count), 0 | b' '))
}

/// `612 345 678`, `512-345-678`, `347 123 4567`, `11 98765-4321`: groups as sums of money, dates and lists rarely have
/// them.
pub fn in_groups(groups: &Groups) -> Option<usize> {
    let lengths = groups.lengths(0);
    let (first, separator) = (groups.digits(2), groups.gap(1));
    if groups.has_plus() || groups.area > 0 || goes_before(groups) || groups.is_spread(2) || groups.gap(3) != 0 {
        return None;
    }
    let is_form = match lengths[..] {
        // Mobiles of Spain, Poland, Portugal, Czechia and others; not round numbers with spaces.
        [3, 3, 3] => {
            let round = groups.group(2) == b"000";
            first[0] >= b'5' && !round && separator == groups.gap(2) && matches!(separator, b' ' | b'-')
        }
        // Mobiles of Italy and Greece.
        [3, 3, 4] => (first[0] == b'3' || first == b"69") && separator == b' ' && groups.gap(2) == b' ',
        // Brazil, Argentina, Mexico.
        [2, 4 | 5, 4] => {
            let years = is_year(groups.group(1)) && is_year(groups.group(2));
            first[0] >= b'1' && separator == b' ' && groups.gap(2) == b'-' && !years
        }
        _ => false,
    };
    groups.end_of(3).filter(|end| is_form && !is_amount(groups, *end) && stands_alone(groups, *end))
}

/// Whether a digit and a space are before the groups.
fn goes_before(groups: &Groups) -> bool {
    let head = groups.text[..groups.at].strip_suffix(b" ");
    head.is_some_and(|head| head.last().is_some_and(u8::is_ascii_digit))
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

/// Whether a number is a sum or a quantity: a currency before it, or a decimal, a currency or a unit behind it.
fn is_amount(groups: &Groups, end: usize) -> bool {
    const UNITS: [&str; 24] = [
        "eur",
        "euro",
        "euros",
        "usd",
        "gbp",
        "chf",
        "jpy",
        "yen",
        "pln",
        "czk",
        "sek",
        "nok",
        "dkk",
        "rub",
        "inr",
        "dollars",
        "bytes",
        "kb",
        "mb",
        "km",
        "kg",
        "people",
        "inhabitants",
        "times",
    ];
    let Groups { text, at, .. } = *groups;
    let space = |at: usize| usize::from(byte_at(text, at) == b' ');
    let head = &text[..at];
    let head = head.strip_suffix(b" ").unwrap_or(head);
    let currency = head.len() >= 3
        && head[head.len() - 3..].iter().all(u8::is_ascii_uppercase)
        && is_one_of(&head[head.len() - 3..], &UNITS);
    let decimal = matches!(byte_at(text, end), b',' | b'.') && byte_at(text, end + 1).is_ascii_digit();
    let unit = end + space(end);
    let unit_end = run_end(&text[..text.len().min(unit + 12)], unit, is_word);
    let follows =
        matches!(byte_at(text, unit), b'$' | b'%') || is_one_of(text.get(unit..unit_end).unwrap_or(&[]), &UNITS);
    head.ends_with(b"$") || currency || decimal || follows
}

fn is_one_of(word: &[u8], words: &[&str]) -> bool {
    words.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether these digits are a year of this century or the one before.
fn is_year(digits: &[u8]) -> bool {
    matches!(digits, [b'1', b'9', _, _] | [b'2', b'0', _, _])
}
