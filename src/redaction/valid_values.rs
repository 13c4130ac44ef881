//! Values that are valid by their standards, made at random: each is recognised, whatever stands beside it.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn digits(count: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(0_u8..10, count).prop_map(|digits| digits.iter().map(u8::to_string).collect())
}

fn grouped(digits: &str, size: usize, separator: &str) -> String {
    let groups: Vec<&str> = digits.as_bytes().chunks(size).filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(separator)
}

/// The digits with the one behind them that makes them pass Luhn's check.
fn with_luhn(digits: &str) -> String {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| match (u32::from(byte - b'0'), place % 2) {
            (digit, 0) => digit * 2 / 10 + digit * 2 % 10,
            (digit, _) => digit,
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

fn card() -> impl Strategy<Value = String> {
    let issuers = vec![
        ("4", 16),
        ("4", 13),
        ("4", 19),
        ("52", 16),
        ("2300", 16),
        ("34", 15),
        ("37", 15),
        ("6011", 16),
        ("36", 14),
        ("3530", 16),
        ("62", 17),
        ("6759", 12),
    ];
    (prop::sample::select(issuers), digits(19), prop::sample::select(vec!["", " ", "-"])).prop_map(
        |((issuer, length), digits, separator)| {
            let number = with_luhn(&format!("{issuer}{}", &digits[..length - 1 - issuer.len()]));
            grouped(&number, 4, separator)
        },
    )
}

/// The account first, then the country and 00, letters as numbers: 98 minus the rest by 97 is the check.
fn iban() -> impl Strategy<Value = String> {
    let countries =
        vec![("NO", 11), ("DE", 18), ("GB", 18), ("FR", 23), ("MT", 27), ("LC", 28), ("RU", 29), ("PL", 24)];
    (prop::sample::select(countries), digits(30), "[A-Z]{8}", prop::sample::select(vec!["", " "]), any::<bool>())
        .prop_map(|((country, length), digits, letters, separator, small)| {
            let account: String = letters[..length / 4].chars().chain(digits.chars()).take(length).collect();
            let values = format!("{account}{country}00")
                .chars()
                .filter_map(|char| char.to_digit(36))
                .fold(0, |rest, value| (if value > 9 { rest * 100 + value } else { rest * 10 + value }) % 97);
            let iban = grouped(&format!("{country}{:02}{account}", 98 - values), 4, separator);
            if small { iban.to_lowercase() } else { iban }
        })
}

fn ssn() -> impl Strategy<Value = String> {
    let area = (1_u32..900).prop_filter("no such area", |area| *area != 666);
    (area, 1..100_u32, 1..10_000_u32, prop::sample::select(vec!["-", " "]))
        .prop_map(|(area, group, serial, separator)| format!("{area:03}{separator}{group:02}{separator}{serial:04}"))
}

fn phone() -> impl Strategy<Value = String> {
    let forms = vec![
        "+1 AAA-EEE-NNNN",
        "(AAA) EEE-NNNN",
        "AAA-EEE-NNNN",
        "AAA.EEE.NNNN",
        "AAA EEE NNNN",
        "AAAEEENNNN",
        "1-AAA-EEE-NNNN x12",
        "001-AAA-EEE-NNNN",
    ];
    let national = (prop::sample::select(forms), 200..1000_u32, 200..1000_u32, digits(4)).prop_map(
        |(form, area, exchange, line)| {
            let area = if area / 10 % 10 == 9 { area - 10 } else { area };
            form.replace("AAA", &area.to_string()).replace("EEE", &exchange.to_string()).replace("NNNN", &line)
        },
    );
    let international =
        (1..100_u32, digits(12), 6_usize..12, prop::sample::select(vec!["", " ", "-", "."]), 2_usize..5).prop_map(
            |(country, digits, count, separator, size)| {
                format!("+{country}{separator}{}", grouped(&digits[..count], size, separator))
            },
        );
    prop_oneof![national, international]
}

fn email() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_+]([a-zA-Z0-9._+-]{0,12}[a-zA-Z0-9])?@([a-zA-Z0-9]([a-zA-Z0-9-]{0,8}[a-zA-Z0-9])?\\.){1,3}[a-z]{2,6}"
}

fn address() -> impl Strategy<Value = String> {
    let mac = (any::<[u8; 6]>(), prop::sample::select(vec![":", "-"]))
        .prop_map(|(bytes, separator)| bytes.map(|byte| format!("{byte:02x}")).join(separator));
    let v6 = any::<[u16; 8]>()
        .prop_map(|parts| Ipv6Addr::from(parts.map(|part| if part % 3 == 0 { 0 } else { part })).to_string());
    let v6 = v6.prop_filter("that is all addresses", |address| address != "::");
    prop_oneof![any::<[u8; 4]>().prop_map(|parts| Ipv4Addr::from(parts).to_string()), v6, mac]
}

fn token() -> impl Strategy<Value = String> {
    let prefixes = vec!["sk-", "sk-proj-", "ghp_", "glpat-", "hf_", "npm_", "xoxb-", "AIza"];
    (prop::sample::select(prefixes), "[A-Za-z]{10}[0-9][A-Za-z0-9_-]{15,40}[a-zA-Z0-9]")
        .prop_map(|(prefix, body)| format!("{prefix}{body}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn all_are_recognised(
        value in prop_oneof![card(), iban(), ssn(), phone(), email(), address(), token()],
        before in prop::sample::select(vec!["", "a ", "(", "\"", ": ", "is: ", "b, ", "\n", "…", "—", "<", "=", "«", "是", "no.\t", "Tel:", "abc:", "No."]),
        behind in prop::sample::select(vec!["", ".", ", b", ")", "\"", "\n1", " and", "!", "…", ";", ": c", ">", "»", "?", "\t2", "吗"]),
    ) {
        let text = format!("{before}{value}{behind}");
        // An equals sign before bare digits is of a formula or an address of the web.
        prop_assume!(before != "=" || !value.bytes().all(|byte| byte.is_ascii_digit()));
        let spans = spans::merged(&text, recognise(&text));
        let covered = spans.iter().any(|span| span.start <= before.len() && span.end >= before.len() + value.len());
        prop_assert!(covered, "{:?} in {:?}: {:?}", value, text, spans);
    }
}
