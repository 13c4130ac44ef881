//! Addresses that are secrets by themselves: a program that has one may post to it.
//!
//! # Source
//! The issuers' documentation; detect-secrets for those of Slack.

use std::ops::Range;

use super::ascii_fold::{find, run_start};
use super::url::url_end;
use super::{PiiLabel, Recogniser};

/// Hosts, and what stands in the path before the secret.
const ADDRESSES: [(&str, &str); 12] = [
    ("hooks.slack.com", "/services/"),
    ("hooks.slack.com", "/workflows/"),
    ("hooks.slack.com", "/triggers/"),
    ("discord.com", "/webhooks/"),
    ("discordapp.com", "/webhooks/"),
    ("api.telegram.org", "/bot"),
    ("api.telegram.org", "/file/bot"),
    ("webhook.office.com", "/webhookb2/"),
    ("outlook.office.com", "/webhook/"),
    ("hooks.zapier.com", "/hooks/catch/"),
    ("maker.ifttt.com", "/with/key/"),
    ("open.feishu.cn", "/bot/v2/hook/"),
];
/// The longest name of a host.
const MAX_HOST: usize = 253;
/// The shortest secret.
const LEAST: usize = 10;

/// An address that is a secret.
pub const WEBHOOK: Recogniser = Recogniser {
    label: PiiLabel::new("SECRET"),
    find: webhooks,
    #[cfg(test)]
    slow: &["discord.com/", "discord.com/webhooks/", "a/", "https://hooks.slack.com/services/ "],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: None,
};

/// Every such address in `text`, with its scheme where it has one.
pub fn webhooks(text: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut from = 0;
    while let Some(path) = find(text, from, b"/") {
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        let host = run_start(text, from.max(path.saturating_sub(MAX_HOST)), path, is_host);
        let known = ADDRESSES.iter().filter(|(name, _)| is_of(&text[host..path], name));
        let mut known = known.map(|(_, before_secret)| before_secret.as_bytes()).peekable();
        from = path + 1;
        if known.peek().is_none() {
            continue;
        }
        let end = url_end(text, path);
        let address = &text[path..end];
        let has_secret = known.any(|before_secret| {
            let secret = find(address, 0, before_secret).map(|at| &address[at + before_secret.len()..]);
            secret.is_some_and(|secret| secret.len() >= LEAST && secret.iter().any(u8::is_ascii_digit))
        });
        if has_secret {
            found.push(scheme_start(text, host)..end);
        }
        from = from.max(end);
    }
    found
}

/// Whether `host` is `name` or below it.
fn is_of(host: &[u8], name: &str) -> bool {
    let Some(below) = host.len().checked_sub(name.len()) else { return false };
    host[below..].eq_ignore_ascii_case(name.as_bytes()) && (below == 0 || host[below - 1] == b'.')
}

/// Where the scheme before `host` starts; `host` itself without one.
fn scheme_start(text: &[u8], host: usize) -> usize {
    const LONGEST: usize = 8;
    let Some(colon) = text[..host].strip_suffix(b"://").map(<[u8]>::len) else { return host };
    let start = run_start(text, colon.saturating_sub(LONGEST), colon, |byte| byte.is_ascii_alphabetic());
    if start < colon { start } else { host }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    /// Made up here, and none of them leads anywhere.
    #[test]
    fn addresses_of_webhooks() {
        for address in [
            "https://hooks.slack.com/services/T01ABCDEF/B01ABCDEF/4fTq9xLmZ2wR8vNc7yKd4fTq",
            "https://hooks.slack.com/workflows/T01ABCDEF/A01ABCDEF/123456789012345678/4fTq9xLmZ2wR8vNc",
            "https://discord.com/api/webhooks/123456789012345678/4fTq9xLmZ2wR8vNc7yKd_4fTq9xLmZ2wR-8vNc7yKd",
            "https://canary.discordapp.com/api/v10/webhooks/123456789012345678/4fTq9xLmZ2wR8vNc7yKd",
            "https://api.telegram.org/bot123456789:AAF4fTq9xLmZ2wR8vNc7yKd4fTq9xLmZ2wR/sendMessage?chat_id=1",
            "https://example.webhook.office.com/webhookb2/0f1e2d3c-4b5a-6978@8796a5b4/IncomingWebhook/4fTq9x/0f1e",
            "https://hooks.zapier.com/hooks/catch/1234567/a1b2c3d/",
            "https://maker.ifttt.com/trigger/alarm/with/key/4fTq9xLmZ2wR8vNc7yKd",
            "HOOKS.SLACK.COM/services/T01ABCDEF/B01ABCDEF/4fTq9xLmZ2wR8vNc7yKd4fTq",
        ] {
            for text in
                [address.to_string(), format!("to {address}, or"), format!("<{address}>"), format!("({address}).")]
            {
                assert_eq!(found(webhooks, &text), [address], "{text}");
            }
        }
    }

    #[test]
    fn other_addresses_of_the_same_hosts() {
        for text in [
            "https://hooks.slack.com/services/",
            "https://hooks.slack.com/services/documentation",
            "https://api.slack.com/messaging/webhooks",
            "https://discord.com/developers/docs/resources/webhook",
            "https://discord.com/api/webhooks/{id}/{token}",
            "https://nodiscord.com/api/webhooks/123456789012345678/4fTq9xLmZ2wR8vNc7yKd",
            "https://core.telegram.org/bots/api-changelog-2026",
            "https://api.telegram.org/bot<token>/getMe",
            "discord.com/",
            "/",
        ] {
            assert_eq!(found(webhooks, text), [""; 0], "{text}");
        }
    }
}
