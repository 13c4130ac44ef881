//! The byte level of GPT-2: a printable character for each byte, and the words that texts are split into.
//!
//! # Source
//! `encoder.py` of openai/gpt-2.

use std::ops::Range;

use super::characters::is_letter;

/// The characters that stand for the bytes of `letter`.
pub fn byte_letters(letter: char) -> impl Iterator<Item = char> {
    let mut bytes = [0; 4];
    let length = letter.encode_utf8(&mut bytes).len();
    bytes.into_iter().take(length).map(byte_letter)
}

/// The character that stands for a byte: itself if it is printable in Latin-1, else one from U+0100 on.
fn byte_letter(byte: u8) -> char {
    let code = match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => u32::from(byte),
        0..=b' ' => 0x100 + u32::from(byte),
        0x7f..=0xa0 => 0x121 + u32::from(byte) - 0x7f,
        0xad => 0x143,
    };
    char::from_u32(code).unwrap_or('\u{fffd}')
}

/// The byte that `letter` stands for.
pub fn letter_byte(letter: char) -> Option<u8> {
    match u32::from(letter) {
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => Some(code as u8),
        code @ 0x100..=0x120 => Some((code - 0x100) as u8),
        code @ 0x121..=0x142 => Some((code - 0x121) as u8 + 0x7f),
        0x143 => Some(0xad),
        _ => None,
    }
}

/// The words of `text`: contractions, and runs of letters, of digits or of other characters with a space before, and white
/// space. They are the matches of
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
pub fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = 0;
    while let Some(length) = word_length(&text[start..]) {
        words.push(start..start + length);
        start += length;
    }
    words
}

/// The length of the word at the start of `text`.
fn word_length(text: &str) -> Option<usize> {
    const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
    let first = text.chars().next()?;
    if let Some(found) = CONTRACTIONS.iter().find(|contraction| text.starts_with(**contraction)) {
        return Some(found.len());
    }
    let space = usize::from(first == ' ');
    let class_of = |letter: char| match letter {
        _ if is_letter(letter) => Class::Letter,
        _ if letter.is_numeric() => Class::Number,
        _ if letter.is_whitespace() => Class::Space,
        _ => Class::Other,
    };
    let class = text[space..].chars().next().map_or(Class::Space, class_of);
    let run = |text: &str, class: Class| {
        text.char_indices().find(|&(_, letter)| class_of(letter) != class).map_or(text.len(), |(at, _)| at)
    };
    if class != Class::Space {
        return Some(space + run(&text[space..], class));
    }
    let spaces = run(text, Class::Space);
    // The last one belongs to the word behind it, if there are more.
    let last = text[..spaces].chars().next_back().map_or(0, char::len_utf8);
    Some(if spaces < text.len() && last < spaces { spaces - last } else { spaces })
}

#[derive(Clone, Copy, PartialEq)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn letters_stand_for_bytes() {
        let letters: std::collections::BTreeSet<char> = (0..=255).map(byte_letter).collect();
        assert_eq!(letters.len(), 256);
        for byte in 0..=255 {
            assert_eq!(letter_byte(byte_letter(byte)), Some(byte));
        }
        assert_eq!(byte_letters('é').collect::<String>(), "Ã©");
        assert_eq!([byte_letter(b' '), byte_letter(b'\n')], ['Ġ', 'Ċ']);
        assert_eq!(['\u{144}', ' ', '\u{ad}'].map(letter_byte), [None; 3]);
    }

    proptest! {
        #[test]
        fn words_are_those_of_the_pattern(text in "([a-z'sdlre]|[ \t\n\u{a0}]|[0-9²Ⅷ]|[.,!_]|[é\u{301}中ⓐ🙂]){0,16}") {
            let pattern = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
            let pattern = fancy_regex::Regex::new(pattern).unwrap();
            let expected: Vec<_> = pattern.find_iter(&text).map(|found| found.unwrap().range()).collect();
            prop_assert_eq!(words(&text), expected);
        }
    }
}
