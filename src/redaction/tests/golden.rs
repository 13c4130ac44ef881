//! Against `tests/golden/redaction`, which phonenumbers, python-stdnum, detect-secrets and unicodedata2 wrote.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::super::spans::merged;
use super::*;

/// A text, and where the value in it starts and ends.
type Case = (String, usize, usize);

#[derive(Deserialize)]
struct Phones {
    international: Vec<Case>,
    national: Vec<Case>,
    named: Vec<Case>,
}

#[derive(Deserialize)]
struct Numbers {
    cards: Vec<Case>,
    ibans: Vec<Case>,
    ssns: Vec<Case>,
}

fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/redaction").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What is taken out of `text`.
fn taken(text: &str) -> Vec<(usize, usize, String)> {
    let spans = merged(text, recognise(text));
    spans.into_iter().map(|span| (span.start, span.end, span.label.name().to_string())).collect()
}

/// Each value is taken out, from its first character to its last and no further.
fn assert_found(name: &str, cases: &[Case], label: &str) {
    let wrong = cases.iter().filter(|(text, start, end)| taken(text) != [(*start, *end, label.to_string())]);
    let wrong: Vec<String> =
        wrong.map(|(text, start, end)| format!("{:?} in {text:?}: {}", &text[*start..*end], mask(text))).collect();
    assert!(wrong.is_empty(), "{} of {} {name}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn telephone_numbers_of_all_countries() {
    let Phones { international, national, named } = read("phones.json");
    assert_found("international numbers", &international, "PHONE");
    assert_found("numbers behind a word for a telephone", &named, "PHONE");
    assert_found("national numbers", &national, "PHONE");
}

#[test]
fn numbers_with_a_check() {
    let Numbers { cards, ibans, ssns } = read("numbers.json");
    assert_found("cards", &cards, "CARD");
    assert_found("IBANs", &ibans, "IBAN");
    assert_found("social security numbers", &ssns, "SSN");
}

#[test]
fn secrets_of_known_issuers() {
    let cases: Vec<Case> = read("secrets.json");
    // A URL with a password goes as a URL.
    let (urls, secrets) = cases.into_iter().partition::<Vec<_>, _>(|(text, ..)| text.contains("://ann:"));
    assert_found("secrets", &secrets, "SECRET");
    assert_found("URLs", &urls, "URL");
}

#[test]
fn nothing_is_taken_out_of_near_misses() {
    let texts: Vec<String> = read("near_misses.json");
    let wrong: Vec<String> = texts
        .iter()
        .map(|text| mask(text))
        .zip(&texts)
        .filter(|(masked, text)| masked != *text)
        .map(|(masked, _)| masked)
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), texts.len(), wrong.join("\n"));
}

#[test]
fn the_digits_of_all_scripts() {
    let zeros: Vec<(String, String)> = read("digits.json");
    for (code, zero) in zeros {
        let zero = zero.chars().next().unwrap() as u32;
        let digits: String = (zero..zero + 10).filter_map(char::from_u32).collect();
        assert_eq!(Folded::new(&digits).bytes(), b"0123456789", "{code}");
    }
}
