//! What is allowed is allowed by llguidance as well (`tests/golden/constraint`).

use serde::Deserialize;

use super::{Constraint, Matcher, Vocabulary, schemas};

#[derive(Deserialize)]
struct Case {
    schema: Option<usize>,
    pattern: Option<usize>,
    text: String,
    allowed: Vec<String>,
    complete: Vec<bool>,
}

fn golden(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/golden/constraint/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
}

#[test]
fn every_byte_that_is_allowed_is_one_that_the_reference_allows() {
    let vocabulary = Vocabulary::new();
    let cases: Vec<Case> = serde_json::from_str(&golden("llguidance.json")).unwrap();
    let patterns: Vec<String> = serde_json::from_str(&golden("patterns.json")).unwrap();
    let schemas = schemas::written();
    let (mut places, mut equal, mut ends) = (0, 0, 0);
    for case in cases {
        let constraint = match (case.schema, case.pattern) {
            (Some(number), _) => Constraint::json_schema(&schemas[number]),
            (_, number) => Constraint::regex(&patterns[number.unwrap()]),
        };
        let mut matcher = Matcher::unbounded(&constraint.unwrap(), &vocabulary.trie).unwrap();
        let text = hex(&case.text);
        for at in 0..=text.len() {
            // The bytes of the golden set are in the order of big-endian numbers.
            let expected = hex(&case.allowed[at]);
            let expected = |byte: u8| expected[31 - usize::from(byte) / 8] >> (byte % 8) & 1 == 1;
            let mask = matcher.allowed(100_000);
            let mut is_equal = true;
            for byte in 0..=u8::MAX {
                let is_allowed = mask.contains(u32::from(byte));
                is_equal &= is_allowed == expected(byte);
                let before = String::from_utf8_lossy(&text[..at]);
                let number = (case.schema, case.pattern);
                assert!(!is_allowed || expected(byte), "{:?} after {before} under {number:?}", char::from(byte));
            }
            assert!(case.complete[at] || !matcher.is_complete());
            places += 1;
            equal += usize::from(is_equal && case.complete[at] == matcher.is_complete());
            match text.get(at) {
                // What is written in another way here, such as other orders of properties and longer numbers.
                Some(&byte) if matcher.accept(&[byte]).is_err() => break,
                Some(_) => {}
                None => ends += 1,
            }
        }
    }
    assert!(places > 2000 && equal > 1000 && ends > 50, "{places} places, {equal} of them equal, {ends} whole texts");
}
