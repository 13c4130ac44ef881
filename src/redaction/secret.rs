//! Keys and tokens that are known by how they begin, and private keys.
//!
//! # Source
//! The prefixes as their issuers document them; RFC 7519 for JSON web tokens, RFC 7468 for private keys.

use std::ops::Range;

use super::ascii_fold::{before, find, joins, run_end};
use super::{PiiLabel, Recogniser};

/// How a token begins: those of remote models, of code and packages, of clouds, of money, of messages.
const PREFIXES: &str = "\
    sk- gsk_ xai- pplx- hf_ r8_ nvapi- fw_ \
    ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- gldt- glrt- glft- glptt- glcbt- glimt- glsoat- glagent- ATATT3 ATBB \
    npm_ pypi- rubygems_ dckr_pat_ crates_io_ AKC \
    AIza ya29. GOCSPX- dop_v1_ doo_v1_ dor_v1_ dapi hvs. hvb. cfat_ sbp_ sb_secret_ vercel_ nfp_ pul- tskey- \
    sk_live_ sk_test_ rk_live_ rk_test_ whsec_ sq0atp- sq0csp- shpat_ shpss_ shpca_ shppa_ \
    xoxb- xoxp- xoxa- xoxo- xoxr- xoxs- xoxe- xoxe. xapp- SG. xkeysib- glsa_ lin_api_ figd_ ntn_ PMAK- sntrys_ dp.pt.";
/// How many characters follow at least.
const LEAST: usize = 16;

/// How an access key of Amazon's begins; 16 capitals and digits follow.
const AMAZON: [&str; 6] = ["AKIA", "ASIA", "ABIA", "ACCA", "AROA", "AIDA"];

/// A key or a token with a prefix that is known.
pub const TOKEN: Recogniser = Recogniser {
    label: PiiLabel::new("SECRET"),
    find: tokens,
    #[cfg(test)]
    slow: &["sk-a1", "eyJ", "eyJa.", "x1x", "12345678:", "1234567890:a"],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: Some(valid::token),
};

/// Every token in `text`.
pub fn tokens(text: &[u8]) -> Vec<Range<usize>> {
    let prefixes: Vec<&str> = PREFIXES.split_whitespace().collect();
    let mut found = Vec::new();
    let mut at = 0;
    let mut end = 0;
    while at < text.len() {
        let previous = before(text, at);
        let starts = text[at].is_ascii_alphanumeric() && !joins(previous) && !matches!(previous, b'-' | b'_');
        if !starts {
            at += 1;
            continue;
        }
        if let Some(end) = telegram_end(text, at) {
            found.push(at..end);
            at = end;
            continue;
        }
        // Several may start in what ends together.
        if end <= at {
            end = token_end(text, at);
        }
        let token = &text[at..end];
        if is_prefixed(token, &prefixes) || is_amazons(token) || is_jwt(token) || is_shaped(token) {
            found.push(at..end);
            at = end;
        } else {
            // A token may follow what stands before a dot.
            at = run_end(text, at, |byte| joins(byte) || matches!(byte, b'-' | b'_'));
        }
    }
    found
}

/// Letters, digits, hyphens and underscores, and dots between them.
fn token_end(text: &[u8], at: usize) -> usize {
    let end = run_end(text, at, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    at + text[at..end].iter().rposition(|byte| *byte != b'.').map_or(0, |last| last + 1)
}

fn is_prefixed(token: &[u8], prefixes: &[&str]) -> bool {
    let body = prefixes.iter().find_map(|prefix| token.strip_prefix(prefix.as_bytes()));
    body.is_some_and(|body| body.len() >= LEAST && is_mixed(body))
}

/// Words with hyphens between them are not a token.
fn is_mixed(body: &[u8]) -> bool {
    let has = |kind: fn(&u8) -> bool| body.iter().any(kind);
    has(u8::is_ascii_digit) || (has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase))
}

fn is_amazons(token: &[u8]) -> bool {
    AMAZON.iter().chain(&["A3T"]).any(|prefix| token.starts_with(prefix.as_bytes()))
        && token.len() == 20
        && token.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// What has a shape of its own without a long prefix.
fn is_shaped(token: &[u8]) -> bool {
    let parts: Vec<&[u8]> = token.splitn(4, |byte| *byte == b'.').collect();
    let first = parts[0];
    let is_small = |words: &[u8]| words.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    let has = |kind: fn(&u8) -> bool| first.iter().any(kind);
    let [digits, small, capitals] = [u8::is_ascii_digit, u8::is_ascii_lowercase, u8::is_ascii_uppercase].map(has);
    // Mailchimp: the key, and its data centre.
    let mailchimp = first.get(32..).and_then(|center| center.strip_prefix(b"-us")).is_some_and(|center| {
        matches!(center.len(), 1 | 2) && center.iter().all(u8::is_ascii_digit) && is_small(&first[..32])
    });
    let twilio = first.len() == 34 && matches!(&first[..2], b"AC" | b"SK") && is_small(&first[2..]) && digits;
    let mailgun = first.len() == 36 && first.starts_with(b"key-") && is_small(&first[4..]) && digits;
    let artifactory = first.len() >= 20 && matches!(first, [b'A', b'P', b'0'..=b'9' | b'A'..=b'F', ..]);
    // Discord's bots: the identity, the time, and the signature.
    let discord = matches!(first, [b'M' | b'N' | b'O', ..])
        && matches!(parts[..], [id, time, sign] if (24..=28).contains(&id.len()) && time.len() == 6 && sign.len() >= 27);
    mailchimp || twilio || mailgun || (artifactory && digits && small && capitals) || discord
}

/// Where a token of Telegram's that starts at `at` ends: the digits of its bot, a colon, and 35 characters.
fn telegram_end(text: &[u8], at: usize) -> Option<usize> {
    let id = at + if text[at..].starts_with(b"bot") { 3 } else { 0 };
    let run = |from: usize, most: usize, accepts: fn(u8) -> bool| {
        run_end(&text[..text.len().min(from + most)], from, accepts)
    };
    let colon = run(id, 11, |byte| byte.is_ascii_digit());
    if !(8..=10).contains(&(colon - id)) || text.get(colon) != Some(&b':') {
        return None;
    }
    let end = run(colon + 1, 36, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    (end - colon == 36).then_some(end)
}

/// Two or more parts in base 64, of which the first is an object: `{"` is `eyJ`.
fn is_jwt(token: &[u8]) -> bool {
    let mut parts = token.splitn(3, |byte| *byte == b'.');
    let mut is_long = |least: usize| parts.next().is_some_and(|part| part.len() >= least);
    token.starts_with(b"eyJ") && is_long(10) && is_long(4)
}

/// A private key in PEM.
pub const PRIVATE_KEY: Recogniser = Recogniser {
    label: PiiLabel::new("SECRET"),
    find: private_keys,
    #[cfg(test)]
    slow: &["-----BEGIN PRIVATE KEY", "-----BEGIN PRIVATE KEY-----"],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: None,
};

/// Every private key in `text`, from its first line to its last, or to the end where that is missing.
pub fn private_keys(text: &[u8]) -> Vec<Range<usize>> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    const LABEL: &[u8] = b"PRIVATE KEY";
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = find(text, from, BEGIN) {
        from = start + BEGIN.len();
        let line = &text[from..run_end(text, from, |byte| byte.is_ascii_uppercase() || byte == b' ')];
        if find(line, 0, LABEL).is_none() {
            continue;
        }
        let end = find(text, from, b"-----END ").and_then(|end| find(text, end + 9, b"-----").map(|end| end + 5));
        from = end.unwrap_or(text.len());
        found.push(start..from);
    }
    found
}

/// Valid values, made at random.
#[cfg(all(test, not(target_family = "wasm")))]
mod valid {
    use proptest::prelude::*;

    pub fn token() -> BoxedStrategy<String> {
        let prefixes = vec!["sk-", "sk-proj-", "ghp_", "glpat-", "hf_", "npm_", "xoxb-", "AIza"];
        (prop::sample::select(prefixes), "[A-Za-z]{10}[0-9][A-Za-z0-9_-]{15,40}[a-zA-Z0-9]")
            .prop_map(|(prefix, body)| format!("{prefix}{body}"))
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    /// Made up here, and none of them opens anything.
    #[test]
    fn tokens_of_known_issuers() {
        for token in [
            "sk-proj-4fTq9xLmZ2wR8vNc7yKd",
            "sk-ant-api03-4fTq9xLmZ2wR8vNc7yKd-AA",
            "ghp_4fTq9xLmZ2wR8vNc7yKd4fTq9xLmZ2wR8vNc",
            "github_pat_11ABCDEFG0aBcDeFgHiJkL_4fTq9xLmZ2wR8vNc7yKd",
            "glpat-4fTq9xLmZ2wR8vNc7yKd",
            "AKIAIOSFODNN7EXAMPLE",
            "xoxb-123456789012-123456789012-4fTq9xLmZ2wR8vNc7yKd",
            "AIzaSyA4fTq9xLmZ2wR8vNc7yKd4fTq9xLmZ2wR",
            "ya29.a0AfH6SMBx4fTq9xLmZ2wR8vNc7yKd",
            "SG.4fTq9xLmZ2wR8vNc7yKdww.4fTq9xLmZ2wR8vNc7yKd4fTq9xLmZ2wR8vNc7yKdabc",
            "sk_live_4fTq9xLmZ2wR8vNc",
            "npm_4fTq9xLmZ2wR8vNc7yKd4fTq9xLmZ2wR8vNc",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.4fTq9xLmZ2wR-8vNc_7yKd",
            "0123456789abcdef0123456789abcdef-us12",
            "AC0123456789abcdef0123456789abcdef",
            "key-0123456789abcdef0123456789abcdef",
            "123456789:AAF4fTq9xLmZ2wR8vNc7yKd4fTq9xLmZ2wR",
            "bot123456789:AAF4fTq9xLmZ2wR8vNc7yKd4fTq9xLmZ2wR",
            "MTIzNDU2Nzg5MDEyMzQ1Njc4.X4fTq9.xLmZ2wR8vNc7yKd4fTq9xLmZ2wR",
            "AP5fTq9xLmZ2wR8vNc7yKd4fTq9xLmZ2wR",
        ] {
            for text in [token.to_string(), format!("key={token}."), format!("\"{token}\","), format!("a/{token}/b")] {
                assert_eq!(found(tokens, &text), [token], "{text}");
            }
        }
    }

    #[test]
    fn words_that_begin_alike() {
        for text in [
            "sk-learn-documentation-and-examples",
            "task-4fTq9xLmZ2wR8vNc7yKd",
            "sk-short1",
            "AKIAshort",
            "AKIAIOSFODNN7EXAMPLEX",
            "eyJ.a",
            "eyJhbGciOiJIUzI1NiJ9",
            "npm_config_registry_of_the_project",
            "0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef-use",
            "key-value-store-2-of-the-project",
            "APPLICATION_OF_THE_SECOND_KIND_2",
            "12345678:90",
            "Module.second.of_the_third_part_of_a_name",
        ] {
            assert_eq!(found(tokens, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn keys_in_lines() {
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"] {
            let key = format!("-----BEGIN {label}-----\nMIIEvQ\nIBADAN+/=\n-----END {label}-----");
            assert_eq!(found(private_keys, &format!("a\n{key}\nb -----BEGIN X-----")), [key.as_str()]);
            assert_eq!(found(private_keys, &format!("a {}", &key[..key.len() - 9])), [&key[..key.len() - 9]]);
        }
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIEvQ\n-----END CERTIFICATE-----";
        assert_eq!(found(private_keys, certificate), [""; 0]);
    }
}
