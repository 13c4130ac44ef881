//! Classes of characters as Oniguruma has them for UTF-8, written in the syntax that `fancy-regex` and browsers share.
//!
//! # Source
//! Oniguruma's `doc/RE` and `unicode.c`; compared with the reference for every character.

/// `\w` and `[:word:]` within a class. Unicode's own definition has the joiners U+200C and U+200D as well (UTS #18).
pub const WORD: &str = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}";

/// What stands for `\w`, `\W`, `\b` or `\B` outside of a class. There, superscript digits and fractions of Latin-1 are
/// parts of words, which they are not within a class: the first 256 characters have a table of their own.
pub fn word_escape(letter: char) -> String {
    let word = format!(r"{WORD}\u{{b2}}\u{{b3}}\u{{b9}}\u{{bc}}-\u{{be}}");
    match letter {
        'w' => format!("[{word}]"),
        'W' => format!("[^{word}]"),
        'b' => format!("(?:(?<=[{word}])(?![{word}])|(?<![{word}])(?=[{word}]))"),
        _ => format!("(?:(?<=[{word}])(?=[{word}])|(?<![{word}])(?![{word}]))"),
    }
}

/// What is in the POSIX class `[:name:]`, to be put within a class.
pub fn posix(name: &str) -> Option<&'static str> {
    Some(match name {
        "alpha" => r"\p{Alphabetic}",
        "digit" => r"\p{Nd}",
        "alnum" => r"\p{Alphabetic}\p{Nd}",
        "space" => r"\p{White_Space}",
        "upper" => r"\p{Uppercase}",
        "lower" => r"\p{Lowercase}",
        "punct" => r"\p{P}\p{S}",
        "cntrl" => r"\p{Cc}",
        "word" => WORD,
        "xdigit" => "0-9a-fA-F",
        _ => return None,
    })
}
