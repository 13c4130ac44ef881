//! Addresses of the web, of databases and the like that have a name or a password in them.
//!
//! # Source
//! RFC 3986, 3.2.1 "User Information".

use std::ops::Range;

use super::ascii_fold::{LETTER, OTHER, find, is_word, run_end, run_start};
use super::{PiiLabel, Recogniser};

/// A URL that has a user name or a password in it.
pub const URL: Recogniser = Recogniser {
    label: PiiLabel::new("URL"),
    find: urls_with_credentials,
    #[cfg(test)]
    slow: &["://", "a://", "a://@", "http://a@b "],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: None,
};

/// Every such address in `text`, whole: what goes with a password in front of it may be one as well.
pub fn urls_with_credentials(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(colon) = find(text, from, b"://") {
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let start = run_start(text, from, colon, is_scheme);
        let authority = colon + 3;
        let authority_end = run_end(text, authority, |byte| is_url(byte) && !matches!(byte, b'/' | b'?' | b'#'));
        from = authority;
        if start < colon && text[authority..authority_end].contains(&b'@') {
            let end = url_end(text, authority);
            found.push(start..end);
            from = end;
        } else {
            from = from.max(authority_end);
        }
    }
    found
}

/// Where the address ends that goes on from `from`. What stands behind it in its sentence is not of it.
pub fn url_end(text: &[u8], from: usize) -> usize {
    let end = run_end(text, from, is_url);
    run_start(text, from, end, |byte| !is_word(byte) && byte != b'/' && byte != b'=')
}

fn is_url(byte: u8) -> bool {
    byte == LETTER || byte.is_ascii_graphic() && !b"\"<>`{}|\\^".contains(&byte) && byte != OTHER
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn addresses_with_credentials() {
        for address in [
            "https://ann:pa55@example.com",
            "https://ann@example.com/a/b/?c=d#e",
            "postgres://ann:p%40ss@db.example.com:5432/data",
            "redis://:secret@localhost:6379/0",
            "git+ssh://git@example.com/a.git",
            "ftp://a:b@[2001:db8::1]/",
        ] {
            for text in
                [address.to_string(), format!("see {address}, or"), format!("<{address}>"), format!("\"{address}\".")]
            {
                assert_eq!(found(urls_with_credentials, &text), [address], "{text}");
            }
        }
    }

    #[test]
    fn addresses_without() {
        for text in [
            "https://example.com/@ann",
            "https://example.com?a=b@c",
            "://a@b",
            "https:// a@b",
            "a://",
            "ann@example.com",
        ] {
            assert_eq!(found(urls_with_credentials, text), [""; 0], "{text}");
        }
    }
}
