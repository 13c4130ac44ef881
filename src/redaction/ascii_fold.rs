//! ASCII folding: a text with one byte for each character, so that recognisers need to know ASCII only: spaces, hyphens,
//! quotes, digits and wide letters of other alphabets become the plain ones, invisible characters go.

use std::ops::Range;

use super::{PiiLabel, PiiSpan};

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
        let visible = text.char_indices().filter_map(|(offset, char)| Some((fold(char)?, offset)));
        let (bytes, offsets) = visible.unzip();
        Self { text, bytes, offsets }
    }

    /// One byte for each visible character.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where `range`, which is not empty, stands in the text.
    pub fn span(&self, range: Range<usize>, label: PiiLabel) -> PiiSpan {
        let (start, last) = (self.offsets[range.start], self.offsets[range.end - 1]);
        let end = last + self.text[last..].chars().next().map_or(0, char::len_utf8);
        PiiSpan { start, end, label }
    }
}

fn fold(char: char) -> Option<u8> {
    if char.is_ascii() {
        return Some(char as u8);
    }
    // The digit 0 of Arabic, Persian, Devanagari and Bengali; nine more follow each.
    const ZEROS: [char; 4] = ['\u{660}', '\u{6F0}', '\u{966}', '\u{9E6}'];
    let code = char as u32;
    if let Some(zero) = ZEROS.iter().find(|zero| (**zero as u32..**zero as u32 + 10).contains(&code)) {
        return Some(b'0' + (code - *zero as u32) as u8);
    }
    Some(match char {
        _ if is_invisible(char) => return None,
        // The wide forms of ASCII.
        '\u{FF01}'..='\u{FF5E}' => (code - 0xFF01) as u8 + b'!',
        '\u{2010}'..='\u{2013}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' => b'-',
        '\u{2018}'..='\u{201B}' => b'\'',
        '\u{201C}'..='\u{201F}' | '«' | '»' => b'"',
        '。' | '｡' => b'.',
        // An accent that is written behind its letter is part of a word as well.
        '\u{300}'..='\u{36F}' => LETTER,
        _ if char.is_alphanumeric() => LETTER,
        _ if char.is_whitespace() => b' ',
        _ => OTHER,
    })
}

/// Soft hyphens, joiners, marks of direction, variants and tags: what can stand in a word unseen.
fn is_invisible(char: char) -> bool {
    matches!(char,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
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
        let text = "ａｎｎ＠x\u{200B}.de\u{A0}٠٣‑é…🙂「";
        let folded = Folded::new(text);
        assert_eq!(folded.bytes(), [b"ann@x.de 03-", &[LETTER, OTHER, OTHER, OTHER][..]].concat());
        let span = folded.span(0..8, PiiLabel::new("EMAIL"));
        assert_eq!(&text[span.start..span.end], "ａｎｎ＠x\u{200B}.de");
        let span = folded.span(14..15, PiiLabel::new("EMAIL"));
        assert_eq!(&text[span.start..span.end], "🙂");
    }

    #[test]
    fn runs() {
        let digit = |byte: u8| byte.is_ascii_digit();
        assert_eq!((run_end(b"a123b", 1, digit), run_end(b"a123", 1, digit)), (4, 4));
        assert_eq!((run_start(b"a123b", 0, 4, digit), run_start(b"123", 1, 3, digit)), (1, 1));
        assert_eq!((find(b"abcabc", 1, b"abc"), find(b"ab", 0, b"abc"), find(b"ab", 3, b"a")), (Some(3), None, None));
    }
}
