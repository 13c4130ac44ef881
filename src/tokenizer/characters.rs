//! Unicode categories of characters, as the reference has them.
//!
//! # Source
//! The `unicode_categories` crate, which Hugging Face's `tokenizers` uses: Unicode 9. A newer table would split texts in other
//! places than the model was trained with.

use crate::unicode;

/// Punctuation for BERT: every ASCII symbol, and the general category P.
pub fn is_punctuation(letter: char) -> bool {
    letter.is_ascii_punctuation() || !letter.is_ascii() && unicode::is_punctuation(letter)
}

/// The general category C without unassigned characters, and without tab and line ends.
pub fn is_control(letter: char) -> bool {
    !matches!(letter, '\t' | '\n' | '\r') && unicode::is_other(letter)
}

/// The general category Mn.
pub fn is_nonspacing_mark(letter: char) -> bool {
    !letter.is_ascii() && unicode::is_nonspacing_mark(letter)
}

/// The blocks of CJK ideographs that BERT sets apart.
pub fn is_ideograph(letter: char) -> bool {
    matches!(letter, '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '\u{20000}'..='\u{2A6DF}'
        | '\u{2A700}'..='\u{2B73F}' | '\u{2B740}'..='\u{2B81F}' | '\u{2B920}'..='\u{2CEAF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{2F800}'..='\u{2FA1F}')
}

/// The general category L: Alphabetic without marks, letter numbers and enclosed letters.
pub fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphabetic()
        || !letter.is_ascii()
            && letter.is_alphabetic()
            && !letter.is_numeric()
            && !unicode::is_mark(letter)
            && !matches!(letter, '\u{24B6}'..='\u{24E9}' | '\u{1F130}'..='\u{1F149}' | '\u{1F150}'..='\u{1F169}'
                | '\u{1F170}'..='\u{1F189}')
}

/// A character of a word, `\w` of regular expressions.
///
/// # Source
/// Unicode Technical Standard 18, annex C: Alphabetic, M, Nd, Pc and Join_Control.
pub fn is_word(letter: char) -> bool {
    if letter.is_ascii() {
        return letter.is_ascii_alphanumeric() || letter == '_';
    }
    letter.is_alphabetic()
        || unicode::is_mark(letter)
        || unicode::is_decimal_digit(letter)
        // Connectors and joiners.
        || matches!(letter, '\u{203F}' | '\u{2040}' | '\u{2054}' | '\u{FE33}' | '\u{FE34}' | '\u{FE4D}'..='\u{FE4F}' | '\u{FF3F}'
            | '\u{200C}' | '\u{200D}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_regular_expressions() {
        let [letter, word, unassigned] =
            [r"^\p{L}$", r"^\w$", r"^\p{Cn}$"].map(|pattern| fancy_regex::Regex::new(pattern).unwrap());
        let mut digits = 0;
        for character in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            let text = character.to_string();
            // The standard library's tables may be newer.
            if unassigned.is_match(&text).unwrap() {
                continue;
            }
            assert_eq!(is_letter(character), letter.is_match(&text).unwrap(), "{character:?} is a letter");
            // Digits that are newer than the table of categories.
            if is_word(character) != word.is_match(&text).unwrap() {
                assert!(character.is_numeric(), "{character:?} is of a word");
                digits += 1;
            }
        }
        assert!(digits <= 220, "{digits}");
    }
}
