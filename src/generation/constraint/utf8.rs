//! Characters as UTF-8, as they are and as they stand in a JSON string.

use super::bytes::ByteSet;
use super::grammar::{Expr, Grammar};
use crate::sort::sort_by;

/// Code points, as ranges with both ends included.
pub type Ranges = Vec<(u32, u32)>;

/// The last code point.
pub const LAST: u32 = 0x10_FFFF;

/// How characters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As UTF-8.
    Plain,
    /// As UTF-8 within a JSON string: what must be escaped is, in its shortest form, and nothing else.
    Json,
}

/// What is escaped within a JSON string: control characters, the quote and the backslash. JSON would allow DEL as it is.
const ESCAPED: [(u32, u32); 4] = [(0, 0x1F), (0x22, 0x22), (0x5C, 0x5C), (0x7F, 0x7F)];
/// The line separators, which a pattern's point does not match.
const SEPARATORS: (u32, u32) = (0x2028, 0x2029);

/// Characters that are not special within a JSON string or to most patterns.
pub fn plain() -> Ranges {
    complement(ESCAPED.into_iter().chain([SEPARATORS]).collect())
}

/// Whether a character is one of [`plain`].
pub fn is_plain(character: char) -> bool {
    let is_in = |(low, high): (u32, u32)| (low..=high).contains(&u32::from(character));
    !ESCAPED.into_iter().chain([SEPARATORS]).any(is_in)
}

/// Sorts `ranges` and joins those that touch.
pub fn normalise(mut ranges: Ranges) -> Ranges {
    sort_by(&mut ranges, Ord::cmp);
    let mut joined: Ranges = Vec::new();
    for (low, high) in ranges {
        match joined.last_mut() {
            Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
            _ => joined.push((low, high)),
        }
    }
    joined
}

/// All code points that are not in `ranges`.
pub fn complement(ranges: Ranges) -> Ranges {
    let mut rest = Vec::new();
    let mut next = 0;
    for (low, high) in normalise(ranges) {
        if next < low {
            rest.push((next, low - 1));
        }
        next = high + 1;
    }
    if next <= LAST {
        rest.push((next, LAST));
    }
    rest
}

/// One character of `ranges`. Surrogates are no characters and left out.
pub fn character(grammar: &mut Grammar, ranges: &[(u32, u32)], encoding: Encoding) -> Expr {
    let mut options = Vec::new();
    let mut plain = ranges.to_vec();
    if encoding == Encoding::Json {
        let escaped = ESCAPED.into_iter().flat_map(|(low, high)| low..=high);
        for code_point in escaped.filter(|point| ranges.iter().any(|(low, high)| (low..=high).contains(&point))) {
            options.push(grammar.literal(escape(code_point)));
        }
        plain = complement(plain);
        plain.extend(ESCAPED);
        plain = complement(plain);
    }
    for &(low, high) in &plain {
        // Parts whose characters have as many bytes each.
        for (from, to) in [(0, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x1_0000, LAST)] {
            let (low, high) = (low.max(from), high.min(to));
            if let (true, Some(low), Some(high)) = (low <= high, char::from_u32(low), char::from_u32(high)) {
                let (mut first, mut last) = ([0; 4], [0; 4]);
                let first = low.encode_utf8(&mut first).as_bytes();
                let last = high.encode_utf8(&mut last).as_bytes();
                options.push(between(grammar, first, last));
            }
        }
    }
    grammar.choice(&options)
}

/// Any character of a JSON string, in any way that it can be written.
pub fn json_character(grammar: &mut Grammar) -> Expr {
    let plain = complement(ESCAPED.to_vec());
    let plain = character(grammar, &plain, Encoding::Plain);

    let hex = ByteSet::range(b'0', b'9').union(&ByteSet::range(b'a', b'f')).union(&ByteSet::range(b'A', b'F'));
    let set = |bytes: &[u8]| bytes.iter().fold(ByteSet::default(), |set, &byte| set.with(byte));
    let not_d = set(b"0123456789abcefABCEF");
    let backslash_u = grammar.literal(b"\\u");
    let [hex, not_d, d] = [hex, not_d, set(b"dD")].map(|set| grammar.bytes(set));
    let [low, high, trail] = [set(b"01234567"), set(b"89abAB"), set(b"cdefCDEF")].map(|set| grammar.bytes(set));
    let u = grammar.literal(b"u");
    let other = grammar.sequence_of(&[u, not_d, hex, hex, hex]);
    let below_surrogates = grammar.sequence_of(&[u, d, low, hex, hex]);
    let pair = grammar.sequence_of(&[u, d, high, hex, hex, backslash_u, d, trail, hex, hex]);
    let short = grammar.bytes(set(b"\"\\/bfnrt"));
    let escaped = grammar.choice(&[short, other, below_surrogates, pair]);
    let backslash = grammar.literal(b"\\");
    let escaped = grammar.sequence(backslash, escaped);
    grammar.choice(&[plain, escaped])
}

/// The shortest form of a character that must be escaped.
fn escape(code_point: u32) -> String {
    let letter = match code_point {
        0x08 => 'b',
        0x09 => 't',
        0x0A => 'n',
        0x0C => 'f',
        0x0D => 'r',
        0x22 => '"',
        0x5C => '\\',
        _ => return format!("\\u{code_point:04x}"),
    };
    format!("\\{letter}")
}

/// The characters from one to another, whose UTF-8 has as many bytes.
fn between(grammar: &mut Grammar, first: &[u8], last: &[u8]) -> Expr {
    let ([low, first @ ..], [high, last @ ..]) = (first, last) else { return Expr::END };
    if low == high || (first.iter().all(|&byte| byte == 0x80) && last.iter().all(|&byte| byte == 0xBF)) {
        let byte = grammar.byte_range(*low, *high);
        let rest = between(grammar, first, last);
        return grammar.sequence(byte, rest);
    }
    // The first byte's characters to the end, all characters of those between, and the last byte's from the beginning.
    let (lowest, highest) = ([0x80; 3], [0xBF; 3]);
    let (lowest, highest) = (&lowest[..first.len()], &highest[..last.len()]);
    let mut options = Vec::new();
    let starts_inside = first != lowest;
    let ends_inside = last != highest;
    let (from, to) = (low + u8::from(starts_inside), high - u8::from(ends_inside));
    let mut parts = vec![];
    if starts_inside {
        parts.push((*low, *low, first, highest));
    }
    if from <= to {
        parts.push((from, to, lowest, highest));
    }
    if ends_inside {
        parts.push((*high, *high, lowest, last));
    }
    for (low, high, first, last) in parts {
        let byte = grammar.byte_range(low, high);
        let rest = between(grammar, first, last);
        options.push(grammar.sequence(byte, rest));
    }
    grammar.choice(&options)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `text` is one of the language's.
    fn accepts(grammar: &mut Grammar, language: Expr, text: &[u8]) -> bool {
        let end = text.iter().fold(language, |expr, &byte| grammar.after(expr, byte));
        end != Expr::NOTHING && grammar.is_nullable(end)
    }

    #[test]
    fn a_range_is_exactly_the_utf8_of_its_characters() {
        for (low, high) in
            [(0, LAST), (0x41, 0x41), (0x7F, 0x80), (0x3A9, 0x1234), (0xD700, 0xE001), (0xFFFF, 0x1_0001)]
        {
            let mut grammar = Grammar::new();
            let language = character(&mut grammar, &[(low, high)], Encoding::Plain);
            grammar.classify_bytes();
            let edges = [0, 0x40, 0x41, 0x7F, 0x80, 0x3A8, 0x3A9, 0x7FF, 0x800, 0x1234, 0x1235, 0xD7FF, 0xE000, 0xE001];
            for point in
                edges.into_iter().chain([0xFFFE, 0xFFFF, 0x1_0000, 0x1_0001, 0x1_0002, 0xF_FFFF, 0x10_0000, LAST])
            {
                let text = char::from_u32(point).unwrap().to_string();
                let inside = (low..=high).contains(&point);
                assert_eq!(accepts(&mut grammar, language, text.as_bytes()), inside, "{point:x} in {low:x}-{high:x}");
            }
            for wrong in
                [&b"\xC0\x80"[..], b"\xED\xA0\x80", b"\xF4\x90\x80\x80", b"\x80", b"\xE0\x80\x80", b"\xFF", b""]
            {
                assert!(!accepts(&mut grammar, language, wrong), "{wrong:x?} in {low:x}-{high:x}");
            }
        }
    }

    #[test]
    fn a_json_character_is_what_serde_reads_as_one_character() {
        let mut grammar = Grammar::new();
        let language = json_character(&mut grammar);
        grammar.classify_bytes();
        let mut texts: Vec<String> =
            (0..=0xFF).chain([0x2028, 0xFFFD, 0x1_F389]).filter_map(char::from_u32).map(String::from).collect();
        texts.extend((0..=0x7F).filter_map(char::from_u32).map(|letter| format!("\\{letter}")));
        for unit in ["0000", "00e9", "D7ff", "d800", "dbFF", "dc00", "DFFF", "e000", "FFFF", "12g4", "123", "12345"] {
            texts.push(format!("\\u{unit}"));
            texts.extend(["d800", "DBff", "dc00", "dFFf", "0041"].map(|low| format!("\\u{unit}\\u{low}")));
        }
        for text in texts {
            let read: Result<String, _> = serde_json::from_str(&format!("\"{text}\""));
            let single = read.is_ok_and(|read| read.chars().count() == 1) && text != "\x7F";
            assert_eq!(accepts(&mut grammar, language, text.as_bytes()), single, "{text}");
        }
    }
}
