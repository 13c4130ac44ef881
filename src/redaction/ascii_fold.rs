//! ASCII folding: a text with one byte for each character, so that recognisers need to know ASCII only: spaces, hyphens,
//! quotes, currency signs, the digits of all scripts and letters in other shapes or with accents become the plain ones;
//! invisible characters go.

use std::ops::Range;

use super::{PiiLabel, PiiSpan};
use crate::unicode::Form;

/// Any letter that is not of ASCII.
pub const LETTER: u8 = 0x80;
/// Any other character that is not of ASCII.
pub const OTHER: u8 = 0xFF;

/// The text and where its characters came from.
pub struct Folded<'a> {
    text: &'a str,
    bytes: Vec<u8>,
    offsets: Vec<usize>,
}

impl<'a> Folded<'a> {
    /// Folds `text`.
    pub fn new(text: &'a str) -> Self {
        let (mut bytes, mut offsets) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
        let mut bases = bases(text).into_iter();
        let mut chars = text.char_indices().map(|(offset, char)| (offset, char, fold(char, bases.next()))).peekable();
        while let Some((offset, char, folded)) = chars.next() {
            // A dot may be between letters as well, as in an IBAN.
            let joint = joint(char).filter(|sign| {
                let next = chars.peek().and_then(|(.., next)| *next);
                let joined = |byte: u8| byte.is_ascii_digit() || (*sign == b'.' && byte.is_ascii_alphabetic());
                [bytes.last().copied(), next].iter().all(|byte| byte.is_some_and(joined))
            });
            if let Some(byte) = joint.or(folded) {
                bytes.push(byte);
                offsets.push(offset);
            }
        }
        Self { text, bytes, offsets }
    }

    /// One byte for each visible character.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where `range`, which is not empty, stands in the text, with the marks on its last character.
    pub fn span(&self, range: Range<usize>, label: PiiLabel) -> PiiSpan {
        let (start, last) = (self.offsets[range.start], self.offsets[range.end - 1]);
        let mut rest = self.text[last..].chars();
        rest.next();
        let marks: usize = rest.clone().take_while(|char| is_mark(*char)).map(char::len_utf8).sum();
        let end = self.text.len() - rest.as_str().len() + marks;
        PiiSpan { start, end, label }
    }
}

/// The characters that those of `text` are without their accents.
fn bases(text: &str) -> Vec<char> {
    let mut parts = Form::Nfd.decomposed(text);
    parts.dedup_by_key(|(_, index)| *index);
    parts.into_iter().map(|(base, _)| base).collect()
}

/// The byte for `char`, which is `base` without its accents.
fn fold(char: char, base: Option<char>) -> Option<u8> {
    if char.is_ascii() {
        return Some(char as u8);
    }
    if let Some(digit) = digit(char) {
        return Some(digit);
    }
    let code = char as u32;
    Some(match char {
        _ if is_invisible(char) || is_mark(char) => return None,
        // The wide forms of ASCII.
        '\u{FF01}'..='\u{FF5E}' => (code - 0xFF01) as u8 + b'!',
        // The letters of mathematics: thirteen alphabets, each with its capitals first.
        '\u{1D400}'..='\u{1D6A3}' => match ((code - 0x1D400) % 52) as u8 {
            capital @ ..26 => b'A' + capital,
            small => b'a' + small - 26,
        },
        '\u{58A}' | '\u{5BE}' | '\u{2010}'..='\u{2013}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' => b'-',
        '\u{2018}'..='\u{201B}' => b'\'',
        '\u{201C}'..='\u{201F}' | '«' | '»' => b'"',
        '。' | '｡' | '\u{2024}' | '\u{FE52}' => b'.',
        '\u{2044}' | '\u{2215}' => b'/',
        '\u{2795}' | '\u{FE62}' => b'+',
        '\u{FE6B}' => b'@',
        // Currency signs.
        '\u{A2}'..='\u{A5}' | '\u{20A0}'..='\u{20CF}' => b'$',
        _ if char.is_alphanumeric() => base.filter(char::is_ascii_alphabetic).map_or(LETTER, |base| base as u8),
        _ if char.is_whitespace() => b' ',
        _ => OTHER,
    })
}

/// The digit that `char` is in its script, in ASCII.
fn digit(char: char) -> Option<u8> {
    let code = char as u32;
    let before = ZEROS.partition_point(|zero| *zero <= code);
    let value = code - ZEROS[..before].last()?;
    (value < 10).then(|| b'0' + value as u8)
}

/// The digit 0 of every script, in order; nine more follow each.
///
/// # Source
/// The Unicode Character Database, version 18: decimal digits (`Nd`) of the value 0.
const ZEROS: [u32; 76] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6, 0xE50, 0xED0, 0xF20,
    0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0,
    0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136, 0x111D0,
    0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0, 0x11C50,
    0x11D50, 0x11DA0, 0x11DE0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1CCF0, 0x1D7CE, 0x1D7D8,
    0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1, 0x1E950, 0x1FBF0,
];

/// The hyphen or dot that `char` stands for in a number. Elsewhere it may be a dash of the sentence, a bullet or
/// a letter.
fn joint(char: char) -> Option<u8> {
    match char {
        '\u{2014}' | '\u{2015}' | '\u{2500}' | '\u{30FC}' => Some(b'-'),
        '\u{B7}' | '\u{2022}' | '\u{2027}' | '\u{2219}' | '\u{22C5}' | '\u{30FB}' | '\u{FF65}' => Some(b'.'),
        _ => None,
    }
}

/// Marks on the character before: accents, and the keys around digits.
fn is_mark(char: char) -> bool {
    matches!(char, '\u{300}'..='\u{36F}' | '\u{20D0}'..='\u{20F0}' | '\u{FE00}'..='\u{FE0F}')
}

/// Soft hyphens, joiners, marks of direction and tags: what can stand in a word unseen.
fn is_invisible(char: char) -> bool {
    matches!(char,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
}

/// Whether the byte is of a word: a letter of any alphabet, or a digit.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == LETTER
}

/// Whether the byte, next to a value, makes it part of something longer: a letter or a digit of ASCII. Letters
/// of other alphabets do not, as some are written without spaces.
pub fn joins(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// The byte before `at`, a space at the beginning.
pub fn before(text: &[u8], at: usize) -> u8 {
    at.checked_sub(1).map_or(b' ', |at| text[at])
}

/// The byte at `at`, a space at the end.
pub fn byte_at(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(b' ')
}

/// The end of the run of bytes from `at` on that `accepts` accepts; `at` where the run is empty.
pub fn run_end(text: &[u8], at: usize, accepts: impl Fn(u8) -> bool) -> usize {
    at + text.iter().skip(at).take_while(|byte| accepts(**byte)).count()
}

/// The start of the run of bytes before `at`, not before `from`, that `accepts` accepts.
pub fn run_start(text: &[u8], from: usize, at: usize, accepts: impl Fn(u8) -> bool) -> usize {
    text[from..at].iter().rposition(|byte| !accepts(*byte)).map_or(from, |offset| from + offset + 1)
}

/// Where `words` are next, from `from` on.
pub fn find(text: &[u8], from: usize, words: &[u8]) -> Option<usize> {
    text.get(from..)?.windows(words.len()).position(|window| window == words).map(|offset| from + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_become_bytes_and_keep_their_offsets() {
        let text = "ａｎｎ＠x\u{200B}.de\u{A0}٠٣‑ł…🙂「";
        let folded = Folded::new(text);
        assert_eq!(folded.bytes(), [b"ann@x.de 03-", &[LETTER, OTHER, OTHER, OTHER][..]].concat());
        let span = folded.span(0..8, PiiLabel::new("EMAIL"));
        assert_eq!(&text[span.start..span.end], "ａｎｎ＠x\u{200B}.de");
        let span = folded.span(14..15, PiiLabel::new("EMAIL"));
        assert_eq!(&text[span.start..span.end], "🙂");
    }

    #[test]
    fn other_shapes_of_digits_letters_and_signs() {
        for (text, bytes) in [
            ("𝟒𝟏𝟏 ૪૧ ๐๘ ꧑ 𞥕 ➕1", "411 41 08 1 5 +1"),
            ("0\u{FE0F}\u{20E3}8\u{FE0F}\u{20E3}", "08"),
            ("Tele\u{301}fono, teléfono, 𝐀𝖟𝚊", "Telefono, telefono, Aza"),
            ("€5 ₹6 £7 ¥8", "$5 $6 $7 $8"),
            ("03ー1234—5678·9 03־12", "03-1234-5678.9 03-12"),
        ] {
            assert_eq!(Folded::new(text).bytes(), bytes.as_bytes(), "{text}");
        }
        assert_eq!(Folded::new("コーヒー a—1 2 · 3").bytes(), b"\x80\x80\x80\x80 a\xFF1 2 \xFF 3");
    }

    #[test]
    fn a_span_has_the_marks_on_its_end() {
        let text = "1\u{FE0F}\u{20E3}2\u{FE0F}\u{20E3}!";
        let span = Folded::new(text).span(0..2, PiiLabel::new("PHONE"));
        assert_eq!((span.start, span.end), (0, text.len() - 1));
    }

    #[test]
    fn runs() {
        let digit = |byte: u8| byte.is_ascii_digit();
        assert_eq!((run_end(b"a123b", 1, digit), run_end(b"a123", 1, digit)), (4, 4));
        assert_eq!((run_start(b"a123b", 0, 4, digit), run_start(b"123", 1, 3, digit)), (1, 1));
        assert_eq!((find(b"abcabc", 1, b"abc"), find(b"ab", 0, b"abc"), find(b"ab", 3, b"a")), (Some(3), None, None));
    }
}
