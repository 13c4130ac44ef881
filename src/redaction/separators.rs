//! What people write between the groups of a long number: spaces, a hyphen, a dot, a slash, parentheses, a line break.

use super::ascii_fold::{byte_at, run_end};

/// The most spaces on one side of a hyphen or slash, or alone.
const MAX_SPACES: usize = 2;
/// The most spaces and tabs at the beginning of a line on which a number goes on.
const MAX_INDENT: usize = 8;

/// What stands between two groups of letters and digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Separator {
    /// A space, a hyphen, a dot or a slash; `(` where there is a parenthesis.
    pub sign: u8,
    /// Whether there are spaces around the sign, or two spaces.
    pub wide: bool,
    /// Whether a line ends in it.
    pub broken: bool,
    /// Where the next group starts.
    pub end: usize,
}

/// The separator at `at`, if a group goes on behind it.
pub fn separator(text: &[u8], at: usize) -> Option<Separator> {
    let spaces_end = |from: usize| run_end(&text[..text.len().min(from + MAX_SPACES)], from, |byte| byte == b' ');
    let mut next = spaces_end(at);
    let mut parenthesis = byte_at(text, next) == b')';
    if parenthesis {
        next = spaces_end(next + 1);
    }
    let spaces_before = next - at;
    let sign = match byte_at(text, next) {
        // A dot with a space ends a sentence.
        b'.' if spaces_before == 0 && byte_at(text, next + 1).is_ascii_alphanumeric() => b'.',
        sign @ (b'-' | b'/') => sign,
        _ => b' ',
    };
    let after_sign = next + usize::from(sign != b' ');
    next = if sign == b' ' { after_sign } else { spaces_end(after_sign) };
    let spaces_after = next - after_sign;
    let line_end = next + usize::from(byte_at(text, next) == b'\r');
    let broken = byte_at(text, line_end) == b'\n';
    if broken {
        let line = &text[..text.len().min(line_end + 1 + MAX_INDENT)];
        next = run_end(line, line_end + 1, |byte| matches!(byte, b' ' | b'\t'));
    }
    // A hyphen before a number is its sign, and one behind it a dash of the sentence.
    let lopsided = sign == b'-' && (spaces_before == 0) != (spaces_after == 0) && !broken;
    if byte_at(text, next) == b'(' {
        parenthesis = true;
        next = spaces_end(next + 1);
    }
    let goes_on = next > at && byte_at(text, next).is_ascii_alphanumeric() && (!lopsided || parenthesis);
    let sign = if parenthesis { b'(' } else { sign };
    goes_on.then_some(Separator { sign, wide: !parenthesis && (broken || next - at > 1), broken, end: next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_two_groups() {
        for (text, sign, wide, broken) in [
            (" 1", b' ', false, false),
            ("  1", b' ', true, false),
            ("-1", b'-', false, false),
            (" - 1", b'-', true, false),
            (".1", b'.', false, false),
            (" / 1", b'/', true, false),
            ("/ 1", b'/', true, false),
            ("\n1", b' ', true, true),
            (" \r\n\t  1", b' ', true, true),
            ("-\n1", b'-', true, true),
            (") 1", b'(', false, false),
            (") - 1", b'(', false, false),
            (" (1", b'(', false, false),
            (")(1", b'(', false, false),
            ("\n(1", b'(', false, true),
            (" a", b' ', false, false),
        ] {
            let found = separator(text.as_bytes(), 0).map(|found| (found.sign, found.wide, found.broken, found.end));
            assert_eq!(found, Some((sign, wide, broken, text.len() - 1)), "{text:?}");
        }
    }

    #[test]
    fn what_ends_a_number() {
        for text in
            ["", "1", "-", "   1", " -1", "- 1", ". 1", "\n\n1", "\n         1", "\t1", ",1", " -- 1", " . 1", ".\n1"]
        {
            assert_eq!(separator(text.as_bytes(), 0), None, "{text:?}");
        }
    }
}
