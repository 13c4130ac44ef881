//! Addresses of electronic mail.
//!
//! # Source
//! RFC 5322, 3.4.1 "Addr-Spec Specification", with letters of any alphabet as in RFC 6531. A domain has a
//! dot and ends in letters, or is an address in brackets.

use std::ops::Range;

use super::ascii_fold::{LETTER, byte_at, find, is_word, run_end, run_start};
use super::{PiiLabel, Recogniser};

/// The longest local part in quotes that is looked for.
const MAX_QUOTED: usize = 66;
/// The longest address in brackets.
const MAX_LITERAL: usize = 48;

/// An email address.
pub const EMAIL: Recogniser = Recogniser {
    label: PiiLabel::new("EMAIL"),
    find: emails,
    #[cfg(test)]
    slow: &["@", "a@", "a.", "@a.", "%40", "a%40", "\"@"],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: Some(valid::email),
};

/// Every address in `text`.
pub fn emails(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // What lies before was looked at: no byte is looked at for two addresses.
    let mut from = 0;
    let mut at = 0;
    while at < text.len() {
        // In the query of a web address, the sign is escaped.
        let sign = if text[at] == b'@' { 1 } else { 3 * usize::from(text[at..].starts_with(b"%40")) };
        if sign == 0 {
            at += 1;
            continue;
        }
        let start = local_start(text, from, at);
        from = at + sign;
        if let (Some(start), Some(end)) = (start, domain_end(text, from)) {
            found.push(start..end);
            from = end;
        }
        at = from;
    }
    found
}

/// Where the local part before `at` starts.
fn local_start(text: &[u8], from: usize, at: usize) -> Option<usize> {
    if at > from && text[at - 1] == b'"' {
        let first = from.max(at.saturating_sub(MAX_QUOTED));
        let quote = text[first..at - 1].iter().rposition(|byte| *byte == b'"')?;
        return Some(first + quote);
    }
    let is_local = |byte: u8| is_word(byte) || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let start = run_start(text, from, at, is_local);
    // Quotes, brackets and the like that stand before an address are mostly not of it.
    let start = run_end(text, start, |byte| !is_word(byte) && byte != b'_' && byte != b'+' && byte != b'@');
    (start < at).then_some(start)
}

/// Where the domain that starts at `at` ends.
fn domain_end(text: &[u8], at: usize) -> Option<usize> {
    if byte_at(text, at) == b'[' {
        let inside = &text[at..text.len().min(at + MAX_LITERAL)];
        return find(inside, 0, b"]").filter(|length| *length > 2).map(|length| at + length + 1);
    }
    let mut end = None;
    let mut label = at;
    loop {
        let label_end = run_end(text, label, |byte| is_word(byte) || byte == b'-');
        let letters = run_end(text, label, |byte| byte.is_ascii_alphabetic() || byte == LETTER);
        let top = &text[label..label_end];
        if label > at && top.starts_with(b"xn--") {
            end = Some(label_end);
        } else if label > at && (letters - label >= 2 || top == [LETTER]) {
            // A hyphen behind the letters belongs to the sentence, unless a longer domain goes on from it.
            end = Some(run_end(text, label, is_word));
        }
        if label_end == label || byte_at(text, label_end) != b'.' || !is_word(byte_at(text, label_end + 1)) {
            return end;
        }
        label = label_end + 1;
    }
}

/// Valid values, made at random.
#[cfg(all(test, not(target_family = "wasm")))]
mod valid {
    use proptest::prelude::*;

    pub fn email() -> BoxedStrategy<String> {
        "[a-zA-Z0-9_+]([a-zA-Z0-9._+-]{0,12}[a-zA-Z0-9])?@([a-zA-Z0-9]([a-zA-Z0-9-]{0,8}[a-zA-Z0-9])?\\.){1,3}[a-z]{2,6}".boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn addresses() {
        for address in [
            "ann@example.com",
            "a.n-n+tag_1@mail.example.co.uk",
            "o'neil@example.org",
            "ünï@exämple.de",
            "mu\u{308}ller@example.de",
            "an\u{AD}n@exam\u{200B}ple.com",
            "用户@例子.广告",
            "a@b.xn--p1ai",
            "\"ann b\"@example.com",
            "ann@[192.168.0.1]",
            "a!#$%&'*+/=?^_`{|}~-b@example.museum",
            "x@co-op.example.com",
            "1@2.io",
            "ann%40example.com",
        ] {
            for text in [
                address.to_string(),
                format!("({address})."),
                format!("mail <{address}>, or"),
                format!("\n{address}\n"),
            ] {
                assert_eq!(found(emails, &text), [address], "{text}");
            }
        }
        assert_eq!(found(emails, "ann@example.com-Office,bob@x.de"), ["ann@example.com", "bob@x.de"]);
        assert_eq!(found(emails, "'ann@x.de' *bob@x.de* mailto:eve@x.de"), ["ann@x.de", "bob@x.de", "eve@x.de"]);
        assert_eq!(found(emails, "a@b.de@c.fr"), ["a@b.de"]);
        assert_eq!(found(emails, "https://x.y/?mail=ann@x.de&b=1"), ["x.y/?mail=ann@x.de"]);
    }

    #[test]
    fn what_is_none() {
        for text in ["@", "@ann", "ann@", "a @ b.de", "a@b", "a@b.c", "a@1.2.3", "a@.de", "!@x.de", "3 @ 5.00", "a@[]"]
        {
            assert_eq!(found(emails, text), [""; 0], "{text}");
        }
    }
}
