//! Passwords, keys and tokens that nothing but the words before them gives away: `password: …`, `api_key=…`.

use std::ops::Range;

use super::ascii_fold::{before, byte_at, find, is_word, run_end};
use super::{PiiLabel, Recogniser};

/// Words, small and without hyphens, that end in one of these name a secret.
const NAMES: [&str; 20] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "authkey",
    "accountkey",
    "sharedkey",
    "signingkey",
    "encryptionkey",
    "licensekey",
    "credential",
    "credentials",
    "bearer",
];
/// The same, as words of their own.
const WHOLE_NAMES: [&str; 8] = ["key", "pass", "pw", "sig", "signature", "authorization", "auth", "basic"];
/// Words that may stand between the name and the secret.
const FILLERS: [&str; 10] = ["is", "was", "are", "to", "the", "key", "value", "code", "as", "set"];
/// The longest word that is looked up.
const MAX_NAME: usize = 48;
/// How many characters may stand between the words.
const MAX_GAP: usize = 8;
/// The longest secret in quotes.
const MAX_QUOTED: usize = 512;

/// A key, a token or a password that the words before it name.
pub const ASSIGNED_SECRET: Recogniser = Recogniser {
    label: PiiLabel::new("SECRET"),
    find: secrets,
    #[cfg(test)]
    slow: &["password ", "key=\"", "password: is "],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: None,
};

/// Every secret in `text` that the words before it name and that looks like one.
pub fn secrets(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if !is_word(text[at]) {
            at += 1;
            continue;
        }
        let end = name_end(text, at);
        let secret = if is_name(&text[at..end]) { secret_after(text, at, end) } else { None };
        at = secret.as_ref().map_or(end, |secret| secret.end);
        found.extend(secret);
    }
    found
}

fn name_end(text: &[u8], at: usize) -> usize {
    run_end(text, at, |byte| is_word(byte) || matches!(byte, b'_' | b'-'))
}

fn is_name(word: &[u8]) -> bool {
    // Long words end like short ones.
    let word = &word[word.len().saturating_sub(MAX_NAME)..];
    let letters = word.iter().filter(|byte| !matches!(byte, b'_' | b'-')).map(u8::to_ascii_lowercase);
    let letters: Vec<u8> = letters.collect();
    NAMES.iter().any(|name| letters.ends_with(name.as_bytes()))
        || WHOLE_NAMES.iter().any(|name| letters == name.as_bytes())
        || word.to_ascii_lowercase().ends_with(b"_key")
}

/// The secret behind the name from `start` to `end`, which may have a word or two in between.
fn secret_after(text: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let is_query = matches!(before(text, start), b'?' | b'&');
    let mut at = end;
    for _ in 0..3 {
        let is_gap = |byte: u8| byte.is_ascii_whitespace() || b"\"'`:=>()[]{}*|".contains(&byte);
        let gap_end = run_end(&text[..text.len().min(at + MAX_GAP)], at, is_gap);
        if gap_end == at {
            return None;
        }
        let quote = Some(text[gap_end - 1]).filter(|byte| b"\"'`".contains(byte));
        let value = gap_end..value_end(text, gap_end, quote, is_query);
        let word = text[value.clone()].to_ascii_lowercase();
        if !FILLERS.iter().any(|filler| word == filler.as_bytes()) {
            return looks_secret(&text[value.clone()]).then_some(value);
        }
        at = value.end;
    }
    None
}

/// Where the value that starts at `at` ends: with its quote, or with its word.
fn value_end(text: &[u8], at: usize, quote: Option<u8>, is_query: bool) -> usize {
    if let Some(quote) = quote {
        let near = &text[..text.len().min(at + MAX_QUOTED)];
        let end = run_end(near, at, |byte| byte != quote && byte != b'\n');
        if byte_at(near, end) == quote {
            return end;
        }
    }
    let ends = |byte: u8| {
        byte.is_ascii_whitespace() || b"\"'`<>,;".contains(&byte) || (is_query && matches!(byte, b'&' | b'#'))
    };
    let end = run_end(text, at, |byte| !ends(byte));
    let last = text[at..end].iter().rposition(|byte| !b".:)]}?*".contains(byte));
    at + last.map_or(0, |last| last + 1)
}

/// Whether it is not a word of a language: long enough, of more than one sort of characters, and of enough
/// different ones, which stands for a measure of its entropy.
fn looks_secret(value: &[u8]) -> bool {
    const SHORTEST: usize = 8;
    // An exclamation is of the sentence as well as of a password; an address or a path is not one.
    let value = value.strip_suffix(b"!").unwrap_or(value);
    if find(value, 0, b"://").is_some() || value.starts_with(b"~/") {
        return false;
    }
    let mut seen = [false; 256];
    value.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let different = seen.iter().filter(|seen| **seen).count();
    let has = |kind: fn(&u8) -> bool| value.iter().any(kind);
    let letters = has(u8::is_ascii_alphabetic) || value.iter().any(|byte| !byte.is_ascii());
    let small_then_capital = value.windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    let symbols = value.iter().any(|byte| byte.is_ascii_punctuation() && !b"-_./'".contains(byte));
    let mixed = letters && (has(u8::is_ascii_digit) || small_then_capital || symbols);
    value.len() >= SHORTEST && different >= 5 && mixed && !value.iter().any(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn what_is_named_a_secret() {
        for (text, secret) in [
            ("password: hunter2hunter", "hunter2hunter"),
            ("My password is Tr0ub4dor&3!", "Tr0ub4dor&3!"),
            ("PASSWORD=\"correct;h0rse\"", "correct;h0rse"),
            ("{\"api_key\": \"4fTq9xLmZ2wR8vNc7yKd\"}", "4fTq9xLmZ2wR8vNc7yKd"),
            ("OPENAI_API_KEY=4fTq9xLmZ2wR8vNc", "4fTq9xLmZ2wR8vNc"),
            ("the API key is '4fTq9xLmZ2wR8vNc'.", "4fTq9xLmZ2wR8vNc"),
            ("Authorization: Bearer 4fTq9xLmZ2wR8vNc.", "4fTq9xLmZ2wR8vNc"),
            ("authorization: Basic YWxhZGRpbjpvcGVuc2VzYW1l", "YWxhZGRpbjpvcGVuc2VzYW1l"),
            (
                "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            ),
            ("https://x.y/?access_token=4fTq9xLmZ2wR&b=c", "4fTq9xLmZ2wR"),
            ("clientSecret => `4fTq9xLmZ2wR`", "4fTq9xLmZ2wR"),
            ("AccountKey=4fTq9xLmZ2wR8vNc7yKd==;Endpoint", "4fTq9xLmZ2wR8vNc7yKd=="),
            ("password\n\n4fTq9xLmZ2wR", "4fTq9xLmZ2wR"),
        ] {
            assert_eq!(found(secrets, text), [secret], "{text}");
        }
    }

    #[test]
    fn what_is_not() {
        for text in [
            "password: required",
            "The password must have eight characters",
            "I forgot my password yesterday",
            "token ring",
            "monkey: 4fTq9xLmZ2wR",
            "secretary: 4fTq9xLmZ2wR",
            "my key, 4fTq9xLmZ2wR",
            "password:          4fTq9xLmZ2wR",
            "the secret of extraordinarily",
            "token: end-of-file-marker",
            "a secret ingredient! :)",
            "key: https://example.com/k3y",
            "password",
            "password: ",
        ] {
            assert_eq!(found(secrets, text), [""; 0], "{text}");
        }
    }
}
