//! Translation of Oniguruma's regular expressions into JavaScript's.
//!
//! The classes `\s`, `\w` and `\d` are Unicode's there and not here, `^` and `$` are at lines, and there are possessive
//! quantifiers, atomic groups, classes in classes and flags for a part. What has no translation is refused by name.
//!
//! # Source
//! Oniguruma's `doc/RE` (Ruby syntax) and ECMAScript 2024, section 22.2.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

use super::classes::{WORD, posix, word_escape};

/// A regular expression for `new RegExp(source, flags)`.
#[derive(Debug, PartialEq)]
pub struct Translated {
    pub source: String,
    pub flags: &'static str,
}

/// `\h` within a class.
const HEX: &str = "0-9a-fA-F";

/// Groups in groups beyond this are refused: each is a call.
const MAX_DEPTH: usize = 100;

/// Translates `source`.
///
/// # Errors
/// It has what JavaScript cannot express, or is not right.
pub fn translate(source: &str) -> Result<Translated, String> {
    let mut translator =
        Translator { input: source.chars().peekable(), sets: false, atomic: 0, ignore_case: false, dot_all: false };
    let mut output = String::new();
    translator.alternatives(&mut output, 0)?;
    if translator.input.next().is_some() {
        return Err("a group is closed that was not opened".into());
    }
    Ok(Translated { source: output, flags: if translator.sets { "gmv" } else { "gmu" } })
}

struct Translator<'a> {
    input: Peekable<Chars<'a>>,
    /// Whether a class has another in it, which only the flag `v` allows.
    sets: bool,
    /// How many atomic groups there are; each has a name.
    atomic: usize,
    ignore_case: bool,
    dot_all: bool,
}

impl Translator<'_> {
    /// Appends all up to the end of the group.
    fn alternatives(&mut self, output: &mut String, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("expected at most {MAX_DEPTH} groups in one another"));
        }
        let (ignore_case, dot_all) = (self.ignore_case, self.dot_all);
        while let Some(&letter) = self.input.peek() {
            if letter == ')' {
                break;
            }
            self.input.next();
            let mut atom = String::new();
            match letter {
                '|' => output.push('|'),
                '^' | '$' => atom.push(letter),
                '.' => atom.push_str(if self.dot_all { r"[\s\S]" } else { r"[^\n]" }),
                '(' => self.group(&mut atom, depth)?,
                '[' => self.class(&mut atom, 0)?,
                '\\' => self.escape(&mut atom)?,
                '*' | '+' | '?' => return Err(format!("the quantifier {letter:?} has nothing to repeat")),
                _ => self.literal(letter, &mut atom),
            }
            if !atom.is_empty() {
                self.quantified(atom, output);
            }
        }
        (self.ignore_case, self.dot_all) = (ignore_case, dot_all);
        Ok(())
    }

    /// Appends `atom` with the quantifiers behind it.
    fn quantified(&mut self, mut atom: String, output: &mut String) {
        while let Some((quantifier, possible)) = self.quantifier() {
            if self.input.next_if_eq(&'?').is_some() {
                atom = format!("(?:{atom}{quantifier}?)");
            } else if possible && self.input.next_if_eq(&'+').is_some() {
                self.atomic += 1;
                let name = self.atomic;
                atom = format!(r"(?:(?=(?<a{name}>{atom}{quantifier}))\k<a{name}>)");
            } else {
                atom = format!("(?:{atom}{quantifier})");
            }
        }
        output.push_str(&atom);
    }

    /// The quantifier that is next, and whether it has a possessive form.
    fn quantifier(&mut self) -> Option<(String, bool)> {
        match *self.input.peek()? {
            simple @ ('*' | '+' | '?') => {
                self.input.next();
                Some((simple.into(), true))
            }
            '{' => {
                let mut ahead = self.input.clone();
                ahead.next();
                let bounds: String = ahead.by_ref().take_while(|&letter| letter != '}').collect();
                let (least, most) =
                    bounds.split_once(',').map_or((&*bounds, None), |(least, most)| (least, Some(most)));
                let is_number = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
                if bounds.is_empty() || bounds == "," || !is_number(least) || !most.is_none_or(is_number) {
                    return None;
                }
                self.input = ahead;
                let least = if least.is_empty() { "0" } else { least };
                let most = most.map_or_else(String::new, |most| format!(",{most}"));
                Some((format!("{{{least}{most}}}"), false))
            }
            _ => None,
        }
    }

    /// Appends the group that begins.
    fn group(&mut self, output: &mut String, depth: usize) -> Result<(), String> {
        let (mut open, mut close) = (String::from("(?:"), String::from(")"));
        let (ignore_case, dot_all) = (self.ignore_case, self.dot_all);
        if self.input.next_if_eq(&'?').is_some() {
            match self.input.next() {
                Some(':') => {}
                Some(look @ ('=' | '!')) => open = format!("(?{look}"),
                Some('>') => {
                    self.atomic += 1;
                    (open, close) = (format!("(?:(?=(?<a{}>", self.atomic), format!(r"))\k<a{}>)", self.atomic));
                }
                Some('<') => match self.input.next_if(|letter| matches!(letter, '=' | '!')) {
                    Some(look) => open = format!("(?<{look}"),
                    // A name that nothing refers to: references are refused.
                    None => _ = self.input.by_ref().find(|&letter| letter == '>'),
                },
                Some('#') => {
                    self.input.by_ref().find(|&letter| letter == ')');
                    return Ok(());
                }
                Some(flag) => {
                    if !self.flags(flag)? {
                        // The flags hold to the end of the group around this one.
                        return Ok(());
                    }
                }
                None => return Err("a group is not closed".into()),
            }
        }
        output.push_str(&open);
        self.alternatives(output, depth + 1)?;
        if self.input.next() != Some(')') {
            return Err("a group is not closed".into());
        }
        output.push_str(&close);
        (self.ignore_case, self.dot_all) = (ignore_case, dot_all);
        Ok(())
    }

    /// Sets the flags of a group from `first` on. `true` if a group follows, `false` if they stand alone.
    fn flags(&mut self, first: char) -> Result<bool, String> {
        let (mut flag, mut value) = (first, true);
        loop {
            match flag {
                'i' => self.ignore_case = value,
                // Ruby's `m`, and Perl's `s`.
                'm' | 's' => self.dot_all = value,
                '-' => value = false,
                ':' => return Ok(true),
                ')' => return Ok(false),
                _ => return Err(format!("the flag or group (?{flag} is not supported")),
            }
            flag = self.input.next().ok_or("a group is not closed")?;
        }
    }

    /// Appends a character, in both cases where case is ignored.
    fn literal(&self, letter: char, output: &mut String) {
        if self.ignore_case && cases(letter).count() > 1 {
            output.push('[');
            cases(letter).for_each(|letter| push_literal(letter, output));
            output.push(']');
        } else {
            push_literal(letter, output);
        }
    }

    /// Appends what stands behind a backslash, outside of classes.
    fn escape(&mut self, output: &mut String) -> Result<(), String> {
        let letter = *self.input.peek().ok_or("a backslash ends the pattern")?;
        let anchor = match letter {
            'A' => r"(?<![\s\S])".into(),
            'z' => r"(?![\s\S])".into(),
            'Z' => r"(?=\n?(?![\s\S]))".into(),
            'w' | 'W' | 'b' | 'B' => word_escape(letter),
            'h' => format!("[{HEX}]"),
            'H' => format!("[^{HEX}]"),
            _ => String::new(),
        };
        if !anchor.is_empty() {
            self.input.next();
            output.push_str(&anchor);
            return Ok(());
        }
        match self.class_escape()? {
            Item::Letter(letter) => self.literal(letter, output),
            Item::Class(class) => output.push_str(&class),
        }
        Ok(())
    }

    /// What stands behind a backslash, within a class or not.
    fn class_escape(&mut self) -> Result<Item, String> {
        let letter = self.input.next().ok_or("a backslash ends the pattern")?;
        let class = |class: &str| Ok(Item::Class(class.into()));
        match letter {
            'd' => class(r"\p{Nd}"),
            'D' => class(r"\P{Nd}"),
            's' => class(r"\p{White_Space}"),
            'S' => class(r"\P{White_Space}"),
            'w' => class(WORD),
            'h' => class(HEX),
            'W' | 'H' => {
                self.sets = true;
                Ok(Item::Class(format!("[^{}]", if letter == 'W' { WORD } else { HEX })))
            }
            'p' | 'P' => self.property(letter == 'P').map(Item::Class),
            'n' => Ok(Item::Letter('\n')),
            'r' => Ok(Item::Letter('\r')),
            't' => Ok(Item::Letter('\t')),
            'f' => Ok(Item::Letter('\u{c}')),
            'v' => Ok(Item::Letter('\u{b}')),
            'a' => Ok(Item::Letter('\u{7}')),
            'e' => Ok(Item::Letter('\u{1b}')),
            '0' => Ok(Item::Letter('\0')),
            'x' => self.code_point(2),
            'u' => self.code_point(4),
            letter if letter.is_ascii_alphanumeric() => Err(format!(r"\{letter} is not supported")),
            letter => Ok(Item::Letter(letter)),
        }
    }

    /// A code point in braces, or of `digits` hexadecimal digits.
    fn code_point(&mut self, digits: usize) -> Result<Item, String> {
        let digits: String = if self.input.next_if_eq(&'{').is_some() {
            self.input.by_ref().take_while(|&letter| letter != '}').collect()
        } else {
            self.input.by_ref().take(digits).collect()
        };
        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
        code.map(Item::Letter).ok_or_else(|| format!("expected the code of a character, got {digits:?}"))
    }

    /// A Unicode property behind `\p` or `\P`.
    fn property(&mut self, negated: bool) -> Result<String, String> {
        let mut name: String = match self.input.next() {
            Some('{') => self.input.by_ref().take_while(|&letter| letter != '}').collect(),
            Some(letter) => letter.into(),
            None => return Err("a property has no name".into()),
        };
        let inverted = name.starts_with('^');
        if inverted {
            name.remove(0);
        }
        if name.is_empty() || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_= -".contains(letter)) {
            return Err(format!("{name:?} is no Unicode property"));
        }
        let known = match &*name.to_ascii_lowercase().replace(['_', ' ', '-'], "") {
            "alpha" => "Alphabetic",
            "space" => "White_Space",
            "digit" => "Nd",
            "upper" => "Uppercase",
            "lower" => "Lowercase",
            "punct" => "P",
            "cntrl" => "Cc",
            "any" => "Any",
            _ => "",
        };
        let property = if !known.is_empty() {
            known.into()
        } else if name.len() <= 2 {
            // A general category: one or two letters.
            let (first, second) = name.split_at(1);
            first.to_ascii_uppercase() + &second.to_ascii_lowercase()
        } else if name.contains('=') || PROPERTIES.contains(&&*name) {
            name
        } else {
            format!("Script={name}")
        };
        Ok(format!(r"\{}{{{property}}}", if negated != inverted { 'P' } else { 'p' }))
    }

    /// Appends the class that begins.
    fn class(&mut self, output: &mut String, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("expected at most {MAX_DEPTH} classes in one another"));
        }
        let negated = self.input.next_if_eq(&'^').is_some();
        // The operands of `&&`.
        let mut operands = vec![String::new()];
        let mut first = true;
        loop {
            let letter = self.input.next().ok_or("a class is not closed")?;
            let items = operands.last_mut().ok_or("a class is empty")?;
            let start = match letter {
                ']' if !first => break,
                '[' if self.input.peek() == Some(&':') => Item::Class(self.posix()?),
                '[' => {
                    self.sets = true;
                    let mut class = String::new();
                    self.class(&mut class, depth + 1)?;
                    Item::Class(class)
                }
                '&' if self.input.next_if_eq(&'&').is_some() => {
                    self.sets = true;
                    operands.push(String::new());
                    first = false;
                    continue;
                }
                '\\' => self.class_escape()?,
                letter => Item::Letter(letter),
            };
            first = false;
            match start {
                Item::Class(class) => items.push_str(&class),
                Item::Letter(low) => match self.range_end()? {
                    Some(high) if high < low => return Err(format!("the range {low:?} to {high:?} is empty")),
                    Some(high) => self.range(low, high, items),
                    None if self.ignore_case => cases(low).for_each(|letter| push_literal(letter, items)),
                    None => push_literal(low, items),
                },
            }
        }
        let negation = if negated { "^" } else { "" };
        match &*operands {
            [items] => _ = write!(output, "[{negation}{items}]"),
            operands => _ = write!(output, "[{negation}[{}]]", operands.join("]&&[")),
        }
        Ok(())
    }

    /// The upper end of a range of a class, where one follows.
    fn range_end(&mut self) -> Result<Option<char>, String> {
        let mut ahead = self.input.clone();
        if ahead.next() != Some('-') || matches!(ahead.peek(), None | Some(']' | '[')) {
            return Ok(None);
        }
        self.input = ahead;
        match self.input.next() {
            Some('\\') => match self.class_escape()? {
                Item::Letter(letter) => Ok(Some(letter)),
                Item::Class(class) => Err(format!("a range ends in {class}")),
            },
            letter => Ok(letter),
        }
    }

    /// Appends a range of a class, in both cases where case is ignored.
    fn range(&self, low: char, high: char, items: &mut String) {
        let push = |low, high, items: &mut String| {
            push_literal(low, items);
            items.push('-');
            push_literal(high, items);
        };
        push(low, high, items);
        if self.ignore_case {
            for (from, to, shift) in [('a', 'z', -32), ('A', 'Z', 32)] {
                let (low, high) = (low.max(from), high.min(to));
                let shifted = |letter: char| (letter as u8).checked_add_signed(shift).map_or(letter, char::from);
                if low <= high {
                    push(shifted(low), shifted(high), items);
                }
            }
        }
    }

    /// A POSIX class such as `[:space:]`, behind its first bracket.
    fn posix(&mut self) -> Result<String, String> {
        self.input.next();
        let negated = self.input.next_if_eq(&'^').is_some();
        let name: String = self.input.by_ref().take_while(|&letter| letter != ']').collect();
        let name = name.strip_suffix(':').unwrap_or_default();
        let items = posix(name).ok_or_else(|| format!("the class [:{name}:] is not supported"))?;
        self.sets |= negated;
        Ok(if negated { format!("[^{items}]") } else { items.into() })
    }
}

/// A part of a class.
enum Item {
    Letter(char),
    Class(String),
}

/// Properties that are no scripts.
const PROPERTIES: [&str; 24] = [
    "Alphabetic",
    "Uppercase",
    "Lowercase",
    "White_Space",
    "Emoji",
    "Emoji_Presentation",
    "Emoji_Modifier",
    "Emoji_Modifier_Base",
    "Emoji_Component",
    "Extended_Pictographic",
    "Ideographic",
    "Letter",
    "Mark",
    "Number",
    "Punctuation",
    "Symbol",
    "Separator",
    "Other",
    "Uppercase_Letter",
    "Lowercase_Letter",
    "Titlecase_Letter",
    "Modifier_Letter",
    "Other_Letter",
    "Decimal_Number",
];

/// The characters that are equal to `letter` but for their case.
fn cases(letter: char) -> impl Iterator<Item = char> {
    let single = |mut mapped: std::iter::Chain<std::char::ToLowercase, std::char::ToUppercase>| {
        [mapped.next(), mapped.next()].map(|mapped| mapped.unwrap_or(letter))
    };
    let [lower, upper] = if letter.to_lowercase().len() == 1 && letter.to_uppercase().len() == 1 {
        single(letter.to_lowercase().chain(letter.to_uppercase()))
    } else {
        [letter, letter]
    };
    // Two letters whose case is one of ASCII's.
    let also = match lower {
        's' => '\u{17f}',
        'k' => '\u{212a}',
        _ => lower,
    };
    let mut cases = vec![lower, upper, also];
    cases.dedup();
    crate::sort::sort(&mut cases);
    cases.dedup();
    cases.into_iter()
}

/// Appends a character so that it is one in a class and outside, with the flag `u` and with `v`.
fn push_literal(letter: char, output: &mut String) {
    if letter.is_ascii_punctuation() || letter.is_control() {
        _ = write!(output, r"\u{{{:x}}}", u32::from(letter));
    } else {
        output.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_translated() {
        for (source, expected) in [
            (" {2,}", r"(?: {2,})"),
            (r"\s+(?!\S)|\s+", r"(?:\p{White_Space}+)(?!\P{White_Space})|(?:\p{White_Space}+)"),
            (r"\p{L}?+", r"(?:(?=(?<a1>\p{L}?))\k<a1>)"),
            (r"(?>a|b)*", r"(?:(?:(?=(?<a1>a|b))\k<a1>)*)"),
            (r"(?i:'s|d)e", r"(?:\u{27}[Ssſ]|[Dd])e"),
            (r"[^\r\n\p{L}-]", r"[^\u{d}\u{a}\p{L}\u{2d}]"),
            (r"(?<=x)[a-c]{1,3}", r"(?<=x)(?:[a-c]{1,3})"),
            (r"\p{Han}\pN\p{^Lu}\p{Alpha}", r"\p{Script=Han}\p{N}\P{Lu}\p{Alphabetic}"),
            (r"a{x}", r"a\u{7b}x\u{7d}"),
            (r"[\w[:cntrl:]]", r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Cc}]"),
            (r"\W", r"[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u{b2}\u{b3}\u{b9}\u{bc}-\u{be}]"),
            ("(?i)[a-c]", r"[a-cA-C]"),
        ] {
            assert_eq!(translate(source), Ok(Translated { source: expected.into(), flags: "gmu" }), "{source}");
        }
        let sets = translate(r"[\p{Lu}&&[^\p{Han}]]").unwrap();
        assert_eq!(sets, Translated { source: r"[[\p{Lu}]&&[[^\p{Script=Han}]]]".into(), flags: "gmv" });
    }

    #[test]
    fn what_has_no_translation_is_refused() {
        for source in [r"(a)\1", r"\X", r"\G", "(?x)a b", "(", "[", "a)", r"\", "*", "[b-a]", r"\p{}", r"\x{110000}"] {
            assert!(translate(source).is_err(), "{source}");
        }
        assert!(translate(&"(".repeat(100_000)).is_err());
        assert!(translate(&"[".repeat(100_000)).is_err());
    }
}
