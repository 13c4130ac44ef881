//! Redaction: the text comes back as it was, whether the reply comes whole or in pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilot_light::redaction::redact;

fuzz_target!(|text: &str| {
    let redaction = redact(&[(text, Vec::new())]);
    let redacted = &redaction.texts()[0];
    assert_eq!(redaction.restore(redacted), text);
    let mut restorer = redaction.restorer();
    let mut pieces: String = redacted.split_inclusive(char::is_whitespace).map(|piece| restorer.feed(piece)).collect();
    pieces.push_str(&restorer.end());
    assert_eq!(pieces, text);
});
