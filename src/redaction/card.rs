//! Numbers of payment cards.
//!
//! # Source
//! ISO/IEC 7812-1: up to 19 digits of which the first name the issuer and the last is Luhn's check digit.

use std::ops::Range;

use super::ascii_fold::{before, byte_at};
use super::separators::separator;
use super::{PiiLabel, Recogniser};

const SHORTEST: usize = 12;
const LONGEST: usize = 19;

/// The number of a payment card.
pub const CARD: Recogniser = Recogniser {
    label: PiiLabel::new("CARD"),
    find: cards,
    #[cfg(test)]
    slow: &["1", "1 ", "4111 ", "4111\n", "1."],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: Some(valid::card),
};

/// Every card number in `text`, its digits in one, with a space or a hyphen between groups, or with other separators
/// between the groups of a card.
pub fn cards(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let starts = text[at].is_ascii_digit() && !before(text, at).is_ascii_digit();
        match starts.then(|| card_end(text, at)).flatten() {
            Some(end) => {
                found.push(at..end);
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

/// Where the longest card number that starts at `at` ends.
fn card_end(text: &[u8], at: usize) -> Option<usize> {
    let mut digits = Vec::with_capacity(LONGEST);
    // How many digits are before each separator, and before the end of a line.
    let (mut gaps, mut line) = (Vec::new(), None);
    let mut plain = true;
    let mut end = None;
    let mut offset = at;
    while digits.len() < LONGEST && byte_at(text, offset).is_ascii_digit() {
        digits.push(text[offset] - b'0');
        offset += 1;
        if byte_at(text, offset).is_ascii_digit() {
            continue;
        }
        // Two halves that a line ends between, of a card and not of a table.
        let halves = || line.is_some() && digits.len() == 16 && matches!(gaps[..], [4 | 8 | 12]);
        let grouped = || is_grouped(&gaps, line, digits.len()) || (halves() && !is_row(text, at..offset));
        if is_issued(&digits) && luhn(&digits) && (plain || grouped()) {
            end = Some(offset);
        }
        let Some(gap) = separator(text, offset).filter(|gap| matches!(gap.sign, b' ' | b'-' | b'.')) else { break };
        plain &= !gap.wide && gap.sign != b'.';
        if gap.broken && line.replace(digits.len()).is_some() {
            break;
        }
        gaps.push(digits.len());
        offset = gap.end;
    }
    end
}

/// Whether the digits, so many, are in the groups of a card: separators that are not plain may be between other numbers.
/// A line may end anywhere in it.
fn is_grouped(gaps: &[usize], line: Option<usize>, digits: usize) -> bool {
    let fours: Vec<usize> = (4..digits).step_by(4).collect();
    let groups = |gaps: &[usize]| gaps == fours || (matches!(digits, 14 | 15) && gaps == [4, 10]);
    let without_line: Vec<usize> = gaps.iter().copied().filter(|gap| Some(*gap) != line).collect();
    groups(gaps) || groups(&without_line)
}

/// Whether it fills its lines, and more lines are there: two numbers of a table.
fn is_row(text: &[u8], range: Range<usize>) -> bool {
    let starts = range.start == 0 || before(text, range.start) == b'\n';
    let ends = range.end == text.len() || byte_at(text, range.end) == b'\n';
    starts && ends && range.len() < text.len()
}

/// Whether a card with these digits may exist: who issues it, and how long its number is.
fn is_issued(digits: &[u8]) -> bool {
    let number = |count: usize| digits.iter().take(count).fold(0_u32, |sum, digit| sum * 10 + u32::from(*digit));
    match digits.len() {
        // Maestro.
        ..SHORTEST => false,
        SHORTEST => matches!(number(2), 50 | 56..=58 | 63 | 67) || number(4) == 604,
        // Visa's old ones, Diners Club, American Express.
        13 | 14 => matches!(number(1), 4) || matches!(number(2), 30 | 36 | 38 | 39 | 50 | 56..=58 | 63 | 67),
        15 => {
            matches!(number(2), 30 | 34 | 37 | 50 | 56..=58 | 63 | 67) || matches!(number(4), 1800 | 2131 | 2014 | 2149)
        }
        // Mir and Mastercard's new ones; travel and banking; RuPay's.
        _ => matches!(number(1), 2..=6) || matches!(number(2), 81 | 82),
    }
}

/// Whether the last digit is the check of the others: every second one, from the right, counts double.
fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, digit)| u32::from(if i % 2 == 0 { *digit } else { doubled(*digit) }))
        .sum();
    sum.is_multiple_of(10)
}

/// Valid values, made at random.
#[cfg(all(test, not(target_family = "wasm")))]
mod valid {
    use proptest::prelude::*;

    use super::super::valid_values::{digits, grouped};

    /// The digits with the one behind them that makes them pass Luhn's check.
    fn with_luhn(digits: &str) -> String {
        let sum: u32 = digits
            .bytes()
            .rev()
            .enumerate()
            .map(|(index, byte)| match (u32::from(byte - b'0'), index % 2) {
                (digit, 0) => digit * 2 / 10 + digit * 2 % 10,
                (digit, _) => digit,
            })
            .sum();
        format!("{digits}{}", (10 - sum % 10) % 10)
    }

    pub fn card() -> BoxedStrategy<String> {
        let issuers = vec![
            ("4", 16),
            ("4", 13),
            ("4", 19),
            ("52", 16),
            ("2300", 16),
            ("34", 15),
            ("37", 15),
            ("6011", 16),
            ("36", 14),
            ("3530", 16),
            ("62", 17),
            ("6759", 12),
        ];
        (
            prop::sample::select(issuers),
            digits(19),
            prop::sample::select(vec!["", " ", "-", "  ", ".", " - ", "\u{A0}"]),
        )
            .prop_map(|((issuer, length), digits, separator)| {
                let number = with_luhn(&format!("{issuer}{}", &digits[..length - 1 - issuer.len()]));
                grouped(&number, 4, separator)
            })
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    /// The numbers that the networks give out for tests.
    const NUMBERS: [&str; 15] = [
        "4111111111111111",
        "4012888888881881",
        "4222222222222",
        "4000 0566 5566 5556",
        "5555-5555-5555-4444",
        "5105 1051 0510 5100",
        "2223003122003222",
        "3782 822463 10005",
        "371449635398431",
        "6011111111111117",
        "6011 0009 9013 9424",
        "3056 930902 5904",
        "36227206271667",
        "3566002020360505",
        "6304 0000 0000 0000",
    ];

    #[test]
    fn the_networks_own_numbers() {
        for number in NUMBERS {
            for text in [
                number.to_string(),
                format!("card {number}, 12/27"),
                format!("No.{number}."),
                format!("7 {number} 123"),
            ] {
                assert_eq!(found(cards, &text), [number], "{text}");
            }
        }
    }

    #[test]
    fn with_other_separators() {
        for number in [
            "4111  1111  1111  1111",
            "4111  1111 1111 1111",
            "4111.1111.1111.1111",
            "4111 - 1111 - 1111 - 1111",
            "4111 1111\n1111 1111",
            "4111 1111 1111-\n1111",
            "4111 11\r\n  11 1111 1111",
            "41111111\n11111111",
            "3782.822463.10005",
            "3782.8224.6310.005",
            "4111\u{A0}1111\u{202F}1111\u{A0}1111",
            "4111·1111·1111·1111",
            "4111–1111—1111‑1111",
            "𝟒𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏",
            "૪૧૧૧૧૧૧૧૧૧૧૧૧૧૧૧",
            "๔๑๑๑-๑๑๑๑-๑๑๑๑-๑๑๑๑",
        ] {
            for text in [number.to_string(), format!("card {number}, 12/27"), format!("No. {number}\nand")] {
                assert_eq!(found(cards, &text), [number], "{text}");
            }
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "4111111111111112",
            "1234567890123456",
            "0000000000000000",
            "41111111111111110",
            "94111111111111111",
            "4111   1111 1111 1111",
            "411  111111  1111111",
            "4111\n1111\n1111 1111",
            "41111111\n11111111\n12345678",
            "1795478400000",
        ] {
            assert_eq!(found(cards, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn one_wrong_digit_is_always_seen() {
        let right: Vec<u8> = NUMBERS[0].bytes().map(|byte| byte - b'0').collect();
        for (index, wrong) in (0..right.len()).flat_map(|index| (1..10).map(move |wrong| (index, wrong))) {
            let mut digits = right.clone();
            digits[index] = (digits[index] + wrong) % 10;
            assert!(!luhn(&digits));
        }
    }
}
