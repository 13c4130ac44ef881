//! Reads a pattern.

use std::rc::Rc;

use super::{MAX_POSITIONS, Regex};
use crate::error::{Error, Result};
use crate::generation::constraint::grammar::UNBOUNDED;
use crate::generation::constraint::utf8::{Ranges, complement, normalise};

/// The longest pattern, in characters.
const MAX_LENGTH: usize = 4096;
/// How deep groups are nested at most.
const MAX_DEPTH: usize = 64;

/// Reads a pattern that is to match a whole text.
///
/// # Errors
/// If it is no regular expression, or has what is not supported; with the position, in characters from 0.
pub fn parse(pattern: &str) -> Result<Regex> {
    read(pattern, false)
}

/// Reads a pattern that is to be found anywhere in a text, unless `^` and `$` say otherwise.
///
/// # Errors
/// As [`parse`].
pub fn parse_search(pattern: &str) -> Result<Regex> {
    read(pattern, true)
}

fn read(pattern: &str, search: bool) -> Result<Regex> {
    let mut parser = Parser { text: pattern.chars().collect(), at: 0, depth: 0 };
    if parser.text.len() > MAX_LENGTH {
        let length = parser.text.len();
        return Err(Error::unsupported(format!("expected a pattern of at most {MAX_LENGTH} characters, got {length}")));
    }
    let mut options = Vec::new();
    loop {
        let mut parts = Vec::new();
        let any = || Rc::new(Regex::Repeat(Rc::new(Regex::any()), 0, UNBOUNDED));
        if !parser.skip('^') && search {
            parts.push(any());
        }
        parts.extend(parser.parts()?);
        if !parser.skip('$') && search {
            parts.push(any());
        }
        options.push(Rc::new(Regex::Sequence(parts)));
        if !parser.skip('|') {
            break;
        }
    }
    match parser.peek() {
        None => {}
        Some(')') => return Err(parser.invalid("a group that was not opened is closed")),
        Some(_) => return Err(parser.unsupported("an anchor that is not at an end of the pattern")),
    }
    let regex = Regex::Alternation(options);
    let positions = regex.positions();
    if positions > MAX_POSITIONS {
        let found = if positions == u32::MAX { "more".to_owned() } else { positions.to_string() };
        return Err(Error::unsupported(format!(
            "expected a pattern of at most {MAX_POSITIONS} characters once its repetitions are written out, got {found}"
        )));
    }
    Ok(regex)
}

struct Parser {
    text: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    fn skip(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn invalid(&self, what: &str) -> Error {
        Error::invalid_input(format!("the pattern is invalid at position {}: {what}", self.at))
    }

    fn unsupported(&self, what: &str) -> Error {
        Error::unsupported(format!("the pattern at position {}: {what} is not supported", self.at))
    }

    fn alternation(&mut self) -> Result<Regex> {
        let mut options = Vec::new();
        loop {
            options.push(Rc::new(Regex::Sequence(self.parts()?)));
            if !self.skip('|') {
                return Ok(Regex::Alternation(options));
            }
        }
    }

    /// Everything up to `|`, `)`, `^`, `$` or the end.
    fn parts(&mut self) -> Result<Vec<Rc<Regex>>> {
        let mut parts = Vec::new();
        while let Some(next) = self.peek() {
            if matches!(next, '|' | ')' | '^' | '$') {
                break;
            }
            let atom = self.atom()?;
            parts.push(Rc::new(self.quantified(atom)?));
        }
        Ok(parts)
    }

    fn atom(&mut self) -> Result<Regex> {
        match self.peek() {
            Some('(') => self.group(),
            Some('[') => {
                self.at += 1;
                Ok(Regex::Class(self.class()?))
            }
            Some('.') => {
                self.at += 1;
                Ok(Regex::Class(complement(vec![(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)])))
            }
            Some('\\') => Ok(Regex::Class(self.escape(false)?)),
            Some('*' | '+' | '?' | '{') => Err(self.invalid("expected something to repeat, got a quantifier")),
            Some(']' | '}') => Err(self.invalid("a bracket that was not opened is closed")),
            Some(literal) => {
                self.at += 1;
                Ok(Regex::Class(single(literal)))
            }
            None => Err(self.invalid("expected a character, got the end")),
        }
    }

    fn group(&mut self) -> Result<Regex> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.unsupported(&format!("a group that is nested more than {MAX_DEPTH} levels deep")));
        }
        let open = self.at;
        self.at += 1;
        if self.skip('?') && !self.skip(':') {
            if !self.skip('<') || matches!(self.peek(), Some('=' | '!')) {
                self.at = open;
                return Err(self.unsupported("a lookaround or modifier"));
            }
            while self.next().ok_or_else(|| self.invalid("expected '>' after the name of a group, got the end"))? != '>'
            {
            }
        }
        let inner = self.alternation()?;
        if matches!(self.peek(), Some('^' | '$')) {
            return Err(self.unsupported("an anchor within a group"));
        }
        if !self.skip(')') {
            return Err(self.invalid("expected ')', got the end"));
        }
        self.depth -= 1;
        Ok(inner)
    }

    fn quantified(&mut self, atom: Regex) -> Result<Regex> {
        let (min, max) = match self.peek() {
            Some('*') => (0, UNBOUNDED),
            Some('+') => (1, UNBOUNDED),
            Some('?') => (0, 1),
            Some('{') => {
                self.at += 1;
                let min = self.number()?;
                let max = match self.peek() {
                    Some(',') => {
                        self.at += 1;
                        if self.peek() == Some('}') { UNBOUNDED } else { self.number()? }
                    }
                    _ => min,
                };
                if self.peek() != Some('}') {
                    return Err(self.invalid("expected '}' after a number of repetitions"));
                }
                if max < min {
                    return Err(
                        self.invalid("expected a largest number of repetitions that is not less than the smallest")
                    );
                }
                (min, max)
            }
            _ => return Ok(atom),
        };
        self.at += 1;
        // A lazy quantifier matches the same texts.
        self.skip('?');
        if matches!(self.peek(), Some('*' | '+' | '{' | '?')) {
            return Err(self.invalid("expected something to repeat, got a second quantifier"));
        }
        Ok(Regex::Repeat(Rc::new(atom), min, max))
    }

    fn number(&mut self) -> Result<u32> {
        let start = self.at;
        while self.peek().is_some_and(|digit| digit.is_ascii_digit()) {
            self.at += 1;
        }
        let digits: String = self.text[start..self.at].iter().collect();
        if digits.is_empty() {
            return Err(self.invalid("expected a number of repetitions"));
        }
        digits
            .parse()
            .ok()
            .filter(|&number| number <= MAX_POSITIONS)
            .ok_or_else(|| self.unsupported(&format!("a repetition of more than {MAX_POSITIONS} times")))
    }

    /// What is between `[` and `]`.
    fn class(&mut self) -> Result<Ranges> {
        let negated = self.skip('^');
        let mut ranges = Vec::new();
        loop {
            let start = match self.peek() {
                None => return Err(self.invalid("expected ']', got the end")),
                Some(']') => break,
                Some('\\') => self.escape(negated)?,
                Some('[') if self.text.get(self.at + 1) == Some(&':') => return Err(self.unsupported("a POSIX class")),
                Some(literal) => {
                    self.at += 1;
                    single(literal)
                }
            };
            let is_range = self.peek() == Some('-') && !matches!(self.text.get(self.at + 1), None | Some(']'));
            if !is_range {
                ranges.extend(start);
                continue;
            }
            self.at += 1;
            let end = match self.peek() {
                Some('\\') => self.escape(negated)?,
                Some(literal) => {
                    self.at += 1;
                    single(literal)
                }
                None => return Err(self.invalid("expected ']', got the end")),
            };
            match (start.as_slice(), end.as_slice()) {
                ([(low, same)], [(high, also)]) if low == same && high == also && low <= high => {
                    ranges.push((*low, *high))
                }
                _ => return Err(self.invalid("expected a range of two characters in their order")),
            }
        }
        self.at += 1;
        let ranges = if negated { complement(ranges) } else { normalise(ranges) };
        if ranges.is_empty() {
            return Err(self.invalid("expected a class with a character, got an empty one"));
        }
        Ok(ranges)
    }

    /// An escape. What is no space must be none to any engine, and what is a space one to each, so of the spaces outside ASCII,
    /// on which engines differ, none is either. `negated` is for a class that is complemented afterwards.
    fn escape(&mut self, negated: bool) -> Result<Ranges> {
        let start = self.at;
        self.at += 1;
        let Some(letter) = self.next() else {
            return Err(self.invalid("expected a character after '\\', got the end"));
        };
        let word = || vec![(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)];
        let ascii_spaces = || vec![(0x09, 0x0D), (0x20, 0x20)];
        let all_spaces = || {
            let mut spaces =
                vec![(0x09, 0x0D), (0x1C, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x180E, 0x180E)];
            spaces.extend([(0x2000, 0x200B), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)]);
            spaces.push((0xFEFF, 0xFEFF));
            spaces
        };
        Ok(match letter {
            'd' => vec![(0x30, 0x39)],
            'D' => complement(vec![(0x30, 0x39)]),
            'w' => word(),
            'W' => complement(word()),
            's' => {
                if negated {
                    all_spaces()
                } else {
                    ascii_spaces()
                }
            }
            'S' => complement(if negated { ascii_spaces() } else { all_spaces() }),
            't' => vec![(0x09, 0x09)],
            'n' => vec![(0x0A, 0x0A)],
            'v' => vec![(0x0B, 0x0B)],
            'f' => vec![(0x0C, 0x0C)],
            'r' => vec![(0x0D, 0x0D)],
            'x' => self.hex(2)?,
            'u' => self.hex(4)?,
            letter if letter.is_ascii_punctuation() => single(letter),
            _ => {
                self.at = start;
                return Err(self.unsupported(&format!("the escape '\\{letter}'")));
            }
        })
    }

    fn hex(&mut self, digits: usize) -> Result<Ranges> {
        let text: String = self.text.iter().skip(self.at).take(digits).collect();
        let is_hex = text.len() == digits && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        match u32::from_str_radix(&text, 16).ok().and_then(char::from_u32) {
            Some(character) if is_hex => {
                self.at += digits;
                Ok(single(character))
            }
            _ => Err(self.invalid(&format!("expected {digits} hexadecimal digits that are a character"))),
        }
    }
}

fn single(character: char) -> Ranges {
    vec![(u32::from(character), u32::from(character))]
}
