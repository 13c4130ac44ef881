//! Addresses of the internet protocol and of network cards.
//!
//! # Source
//! RFC 791 and RFC 4291, 2.2 "Text Representation of Addresses"; IEEE 802, with colons, hyphens or, as some
//! routers have it, dots.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::ascii_fold::{before, byte_at, joins, run_end};
use super::{PiiLabel, Recogniser};

/// An IPv4 address.
pub const IPV4: Recogniser = Recogniser {
    label: PiiLabel::new("IP"),
    find: ipv4s,
    #[cfg(test)]
    slow: &["1."],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: Some(valid::ipv4),
};

/// An IPv6 address.
pub const IPV6: Recogniser = Recogniser {
    label: PiiLabel::new("IP"),
    find: ipv6s,
    #[cfg(test)]
    slow: &["a:", "::", ":"],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: Some(valid::ipv6),
};

/// A MAC address.
pub const MAC: Recogniser = Recogniser {
    label: PiiLabel::new("MAC"),
    find: macs,
    #[cfg(test)]
    slow: &["a-", "-"],
    #[cfg(all(test, not(target_family = "wasm")))]
    valid: Some(valid::mac),
};

/// Every address of version 4 in `text`.
pub fn ipv4s(text: &[u8]) -> Vec<Range<usize>> {
    runs(text, |byte| byte.is_ascii_digit() || byte == b'.')
        .filter_map(|run| {
            let end = run.start + text[run.clone()].iter().rposition(u8::is_ascii_digit)? + 1;
            let parts: Vec<&[u8]> = text[run.start..end].split(|byte| *byte == b'.').collect();
            let alone = !joins(before(text, run.start)) && !joins(byte_at(text, run.end));
            (alone && parts.len() == 4 && parts.iter().all(|part| is_octet(part))).then_some(run.start..end)
        })
        .collect()
}

fn is_octet(digits: &[u8]) -> bool {
    let value = |digits: &[u8]| digits.iter().fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    (1..=3).contains(&digits.len()) && value(digits) < 256
}

/// Every address of version 6 in `text`, of those that name more than `::`.
pub fn ipv6s(text: &[u8]) -> Vec<Range<usize>> {
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    runs(text, is_part)
        .filter_map(|run| {
            // What stands before the first colon may be a word, as in `IP:2001:db8::1`.
            let colon = run.start + text[run.clone()].iter().position(|byte| *byte == b':')?;
            let mut starts = [run.start, colon + 1].into_iter().filter(|start| !joins(before(text, *start)));
            starts.find_map(|start| Some(start..ipv6_end(text, start, run.end)?))
        })
        .collect()
}

fn ipv6_end(text: &[u8], start: usize, run_end: usize) -> Option<usize> {
    /// Eight groups, or six and an address of version 4.
    const LONGEST: usize = 45;
    // Behind an address may stand the end of a sentence, or a colon of it.
    let length = text[start..run_end].iter().rposition(|byte| *byte != b'.')? + 1;
    let words = &text[start..start + length];
    let is_of_sentence = |rest: &&[u8]| !rest.ends_with(b":") || rest.ends_with(b"::");
    let words = words.strip_suffix(b":").filter(is_of_sentence).unwrap_or(words);
    if words.len() > LONGEST || !words.iter().any(u8::is_ascii_hexdigit) || joins(byte_at(text, run_end)) {
        return None;
    }
    str::from_utf8(words).ok()?.parse::<Ipv6Addr>().ok().map(|_| start + words.len())
}

/// Every address of a network card in `text`, of 48 or 64 bits.
pub fn macs(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let starts = text[at].is_ascii_hexdigit() && !joins(before(text, at));
        let end = if starts { mac_end(text, at) } else { None };
        found.extend(end.map(|end| at..end));
        at = end.unwrap_or(at + 1);
    }
    found
}

fn mac_end(text: &[u8], at: usize) -> Option<usize> {
    let (width, separator) = match (byte_at(text, at + 2), byte_at(text, at + 4)) {
        (separator @ (b':' | b'-'), _) => (2, separator),
        (_, b'.') => (4, b'.'),
        _ => return None,
    };
    [64, 48].into_iter().find_map(|bits| {
        let length = bits / 4 + bits / 4 / width - 1;
        let groups = text.get(at..at + length)?.split(|byte| *byte == separator);
        let mut right = groups.map(|group| group.len() == width && group.iter().all(u8::is_ascii_hexdigit));
        let (next, behind) = (byte_at(text, at + length), byte_at(text, at + length + 1));
        let goes_on = joins(next) || (next == separator && behind.is_ascii_hexdigit());
        (right.all(|right| right) && !goes_on).then_some(at + length)
    })
}

/// The runs of bytes that may be `part` of an address.
fn runs(text: &[u8], part: impl Fn(u8) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let length = text[from..].iter().position(|byte| byte.is_ascii_hexdigit() || *byte == b':')?;
        let start = from + length;
        from = run_end(text, start, &part).max(start + 1);
        Some(start..from)
    })
}

/// Valid values, made at random.
#[cfg(all(test, not(target_family = "wasm")))]
mod valid {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    pub fn ipv4() -> BoxedStrategy<String> {
        any::<[u8; 4]>().prop_map(|parts| Ipv4Addr::from(parts).to_string()).boxed()
    }

    pub fn ipv6() -> BoxedStrategy<String> {
        let address = any::<[u16; 8]>()
            .prop_map(|parts| Ipv6Addr::from(parts.map(|part| if part % 3 == 0 { 0 } else { part })).to_string());
        address.prop_filter("the unspecified address", |address| address != "::").boxed()
    }

    pub fn mac() -> BoxedStrategy<String> {
        (any::<[u8; 6]>(), prop::sample::select(vec![":", "-"]))
            .prop_map(|(bytes, separator)| bytes.map(|byte| format!("{byte:02x}")).join(separator))
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn version_4() {
        for address in ["192.168.0.1", "8.8.8.8", "255.255.255.255", "010.001.000.200"] {
            for text in
                [address.to_string(), format!("from {address}."), format!("({address}/24)"), format!("|{address}:80|")]
            {
                assert_eq!(found(ipv4s, &text), [address], "{text}");
            }
        }
        for text in
            ["256.1.1.1", "1.2.3", "1.2.3.4.5", "1.2.3.99999999999", "v1.2.3.4", "1.2.3.4a", "1..2.3", "1.2.3.0400"]
        {
            assert_eq!(found(ipv4s, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn version_6() {
        for address in [
            "2001:db8:85a3::8a2e:370:7334",
            "2001:0DB8:0000:0000:0000:8a2e:0370:7334",
            "::1",
            "fe80::",
            "::ffff:192.168.0.1",
            "64:ff9b::192.0.2.33",
        ] {
            for text in [
                address.to_string(),
                format!("at {address}."),
                format!("[{address}]:80"),
                format!("fe80:xy {address}%eth0"),
            ] {
                assert_eq!(found(ipv6s, &text), [address], "{text}");
            }
        }
        assert_eq!(found(ipv6s, "2001:db8::1: it"), ["2001:db8::1"]);
        for text in ["::", "12:30:45", "std::fs", "a:b", "1:2:3:4:5:6:7:8:9:a", "fe80::1g", "dead.beef", "12:30."] {
            assert_eq!(found(ipv6s, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn network_cards() {
        for address in ["00:1B:44:11:3A:B7", "00-1b-44-11-3a-b7", "001b.4411.3ab7", "00:1b:44:ff:fe:11:3a:b7"] {
            for text in [address.to_string(), format!("is {address}."), format!("({address})")] {
                assert_eq!(found(macs, &text), [address], "{text}");
            }
        }
        for text in [
            "00:1B:44:11:3A",
            "00:1B:44:11:3A:B",
            "00:1B-44:11:3A:B7",
            "12:30:45",
            "001b44113ab7",
            "00:1B:44:11:3A:B7g",
        ] {
            assert_eq!(found(macs, text), [""; 0], "{text}");
        }
    }
}
