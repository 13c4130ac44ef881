//! Properties of characters, from the tables that `build.rs` packs.

/// The tables: of runs of characters, the first of each in the upper 24 bits and their value in the lower 8.
mod tables {
    include!(concat!(env!("OUT_DIR"), "/unicode.rs"));
}

/// The general category M.
pub fn is_mark(letter: char) -> bool {
    has(letter, tables::MARK)
}

/// The general category Mn of Unicode 9.
pub fn is_nonspacing_mark(letter: char) -> bool {
    has(letter, tables::NONSPACING_MARK)
}

/// The general category P of Unicode 9.
pub fn is_punctuation(letter: char) -> bool {
    has(letter, tables::PUNCTUATION)
}

/// The general category C of Unicode 9, without unassigned characters.
pub fn is_other(letter: char) -> bool {
    has(letter, tables::OTHER)
}

/// The general category Nd of Unicode 9.
pub fn is_decimal_digit(letter: char) -> bool {
    has(letter, tables::DECIMAL_DIGIT)
}

/// A number for the script of `letter`.
pub fn script(letter: char) -> u8 {
    value(&tables::SCRIPTS, letter)
}

fn has(letter: char, property: u8) -> bool {
    value(&tables::PROPERTIES, letter) & property != 0
}

fn value(table: &[u32], letter: char) -> u8 {
    let behind = table.partition_point(|run| run >> 8 <= u32::from(letter));
    table[..behind].last().map_or(0, |run| *run as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_begin_and_end_where_unicode_says() {
        assert_eq!(['\u{2ff}', '\u{300}', '\u{36f}', '\u{370}'].map(is_mark), [false, true, true, false]);
        assert_eq!(['\u{902}', '\u{903}'].map(is_nonspacing_mark), [true, false]);
        assert_eq!(
            ['\0', '\u{a0}', '\u{a1}', '\u{bf}', '\u{c0}'].map(is_punctuation),
            [false, false, true, true, false]
        );
        assert_eq!(['\0', '\u{9f}', '\u{a0}', '\u{10fffd}', char::MAX].map(is_other), [true, true, false, true, false]);
        assert_eq!(['\u{65f}', '\u{660}', '\u{669}', '\u{66a}'].map(is_decimal_digit), [false, true, true, false]);
        assert_eq!(script('a'), script('\u{e9}'));
        assert_ne!(script('a'), script('\u{3b1}'));
        assert_eq!(value(&[], 'a'), 0);
    }
}
