//! Redaction as it is done before a text is delegated, with the real model.

use pilot_light::redaction::redact;
use pilot_light::tasks::Task;

use crate::support::{fetched, load, minilm};

/// A text with the values in it that must not leave.
const TEXTS: [(&str, &[&str]); 4] = [
    (
        "Hi, this is Jane Doe of 12 High Street, Springfield, IL 62704. Card 4111 1111 1111 1111, jane@example.org.",
        &["Jane", "Doe", "12", "High", "Street", "Springfield", "62704", "4111 1111 1111 1111", "jane@example.org"],
    ),
    ("my name is jakob müller and i live in münchen", &["jakob", "müller", "münchen"]),
    (
        "Bitte an Łukasz Żak,\nul. Długa 7/3\n00-238 Warszawa 😀",
        &["Łukasz", "Żak", "Długa", "7/3", "00-238", "Warszawa"],
    ),
    ("The meeting is at ten, and nobody is named.", &[]),
];

#[test]
fn no_value_is_left_and_all_come_back() {
    let model = load(&fetched("models/rampart"), Task::TokenClassification);
    let texts = TEXTS.map(|(text, _)| text.to_string());
    let found = pollster::block_on(model.find_pii(&texts)).expect("the model runs");
    for ((text, values), found) in TEXTS.iter().zip(found) {
        let redaction = redact(&[(*text, found)]);
        let redacted = &redaction.texts()[0];
        for value in *values {
            assert!(!redacted.contains(value), "{value} is left in {redacted}");
        }
        assert_eq!(redaction.replaced().is_empty(), values.is_empty(), "{redacted}");
        assert_eq!(redaction.restore(redacted), *text);
    }
}

/// A long text is read in windows, and what is found in the last of them as well as in the first.
#[test]
fn a_long_text_is_looked_through_to_its_end() {
    let model = load(&fetched("models/rampart"), Task::TokenClassification);
    let filler = "The weather was as it mostly is at this time of the year. ".repeat(120);
    let text = format!("{filler}I am Jane Doe and live in Springfield.");
    let found = pollster::block_on(model.find_pii(std::slice::from_ref(&text))).expect("the model runs");
    let found: Vec<&str> = found[0].iter().map(|data| &text[data.start..data.end]).collect();
    assert!(["Jane", "Doe", "Springfield"].iter().all(|value| found.contains(value)), "{found:?}");
}

#[test]
fn a_model_that_finds_no_tokens_is_no_redactor() {
    let model = load(&minilm(), Task::FeatureExtraction);
    assert!(pollster::block_on(model.find_pii(&["Jane".to_string()])).is_err());
}
