//! International bank account numbers.
//!
//! # Source
//! ISO 13616: country, two check digits, the account; modulo 97 of all is 1. Lengths: the IBAN registry, and
//! the countries that use IBANs without having registered them.

use std::ops::Range;

use super::ascii_fold::{before, byte_at, joins};
use super::separators::separator;
use super::{PiiLabel, Recogniser};

/// Each country with the length of its IBANs.
const LENGTHS: &str = "\
AD24AE23AL28AT20AX18AZ28BA20BE16BG22BH22BI27BL27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18\
FR27GB22GE22GF27GG22GI23GL18GP27GR27GT28HN28HR21HU28IE22IL23IM22IQ23IS26IT27JE22JO30KW30KZ20LB28LC32LI21LT20LU20\
LV21LY25MC27MD24ME22MF27MK19MN20MQ27MR27MT31MU30NC27NI28NL18NO15OM23PF27PK24PL28PM27PS29PT25QA29RE27RO24RS22RU33\
SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TF27TL23TN24TR26UA29VA22VG24WF27XK20YE30YT27\
AO25BF28BJ28CF27CG27CI28CM27CV25DZ26GA27GQ27GW25IR26KM27MA28MG27ML28MZ25NE28SN28TD27TG28";

/// An international bank account number.
pub const IBAN: Recogniser = Recogniser {
    label: PiiLabel::new("IBAN"),
    find: ibans,
    #[cfg(test)]
    slow: &["DE89 ", "de1", "DE1\n"],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: Some(valid::iban),
};

/// Every IBAN in `text`, in one, with a space or a hyphen anywhere, or with other separators between groups of four and a
/// line that ends anywhere.
pub fn ibans(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let labelled = at >= 4 && text[at - 4..at].eq_ignore_ascii_case(b"iban");
        let starts = text[at].is_ascii_alphabetic() && (labelled || !joins(before(text, at)));
        match starts.then(|| iban_end(text, at)).flatten() {
            Some(end) => {
                found.push(at..end);
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

fn iban_end(text: &[u8], at: usize) -> Option<usize> {
    let country = text.get(at..at + 2)?.to_ascii_uppercase();
    let entry = LENGTHS.as_bytes().chunks_exact(4).find(|entry| entry[..2] == country)?;
    let length = usize::from(entry[2] - b'0') * 10 + usize::from(entry[3] - b'0');
    let mut characters = Vec::with_capacity(length);
    let mut offset = at;
    let mut between_groups = true;
    while characters.len() < length {
        let byte = byte_at(text, offset);
        if byte.is_ascii_alphanumeric() {
            characters.push(byte);
            offset += 1;
            continue;
        }
        let gap =
            separator(text, offset).filter(|gap| characters.len() > 1 && matches!(gap.sign, b' ' | b'-' | b'.'))?;
        if (gap.wide || gap.sign == b'.') && !characters.len().is_multiple_of(4) {
            // One line may end within a group.
            if !(gap.broken && between_groups) {
                return None;
            }
            between_groups = false;
        }
        offset = gap.end;
    }
    let checked = characters[2..4].iter().all(u8::is_ascii_digit) && mod_97(&characters) == 1;
    (checked && looks_like_one(&characters) && !joins(byte_at(text, offset))).then_some(offset)
}

/// Whether it is not a sentence that happens to pass: small letters or capitals, and enough digits.
fn looks_like_one(characters: &[u8]) -> bool {
    let has = |kind: fn(&u8) -> bool| characters.iter().filter(|byte| kind(byte)).count();
    let mixed = has(u8::is_ascii_lowercase) > 0 && has(u8::is_ascii_uppercase) > 0;
    !mixed && has(u8::is_ascii_digit) * 4 >= characters.len()
}

/// The number modulo 97, the first four characters behind the others and letters as 10 to 35.
fn mod_97(characters: &[u8]) -> u32 {
    let (head, tail) = characters.split_at(4);
    tail.iter().chain(head).fold(0, |rest, character| match (*character as char).to_digit(36) {
        Some(value) if value > 9 => (rest * 100 + value) % 97,
        value => (rest * 10 + value.unwrap_or(0)) % 97,
    })
}

/// Valid values, made at random.
#[cfg(all(test, not(target_family = "wasm")))]
mod valid {
    use proptest::prelude::*;

    use super::super::valid_values::{digits, grouped};

    /// The account first, then the country and 00, letters as numbers: 98 minus the rest by 97 is the check.
    pub fn iban() -> BoxedStrategy<String> {
        let countries =
            vec![("NO", 11), ("DE", 18), ("GB", 18), ("FR", 23), ("MT", 27), ("LC", 28), ("RU", 29), ("PL", 24)];
        (
            prop::sample::select(countries),
            digits(30),
            "[A-Z]{8}",
            prop::sample::select(vec!["", " ", "  ", ".", " - ", "\n"]),
            any::<bool>(),
        )
            .prop_map(|((country, length), digits, letters, separator, small)| {
                let account: String = letters[..length / 4].chars().chain(digits.chars()).take(length).collect();
                let values = format!("{account}{country}00")
                    .chars()
                    .filter_map(|char| char.to_digit(36))
                    .fold(0, |rest, value| (if value > 9 { rest * 100 + value } else { rest * 10 + value }) % 97);
                let iban = grouped(&format!("{country}{:02}{account}", 98 - values), 4, separator);
                if small { iban.to_lowercase() } else { iban }
            })
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    /// The registry's own examples.
    const EXAMPLES: [&str; 12] = [
        "DE89370400440532013000",
        "GB29 NWBK 6016 1331 9268 19",
        "FR1420041010050500013M02606",
        "NO93 8601 1117 947",
        "MT84MALT011000012345MTLCAST001S",
        "LC55HEMM000100010012001200023015",
        "SC18SSCB11010000000000001497USD",
        "BR1800360305000010009795493C1",
        "CH93-0076-2011-6238-5295-7",
        "pl61109010140000071219812874",
        "SA0380000000608010167519",
        "VG96VPVG0000012345678901",
    ];

    #[test]
    fn the_registrys_examples() {
        for iban in EXAMPLES {
            for text in [iban.to_string(), format!("to {iban} and"), format!("IBAN{iban}."), format!("({iban})")] {
                assert_eq!(found(ibans, &text), [iban], "{text}");
            }
        }
    }

    #[test]
    fn with_other_separators() {
        for iban in [
            "DE89  3704  0044  0532  0130  00",
            "DE89.3704.0044.0532.0130.00",
            "GB29.NWBK.6016.1331.9268.19",
            "DE89 3704 0044\n0532 0130 00",
            "DE8937040044\r\n  0532013000",
            "DE89 3704 00\n44 0532 0130 00",
            "DE89 - 3704 - 0044 - 0532 - 0130 - 00",
            "DE89\u{A0}3704\u{2009}0044\u{202F}0532\u{A0}0130\u{A0}00",
            "DE89–3704–0044–0532–0130–00",
            "DE٨٩ ٣٧٠٤ ٠٠٤٤ ٠٥٣٢ ٠١٣٠ ٠٠",
            "ＤＥ８９３７０４００４４０５３２０１３０００",
        ] {
            for text in [iban.to_string(), format!("to {iban} and"), format!("IBAN: {iban}.")] {
                assert_eq!(found(ibans, &text), [iban], "{text}");
            }
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "DE88370400440532013000",
            "DE8937040044053201300",
            "DE893704004405320130000",
            "ZZ89370400440532013000",
            "xDE89370400440532013000",
            "DE89   3704 0044 0532 0130 00",
            "DE8  93704 0044 0532 0130 00",
            "DE8.9370.4004.4053.2013.000",
            "DEAB370400440532013000",
            "at 610 Vazquez Turnpike",
            "D",
        ] {
            assert_eq!(found(ibans, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn each_country_has_one_length() {
        let countries: std::collections::BTreeSet<&[u8]> =
            LENGTHS.as_bytes().chunks_exact(4).map(|entry| &entry[..2]).collect();
        assert_eq!(countries.len() * 4, LENGTHS.len());
    }
}
