//! How many digits a telephone number has from which on it may be whole, by the calling code of its country.
//!
//! # Source
//! libphonenumber 9.0.43: the shortest numbers of fixed and mobile telephones.

/// The same for countries that have numbers of many lengths, and for those that are not listed.
const DEFAULT: usize = 10;
/// The digits, with the calling code, of the shortest number: where it is the only length, or more than the default.
const SHORTEST: [(usize, &str); 5] = [
    (8, "247 500 682"),
    (9, "298 299 672 681 687"),
    (
        11,
        "1 213 216 222 223 224 226 227 228 232 235 236 250 253 257 258 264 266 268 31 33 34 350 355 356 357 370 371 373 \
        374 377 378 382 383 385 386 387 389 41 44 502 503 504 505 506 509 56 591 593 598 61 689 7 81 84 850 852 853 855 \
        856 886 92 93 94 962 963 964 965 968 970 971 972 973 974 976 977 993",
    ),
    (
        12,
        "211 212 218 221 233 237 240 242 244 245 249 251 255 256 260 261 262 263 30 351 375 380 420 52 54 55 58 590 594 \
        596 90 91 966 992 994 995 996 998",
    ),
    (13, "225 229 234"),
];

/// From how many digits on a number that begins with `digits`, behind its plus, may be whole.
pub fn shortest(digits: &[u8]) -> usize {
    // No code is the beginning of another one.
    let has_code = |codes: &str| codes.split_whitespace().any(|code| digits.starts_with(code.as_bytes()));
    SHORTEST.iter().find(|(_, codes)| has_code(codes)).map_or(DEFAULT, |(length, _)| *length)
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::*;

    /// Each code with the length of its shortest number, and whether all numbers have that length.
    #[test]
    fn shortest_numbers() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/redaction/calling_codes.json");
        let codes: Vec<(String, usize, bool)> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for (code, length, is_only) in codes {
            let expected = if is_only { length } else { length.max(DEFAULT) };
            assert_eq!(shortest(format!("{code}2345").as_bytes()), expected, "{code}");
        }
    }
}
